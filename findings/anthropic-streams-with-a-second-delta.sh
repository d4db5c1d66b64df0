#!/usr/bin/env bash
# An Anthropic stream may hold several running totals: LangChain adds them all, OpenLLMetry adds the output and that of the start.
#
# Guess of an expert: the usage in `message_delta` is a running total, so whoever reads a stream keeps the last one, and an answer counts
#           the same streamed or not.
# Truth:    the API promises one or more of these events, with totals so far. The client of Anthropic and pydantic-ai (which
#           streams in each row) keep the last. langchain-anthropic 1.7.10 adds the whole usage of each, cached input included:
#           with two events one request is billed as two. opentelemetry-instrumentation-anthropic 0.62.4 adds the output of each and the
#           placeholder of `message_start`, so each streamed answer is too large, also with a single event.
# Versions: anthropic 1.17.0, langchain-anthropic 1.7.10, pydantic-ai-slim 2.68.0, opentelemetry-instrumentation-anthropic 0.62.4 (PyPI).
#           Seen on 2026-11-30.
# Output seen (input 1,000, read 20,000, written 5,000, output 500; `message_start` says 1 token of output):
#   not streamed: anthropic 26000 and 500, langchain 26000 and 500, pydantic-ai 26000 and 500, openllmetry 26000 and 500
#   one event of 500: anthropic 26000 and 500, langchain 26000 and 500, pydantic-ai 26000 and 500, openllmetry 26000 and 501
#   events of 300 and 500: anthropic 26000 and 500, langchain 52000 and 800, pydantic-ai 26000 and 500, openllmetry 26000 and 801
# Why it matters: at 5, 0.50, 6.25 and 25 dollars per million tokens the answer costs 0.0588 dollars. LangChain's numbers say 0.1125,
#           those of OpenLLMetry 0.0663, and the number of events is up to the server: no log tells it afterwards.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet anthropic==1.17.0 langchain-anthropic==1.7.10 "pydantic-ai-slim[anthropic]==2.68.0" \
  opentelemetry-instrumentation-anthropic==0.62.4 opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import asyncio
import http.server
import json
import logging
import threading

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.CRITICAL)
INPUT = {"input_tokens": 1000, "cache_read_input_tokens": 20000, "cache_creation_input_tokens": 5000}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [{"type": "text", "text": "x"}],
           "stop_reason": "end_turn", "stop_sequence": None, "usage": INPUT | {"output_tokens": 500}}
streaming, totals = False, [500]


def events():
    yield {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None, "usage": INPUT | {"output_tokens": 1}}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    yield {"type": "content_block_stop", "index": 0}
    for total in totals:
        reason = "end_turn" if total == totals[-1] else None
        yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": INPUT | {"output_tokens": total}}
    yield {"type": "message_stop"}


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        streamed = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
        text = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events()) if streamed else json.dumps(MESSAGE)
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
asked = {"model": "claude-opus-4-8", "max_tokens": 900, "messages": [{"role": "user", "content": "x"}]}

from anthropic import Anthropic
from langchain_anthropic import ChatAnthropic
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider


def by_client():
    client = Anthropic(base_url=url, api_key="dummy")
    if not streaming:
        usage = client.messages.create(**asked).usage
    else:
        with client.messages.stream(**asked) as stream:
            usage = stream.get_final_message().usage
    return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens, usage.output_tokens


def by_langchain():
    model = ChatAnthropic(model="claude-opus-4-8", base_url=url, api_key="dummy")
    if not streaming:
        usage = model.invoke("x").usage_metadata
    else:
        first, *rest = model.stream("x")
        for chunk in rest:
            first += chunk
        usage = first.usage_metadata
    return usage["input_tokens"], usage["output_tokens"]


def by_pydantic():
    agent = Agent(AnthropicModel("claude-opus-4-8", provider=AnthropicProvider(api_key="dummy", base_url=url)))

    async def streamed():
        async with agent.run_stream("x") as result:
            await result.get_output()
            return result.usage

    usage = asyncio.run(streamed()) if streaming else agent.run_sync("x").usage
    return usage.input_tokens, usage.output_tokens


def by_traceloop():
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = AnthropicInstrumentor()
    tracer.instrument(tracer_provider=provider)
    client = Anthropic(base_url=url, api_key="dummy")
    if not streaming:
        client.messages.create(**asked)
    else:
        list(client.messages.create(stream=True, **asked))
    tracer.uninstrument()
    [span] = kept.get_finished_spans()
    return span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]


readers = {"anthropic": by_client, "langchain": by_langchain, "pydantic-ai": by_pydantic, "openllmetry": by_traceloop}
cases = ("not streamed", False, [500]), ("one event of 500", True, [500]), ("events of 300 and 500", True, [300, 500])
for title, streaming, totals in cases:
    print(f"{title}: " + ", ".join("{} {} and {}".format(name, *read()) for name, read in readers.items()))
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 100 "$dir/venv/bin/python" run.py 2>/dev/null)
want='not streamed: anthropic 26000 and 500, langchain 26000 and 500, pydantic-ai 26000 and 500, openllmetry 26000 and 500
one event of 500: anthropic 26000 and 500, langchain 26000 and 500, pydantic-ai 26000 and 500, openllmetry 26000 and 501
events of 300 and 500: anthropic 26000 and 500, langchain 52000 and 800, pydantic-ai 26000 and 500, openllmetry 26000 and 801'
echo "anthropic 1.17.0, langchain-anthropic 1.7.10, pydantic-ai-slim 2.68.0, opentelemetry-instrumentation-anthropic 0.62.4"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
