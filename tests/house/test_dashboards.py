"""The other end that we ship is as its script makes it, tells each money apart, and waits long enough."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from aico.core.otlp_settings import OtlpSettings
from aico.core.telemetry import INSTRUMENTS
from tests.system.shown_exports import translate

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "otel"
TITLES = {"AI Cost Overview", "Browser AI Usage", "Token Usage", "Unified Cost"}
NO_MONEY = re.compile(r"_estimated_cost_|_value_USD_")
MONEY = re.compile(r"ai_tokens_cost_")
NAMES = re.compile(r"\bai_\w+_(?:total|running|percent|MB)\b")
PANELS = {"stat", "timeseries", "bargauge", "piechart", "table", "text"}
"""Kinds of panels that Grafana has without a plugin."""


def dashboards() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Yield title and panels of every dashboard."""
    for path in sorted((SHIPPED / "grafana" / "dashboards").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        yield str(content["title"]), content["panels"]


def expressions() -> list[str]:
    """Return every expression of a dashboard or a rule."""
    texts = [path.read_text(encoding="utf-8") for path in (SHIPPED / "grafana" / "dashboards").glob("*.json")]
    found = [str(each) for text in texts for each in re.findall(r'"expr": "(.+?)",?\n', text)]
    return [*found, *(rule["expr"] for group in rules() for rule in group["rules"])]


def rules() -> list[dict[str, list[dict[str, str]]]]:
    """Return the groups of rules."""
    groups: list[dict[str, list[dict[str, str]]]] = yaml.safe_load((SHIPPED / "rules.yml").read_text())["groups"]
    return groups


def test_dashboards_are_as_the_script_makes_them() -> None:
    """Nobody has changed them by hand, nor the script without them."""
    command = [sys.executable, str(ROOT / "scripts" / "dashboards.py"), "--check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout


def test_dashboards_need_no_plugin_and_say_how_exact_they_are() -> None:
    """There are four, each with a panel of words."""
    found = dict(dashboards())
    assert set(found) == TITLES
    for panels in found.values():
        assert {panel["type"] for panel in panels} <= PANELS
        assert any("`increase()` guesses" in str(panel.get("options")) for panel in panels)


def test_no_query_adds_money_to_what_is_none() -> None:
    """No estimate and no value of a plan stands in an expression with money; all metrics of ours are asked for."""
    ours = {translate(each.name, each.kind.value, each.unit) for each in INSTRUMENTS.values()}
    for expression in expressions():
        assert not (NO_MONEY.search(expression) and MONEY.search(expression)), expression
        assert set(NAMES.findall(expression)) <= ours, expression
    assert {name for expression in expressions() for name in NAMES.findall(expression)} == ours


def test_collector_waits_longer_than_any_machine_and_not_for_ever() -> None:
    """A series expires after the longest interval and within ten minutes; scrapes come before the next export."""
    collector = yaml.safe_load((SHIPPED / "collector.yaml").read_text())
    expiration = collector["exporters"]["prometheus"]["metric_expiration"]
    assert expiration.endswith("m")
    longest = 240
    assert OtlpSettings(interval_s=longest).interval_s < int(expiration[:-1]) * 60 < 600
    scrape = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert int(scrape.removesuffix("s")) < OtlpSettings().interval_s
    grpc = collector["receivers"]["otlp"]["protocols"]["grpc"]
    assert grpc["auth"] == {"authenticator": "bearertokenauth"}
    assert {"cert_file", "key_file"} <= set(grpc["tls"])
    assert collector["service"]["pipelines"]["metrics"]["processors"][0] == "memory_limiter"
    assert "batch" in collector["service"]["pipelines"]["metrics"]["processors"]


def test_compose_keeps_thirty_days_and_mounts_what_is_there() -> None:
    """Only the collector is open to others; every mounted file exists, or is made by the one command."""
    services = yaml.safe_load((SHIPPED / "compose.yaml").read_text())["services"]
    assert "--storage.tsdb.retention.time=30d" in services["prometheus"]["command"]
    ports = {name: each["ports"] for name, each in services.items()}
    assert ports == {
        "collector": ["4317:4317"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    for each in services.values():
        for volume in each["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./") and not source.startswith("./certificates/"):
                assert (SHIPPED / source).exists(), source
