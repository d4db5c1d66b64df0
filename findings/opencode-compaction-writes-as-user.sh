#!/usr/bin/env bash
# OpenCode writes messages of role "user" that no user wrote, and their rows look like those of a prompt.
#
# Guess of an expert: a row of `message` whose role is `user` is a prompt. A compaction is marked in the row, as its
#           answer is, which carries `summary: true` and `agent: "compaction"`.
# Truth:    one prompt fills the context window, and OpenCode 1.18.33 compacts by itself. It writes two more rows of role
#           `user`: the order to compact, and a line that tells the model to go on. The `data` of all three has the same
#           keys and types (but for `summary`, which each gets a moment later). Only table `part` tells: one part is a
#           `compaction`, one is a text with `synthetic: true`. `opencode run` prints the invented line among the answers.
# Versions: opencode-ai 1.18.33 (npm). Seen on 2026-11-29.
# Output seen:
#   prompts typed: 1, rows of role user: 3, different shapes of their data: 1
#   parts: text
#   parts: compaction
#   parts: text (synthetic)
#   sessions: 1
#   printed lines that begin with "Continue if": 1
# Why it matters: a count of prompts by role grows by two with each compaction, so long work seems to be asked for more often.
#           A reader that keeps away from texts cannot tell the rows apart without the table that holds all texts.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund opencode-ai@1.18.33 >/dev/null 2>&1
(cd "$dir/npm/node_modules/opencode-ai" && node postinstall.mjs >/dev/null 2>&1)

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import sqlite3
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
        if not self.path.endswith("/chat/completions"):
            return self.send_error(404)
        # A request without tools is one for a title or a summary. The first answer calls a tool and fills the window.
        asked.append("answer" if body.get("tools") else "other")
        calls = asked[-1] == "answer" and asked.count("answer") == 1
        used = 195000 if calls else 1000
        head = {"id": f"c{len(asked)}", "object": "chat.completion.chunk", "created": 1795000000, "model": body["model"]}
        function = {"name": "bash", "arguments": json.dumps({"command": "true", "description": "nothing"})}
        call = {"index": 0, "id": "call1", "type": "function", "function": function}
        delta = {"role": "assistant", "tool_calls": [call]} if calls else {"role": "assistant", "content": "hello"}
        said = {"index": 0, "delta": delta, "finish_reason": None}
        end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
        usage = {"prompt_tokens": used, "completion_tokens": 200, "total_tokens": used + 200}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in ({"choices": [said]}, {"choices": [end]}, {"choices": [], "usage": usage}):
            self.wfile.write(f"data: {json.dumps({**head, **piece})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
model = {"name": "m1", "limit": {"context": 200000, "output": 8000}, "tool_call": True}
options = {"baseURL": f"http://127.0.0.1:{api.server_port}/v1", "apiKey": "dummy"}
provider = {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": options, "models": {"m1": model}}
config = {"autoupdate": False, "share": "disabled", "model": "fake/m1", "enabled_providers": ["fake"],
          "provider": {"fake": provider}, "permission": {"bash": "allow"}}
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere,
         "HTTP_PROXY": nowhere, "NO_PROXY": "127.0.0.1", "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1",
         "OPENCODE_CONFIG_CONTENT": json.dumps(config)}
said = subprocess.run(["timeout", "90", str(root / "npm/node_modules/.bin/opencode"), "run", "use a tool"], env=clean, cwd=root / "work",
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
store = sqlite3.connect(root / "home/.local/share/opencode/opencode.db")
users = [(key, json.loads(text)) for key, text in store.execute("SELECT id, data FROM message ORDER BY id")]
users = [(key, data) for key, data in users if data["role"] == "user"]
# `summary` is added to each of them later; a program that ends first leaves the last one without it.
shapes = {tuple(sorted((name, type(value).__name__) for name, value in data.items() if name != "summary")) for _, data in users}
print(f"prompts typed: 1, rows of role user: {len(users)}, different shapes of their data: {len(shapes)}")
for key, _ in users:
    parts = [json.loads(text) for (text,) in store.execute("SELECT data FROM part WHERE message_id = ?", (key,))]
    print("parts:", ", ".join(part["type"] + (" (synthetic)" if part.get("synthetic") else "") for part in parts))
print(f"sessions: {store.execute('SELECT count(*) FROM session').fetchone()[0]}")
print(f"printed lines that begin with \"Continue if\": {sum(line.startswith('Continue if') for line in said.stdout.splitlines())}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='prompts typed: 1, rows of role user: 3, different shapes of their data: 1
parts: text
parts: compaction
parts: text (synthetic)
sessions: 1
printed lines that begin with "Continue if": 1'
echo "OpenCode 1.18.33"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
