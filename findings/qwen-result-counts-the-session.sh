#!/usr/bin/env bash
# Qwen Code took the `stats` of a run from Gemini CLI and made them those of the session, beside a number of turns of the run.
#
# Guess of an expert: the object that a headless run prints at its end tells of this run. Qwen Code came from Gemini CLI, its
#           `stats` have the same names in the same places, and `num_turns` stands beside the `usage`.
# Truth:    after `--continue`, Gemini CLI 0.61.0 counts the requests of the new run. Qwen Code 0.24.4 counts those of all runs
#           of the session, in `usage` and in `stats`. Its `num_turns` is that of the run, so one object says "one turn" and has
#           the tokens of three.
# Versions: @qwen-code/qwen-code 0.24.4, @google/gemini-cli 0.61.0 (npm). Seen on 2026-11-29.
# Output seen (one session of three runs, one answer of 1000 and 100 tokens in each):
#   Gemini CLI run 1: requests 1, prompt 1000, candidates 100
#   Gemini CLI run 2: requests 1, prompt 1000, candidates 100
#   Gemini CLI run 3: requests 1, prompt 1000, candidates 100
#   Qwen Code run 1: requests 1, prompt 1000, candidates 100; usage 1000 and 100, num_turns 1
#   Qwen Code run 2: requests 2, prompt 2000, candidates 200; usage 2000 and 200, num_turns 1
#   Qwen Code run 3: requests 3, prompt 3000, candidates 300; usage 3000 and 300, num_turns 1
#   answers of the API, of the main model: Gemini CLI 3, Qwen Code 3
#   sum of the runs, prompt: Gemini CLI 3000, Qwen Code 6000
# Why it matters: a script that worked with Gemini CLI works with Qwen Code after a change of the name, and doubles the sum of
#           three runs; of n equal runs it makes (n + 1) / 2 times the truth. Tokens by turn come out wrong within one object.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
mkdir -p "$dir/home/.gemini" "$dir/home/.qwen" "$dir/tmp" "$dir/work"
npm install --prefix "$dir/npm" --silent --no-audit --no-fund @qwen-code/qwen-code@0.24.4 @google/gemini-cli@0.61.0 >/dev/null 2>&1
echo '{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false}}' > "$dir/home/.gemini/settings.json"
# Without the memory, which would ask a second time behind each answer.
echo '{"security":{"auth":{"selectedType":"openai"}},"memory":{"enableManagedAutoMemory":false}}' > "$dir/home/.qwen/settings.json"

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])
answered = {"gemini": 0, "qwen": 0}


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the API of each tool does."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked := re.search(r"/models/([^:]+):(\w+)", self.path):
            return self.answer_gemini(asked[1], asked[2].startswith("stream"), json.dumps(body.get("generationConfig")))
        if not self.path.endswith("/chat/completions"):
            return self.send_error(404)
        answered["qwen"] += 1
        head = {"id": f"c{answered['qwen']}", "object": "chat.completion.chunk", "created": 1795000000, "model": body["model"]}
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        self.begin("text/event-stream")
        for rest in (
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ):
            self.wfile.write(f"data: {json.dumps({**head, **rest})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def answer_gemini(self, model, is_stream, settings):
        # A small model is asked first how hard the prompt is.
        is_choice = "complexity_score" in settings
        answered["gemini"] += not is_choice
        text = '{"complexity_reasoning": "x", "complexity_score": 10}' if is_choice else "hello"
        usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
        answer = json.dumps({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})
        self.begin("text/event-stream" if is_stream else "application/json")
        self.wfile.write((f"data: {answer}\n\n" if is_stream else answer).encode())

    def begin(self, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"
# A proxy port that nobody serves keeps the tools from every address but loopback.
nowhere = "http://127.0.0.1:9"
clean = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
         "NO_PROXY": "127.0.0.1", "GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true",
         "OPENAI_API_KEY": "dummy", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "fake-model"}
sums = {}


def run(tool, name, number, *options):
    command = ["timeout", "90", str(root / f"npm/node_modules/.bin/{tool}"), *options, "-o", "json", "-p", f"say hello {number}"]
    printed = subprocess.run(command, env=clean, cwd=root / "work", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True, text=True).stdout
    result = json.loads(printed)
    result = result[-1] if isinstance(result, list) else result
    # The model that answered, not the one that was asked how hard the prompt is.
    [model] = [each for called, each in result["stats"]["models"].items() if "lite" not in called]
    tokens = model["tokens"]
    sums[name] = sums.get(name, 0) + tokens["prompt"]
    line = f"{name} run {number}: requests {model['api']['totalRequests']}, prompt {tokens['prompt']}, candidates {tokens['candidates']}"
    if usage := result.get("usage"):
        line += f"; usage {usage['input_tokens']} and {usage['output_tokens']}, num_turns {result['num_turns']}"
    print(line)


for tool, name, again in (("gemini", "Gemini CLI", ("-r", "latest")), ("qwen", "Qwen Code", ("--continue",))):
    for number in (1, 2, 3):
        run(tool, name, number, *(again if number > 1 else ()))
print(f"answers of the API, of the main model: Gemini CLI {answered['gemini']}, Qwen Code {answered['qwen']}")
print("sum of the runs, prompt: " + ", ".join(f"{name} {total}" for name, total in sums.items()))
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='Gemini CLI run 1: requests 1, prompt 1000, candidates 100
Gemini CLI run 2: requests 1, prompt 1000, candidates 100
Gemini CLI run 3: requests 1, prompt 1000, candidates 100
Qwen Code run 1: requests 1, prompt 1000, candidates 100; usage 1000 and 100, num_turns 1
Qwen Code run 2: requests 2, prompt 2000, candidates 200; usage 2000 and 200, num_turns 1
Qwen Code run 3: requests 3, prompt 3000, candidates 300; usage 3000 and 300, num_turns 1
answers of the API, of the main model: Gemini CLI 3, Qwen Code 3
sum of the runs, prompt: Gemini CLI 3000, Qwen Code 6000'
echo "Qwen Code 0.24.4, Gemini CLI 0.61.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
