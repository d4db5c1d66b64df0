#!/usr/bin/env bash
# opentelemetry's Prometheus exporter writes values under the labels of other attributes when two scopes share a metric's name.
#
# Guess of an expert: two instrumented clients that both record `gen_ai.client.token.usage`, one with more attributes than the
#           other, make two series, each with its own labels; or what one lacks is empty; or the clash is refused.
# Truth:    opentelemetry-exporter-prometheus 0.66b2 takes the label names of the first scope for all, and fills them by
#           place. If the second lacks an attribute, the rest moves up: the label `account` holds a model, `model` holds the
#           name of the scope. If it has another attribute, its value gets the foreign label. If it has one more, that
#           one is cut off, so two series become one with two values. Nothing is raised. Within one scope all is right.
# Versions: opentelemetry-exporter-prometheus 0.66b2, opentelemetry-sdk 1.45.2, prometheus-client 0.26.0 (PyPI). Seen on 2026-11-29.
# Output seen:
#   one attribute less, same scope: account="", model="claude-opus-4-8", scope "first"
#   one attribute less: account="claude-opus-4-8", model="second", scope ""
#   another attribute: account="reviewer", model="claude-opus-4-8", scope "second"
#   one attribute more: model="claude-opus-4-8", scope "second"
#   one attribute more: model="claude-opus-4-8", scope "second"
#   warnings: 0
# Why it matters: clients of different makers do share these names, by the conventions. Costs by account and model are then
#           invented, and the last case gives one series two values at once. The clash needs both clients in one process,
#           so a test of each alone never shows it.
set -euo pipefail
trap 'echo "changed: a step failed, so nothing could be compared"; exit 1' ERR
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.11 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2 prometheus-client==0.26.0 2>/dev/null

cat > "$dir/run.py" <<'P'
import logging
import re
import warnings

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

told = []


class Told(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())


logging.getLogger().addHandler(Told())
logging.captureWarnings(True)
warnings.simplefilter("always")
OWN = {"model": "claude-opus-4-8"}


def show(title, scope, first, *seconds):
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    provider.get_meter("first").create_counter("gen_ai.client.token.usage", unit="{token}").add(100, first)
    counter = provider.get_meter(scope).create_counter("gen_ai.client.token.usage", unit="{token}")
    for number, attributes in enumerate(seconds):
        counter.add(7 + number, attributes)
    for line in generate_latest(REGISTRY).decode().splitlines():
        # The numbers of the second client, told apart from the first one's 100.
        if match := re.fullmatch(r"gen_ai_client_token_usage_total\{(.*)\} [78]\.0", line):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
            name = labels.pop("otel_scope_name")
            shown = ", ".join(f'{key}="{value}"' for key, value in labels.items() if not key.startswith("otel_"))
            print(f'{title}: {shown}, scope "{name}"')
    provider.shutdown()


both = {"account": "acme", "model": "gpt-5.5"}
show("one attribute less, same scope", "first", both, OWN)
show("one attribute less", "second", both, OWN)
show("another attribute", "second", both, {**OWN, "agent": "reviewer"})
show("one attribute more", "second", {"model": "gpt-5.5"}, {**OWN, "tier": "batch"}, {**OWN, "tier": "flex"})
print(f"warnings: {len(told)}")
P
got=$(cd "$dir" && env -i "PATH=$PATH" "HOME=$dir" "TMPDIR=$dir" timeout 60 "$dir/venv/bin/python" run.py)
want='one attribute less, same scope: account="", model="claude-opus-4-8", scope "first"
one attribute less: account="claude-opus-4-8", model="second", scope ""
another attribute: account="reviewer", model="claude-opus-4-8", scope "second"
one attribute more: model="claude-opus-4-8", scope "second"
one attribute more: model="claude-opus-4-8", scope "second"
warnings: 0'
echo "opentelemetry-exporter-prometheus 0.66b2, opentelemetry-sdk 1.45.2"
echo "$got"
if [ "$got" = "$want" ]; then echo "seen as written"; else echo "changed: the lines above are not those of the header"; exit 1; fi
