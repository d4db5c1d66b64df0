#!/usr/bin/env bash
# An observable counter that falls is sent as a negative amount, in a sum that says of itself that it never falls.
#
# Guess of an expert: with delta temporality the SDK takes a smaller total for a restart, and sends the new total or nothing. A counter
#           refuses what is negative, and observable or not makes no difference.
# Truth:    opentelemetry-sdk 1.45.2 refuses a negative amount for a counter, with a warning, and checks nothing of an
#           observable one. A total that falls from 150 to 20 leaves as -130 with `isMonotonic` true, and a total of -7 as it is.
#           With cumulative temporality the fall goes out under the old start time, so a receiver cannot tell it from a late point.
# Versions: opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http 1.45.2 (PyPI). Seen on 2026-11-30.
# Output seen (what a collector received):
#   delta, total 100: 100, monotonic True
#   delta, total 150: 50, monotonic True
#   delta, total 20: -130, monotonic True
#   delta, total -7: -27, monotonic True
#   cumulative, total 150 and then 20: 150, 20, monotonic True, same start True
#   counter of a program that adds 5 and -3: 5, monotonic True
# Why it matters: totals read from a log or a store fall when a tool deletes old sessions or a row is corrected. A receiver that
#           trusts the flag may drop the point or take it for a restart. Whoever sends must keep the total from falling, by itself.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import http.server
import logging
import threading

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader

logging.disable(logging.CRITICAL)
sums = []


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = ExportMetricsServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        sums.extend(m.sum for r in body.resource_metrics for s in r.scope_metrics for m in s.metrics)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()


def provider_of(temporality):
    exporter = OTLPMetricExporter(endpoint=f"http://127.0.0.1:{server.server_port}/v1/metrics", timeout=5,
                                  preferred_temporality={ObservableCounter: temporality})
    return MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)])


def observed(temporality, totals):
    """Return the sums that a collector gets while a total takes these values, one export each."""
    sums.clear()
    provider, value = provider_of(temporality), [0]
    provider.get_meter("usage").create_observable_counter("tokens", [lambda _: [Observation(value[0], {"model": "m"})]])
    for value[0] in totals:
        provider.force_flush(10000)
    found = list(sums)
    provider.shutdown()
    return found[: len(totals)]


totals = (100, 150, 20, -7)
for total, each in zip(totals, observed(AggregationTemporality.DELTA, totals), strict=True):
    [point] = each.data_points
    print(f"delta, total {total}: {point.as_int}, monotonic {each.is_monotonic}")
first, second = observed(AggregationTemporality.CUMULATIVE, (150, 20))
[one], [two] = first.data_points, second.data_points
print(f"cumulative, total 150 and then 20: {one.as_int}, {two.as_int}, monotonic {second.is_monotonic}, "
      f"same start {one.start_time_unix_nano == two.start_time_unix_nano}")
sums.clear()
provider = provider_of(AggregationTemporality.CUMULATIVE)
counter = provider.get_meter("usage").create_counter("tokens")
counter.add(5)
counter.add(-3)
provider.force_flush(10000)
print(f"counter of a program that adds 5 and -3: {sums[0].data_points[0].as_int}, monotonic {sums[0].is_monotonic}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py)
want='delta, total 100: 100, monotonic True
delta, total 150: 50, monotonic True
delta, total 20: -130, monotonic True
delta, total -7: -27, monotonic True
cumulative, total 150 and then 20: 150, 20, monotonic True, same start True
counter of a program that adds 5 and -3: 5, monotonic True'
echo "opentelemetry-sdk 1.45.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
