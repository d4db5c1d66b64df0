#!/usr/bin/env bash
# Four instrumentations trace one answer of Gemini: two write an output of 500 tokens and two of 100, under the same name.
#
# Guess of an expert: thoughts are billed as output, so all write them into the output, as they do for the reasoning of OpenAI's models;
#           and what a tracer leaves out of a part it leaves out of the total.
# Truth:    Google's API states thoughts beside the answer. opentelemetry-instrumentation-google-genai 1.3b0 and OpenInference 1.4.14
#           add them up. OpenLLMetry 0.62.4 writes the answer alone, no attribute for the thoughts, and a total that
#           contains them. OpenLIT 1.45.0 writes the answer alone, the thoughts beside it, a total without them, and a cost
#           without them, though the price of its file is for output.
# Versions: google-genai 2.34.0, opentelemetry-instrumentation-google-genai 1.3b0, openinference-instrumentation-google-genai 1.4.14,
#           opentelemetry-instrumentation-google-generativeai 0.62.4; openlit 1.45.0 with google-genai 3.6.1 (PyPI). Seen on 2026-11-30.
# Output seen (input 26,000 of which 20,000 cached, answer 100, thoughts 400, total 26,500):
#   opentelemetry: output 500, thoughts 400, total none, cost none; metric 500
#   openinference: output 500, thoughts 400, total 26500, cost none; metric none
#   openllmetry: output 100, thoughts none, total 26500, cost none; metric 100
#   openlit: output 100, thoughts 400, total 26100, cost 0.0110; metric 100
# Why it matters: four fifths of the output are missing in the standard attribute and metric. At 10 dollars per million it is 0.004 of
#           the 0.015 dollars. The two that agree with each other cannot be told from the attribute, only from the scope.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
for name in venv openlit; do python3.11 -m venv "$dir/$name"; done
"$dir/venv/bin/pip" install --quiet google-genai==2.34.0 opentelemetry-instrumentation-google-genai==1.3b0 opentelemetry-sdk==1.45.2 \
  openinference-instrumentation-google-genai==1.4.14 opentelemetry-instrumentation-google-generativeai==0.62.4 2>/dev/null
"$dir/openlit/bin/pip" install --quiet google-genai==3.6.1 openlit==1.45.0 opentelemetry-sdk==1.45.1 2>/dev/null

cat > "$dir/prices.json" <<'P'
{"chat": {"gemini-2.5-pro": {"promptPrice": 0.00125, "completionPrice": 0.01, "cacheReadPrice": 0.000125}}}
P
cat > "$dir/run.py" <<'P'
import http.server
import json
import logging
import sys
import threading

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

logging.disable(logging.CRITICAL)
ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP", "index": 0}],
          "usageMetadata": {"promptTokenCount": 26000, "cachedContentTokenCount": 20000, "candidatesTokenCount": 100, "thoughtsTokenCount": 400,
                            "totalTokenCount": 26500},
          "modelVersion": "gemini-2.5-pro", "responseId": "r1"}


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
kept, provider, reader = InMemorySpanExporter(), TracerProvider(), InMemoryMetricReader()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))
which = sys.argv[1]
if which == "opentelemetry":
    from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor as Instrumentor
if which == "openinference":
    from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor as Instrumentor
if which == "openllmetry":
    from opentelemetry.instrumentation.google_generativeai import GoogleGenerativeAiInstrumentor as Instrumentor
if which == "openlit":
    import openlit

    openlit.init(disable_batch=True, pricing_json="prices.json")
else:
    Instrumentor().instrument()
from google import genai

client = genai.Client(api_key="dummy", http_options={"base_url": f"http://127.0.0.1:{server.server_port}"})
client.models.generate_content(model="gemini-2.5-pro", contents="x")
[span] = [s.attributes for s in kept.get_finished_spans() if any("token" in name for name in s.attributes)]
data, sums = reader.get_metrics_data(), []
for metric in (m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics) if data else ():
    if metric.name == "gen_ai.client.token.usage":
        sums += [p.sum for p in metric.data.data_points if p.attributes["gen_ai.token.type"] == "output"]


def one(*names):
    return next((span[name] for name in names if name in span), "none")


cost = one("gen_ai.usage.cost")
print(f"SEEN {which}: output {one('gen_ai.usage.output_tokens', 'llm.token_count.completion')}, "
      f"thoughts {one('gen_ai.usage.reasoning.output_tokens', 'llm.token_count.completion_details.reasoning', 'gen_ai.usage.reasoning_tokens')}, "
      f"total {one('gen_ai.usage.total_tokens', 'llm.token_count.total', 'gen_ai.client.token.usage')}, "
      f"cost {cost if cost == 'none' else f'{cost:.4f}'}; metric {sum(sums) if sums else 'none'}")
P
seen() { # environment, instrumentation
  (cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
    timeout 100 "$dir/$1/bin/python" run.py "$2" 2>/dev/null | sed -n 's/^SEEN //p')
}
got=$(
  seen venv opentelemetry
  seen venv openinference
  seen venv openllmetry
  seen openlit openlit
)
want='opentelemetry: output 500, thoughts 400, total none, cost none; metric 500
openinference: output 500, thoughts 400, total 26500, cost none; metric none
openllmetry: output 100, thoughts none, total 26500, cost none; metric 100
openlit: output 100, thoughts 400, total 26100, cost 0.0110; metric 100'
echo "google-genai 2.34.0, for openlit 3.6.1"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
