#!/usr/bin/env bash
# Claude Code puts a guess from the length of the text into the cost of a session, where a stream broke.
#
# Guess of an expert: of an answer that broke off, `modelUsage`, `total_cost_usd` and `cost-state` have the usage that the
#           stream stated at its beginning, an output of 1, as has the result's `usage`; or nothing.
# Truth:    Claude Code 2.1.332 takes one token for each three characters of text that came, in all three, of words as of
#           brackets. No API stated that number. `usage` of the same result, printed in the same object, has the 1 that was
#           stated. Nothing marks what is a guess: it is added to the tokens and the cost of whole answers.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-29.
# Output seen (a stream that breaks behind some text, then a whole answer with an output of 200):
#   not broken: usage 200, modelUsage 200, cost-state 200, total_cost_usd 0.00505, rows 200
#   broken behind 3 characters: usage 201, modelUsage 201, cost-state 201, total_cost_usd 0.00513, rows 200
#   broken behind 300 characters: usage 201, modelUsage 300, cost-state 300, total_cost_usd 0.00760, rows 200
#   broken behind 3000 characters: usage 201, modelUsage 1200, cost-state 1200, total_cost_usd 0.03010, rows 200
#   broken behind 300 characters of brackets: usage 201, modelUsage 300, cost-state 300, total_cost_usd 0.00760, rows 200
# Why it matters: `cost-state` is taken for a sum of what was billed, which knows what no row of the transcript says. Its excess
#           over the rows is partly the tool's own estimate, and the two numbers of one result differ by a factor that depends
#           on how late a connection broke. It cannot serve as the truth that a reader is held against.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @anthropic-ai/claude-code@2.1.332 >/dev/null 2>&1
node "$dir/npm/node_modules/@anthropic-ai/claude-code/install.cjs"

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
WHOLE = 200
left = []


class Api(http.server.BaseHTTPRequestHandler):
    """Breaks the stream behind the text that is left to send, and answers whole where there is none."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            return self.send_error(404)

        def send(kind, **more):
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode())
            self.wfile.flush()

        is_cut = bool(left)
        text = left.pop() if left else "done"
        usage = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        send("message_start", message={"id": f"msg_{'cut' if is_cut else 'whole'}", "type": "message", "role": "assistant",
                                       "model": body["model"], "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage})
        send("content_block_start", index=0, content_block={"type": "text", "text": ""})
        send("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        if not is_cut:
            send("content_block_stop", index=0)
            send("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": WHOLE})
            send("message_stop")


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()


def run(title, *texts):
    """Ask once in a new home; show what the result and the transcript say beyond the whole answer."""
    left[:] = texts
    home = root / f"home{len(list(root.glob('home*')))}"
    home.mkdir()
    # A proxy port that nobody serves keeps the tool from every address but loopback.
    nowhere = "http://127.0.0.1:9"
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(root / "tmp"), "ANTHROPIC_API_KEY": "dummy",
             "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{api.server_port}", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
             "DISABLE_AUTOUPDATER": "1", "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
    command = ["timeout", "90", str(root / "npm/node_modules/.bin/claude"), "--model", "claude-opus-4-8", "--output-format", "json", "-p", "hello"]
    done = subprocess.run(command, env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True, text=True)
    result = json.loads(done.stdout)
    [path] = (home / ".claude/projects").rglob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    [state] = [row["modelUsage"] for row in rows if row["type"] == "cost-state"]
    [model], [kept] = result["modelUsage"].values(), state.values()
    outputs = {row["message"]["id"]: row["message"]["usage"]["output_tokens"] for row in rows if row["type"] == "assistant"}
    print(f"{title}: usage {result['usage']['output_tokens']}, modelUsage {model['outputTokens']}, cost-state {kept['outputTokens']}, "
          f"total_cost_usd {result['total_cost_usd']:.5f}, rows {', '.join(map(str, outputs.values()))}")


run("not broken")
for length in (3, 300, 3000):
    run(f"broken behind {length} characters", "word. " * (length // 6) or "one")
run("broken behind 300 characters of brackets", "{}[];," * 50)
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='not broken: usage 200, modelUsage 200, cost-state 200, total_cost_usd 0.00505, rows 200
broken behind 3 characters: usage 201, modelUsage 201, cost-state 201, total_cost_usd 0.00513, rows 200
broken behind 300 characters: usage 201, modelUsage 300, cost-state 300, total_cost_usd 0.00760, rows 200
broken behind 3000 characters: usage 201, modelUsage 1200, cost-state 1200, total_cost_usd 0.03010, rows 200
broken behind 300 characters of brackets: usage 201, modelUsage 300, cost-state 300, total_cost_usd 0.00760, rows 200'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
