#!/usr/bin/env bash
# tokdash counts the reasoning of Codex twice and charges it once, and counts that of Gemini CLI once and charges nothing.
#
# Guess of an expert: `tokens_reasoning` is a part of `tokens_out` for each tool, or beside it for each; and tokens that are in
#           the sum are in the cost.
# Truth:    tokdash 2.7.1 adds input, output, cache and reasoning to `tokens`, and takes the cost of input, output and cache.
#           The output of Codex CLI contains the reasoning, so its tokens are too many and its cost is right. The output of
#           Gemini CLI does not, so its tokens are right, and an answer that thought 900 tokens costs the same as one that
#           thought nothing, though thoughts are billed as output.
# Versions: tokdash 2.7.1 (PyPI), @google/gemini-cli 0.61.0, @openai/codex 0.171.0 (npm). Seen on 2026-11-29.
# Output seen (one answer each: an input of 1000, 100 tokens of text, and 0 or 900 of thought):
#   Gemini CLI, thought 0: billed 1100, tokens 1100, out 100, reasoning 0
#   Gemini CLI, thought 900: billed 2000, tokens 2000, out 100, reasoning 900
#   Gemini CLI: cost with thoughts is 1.0 times that without
#   Codex CLI, thought 0: billed 1100, tokens 1100, out 100, reasoning 0
#   Codex CLI, thought 900: billed 2000, tokens 2900, out 1000, reasoning 900
#   Codex CLI: cost with thoughts is 4.4 times that without
# Why it matters: the same work stands in one table with 45 % too many tokens for one tool, and a quarter of its cost for the
#           other. A comparison of tools or models by cost per token is wrong in both numbers, in opposite directions.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @google/gemini-cli@0.61.0 @openai/codex@0.171.0 >/dev/null 2>&1
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet tokdash==2.7.1 2>/dev/null

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
thought = 0


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the API of each tool does."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.split("?")[0].endswith(":streamGenerateContent"):
            usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "thoughtsTokenCount": thought, "totalTokenCount": 1100 + thought}
            candidate = {"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}
            events = [("", {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.8-flash"})]
        elif self.path.endswith("/responses"):
            text = {"type": "output_text", "text": "hello", "annotations": []}
            item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
            usage = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 100 + thought,
                     "output_tokens_details": {"reasoning_tokens": thought}, "total_tokens": 1100 + thought}
            reply = {"id": "resp_1", "object": "response"}
            events = [(kind, {"type": kind, **rest}) for kind, rest in (
                ("response.created", {"response": {**reply, "status": "in_progress", "output": []}}),
                ("response.output_item.done", {"output_index": 0, "item": item}),
                ("response.completed", {"response": {**reply, "status": "completed", "output": [item], "usage": usage}}))]
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for kind, fields in events:
            self.wfile.write((f"event: {kind}\n" if kind else "").encode() + f"data: {json.dumps(fields)}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"
GEMINI = ("npm/node_modules/.bin/gemini", "-m", "gemini-3.8-flash", "-p")
CODEX = ("npm/node_modules/.bin/codex", "exec", "--skip-git-repo-check")
SETTINGS = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
CONFIG = f"""
model = "gpt-5.5"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "{url}/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
"""


def run(home, command, *more):
    # A proxy port that nobody serves keeps the tools from every address but loopback.
    nowhere = "http://127.0.0.1:9"
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
             "NO_PROXY": "127.0.0.1", "GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true",
             "FAKE_KEY": "dummy"}
    return subprocess.run(["timeout", "90", str(root / command), *more], env=clean, cwd=root / "work", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout


for name, tool, command in (("Gemini CLI", "gemini_cli", GEMINI), ("Codex CLI", "codex", CODEX)):
    costs = []
    for thought in (0, 900):
        home = root / f"{tool}{thought}"
        for folder, file, text in ((".gemini", "settings.json", json.dumps(SETTINGS)), (".codex", "config.toml", CONFIG)):
            (home / folder).mkdir(parents=True)
            (home / folder / file).write_text(text)
        run(home, command[0], *command[1:], "say hello")
        row = json.loads(run(home, "venv/bin/tokdash", "export", "--period", "2"))["by_tool"][tool]
        costs.append(row["cost"])
        print(f"{name}, thought {thought}: billed {1100 + thought}, tokens {row['tokens']}, out {row['tokens_out']}, reasoning {row['tokens_reasoning']}")
    print(f"{name}: cost with thoughts is {costs[1] / costs[0]:.1f} times that without")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='Gemini CLI, thought 0: billed 1100, tokens 1100, out 100, reasoning 0
Gemini CLI, thought 900: billed 2000, tokens 2000, out 100, reasoning 900
Gemini CLI: cost with thoughts is 1.0 times that without
Codex CLI, thought 0: billed 1100, tokens 1100, out 100, reasoning 0
Codex CLI, thought 900: billed 2000, tokens 2900, out 1000, reasoning 900
Codex CLI: cost with thoughts is 4.4 times that without'
echo "tokdash 2.7.1, Gemini CLI 0.61.0, Codex CLI 0.171.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
