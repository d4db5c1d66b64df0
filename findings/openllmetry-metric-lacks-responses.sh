#!/usr/bin/env bash
# OpenLLMetry's token metric counts OpenAI's chat answers and no answer of the Responses API, whose spans hold all tokens.
#
# Guess of an expert: an instrumentation that finds the usage of an answer for its span adds the same numbers to the metric
#           `gen_ai.client.token.usage`, whichever of OpenAI's two interfaces was called.
# Truth:    opentelemetry-instrumentation-openai 0.62.4 writes spans for both and the metric for chat alone. A streamed chat
#           answer also loses its reasoning tokens on the way to the span; the Responses API keeps them.
# Versions: opentelemetry-instrumentation-openai 0.62.4, openai 3.57.0, opentelemetry-sdk 1.45.2 (PyPI). Seen on 2026-11-30.
# Output seen (each answer: input 26,000 of which 20,000 cached, output 500 of which 400 for reasoning):
#   chat: span 26000, 500, reasoning 400; metric 26000, 500
#   chat, streamed: span 26000, 500, reasoning none; metric 26000, 500
#   responses: span 26000, 500, reasoning 400; metric nothing
#   responses, streamed: span 26000, 500, reasoning 400; metric nothing
#   all four: spans 104000, 2000; metric 52000, 1000
# Why it matters: agents with OpenAI's newer models use the Responses API, so a dashboard or budget on the metric shows 0 tokens, 0.015
#           dollars too little for each of these answers of GPT-5, and no error. A program that uses both loses a part.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet opentelemetry-instrumentation-openai==0.62.4 openai==3.57.0 opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import logging
import threading

from openai import OpenAI
from opentelemetry import metrics
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.CRITICAL)
CHAT = {"prompt_tokens": 26000, "completion_tokens": 500, "total_tokens": 26500,
        "prompt_tokens_details": {"cached_tokens": 20000}, "completion_tokens_details": {"reasoning_tokens": 400}}
USED = {"input_tokens": 26000, "output_tokens": 500, "total_tokens": 26500,
        "input_tokens_details": {"cached_tokens": 20000}, "output_tokens_details": {"reasoning_tokens": 400}}
BASE = {"id": "chatcmpl-1", "created": 1, "model": "gpt-5"}
TEXT = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "x", "annotations": []}]}
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "status": "completed", "output": [TEXT], "usage": USED,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
EVENTS = (
    {"type": "response.created", "sequence_number": 0, "response": RESPONSE | {"status": "in_progress", "output": [], "usage": None}},
    {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "x", "logprobs": []},
    {"type": "response.completed", "sequence_number": 2, "response": RESPONSE},
)


def chunk(**more):
    return "data: " + json.dumps(BASE | {"object": "chat.completion.chunk", "choices": []} | more) + "\n\n"


def answer(path, streamed):
    if path.endswith("/responses"):
        return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in EVENTS) if streamed else json.dumps(RESPONSE)
    if not streamed:
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        return json.dumps(BASE | {"object": "chat.completion", "choices": [choice], "usage": CHAT})
    parts = ({"role": "assistant", "content": "x"}, None), ({}, "stop")
    return "".join(chunk(choices=[{"index": 0, "delta": d, "finish_reason": r}]) for d, r in parts) + chunk(usage=CHAT) + "data: [DONE]\n\n"


class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        streamed = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
        body = answer(self.path, streamed).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
kept, provider, reader = InMemorySpanExporter(), TracerProvider(), InMemoryMetricReader()
provider.add_span_processor(SimpleSpanProcessor(kept))
metrics.set_meter_provider(MeterProvider([reader]))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="dummy")
chat, ask = client.chat.completions.create, client.responses.create
said = [{"role": "user", "content": "x"}]
calls = {
    "chat": lambda: chat(model="gpt-5", messages=said),
    "chat, streamed": lambda: list(chat(model="gpt-5", messages=said, stream=True, stream_options={"include_usage": True})),
    "responses": lambda: ask(model="gpt-5", input="x"),
    "responses, streamed": lambda: list(ask(model="gpt-5", input="x", stream=True)),
}


def counted():
    """Return the sums of the metric so far, by the type of token."""
    sums, data = {}, reader.get_metrics_data()
    for metric in (m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics) if data else ():
        if metric.name == "gen_ai.client.token.usage":
            for point in metric.data.data_points:
                kind = point.attributes["gen_ai.token.type"]
                sums[kind] = sums.get(kind, 0) + point.sum
    return sums.get("input", 0), sums.get("output", 0)


sums = [0, 0]
for title, call in calls.items():
    kept.clear()
    before = counted()
    call()
    more = [b - a for a, b in zip(before, counted(), strict=True)]
    [span] = kept.get_finished_spans()
    used = [span.attributes[f"gen_ai.usage.{kind}_tokens"] for kind in ("input", "output")]
    sums = [a + b for a, b in zip(sums, used, strict=True)]
    print(f"{title}: span {used[0]}, {used[1]}, reasoning {span.attributes.get('gen_ai.usage.reasoning_tokens', 'none')}; "
          f"metric {f'{more[0]}, {more[1]}' if any(more) else 'nothing'}")
total = counted()
print(f"all four: spans {sums[0]}, {sums[1]}; metric {total[0]}, {total[1]}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
  timeout 100 "$dir/venv/bin/python" run.py 2>/dev/null)
want='chat: span 26000, 500, reasoning 400; metric 26000, 500
chat, streamed: span 26000, 500, reasoning none; metric 26000, 500
responses: span 26000, 500, reasoning 400; metric nothing
responses, streamed: span 26000, 500, reasoning 400; metric nothing
all four: spans 104000, 2000; metric 52000, 1000'
echo "opentelemetry-instrumentation-openai 0.62.4"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
