#!/usr/bin/env bash
# A resumed thread of Codex keeps the service tier that it began with, whatever the command line says, and no answer names it.
#
# Guess of an expert: `-c service_tier=...` holds for the run that it is given to, as `-c model_reasoning_effort=...` does; without it the
#           ordinary tier is asked for.
# Truth:    Codex CLI 0.171.0 takes the effort of a resumed thread from the command line, and the tier from the thread. One
#           that began with `flex` asks for `flex` for ever, also with `fast` or without any setting; one that began
#           without a tier never gets one. Neither `turn_context`, which names the model, nor `token_usage_record` holds
#           the tier: it stands in `thread_settings_applied` alone, where `fast` is called `priority`.
# Versions: @openai/codex 0.171.0 (npm). Seen on 2026-11-29.
# Output seen:
#   a new thread with flex: effort high, tier flex
#   resumed with low effort and fast: effort low, tier flex
#   resumed without a setting: effort high, tier flex
#   a new thread without a setting: effort high, tier none
#   resumed with flex: effort high, tier none
#   a new thread with fast: effort high, tier priority
#   thread_settings_applied: names a tier
#   token_usage_record: never names a tier
#   turn_context: never names a tier
# Why it matters: the price of an answer depends on the tier. Who prices it by the settings of its run is wrong in both
#           directions, and who looks for the tier beside the model or the tokens finds none.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.codex" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @openai/codex@0.171.0 >/dev/null 2>&1

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
asked = []


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.endswith("/responses"):
            return self.send_error(404)
        asked.append(f"effort {body['reasoning']['effort']}, tier {body.get('service_tier', 'none')}")
        text = {"type": "output_text", "text": "hello", "annotations": []}
        item = {"type": "message", "id": f"m{len(asked)}", "role": "assistant", "status": "completed", "content": [text]}
        usage = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 200,
                 "output_tokens_details": {"reasoning_tokens": 150}, "total_tokens": 1200}
        reply = {"id": f"resp_{len(asked)}", "object": "response", "output": []}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for kind, rest in (
            ("response.created", {"response": {**reply, "status": "in_progress"}}),
            ("response.output_item.done", {"output_index": 0, "item": item}),
            ("response.completed", {"response": {**reply, "status": "completed", "output": [item], "usage": usage}}),
        ):
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **rest})}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
(root / "home/.codex/config.toml").write_text(f"""
model = "gpt-5.5"
model_reasoning_effort = "high"
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


def run(what, *arguments):
    before = len(asked)
    command = ["timeout", "60", "node", str(root / "npm/node_modules/@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check"]
    subprocess.run([*command, *arguments], env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
    print(f"{what}: {', '.join(sorted(set(asked[before:])))}")


def threads():
    return sorted(path.stem[-36:] for path in (root / "home/.codex/sessions").rglob("rollout-*.jsonl"))


run("a new thread with flex", "-c", "service_tier=flex", "say hello")
[first] = threads()
run("resumed with low effort and fast", "-c", "model_reasoning_effort=low", "-c", "service_tier=fast", "resume", first, "go on")
run("resumed without a setting", "resume", first, "go on")
run("a new thread without a setting", "say hello")
[second] = set(threads()) - {first}
run("resumed with flex", "-c", "service_tier=flex", "resume", second, "go on")
run("a new thread with fast", "-c", "service_tier=fast", "say hello")
places = {}
for path in (root / "home/.codex/sessions").rglob("rollout-*.jsonl"):
    for line in path.read_text().splitlines():
        row = json.loads(line)
        kind = row["payload"].get("type") if row["type"] == "event_msg" else row["type"]
        if kind in {"turn_context", "token_usage_record", "thread_settings_applied"}:
            places.setdefault(kind, set()).add('"service_tier"' in line)
for kind, told in sorted(places.items()):
    print(f"{kind}: {'names a tier' if True in told else 'never names a tier'}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='a new thread with flex: effort high, tier flex
resumed with low effort and fast: effort low, tier flex
resumed without a setting: effort high, tier flex
a new thread without a setting: effort high, tier none
resumed with flex: effort high, tier none
a new thread with fast: effort high, tier priority
thread_settings_applied: names a tier
token_usage_record: never names a tier
turn_context: never names a tier'
echo "Codex CLI 0.171.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
