#!/usr/bin/env bash
# Claude Code ends a headless run with one object of two scopes, and neither is the run.
#
# Guess of an expert: `usage`, `modelUsage` and `total_cost_usd` of `-p --output-format json` all describe the run that printed
#           them, agents included: its process began with it and ends with it.
# Truth:    in Claude Code 2.1.332 `modelUsage` and `total_cost_usd` go on from the cost of the session that is resumed, and a
#           fork goes on from its parent's. `usage` begins anew, and again within the run: an agent works in the background, its
#           end begins another turn, and the only object that is printed has the `usage` of that last turn. The agent and the
#           turn before it are in no field of their own. Both errors are in one object, in opposite directions.
# Versions: @anthropic-ai/claude-code 2.1.332 (npm). Seen on 2026-11-29.
# Output seen (output tokens; one session, of which the third run is a fork):
#   first run: billed 100, usage 100, modelUsage 100, total_cost_usd 0.00255
#   resumed, with an agent: billed 200 + 300 + 400 + 500 = 1400, usage 500, modelUsage 1500, total_cost_usd 0.03775
#   resumed as a fork: billed 600, usage 600, modelUsage 2100, total_cost_usd 0.05280
#   sum of the runs: billed 2100, usage 1200, modelUsage 3700
# Why it matters: scripts and CI jobs read this object to know what a job cost. Added up, `total_cost_usd` bills each earlier
#           run again with every resume, and `usage` loses most of each run that used an agent. Only the difference of two
#           `modelUsage` is the run, and for a fork the one to subtract is its parent's.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
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
import time

root = pathlib.Path(sys.argv[1])
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Agent",
        "input": {"description": "look", "prompt": "look around", "subagent_type": "general-purpose"}}
billed = []
is_going_on = threading.Event()


class Api(http.server.BaseHTTPRequestHandler):
    """Answers with another number of output tokens in each place of the conversation."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            return self.send_error(404)
        messages = body["messages"]
        answers = [place for place, each in enumerate(messages) if each["role"] == "assistant"]
        new = json.dumps(messages[answers[-1] + 1 if answers else 0:])
        content = [{"type": "text", "text": "done"}]
        if "look around" in new and "tool_result" not in new:
            # The agent takes longer than the answer that started it.
            is_going_on.wait(30)
            time.sleep(2)
            output = 400
        elif "tool_result" in new:
            output = 300
        elif "start an agent" in new:
            content.append(CALL)
            output = 200
        else:
            output = 100 if "first" in new else 600 if "fork" in new else 500
        billed.append(output)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.stream(body["model"], content, output)
        if output == 300:
            is_going_on.set()

    def stream(self, model, content, output):
        def send(kind, **more):
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode())
            self.wfile.flush()

        usage = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
        send("message_start", message={"id": f"msg_{output}", "type": "message", "role": "assistant", "model": model,
                                       "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage})
        for index, block in enumerate(content):
            is_text = block["type"] == "text"
            send("content_block_start", index=index, content_block={**block, **({"text": ""} if is_text else {"input": {}})})
            send("content_block_delta", index=index, delta={"type": "text_delta", "text": block["text"]} if is_text else
                 {"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
            send("content_block_stop", index=index)
        reason = "tool_use" if len(content) > 1 else "end_turn"
        send("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": output})
        send("message_stop")


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "ANTHROPIC_API_KEY": "dummy",
         "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{api.server_port}", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
         "DISABLE_AUTOUPDATER": "1", "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
SESSION = "11111111-1111-4111-8111-111111111111"
sums = [0, 0, 0]


def run(title, prompt, *options):
    before = len(billed)
    command = ["timeout", "90", str(root / "npm/node_modules/.bin/claude"), "--model", "claude-opus-4-8", "--allowedTools", "Agent",
               "--output-format", "json", *options, "-p", prompt]
    done = subprocess.run(command, env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True, text=True)
    result = json.loads(done.stdout)
    [model] = result["modelUsage"].values()
    parts = sorted(billed[before:])
    numbers = [sum(parts), result["usage"]["output_tokens"], model["outputTokens"]]
    sums[:] = [have + more for have, more in zip(sums, numbers)]
    told = " + ".join(map(str, parts)) + (f" = {sum(parts)}" if len(parts) > 1 else "")
    print(f"{title}: billed {told}, usage {numbers[1]}, modelUsage {numbers[2]}, total_cost_usd {result['total_cost_usd']:.5f}")


run("first run", "the first", "--session-id", SESSION)
run("resumed, with an agent", "start an agent", "--resume", SESSION)
run("resumed as a fork", "in a fork", "--resume", SESSION, "--fork-session")
print(f"sum of the runs: billed {sums[0]}, usage {sums[1]}, modelUsage {sums[2]}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='first run: billed 100, usage 100, modelUsage 100, total_cost_usd 0.00255
resumed, with an agent: billed 200 + 300 + 400 + 500 = 1400, usage 500, modelUsage 1500, total_cost_usd 0.03775
resumed as a fork: billed 600, usage 600, modelUsage 2100, total_cost_usd 0.05280
sum of the runs: billed 2100, usage 1200, modelUsage 3700'
echo "Claude Code 2.1.332"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
