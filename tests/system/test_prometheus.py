"""The metrics as a real Prometheus takes them, our alert rules, and every query of our dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import pytest

from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_process import ServerProcess
from tests.system.real_prometheus import ROOT, Prometheus, prometheus, promtool

JOB = 'job="ai-cost-observer"'
SETTINGS = {
    "AICO_BUDGET_DAILY_USD": "5",
    "AICO_BUDGET_MONTHLY_USD": "50",
    "AICO_KIMI_PROXY_URL": "http://127.0.0.1:9",
    "AICO_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "AICO_OTLP_INSECURE": "true",
    "AICO_CLINE_SESSIONS": "true",
    # A rescan that comes first would be no write that the watch noticed.
    "AICO_RESCAN_INTERVAL_S": "0",
}
VARIABLES = {"$__rate_interval": "1h", "$job": ".*", "$model": ".*"}
"""A rate over as long as the tests may take: what was written before them lies within it at their end, too."""


def dashboard_queries() -> list[str]:
    """Return every query of the dashboard, its variables as Grafana puts them in when nothing is chosen."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
    found: list[str] = []
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = str(target["expr"])
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append(expression)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serve a ledger of two models, with everything set that makes a metric."""
    folder = tmp_path_factory.mktemp("service")
    with ServerProcess(folder, {**SETTINGS, "AICO_SESSIONS_PATH": f"{folder.resolve()}/sessions.db"}) as server:
        LedgerFile(server.ledger).write(entry("1", cost=0.5), entry("2", model=None, cost=0.25), {"id": ""})
        server.wait_for_state("watching")
        yield server


@pytest.fixture(scope="module")
def scraping(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrape it, and let it import something between two scrapes."""
    with prometheus(tmp_path_factory.mktemp("prometheus"), server.authority) as found:
        found.wait_for(f"aico_current_cost_usd{{{JOB}}}", lambda values: sorted(values) == [0.25, 0.5])
        LedgerFile(server.ledger).write(entry("1", cost=0.75), entry("2", model=None, cost=0.25), {"id": ""})
        # A rate needs a scrape before and one after.
        found.wait_for(f"sum(increase(aico_cost_usd_total{{{JOB}}}[1m])) > 0")
        found.wait_for(f"sum(rate(aico_write_to_publish_seconds_count{{{JOB}}}[1m])) > 0")
        yield found


def test_promtool_has_nothing_to_say_about_our_metrics(server: ServerProcess) -> None:
    """Names, types, units and help keep Prometheus' conventions: exit 0, and not a word."""
    with server.client() as client:
        text = client.get("/metrics").text
    answer = promtool("check", "metrics", given=text)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert "aico_kimi_proxy_state" in text


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
)
def test_shipped_files_are_valid_and_alerts_fire_when_they_should(arguments: tuple[str, ...]) -> None:
    """The shipped files are read by promtool, and the alerts' own tests pass."""
    answer = promtool(*arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_prometheus_scrapes_what_was_spent(scraping: Prometheus) -> None:
    """A scrape succeeds, and counters and gauges say what the ledger says."""
    wanted: tuple[tuple[str, float], ...] = (
        (f"up{{{JOB}}}", 1),
        (f"sum(aico_cost_usd_total{{{JOB}}})", 1.0),
        (f"sum(aico_current_tasks{{{JOB}}})", 2),
        (f"aico_ledger_rejected_entries{{{JOB}}}", 1),
        (f'aico_watcher_state{{{JOB}, state="watching"}}', 1),
        (f"sum(aico_watcher_state{{{JOB}}})", 1),
        (f'aico_build_info{{{JOB}, version=~".+"}}', 1),
    )
    for expression, value in wanted:
        scraping.wait_for(expression, [value].__eq__)


def test_prometheus_evaluates_every_alert(scraping: Prometheus) -> None:
    """Each of our rules is loaded under its name and none is in error."""
    data = cast("dict[str, list[dict[str, list[dict[str, str]]]]]", scraping.get("rules"))
    rules = [rule for group in data["groups"] for rule in group["rules"]]
    shipped = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    assert [rule["name"] for rule in rules] == [
        line.split()[2] for line in shipped.splitlines() if line.strip().startswith("- alert: ")
    ]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}  # unknown: its turn has not come yet


@pytest.mark.parametrize("expression", dashboard_queries())
def test_query_of_the_dashboard_gives_data(scraping: Prometheus, expression: str) -> None:
    """Every panel shows something on a service that runs: at least one number."""
    assert scraping.wait_for(expression)


def test_every_metric_of_ours_is_documented(server: ServerProcess) -> None:
    """The list beside the dashboard names each of our metrics, and none that is not there."""
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    ours = {line.split()[2] for line in lines if line.startswith("# TYPE aico_")}
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    listed = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `aico_")}
    assert listed == ours
