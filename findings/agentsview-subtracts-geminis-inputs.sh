#!/usr/bin/env bash
# agentsview takes the input of each answer of Gemini CLI for a running total, and counts only what it grew by.
#
# Guess of an expert: the sum of the inputs of a session's answers, or that sum without what came from the cache.
# Truth:    a session of Gemini CLI states for each answer what its own request contained. agentsview 0.46.1 subtracts the
#           answer before from it, for the input and for the cache, and begins anew where it falls. So a session costs about its
#           longest request, however many there were, and the cache appears once. Output and thoughts are added up rightly. Nor
#           is the cache taken out of the input in which it is contained.
# Versions: agentsview 0.46.1 (PyPI), @google/gemini-cli 0.61.0 (npm). Seen on 2026-11-29.
# Output seen (one prompt, four requests because of tools, each with 100 tokens of text and 50 of thoughts):
#   inputs billed, cache included: 10000, 12000, 15000, 11000, sum 48000; from the cache 8000, 8000, 8000, 8000, sum 32000
#   session file: input 10000, 12000, 15000, 11000; cached 8000, 8000, 8000, 8000
#   agentsview: input 26000, cache 8000, output 600
# Why it matters: each request sends the whole conversation again, so the sum of the inputs is nearly all of the bill, and grows
#           with the square of the number of requests where the longest one grows by the number. The table looks plausible,
#           because its output is right.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.gemini" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @google/gemini-cli@0.61.0 >/dev/null 2>&1
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet agentsview==0.46.1 2>/dev/null
echo '{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false}}' > "$dir/home/.gemini/settings.json"

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
INPUTS = (10_000, 12_000, 15_000, 11_000)
CACHED = 8_000
sent = []


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.split("?")[0].endswith(":streamGenerateContent"):
            return self.send_error(404)
        prompt = INPUTS[len(sent)]
        sent.append(prompt)
        usage = {"promptTokenCount": prompt, "cachedContentTokenCount": CACHED, "candidatesTokenCount": 100, "thoughtsTokenCount": 50,
                 "totalTokenCount": prompt + 150}
        parts = [{"text": "I think", "thought": True}, {"text": "hello"}]
        if len(sent) < len(INPUTS):
            call = {"name": "list_directory", "args": {"dir_path": ".", "ignore": [f"no{len(sent)}"]}, "id": f"call{len(sent)}"}
            parts.append({"functionCall": call})
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        answer = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.8-flash"}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {json.dumps(answer)}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
# A proxy port that nobody serves keeps the tools from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
         "NO_PROXY": "127.0.0.1", "GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{api.server_port}",
         "GEMINI_CLI_TRUST_WORKSPACE": "true", "AGENTSVIEW_NO_DAEMON": "1"}


def run(*command):
    return subprocess.run(["timeout", "90", *map(str, command)], env=clean, cwd=root / "work", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout


run(root / "npm/node_modules/.bin/gemini", "-y", "-m", "gemini-3.8-flash", "-p", "look around")
print(f"inputs billed, cache included: {', '.join(map(str, sent))}, sum {sum(sent)}; "
      f"from the cache {', '.join([str(CACHED)] * len(sent))}, sum {CACHED * len(sent)}")

[path] = (root / "home/.gemini/tmp").glob("*/chats/session-*.jsonl")
tokens = {row["id"]: row["tokens"] for row in map(json.loads, path.read_text().splitlines()) if "tokens" in row}
written = {name: ", ".join(str(each[name]) for each in tokens.values()) for name in ("input", "cached")}
print(f"session file: input {written['input']}; cached {written['cached']}")

agentsview = root / "venv/bin/agentsview"
run(agentsview, "sync")
totals = json.loads(run(agentsview, "usage", "daily", "--json", "--all", "--offline", "--no-sync"))["totals"]
print(f"agentsview: input {totals['inputTokens']}, cache {totals['cacheReadTokens']}, output {totals['outputTokens']}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='inputs billed, cache included: 10000, 12000, 15000, 11000, sum 48000; from the cache 8000, 8000, 8000, 8000, sum 32000
session file: input 10000, 12000, 15000, 11000; cached 8000, 8000, 8000, 8000
agentsview: input 26000, cache 8000, output 600'
echo "agentsview 0.46.1, Gemini CLI 0.61.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
