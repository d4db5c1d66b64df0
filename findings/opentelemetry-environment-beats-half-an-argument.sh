#!/usr/bin/env bash
# opentelemetry's `preferred_temporality` does not replace the environment: it only overlays the kinds that it names.
#
# Guess of an expert: an explicit argument beats an environment variable. What the argument leaves out is cumulative.
# Truth:    opentelemetry-exporter-otlp-proto-grpc 1.45.2 builds its table from the environment first and lays the
#           argument over it. With `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta` and the argument
#           {Counter: CUMULATIVE}, an observable counter stays DELTA. Its first export after each start then
#           carries the whole total again. The timeout has a surprise of its own: the specification of OTLP
#           counts `OTEL_EXPORTER_OTLP_TIMEOUT` in milliseconds, this exporter in seconds (5000 is 83 minutes).
# Versions: opentelemetry-sdk and opentelemetry-exporter-otlp-proto-grpc 1.45.2 (PyPI). Seen on 2026-11-28.
# Output seen:
#   start 1: counter CUMULATIVE 5
#   start 1: observed DELTA 100
#   start 2: counter CUMULATIVE 5
#   start 2: observed DELTA 100
#   sum of the deltas of observed: 200
#   timeout taken from 5000: 5000.0 s
# Why it matters: the users of this field set the delta preference for Claude Code's own metrics. A second
#           program in the same shell inherits it. A persisted total of 100 that is exported as a delta is added
#           again at each restart: 200 after one restart.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import logging
import os
os.environ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = "delta"
os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "5000"
from concurrent import futures
import grpc
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Wire
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader

logging.disable(logging.CRITICAL)
received = []

class Collector(metrics_service_pb2_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                received.extend(scope.metrics)
        return metrics_service_pb2.ExportMetricsServiceResponse()

server = grpc.server(futures.ThreadPoolExecutor(2))
metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Collector(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
total = 0
for start in (1, 2):  # two starts of a program that keeps its total of 100
    received.clear()
    exporter = OTLPMetricExporter(endpoint=f"http://127.0.0.1:{port}", insecure=True,
                                  preferred_temporality={Counter: AggregationTemporality.CUMULATIVE})
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)])
    meter = provider.get_meter("usage")
    meter.create_counter("counter").add(5)
    meter.create_observable_counter("observed", [lambda _: [Observation(100)]])
    provider.force_flush()
    for metric in received:
        kind = Wire.Name(metric.sum.aggregation_temporality).rpartition("_")[2]
        number = metric.sum.data_points[0].as_int
        print(f"start {start}: {metric.name} {kind} {number}")
        total += number if (metric.name, kind) == ("observed", "DELTA") else 0
    provider.shutdown()
print(f"sum of the deltas of observed: {total}")
print(f"timeout taken from 5000: {exporter._timeout} s")
server.stop(0)
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py 2>"$dir/err") || { cat "$dir/err"; got="$got (failed)"; }
want='start 1: counter CUMULATIVE 5
start 1: observed DELTA 100
start 2: counter CUMULATIVE 5
start 2: observed DELTA 100
sum of the deltas of observed: 200
timeout taken from 5000: 5000.0 s'
echo "opentelemetry-sdk 1.45.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
