#!/usr/bin/env bash
# OpenCode checks the price of long requests in its settings and never uses it; a price in the settings also removes the built-in one.
#
# Guess of an expert: `context_over_200k` in the settings of a model is its price beyond 200,000 tokens, as the scheme says that refuses a
#           wrong one. To write down the price that a built-in model has anyway changes nothing. A kind of token without a
#           price of its own costs as much as other input.
# Truth:    OpenCode 1.18.33 refuses settings in which that field is no number, and then prices every request at the base
#           rate. A built-in model has two rates; once `cost` stands in the settings, with the very same numbers, the
#           higher one is gone and a long request costs half. Cache reads and writes without a price of their own are free.
# Versions: opencode-ai 1.18.33 (npm). Seen on 2026-11-30.
# Output seen (one request each; the first six with an input of 300,000 tokens and an output of 1,000):
#   built-in gemini-2.5-pro: cost 0.765
#   built-in, its base price in the settings: cost 0.385
#   built-in, both prices in the settings: cost 0.385
#   own model, base price: cost 0.61
#   own model, both prices: cost 0.61
#   own model, no number as the higher price: refused
#   own model, 1,000 of input, 4,000 read from and 3,000 written into a cache: cost 0.002
# Why it matters: the cost stands in each stored message, and readers of the store take it for recorded. Who writes a price into the
#           settings, to name a discount or that of a gateway, also changes the price of all long requests, and nothing warns.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund opencode-ai@1.18.33 >/dev/null 2>&1
(cd "$dir/npm/node_modules/opencode-ai" && node postinstall.mjs >/dev/null 2>&1)

cat > "$dir/drive.py" <<'P'
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

root = pathlib.Path(sys.argv[1])


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the APIs of three makers do."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "streamGenerateContent" in self.path:
            candidate = {"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}
            usage = {"promptTokenCount": 300000, "candidatesTokenCount": 1000, "totalTokenCount": 301000}
            events = [{"candidates": [candidate], "usageMetadata": usage}]
        elif self.path.endswith("/messages"):
            usage = {"input_tokens": 1000, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 3000, "output_tokens": 0}
            message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "stop_reason": None, "stop_sequence": None}
            events = [{"type": "message_start", "message": {**message, "content": [], "usage": usage}},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 0}},
                      {"type": "message_stop"}]
        elif self.path.endswith("/chat/completions"):
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1795000000, "model": body["model"]}
            usage = {"prompt_tokens": 300000, "completion_tokens": 1000, "total_tokens": 301000}
            events = [{**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}]},
                      {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                      {**head, "choices": [], "usage": usage}]
        else:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in events:
            kind = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"


def google(cost):
    models = {"gemini-2.5-pro": {"cost": cost}} if cost else {}
    provider = {"models": models, "options": {"baseURL": f"{url}/v1beta", "apiKey": "dummy"}}
    return {"provider": {"google": provider}, "model": "google/gemini-2.5-pro", "small_model": "google/gemini-2.5-flash"}


def own(cost, package="@ai-sdk/openai-compatible"):
    model = {"name": "m", "limit": {"context": 1000000, "output": 8000}, "cost": cost}
    provider = {"npm": package, "name": "Fake", "models": {"m": model, "small": model}, "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"}}
    return {"provider": {"fake": provider}, "model": "fake/m", "small_model": "fake/small"}


def show(what, settings):
    home = root / f"home{len(list(root.glob('home*')))}"
    for folder in ("work", "tmp"):
        (home / folder).mkdir(parents=True)
    # A proxy port that nobody serves keeps the tool from every address but loopback.
    nowhere = "http://127.0.0.1:9"
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
             "NO_PROXY": "127.0.0.1", "OPENCODE_CONFIG_CONTENT": json.dumps({**settings, "autoupdate": False}),
             "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    command = ["timeout", "120", str(root / "npm/node_modules/.bin/opencode"), "run", "--format", "json", "say hello"]
    run = subprocess.run(command, env=clean, cwd=home / "work", stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)
    if run.returncode and "Expected number" in run.stderr:
        return print(f"{what}: refused")
    [step] = [each for each in map(json.loads, run.stdout.splitlines()) if each["type"] == "step_finish"]
    print(f"{what}: cost {step['part']['cost']}")


BASE, LONG = {"input": 1.25, "output": 10}, {"input": 2.5, "output": 15}
MINE, MORE = {"input": 2, "output": 10}, {"input": 4, "output": 20}
show("built-in gemini-2.5-pro", google(None))
show("built-in, its base price in the settings", google(BASE))
show("built-in, both prices in the settings", google({**BASE, "context_over_200k": LONG}))
show("own model, base price", own(MINE))
show("own model, both prices", own({**MINE, "context_over_200k": MORE}))
show("own model, no number as the higher price", own({**MINE, "context_over_200k": {**MORE, "input": "x"}}))
show("own model, 1,000 of input, 4,000 read from and 3,000 written into a cache", own(MINE, "@ai-sdk/anthropic"))
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='built-in gemini-2.5-pro: cost 0.765
built-in, its base price in the settings: cost 0.385
built-in, both prices in the settings: cost 0.385
own model, base price: cost 0.61
own model, both prices: cost 0.61
own model, no number as the higher price: refused
own model, 1,000 of input, 4,000 read from and 3,000 written into a cache: cost 0.002'
echo "OpenCode 1.18.33"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
