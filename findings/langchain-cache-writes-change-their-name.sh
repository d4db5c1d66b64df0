#!/usr/bin/env bash
# The cache writes of one Claude answer have two names in LangChain: streamed or not decides which of them is zero.
#
# Guess of an expert: `usage_metadata` is the common form of all answers, so `cache_creation` is the number of tokens written to the
#           cache, streamed or not, with the split by lifetime as a detail of it.
# Truth:    langchain-anthropic 1.7.10 sets `cache_creation` to 0 as soon as the API states the split, and puts the tokens under
#           two names of its own. A streamed answer is the other way round: the tokens stand in `cache_creation`, and the
#           split, which the API sends at the start of the stream, is lost. The sum of a program that does both adds up neither.
# Versions: langchain-anthropic 1.7.10, langchain-core 1.8.3 (PyPI). Seen on 2026-11-30.
# Output seen (input 1,000, read 20,000, written 5,000 of which 4,000 for an hour, output 500):
#   invoke: input 26000, cache_creation 0, ephemeral_5m 1000, ephemeral_1h 4000
#   stream: input 26000, cache_creation 5000, ephemeral_5m none, ephemeral_1h none
#   callback after both: input 52000, cache_creation 5000, ephemeral_5m 1000, ephemeral_1h 4000
#   dollars, writes from cache_creation: invoke 0.0525, stream 0.0587
#   dollars, writes from all three names, an unknown lifetime at the lower price: invoke 0.0737, stream 0.0587; billed 0.0737 each
# Why it matters: at 5, 0.50, 6.25 (10 for an hour) and 25 dollars per million tokens, who reads `cache_creation` takes the written
#           tokens of an answer that was not streamed for plain input, and bills 29 % too little; a streamed one lacks 20 %.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet langchain-anthropic==1.7.10 langchain-core==1.8.3 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import threading

from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import UsageMetadataCallbackHandler

INPUT = {"input_tokens": 1000, "cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000}
SPLIT = {"cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 4000}}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [{"type": "text", "text": "x"}],
           "stop_reason": "end_turn", "stop_sequence": None, "usage": INPUT | SPLIT | {"output_tokens": 500}}
EVENTS = (
    {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None, "usage": INPUT | SPLIT | {"output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": INPUT | {"output_tokens": 500}},
    {"type": "message_stop"},
)


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        streamed = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
        text = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in EVENTS) if streamed else json.dumps(MESSAGE)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
counted = UsageMetadataCallbackHandler()
model = ChatAnthropic(model="claude-opus-4-8", base_url=f"http://127.0.0.1:{server.server_port}", api_key="dummy", callbacks=[counted])
NAMES = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def line(usage):
    details = usage["input_token_details"]
    return f"input {usage['input_tokens']}, " + ", ".join(f"{n.removesuffix('_input_tokens')} {details.get(n, 'none')}" for n in NAMES)


def dollars(usage, names):
    """Price an answer, with these names for the writes and the rest of its input as plain input."""
    details = usage["input_token_details"]
    written = {n: details.get(n, 0) for n in names}
    plain = usage["input_tokens"] - details["cache_read"] - sum(written.values())
    rates = dict(zip(NAMES, (6.25, 6.25, 10), strict=True))
    return (plain * 5 + details["cache_read"] * 0.5 + sum(n * rates[k] for k, n in written.items()) + usage["output_tokens"] * 25) / 1e6


whole = model.invoke("x").usage_metadata
first, *rest = model.stream("x")
for chunk in rest:
    first += chunk
streamed = first.usage_metadata
[both] = counted.usage_metadata.values()
print("invoke:", line(whole))
print("stream:", line(streamed))
print("callback after both:", line(both))
print(f"dollars, writes from cache_creation: invoke {dollars(whole, NAMES[:1]):.4f}, stream {dollars(streamed, NAMES[:1]):.4f}")
billed = (1000 * 5 + 20000 * 0.5 + 1000 * 6.25 + 4000 * 10 + 500 * 25) / 1e6
print(f"dollars, writes from all three names, an unknown lifetime at the lower price: invoke {dollars(whole, NAMES):.4f}, "
      f"stream {dollars(streamed, NAMES):.4f}; billed {billed:.4f} each")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 100 "$dir/venv/bin/python" run.py 2>/dev/null)
want='invoke: input 26000, cache_creation 0, ephemeral_5m 1000, ephemeral_1h 4000
stream: input 26000, cache_creation 5000, ephemeral_5m none, ephemeral_1h none
callback after both: input 52000, cache_creation 5000, ephemeral_5m 1000, ephemeral_1h 4000
dollars, writes from cache_creation: invoke 0.0525, stream 0.0587
dollars, writes from all three names, an unknown lifetime at the lower price: invoke 0.0737, stream 0.0587; billed 0.0737 each'
echo "langchain-anthropic 1.7.10"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
