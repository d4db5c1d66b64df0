#!/usr/bin/env bash
# OpenLIT writes an input of 1,000 for a prompt of Anthropic's and of 26,000 for the same prompt of OpenAI's, beside the same cache.
#
# Guess of an expert: `gen_ai.usage.input_tokens` contains the cached input, as the convention says, since OpenLIT knows the cache of
#           both providers and takes it off where it prices an answer.
# Truth:    openlit 1.45.0 copies each provider's own number: without the cache for Anthropic, with it for OpenAI. Cache and cost have the
#           same attributes and the same, true values for both. Its total is the sum of input and output, so it differs, too.
# Versions: openlit 1.45.0 with anthropic 0.125.0 and openai 2.54.0 (PyPI). Seen on 2026-11-30.
# Output seen (uncached 1,000, read 20,000, written 5,000, output 500; the same prices for both):
#   anthropic: input 1000, read 20000, written 5000, output 500, total 1500, cost 0.0588
#   anthropic streamed: input 1000, read 20000, written 5000, output 500, total 1500, cost 0.0588
#   openai: input 26000, read 20000, written 5000, output 500, total 26500, cost 0.0588
#   openai streamed: input 26000, read 20000, written 5000, output 500, total 26500, cost 0.0588
# Why it matters: a sum over the standard attribute shows a twenty-sixth of Anthropic's input. Who adds the cache counts OpenAI's twice, and who
#           takes it off gets -24,000 for Anthropic. Only the provider's name says which to do.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet openlit==1.45.0 opentelemetry-sdk==1.45.1 anthropic==0.125.0 openai==2.54.0 2>/dev/null

cat > "$dir/prices.json" <<'P'
{"chat": {"any": {"promptPrice": 0.005, "completionPrice": 0.025, "cacheReadPrice": 0.0005, "cacheCreationPrice": 0.00625}}}
P
cat > "$dir/run.py" <<'P'
import http.server
import json
import logging
import threading

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.CRITICAL)
CLAUDE = {"input_tokens": 1000, "cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000, "output_tokens": 500}
GPT = {"prompt_tokens": 26000, "completion_tokens": 500, "total_tokens": 26500,
       "prompt_tokens_details": {"cached_tokens": 20000, "cache_write_tokens": 5000}}


def claude(streamed):
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "any", "stop_sequence": None}
    text = {"type": "text", "text": "x"}
    if not streamed:
        return message | {"content": [text], "stop_reason": "end_turn", "usage": CLAUDE}
    return [{"type": "message_start", "message": message | {"content": [], "stop_reason": None, "usage": CLAUDE | {"output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": CLAUDE},
            {"type": "message_stop"}]


def gpt(streamed):
    head, message = {"id": "c1", "created": 1, "model": "any"}, {"role": "assistant", "content": "x"}
    if not streamed:
        return head | {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": GPT}
    head["object"] = "chat.completion.chunk"
    return [head | {"choices": [{"index": 0, "finish_reason": "stop", "delta": message}]}, head | {"choices": [], "usage": GPT}]


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        streamed = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
        answer = (claude if self.path.endswith("/messages") else gpt)(streamed)
        text = "".join(f"event: {e.get('type', 'message')}\ndata: {json.dumps(e)}\n\n" for e in answer) if streamed else json.dumps(answer)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
kept, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
import openlit

openlit.init(disable_batch=True, pricing_json="prices.json")
from anthropic import Anthropic
from openai import OpenAI

claude_asks = Anthropic(base_url=url, api_key="dummy").messages.create
gpt_asks = OpenAI(base_url=f"{url}/v1", api_key="dummy").chat.completions.create
asked = {"model": "any", "max_tokens": 900, "messages": [{"role": "user", "content": "x"}]}
ways = {"anthropic": (claude_asks, {}), "anthropic streamed": (claude_asks, {"stream": True}), "openai": (gpt_asks, {}),
        "openai streamed": (gpt_asks, {"stream": True, "stream_options": {"include_usage": True}})}
names = {"input": "gen_ai.usage.input_tokens", "read": "gen_ai.usage.cache_read.input_tokens",
         "written": "gen_ai.usage.cache_creation.input_tokens", "output": "gen_ai.usage.output_tokens", "total": "gen_ai.client.token.usage"}
for way, (ask, more) in ways.items():
    kept.clear()
    answer = ask(**asked, **more)
    list(answer) if more else answer
    [span] = [s.attributes for s in kept.get_finished_spans() if names["input"] in s.attributes]
    print(f"SEEN {way}: " + ", ".join(f"{short} {span[name]}" for short, name in names.items()) + f", cost {span['gen_ai.usage.cost']:.4f}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 300 "$dir/venv/bin/python" run.py 2>/dev/null | sed -n 's/^SEEN //p')
want='anthropic: input 1000, read 20000, written 5000, output 500, total 1500, cost 0.0588
anthropic streamed: input 1000, read 20000, written 5000, output 500, total 1500, cost 0.0588
openai: input 26000, read 20000, written 5000, output 500, total 26500, cost 0.0588
openai streamed: input 26000, read 20000, written 5000, output 500, total 26500, cost 0.0588'
echo "openlit 1.45.0, anthropic 0.125.0, openai 2.54.0"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
