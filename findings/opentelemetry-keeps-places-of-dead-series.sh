#!/usr/bin/env bash
# opentelemetry folds the only ten series that a program sends into one without a name, since 2,000 others were sent once, long ago.
#
# Guess of an expert: the SDK for Python has no limit of series, or one for what is sent at a time; what is no longer observed
#           makes room, at least with delta temporality; a fold is logged.
# Truth:    opentelemetry-sdk 1.45.2 gives the first 2,000 sets of attributes of an observable instrument a place, for the life of the
#           process. Later ones share a point with the one attribute `otel.metric.overflow`, also when nothing else is left
#           to send, with both temporalities, and nothing is logged. For a sum it holds the sum, for a gauge only the last.
#           A synchronous counter makes room with delta temporality.
# Versions: opentelemetry-sdk 1.45.2 (PyPI). Seen on 2026-11-30.
# Output seen (2,000 sessions in the first export, ten others in the second; each has 10 tokens, the gauge is 0 to 9):
#   cumulative, observable counter: 2000 points, then 1 point, 1 overflow of 100
#   cumulative, observable gauge: 2000 points, then 1 point, 1 overflow of 9
#   cumulative, counter: 2000 points, then 2001 points, 1 overflow of 100
#   delta, observable counter: 2000 points, then 1 point, 1 overflow of 100
#   delta, observable gauge: 2000 points, then 1 point, 1 overflow of 9
#   delta, counter: 2000 points, then 10 points, 0 overflow of 0
#   logged: nothing
# Why it matters: an exporter of usage has a label for the session, the day or the project, and runs for months. Its totals stay right,
#           while every number by model or session of today moves into one nameless point. Only labels with few values are safe.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir" || true' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet opentelemetry-sdk==1.45.2 2>/dev/null

cat > "$dir/run.py" <<'P'
import io
import logging
import warnings

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

logged = io.StringIO()
logging.basicConfig(stream=logged, level=logging.DEBUG)
logging.captureWarnings(True)
warnings.simplefilter("always")


def points(reader):
    """Return the points of one export by the name of their metric."""
    parts = [part for each in reader.get_metrics_data().resource_metrics for part in each.scope_metrics]
    return {metric.name: list(metric.data.data_points) for part in parts for metric in part.metrics}


def plural(number):
    return f"{number} point{'s' * (number != 1)}"


for word, temporality in (("cumulative", AggregationTemporality.CUMULATIVE), ("delta", AggregationTemporality.DELTA)):
    reader = InMemoryMetricReader(preferred_temporality={Counter: temporality, ObservableCounter: temporality})
    provider = MeterProvider([reader])
    meter = provider.get_meter("usage")
    sessions = []
    meter.create_observable_counter("observable_counter", [lambda _: [Observation(10, {"session": name}) for name in sessions]])
    meter.create_observable_gauge("observable_gauge", [lambda _: [Observation(n, {"session": name}) for n, name in enumerate(sessions)]])
    counter = meter.create_counter("counter")
    seen = []
    for sessions[:] in ([f"old {n}" for n in range(2000)], [f"new {n}" for n in range(10)]):
        for name in sessions:
            counter.add(10, {"session": name})
        seen.append(points(reader))
    for name in ("observable_counter", "observable_gauge", "counter"):
        first, second = seen[0][name], seen[1][name]
        fold = [point.value for point in second if point.attributes == {"otel.metric.overflow": True}]
        print(f"{word}, {name.replace('_', ' ')}: {plural(len(first))}, then {plural(len(second))}, {len(fold)} overflow of {sum(fold)}")
    provider.shutdown()
print(f"logged: {logged.getvalue().strip() or 'nothing'}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 100 "$dir/venv/bin/python" run.py)
want='cumulative, observable counter: 2000 points, then 1 point, 1 overflow of 100
cumulative, observable gauge: 2000 points, then 1 point, 1 overflow of 9
cumulative, counter: 2000 points, then 2001 points, 1 overflow of 100
delta, observable counter: 2000 points, then 1 point, 1 overflow of 100
delta, observable gauge: 2000 points, then 1 point, 1 overflow of 9
delta, counter: 2000 points, then 10 points, 0 overflow of 0
logged: nothing'
echo "opentelemetry-sdk 1.45.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
