#!/usr/bin/env bash
# OpenCode's own `stats` prints two outputs of one model on one page, and its last day reaches back to the first.
#
# Guess of an expert: with one model in use, "Output" of the overview equals "Output Tokens" of that model, and `--days 1`
#           keeps what was used in the last day.
# Truth:    the overview of OpenCode 1.18.33 leaves reasoning out of the output, the table of models below it puts
#           it in, and neither says so. `--days` picks sessions by the moment of their last change, and adds ALL of their
#           answers, however old. "Days" stays that of the option, so old work also raises the average cost of a day.
# Versions: opencode-ai 1.18.33 (npm). Seen on 2026-11-29.
# Output seen (two answers in one session, each with an output of 200, 150 of it reasoning):
#   2 answers today: Output 100, Output Tokens 400
#   one made 40 days older, --days 1: Messages 4, Days 1, Output 100, Output Tokens 400
#   all made older, --days 1: Messages 0
# Why it matters: this page is the natural check of a reader of OpenCode's store. Only the lower output is a field of the
#           store, and the bill has the higher one. One long session makes every window of time the whole past.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund opencode-ai@1.18.33 >/dev/null 2>&1
(cd "$dir/npm/node_modules/opencode-ai" && node postinstall.mjs >/dev/null 2>&1)

cat > "$dir/drive.py" <<'P'
import contextlib
import http.server
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
BACK = 40 * 86_400_000
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
        asked.append(body["model"])
        head = {"id": f"c{len(asked)}", "object": "chat.completion.chunk", "created": 1795000000, "model": body["model"]}
        usage = {"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 400}, "completion_tokens": 200,
                 "completion_tokens_details": {"reasoning_tokens": 150}, "total_tokens": 1200}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for rest in (
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ):
            self.wfile.write(f"data: {json.dumps({**head, **rest})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
model = {"name": "m", "limit": {"context": 128000, "output": 8000}, "reasoning": True, "cost": {"input": 2, "output": 10, "cache_read": 0.2}}
provider = {"npm": "@ai-sdk/openai-compatible", "name": "Fake", "models": {"m": model, "small": model},
            "options": {"baseURL": f"http://127.0.0.1:{api.server_port}/v1", "apiKey": "dummy"}}
settings = {"provider": {"fake": provider}, "model": "fake/m", "small_model": "fake/small", "autoupdate": False}
# A proxy port that nobody serves keeps the tool from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
         "NO_PROXY": "127.0.0.1", "OPENCODE_CONFIG_CONTENT": json.dumps(settings), "OPENCODE_DISABLE_AUTOUPDATE": "1",
         "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def opencode(*arguments):
    command = ["timeout", "150", str(root / "npm/node_modules/.bin/opencode"), *arguments]
    return subprocess.run(command, env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True, text=True).stdout


def stats(what, names, *arguments):
    page = opencode("stats", "--models", *arguments)
    numbers = [f"{name} {re.search(f'│ *{name} +([^ ]+)', page)[1]}" for name in names]
    print(f"{what}: {', '.join(numbers)}")


def move_back(number, whole):
    """Move the first rows of the conversation back by 40 days, as the store of an older session has them."""
    with contextlib.closing(sqlite3.connect(root / "home/.local/share/opencode/opencode.db")) as store, store:
        for key, data in store.execute("SELECT id, data FROM message ORDER BY time_created LIMIT ?", (number,)).fetchall():
            fields = json.loads(data)
            fields["time"] = {name: moment - BACK for name, moment in fields["time"].items()}
            store.execute("UPDATE message SET data = ?, time_created = time_created - ?, time_updated = time_updated - ? WHERE id = ?",
                          (json.dumps(fields), BACK, BACK, key))
        store.execute(f"UPDATE session SET {'time_updated = time_updated' if whole else 'time_created = time_created'} - ?", (BACK,))


opencode("run", "say hello")
opencode("run", "-c", "say it again")
both = ("Output", "Output Tokens")
stats(f"{asked.count('m')} answers today", both)
move_back(2, whole=False)
stats("one made 40 days older, --days 1", ("Messages", "Days", *both), "--days", "1")
move_back(4, whole=True)
stats("all made older, --days 1", ("Messages",), "--days", "1")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='2 answers today: Output 100, Output Tokens 400
one made 40 days older, --days 1: Messages 4, Days 1, Output 100, Output Tokens 400
all made older, --days 1: Messages 0'
echo "OpenCode 1.18.33"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
