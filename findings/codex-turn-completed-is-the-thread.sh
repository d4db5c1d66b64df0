#!/usr/bin/env bash
# The event `turn.completed` of `codex exec --json` carries the usage of the whole thread, earlier runs included.
#
# Guess of an expert: `usage` of the event `turn.completed` is what that turn used, so scripts that run Codex add it up.
# Truth:    Codex CLI 0.171.0 writes the total of the thread. A resumed thread begins with all that earlier processes
#           used, and no field of the printed events tells the turn alone. The log has both, under `turn_token_usage`
#           and `thread_token_usage`, and the event takes the second.
# Versions: @openai/codex 0.171.0 (npm). Seen on 2026-11-30.
# Output seen (one thread of three runs with one request each; inputs of 1000, 2000 and 3000 tokens, 200 of output each):
#   run 1: billed 1000 + 200; turn.completed 1000 + 200; turn_token_usage of the log 1000 + 200
#   run 2: billed 2000 + 200; turn.completed 3000 + 400; turn_token_usage of the log 2000 + 200
#   run 3: billed 3000 + 200; turn.completed 6000 + 600; turn_token_usage of the log 3000 + 200
#   billed 6600, sum of the events 11200
# Why it matters: this event is the documented way to read the usage of Codex in scripts and CI. A loop that resumes a
#           thread and adds the events counts the first turn as often as there are turns: the sum grows with their square.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.codex" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts @openai/codex@0.171.0 >/dev/null 2>&1

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
billed = []


class Api(http.server.BaseHTTPRequestHandler):
    """Answers each request with a larger input than the one before."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/responses"):
            return self.send_error(404)
        number = len(billed) + 1
        billed.append((1000 * number, 200))
        text = {"type": "output_text", "text": "hello", "annotations": []}
        item = {"type": "message", "id": f"m{number}", "role": "assistant", "status": "completed", "content": [text]}
        usage = {"input_tokens": 1000 * number, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 200,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1000 * number + 200}
        reply = {"id": f"resp_{number}", "object": "response"}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for kind, rest in (
            ("response.created", {"response": {**reply, "status": "in_progress", "output": []}}),
            ("response.output_item.done", {"output_index": 0, "item": item}),
            ("response.completed", {"response": {**reply, "status": "completed", "output": [item], "usage": usage}}),
        ):
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **rest})}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
(root / "home/.codex/config.toml").write_text(f"""
model = "gpt-5.5"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "http://127.0.0.1:{api.server_port}/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
""")
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "FAKE_KEY": "dummy",
         "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
codex = ["timeout", "90", str(root / "npm/node_modules/.bin/codex"), "exec", "--json", "--skip-git-repo-check"]


def pair(usage):
    return usage["input_tokens"], usage["output_tokens"]


def show(counts):
    return " + ".join(map(str, counts))


events = []
for number, arguments in enumerate((["say hello"], ["resume", "--last", "say it again"], ["resume", "--last", "once more"])):
    printed = subprocess.run([*codex, *arguments], env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True, text=True).stdout
    [event] = [each for each in map(json.loads, printed.splitlines()) if each["type"] == "turn.completed"]
    events.append(pair(event["usage"]))
    [path] = (root / "home/.codex/sessions").rglob("rollout-*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    record = [row["payload"] for row in rows if row["type"] == "token_usage_record"][-1]
    print(f"run {number + 1}: billed {show(billed[-1])}; turn.completed {show(events[-1])}; "
          f"turn_token_usage of the log {show(pair(record['turn_token_usage']))}")
print(f"billed {sum(map(sum, billed))}, sum of the events {sum(map(sum, events))}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='run 1: billed 1000 + 200; turn.completed 1000 + 200; turn_token_usage of the log 1000 + 200
run 2: billed 2000 + 200; turn.completed 3000 + 400; turn_token_usage of the log 2000 + 200
run 3: billed 3000 + 200; turn.completed 6000 + 600; turn_token_usage of the log 3000 + 200
billed 6600, sum of the events 11200'
echo "Codex CLI 0.171.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
