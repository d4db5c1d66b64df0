#!/usr/bin/env bash
# aider throws away the usage that the API sends and prints an estimate of its own, whenever it streams, which is its default.
#
# Guess of an expert: the tokens and the cost that aider prints, and writes into `--analytics-log`, are those of the API; streaming or
#           not makes no difference, since it asks for the usage of a stream.
# Truth:    aider 0.86.2 neither asks for the usage of a stream nor reads one that comes. It counts the text that it sent and
#           the text that it shows with a tokenizer, so hidden reasoning, caches and all that the API adds do not
#           exist, and nothing says "estimate". With `--no-stream` the same answer has the numbers of the API; then
#           the tokens that an Anthropic model writes into a cache count twice in `prompt_tokens`, and once in the cost.
# Versions: aider-chat 0.86.2 (PyPI). Seen on 2026-11-30.
# Output seen (one answer each; gpt-4o: input 10000 with 4000 of it cached, output 2000 with 1500 of it reasoning; Claude Sonnet 4.5:
# input 1000, 4000 read from and 3000 written into a cache, output 500):
#   gpt-4o, streaming: asks for usage False; prompt_tokens below 5000, completion_tokens 1, cost below 0.01500, billed 0.04000
#   gpt-4o, --no-stream: prompt_tokens 10000, completion_tokens 2000, cost 0.04000, billed 0.04000
#   claude-sonnet-4-5, streaming: asks for usage False; prompt_tokens below 5000, completion_tokens 1, cost below 0.01500, billed 0.02295
#   claude-sonnet-4-5, --no-stream: prompt_tokens 11000 of 8000, completion_tokens 500, cost 0.02295, billed 0.02295
# Why it matters: `.aider.chat.history.md` and the log for analytics are the only places with numbers. A reader that takes them for
#           measured has a fifth of the tokens in this case, and the error grows with what the model thinks.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet aider-chat==0.86.2 2>/dev/null

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
CHAT = {"prompt_tokens": 10000, "prompt_tokens_details": {"cached_tokens": 4000}, "completion_tokens": 2000,
        "completion_tokens_details": {"reasoning_tokens": 1500}, "total_tokens": 12000}
CLAUDE = {"input_tokens": 1000, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 3000, "output_tokens": 500}


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the APIs of both makers do, each stream with its usage."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append("include_usage" in json.dumps(body))
        if self.path.endswith("/messages"):
            message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
            whole = {**message, "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn", "usage": CLAUDE}
            first = {**message, "content": [], "stop_reason": None, "usage": {**CLAUDE, "output_tokens": 1}}
            events = [{"type": "message_start", "message": first},
                      {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                      {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
                      {"type": "content_block_stop", "index": 0},
                      {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 500}},
                      {"type": "message_stop"}]
        elif self.path.endswith("/chat/completions"):
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1795000000, "model": body["model"]}
            said = {"role": "assistant", "content": "hello"}
            whole = {**head, "object": "chat.completion", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}], "usage": CHAT}
            events = [{**head, "choices": [{"index": 0, "delta": said, "finish_reason": None}]},
                      {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                      {**head, "choices": [], "usage": CHAT}]
        else:
            return self.send_error(404)
        is_stream = bool(body.get("stream"))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if is_stream else "application/json")
        self.end_headers()
        for event in events if is_stream else [whole]:
            kind = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{kind}data: {json.dumps(event)}\n\n".encode() if is_stream else json.dumps(event).encode())


api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{api.server_port}"


def told(model, *options):
    """Return what the tool writes about the one request of a run."""
    home = root / f"home{len(list(root.glob('home*')))}"
    for folder in ("work", "tmp"):
        (home / folder).mkdir(parents=True)
    # A proxy port that nobody serves keeps the tool from every address but loopback.
    nowhere = "http://127.0.0.1:9"
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home / "tmp"), "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
             "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": "dummy", "OPENAI_API_BASE": f"{url}/v1", "ANTHROPIC_API_KEY": "dummy",
             "ANTHROPIC_API_BASE": url, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = ["timeout", "150", str(root / "venv/bin/aider"), "--model", model, "--no-git", "--no-check-update", "--no-show-model-warnings",
               "--yes-always", "--no-pretty", "--analytics-log", str(home / "log"), "--message", "say hello", *options]
    asked.clear()
    subprocess.run(command, env=clean, cwd=home / "work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    events = [json.loads(line) for line in (home / "log").read_text().splitlines()]
    [sent] = [event["properties"] for event in events if event["event"] == "message_send"]
    [asks] = asked
    return asks, sent["prompt_tokens"], sent["completion_tokens"], sent["cost"]


def below(value, limit, form):
    """Tell an estimate by a bound: it depends on the prompt of the machine."""
    return f"below {format(limit, form)}" if value < limit else format(value, form)


# gpt-4o: 2.5, 1.25 and 10 dollars per million; Claude Sonnet 4.5: 3, 0.3, 3.75 and 15.
for name, model, billed in (("gpt-4o", "openai/gpt-4o", 0.04), ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", 0.022955)):
    asks, prompt, completion, cost = told(model)
    print(f"{name}, streaming: asks for usage {asks}; prompt_tokens {below(prompt, 5000, 'd')}, completion_tokens {completion}, "
          f"cost {below(cost, 0.015, '.5f')}, billed {billed:.5f}")
    _, prompt, completion, cost = told(model, "--no-stream")
    whole = " of 8000" if "claude" in name else ""
    print(f"{name}, --no-stream: prompt_tokens {prompt}{whole}, completion_tokens {completion}, cost {cost:.5f}, billed {billed:.5f}")
P
got=$(python3.11 "$dir/drive.py" "$dir")
want='gpt-4o, streaming: asks for usage False; prompt_tokens below 5000, completion_tokens 1, cost below 0.01500, billed 0.04000
gpt-4o, --no-stream: prompt_tokens 10000, completion_tokens 2000, cost 0.04000, billed 0.04000
claude-sonnet-4-5, streaming: asks for usage False; prompt_tokens below 5000, completion_tokens 1, cost below 0.01500, billed 0.02295
claude-sonnet-4-5, --no-stream: prompt_tokens 11000 of 8000, completion_tokens 500, cost 0.02295, billed 0.02295'
echo "aider 0.86.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
