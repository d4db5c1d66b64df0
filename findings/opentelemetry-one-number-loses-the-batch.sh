#!/usr/bin/env bash
# opentelemetry's exporter loses ALL metrics of a cycle when one of them is too large, and reports success.
#
# Guess of an expert: a counter beyond 64 bits is refused where it is recorded, or it is dropped alone.
#           `force_flush()` returns False if nothing was sent.
# Truth:    opentelemetry-sdk 1.45.2 accepts an observation of 2**63. The exporter fails while it encodes the
#           batch, so no metric of the cycle leaves, in this cycle and in each later one. `force_flush()` returns
#           True. It also returns True when nobody listens on the port. Only the log has a trace.
# Versions: opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http 1.45.2 (PyPI). Seen on 2026-11-28.
# Output seen:
#   2**63 - 1: force_flush True, received ["small", "large"]
#   2**63: force_flush True, received []
#   2**63 again: force_flush True, received []
#   port closed: force_flush True, received []
# Why it matters: token counters and costs in nano-dollars of many users come near such numbers only by a broken
#           log line, and then the whole dashboard stops. A health check on `force_flush()` stays green.
#           A sender must clamp each number itself, and look at the exporter's own result.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import json
import logging
import threading
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

logging.disable(logging.CRITICAL)
names = []

class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = ExportMetricsServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        names.extend(m.name for r in body.resource_metrics for s in r.scope_metrics for m in s.metrics)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
exporter = OTLPMetricExporter(endpoint=f"http://127.0.0.1:{server.server_address[1]}/v1/metrics", timeout=2, compression=None)
provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)])
meter = provider.get_meter("usage")
value = [2**63 - 1]
meter.create_observable_counter("small", [lambda _: [Observation(7)]])
meter.create_observable_counter("large", [lambda _: [Observation(value[0])]])

def cycle(title):
    names.clear()
    flushed = provider.force_flush(5000)
    print(f"{title}: force_flush {flushed}, received {json.dumps(names)}")

cycle("2**63 - 1")
value[0] = 2**63
cycle("2**63")
cycle("2**63 again")
value[0] = 5
server.shutdown()
server.server_close()
cycle("port closed")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='2**63 - 1: force_flush True, received ["small", "large"]
2**63: force_flush True, received []
2**63 again: force_flush True, received []
port closed: force_flush True, received []'
echo "opentelemetry-sdk 1.45.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
