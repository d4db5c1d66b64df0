#!/usr/bin/env bash
# Continue's command line stores a cost in dollars for every model, by an old table: one price for all models that came later.
#
# Guess of an expert: `totalCost` of a session is by the list price of the model, and 0 or absent for a model without a known one.
# Truth:    cn 1.5.47 knows models up to Claude 3.5 and GPT-4o. Others cost 1 and 2 dollars per million tokens, in the
#           same field and without a mark: Claude 4 and later, GPT-5, o3, and a name that does not exist. GPT-4.1
#           is taken for GPT-4 and costs thirteen times its price. Cached tokens of an unknown Claude cost nothing.
# Versions: @continuedev/cli 1.5.47 (npm), genai-prices 0.2.3 (PyPI) for the list. Seen on 2026-11-30.
# Output seen (one answer each, input 10000, output 1000; the third with 100000 tokens read from a cache besides):
#   claude-3-5-sonnet-latest: totalCost 0.0450, list 0.0450
#   claude-opus-5: totalCost 0.0120, list 0.0750
#   claude-opus-5, cache read 100000: totalCost 0.0120, list 0.1250
#   claude-haiku-4-5: totalCost 0.0120, list 0.0150
#   gpt-4.1: totalCost 0.3600, list 0.0280
#   gpt-5.5: totalCost 0.0120, list 0.0800
#   no-such-model: totalCost 0.0120, no list
# Why it matters: the sum stands in each file of `~/.continue/sessions` and looks as good as any. It is a tenth of the bill for one
#           model and thirteen times it for the next, so it must not be added to the recorded costs of other tools.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
npm install --prefix "$dir/npm" --silent --no-audit --no-fund --ignore-scripts @continuedev/cli@1.5.47 >/dev/null 2>&1
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet genai-prices==0.2.3 2>/dev/null

cat > "$dir/drive.py" <<'P'
import datetime
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

from genai_prices import Usage, calc_price

root = pathlib.Path(sys.argv[1])
read = 0


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the APIs of both makers do."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        if self.path.endswith("/messages"):
            usage = {"input_tokens": 10000, "cache_read_input_tokens": read, "cache_creation_input_tokens": 0, "output_tokens": 1000}
            message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_reason": None, "stop_sequence": None}
            events = [{"type": "message_start", "message": {**message, "content": [], "usage": {**usage, "output_tokens": 1}}},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1000}},
                      {"type": "message_stop"}]
        elif self.path.endswith("/responses"):
            text = {"type": "output_text", "text": "hello", "annotations": []}
            item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
            usage = {"input_tokens": 10000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1000, "total_tokens": 11000}
            reply = {"id": "resp_1", "object": "response", "model": model}
            events = [{"type": "response.created", "response": {**reply, "status": "in_progress", "output": []}},
                      {"type": "response.output_item.added", "output_index": 0, "item": item},
                      {"type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "content_index": 0, "delta": "hello"},
                      {"type": "response.output_item.done", "output_index": 0, "item": item},
                      {"type": "response.completed", "response": {**reply, "status": "completed", "output": [item], "usage": usage}}]
        elif self.path.endswith("/chat/completions"):
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1795000000, "model": model}
            usage = {"prompt_tokens": 10000, "completion_tokens": 1000, "total_tokens": 11000}
            delta = {"role": "assistant", "content": "hello"}
            events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
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


def stored(maker, model):
    """Return the cost that the tool writes into the session of a run."""
    home = root / f"{model}-{read}"
    for folder in ("work", "tmp"):
        (home / folder).mkdir(parents=True)
    (home / "config.yaml").write_text(f"""
name: test
version: 1.0.0
schema: v1
models:
  - name: test
    provider: {maker}
    model: {model}
    apiBase: http://127.0.0.1:{api.server_port}/v1
    apiKey: dummy
    roles: [chat]
""")
    # A proxy port that nobody serves keeps the tool from every address but loopback.
    nowhere = "http://127.0.0.1:9"
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
             "NO_PROXY": "127.0.0.1", "CONTINUE_TELEMETRY_ENABLED": "0"}
    command = ["timeout", "90", str(root / "npm/node_modules/.bin/cn"), "--config", str(home / "config.yaml"), "-p", "say hello"]
    subprocess.run(command, env=clean, cwd=home / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    [session] = (home / ".continue/sessions").glob("*-*.json")
    usage = json.loads(session.read_text())["usage"]
    assert (usage["promptTokens"], usage["completionTokens"]) == (10000, 1000), usage
    return usage["totalCost"]


def listed(maker, model):
    usage = Usage(input_tokens=10000 + read, cache_read_tokens=read, output_tokens=1000)
    at = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)
    return f"list {calc_price(usage, model_ref=model, provider_id=maker, genai_request_timestamp=at).total_price:.4f}"


for maker, model, read in (
    ("anthropic", "claude-3-5-sonnet-latest", 0),
    ("anthropic", "claude-opus-5", 0),
    ("anthropic", "claude-opus-5", 100000),
    ("anthropic", "claude-haiku-4-5", 0),
    ("openai", "gpt-4.1", 0),
    ("openai", "gpt-5.5", 0),
    ("openai", "no-such-model", 0),
):
    what = f"{model}, cache read {read}" if read else model
    print(f"{what}: totalCost {stored(maker, model):.4f}, {'no list' if model == 'no-such-model' else listed(maker, model)}")
P
got=$("$dir/venv/bin/python" "$dir/drive.py" "$dir")
want='claude-3-5-sonnet-latest: totalCost 0.0450, list 0.0450
claude-opus-5: totalCost 0.0120, list 0.0750
claude-opus-5, cache read 100000: totalCost 0.0120, list 0.1250
claude-haiku-4-5: totalCost 0.0120, list 0.0150
gpt-4.1: totalCost 0.3600, list 0.0280
gpt-5.5: totalCost 0.0120, list 0.0800
no-such-model: totalCost 0.0120, no list'
echo "Continue CLI 1.5.47, genai-prices 0.2.3"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
