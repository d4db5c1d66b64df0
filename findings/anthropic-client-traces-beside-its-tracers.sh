#!/usr/bin/env bash
# The client of Anthropic traces itself, so a program with an instrumentation sends the usage of each request twice.
#
# Guess of an expert: a client library sends no telemetry unless asked, and an instrumentation that finds spans of the client keeps one
#           of the two. So a sum of `gen_ai.usage.input_tokens` over all spans is what was billed.
# Truth:    anthropic 2.14.0 writes a span of its own for each request into the global tracer provider, by default. The
#           instrumentation of OpenLLMetry does not know that: two spans without a parent carry the same two totals,
#           and two different names for the cache writes. OpenInference has the second span under other names, with the span of
#           the client inside of its own. Only logfire keeps a single one. anthropic 0.125.0 has no such span.
# Versions: anthropic 2.14.0 and 0.125.0, opentelemetry-instrumentation-anthropic 0.62.4, openinference-instrumentation-anthropic
#           3.1.0, logfire 5.4.0, opentelemetry-sdk 1.45.2 (PyPI). Seen on 2026-11-30.
# Output seen (one request: input 1,000, read 20,000, written 5,000, output 500, so 26,000 and 500 in the convention):
#   anthropic 2.14.0
#   no instrumentation: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 0, cache_write 5000
#   openllmetry: 2 with usage, 0 of them inside another; input 52000, output 1000, cache_creation 5000, cache_write 5000
#   openllmetry, ANTHROPIC_OPEN_TELEMETRY=false: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 5000, cache_write 0
#   openinference: 2 with usage, 1 of them inside another; input 52000, output 1000, cache_creation 0, cache_write 10000
#   logfire: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 5000, cache_write 0
#   anthropic 0.125.0
#   openllmetry: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 5000, cache_write 0
# Why it matters: an update of the client doubles all tokens in a store of traces: 26,500 more in this request. The difference of the
#           doubled input and the cached kinds under one name is 7,000 instead of 1,000 uncached tokens, seven times too many.
#           A sum must take the spans of one scope, or one span for each `gen_ai.response.id`.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet anthropic==2.14.0 opentelemetry-instrumentation-anthropic==0.62.4 openinference-instrumentation-anthropic==3.1.0 \
  logfire==5.4.0 opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import logging
import sys
import threading

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.CRITICAL)
ANSWER = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "stop_reason": "end_turn", "stop_sequence": None,
          "content": [{"type": "text", "text": "x"}],
          "usage": {"input_tokens": 1000, "cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000, "output_tokens": 500}}


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
kept = InMemorySpanExporter()
which = sys.argv[1]
if which == "logfire":
    import logfire

    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(kept)])
    logfire.instrument_anthropic()
else:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
if which == "openllmetry":
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()
if which == "openinference":
    from openinference.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()
from anthropic import Anthropic

client = Anthropic(base_url=f"http://127.0.0.1:{server.server_port}", api_key="dummy")
client.messages.create(model="claude-opus-4-8", max_tokens=900, messages=[{"role": "user", "content": "x"}])
spans = [dict(s.attributes) | {"inside": s.parent is not None} for s in kept.get_finished_spans()]
spans = [s for s in spans if "gen_ai.usage.input_tokens" in s or "llm.token_count.prompt" in s]


def total(*names):
    return sum(s.get(name, 0) for s in spans for name in names)


print(f"{len(spans)} with usage, {total('inside')} of them inside another; "
      f"input {total('gen_ai.usage.input_tokens', 'llm.token_count.prompt')}, "
      f"output {total('gen_ai.usage.output_tokens', 'llm.token_count.completion')}, "
      f"cache_creation {total('gen_ai.usage.cache_creation.input_tokens')}, "
      f"cache_write {total('gen_ai.usage.cache_write.input_tokens', 'llm.token_count.prompt_details.cache_write')}")
P
seen() { # instrumentation [setting]
  (cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 ${2:+"$2"} \
    timeout 100 "$dir/venv/bin/python" run.py "$1" 2>/dev/null)
}
got=$(
  echo "anthropic 2.14.0"
  echo "no instrumentation: $(seen none)"
  echo "openllmetry: $(seen openllmetry)"
  echo "openllmetry, ANTHROPIC_OPEN_TELEMETRY=false: $(seen openllmetry ANTHROPIC_OPEN_TELEMETRY=false)"
  echo "openinference: $(seen openinference)"
  echo "logfire: $(seen logfire)"
  "$dir/venv/bin/pip" install --quiet anthropic==0.125.0 >/dev/null 2>&1
  echo "anthropic 0.125.0"
  echo "openllmetry: $(seen openllmetry)"
)
want='anthropic 2.14.0
no instrumentation: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 0, cache_write 5000
openllmetry: 2 with usage, 0 of them inside another; input 52000, output 1000, cache_creation 5000, cache_write 5000
openllmetry, ANTHROPIC_OPEN_TELEMETRY=false: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 5000, cache_write 0
openinference: 2 with usage, 1 of them inside another; input 52000, output 1000, cache_creation 0, cache_write 10000
logfire: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 5000, cache_write 0
anthropic 0.125.0
openllmetry: 1 with usage, 0 of them inside another; input 26000, output 500, cache_creation 5000, cache_write 0'
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
