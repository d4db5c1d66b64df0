"""A day of two machines through the chain to a real Prometheus: every query of dashboards and rules gives data."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from aico.core.otlp_settings import OtlpSettings
from aico.core.settings import Settings
from aico.core.telemetry import INSTRUMENTS, Activity, Kind, Series, series
from aico.services.service import ObserverService
from tests.certificates import make_certificates
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.otlp.fake_collector import TOKEN, FakeCollector, collector
from tests.services.heard_service import running
from tests.sources.claude_code.claude_home import Clock, Transcript
from tests.sources.codex.codex_home import Rollout, Work
from tests.system.real_prometheus import ROOT, Prometheus, prometheus, promtool
from tests.system.real_vmagent import find_vmagent, vmagent
from tests.system.shown_exports import TRANSLATOR, Shown, shown, translate

SHIPPED = ROOT / "deploy" / "otel"
VARIABLES = {"$__rate_interval": "1h", "$__range": "1h", "$host": ".*", "$tool": ".*", "$model": ".*", "$source": ".*"}
APP, CLI = {"app_name": "Cursor", "app_category": "editor"}, {"cli_name": "claude", "cli_category": "agent"}
PAGE = {"ai_domain": "claude.ai", "ai_category": "chat"}
SEEN = {**PAGE, "browser_name": "firefox", "usage_source": "history"}
"""With the names of attributes' dots as underscores."""


class Query(NamedTuple):
    """A query that somebody has to be able to make."""

    where: str
    expression: str

    @property
    def ready(self) -> str:
        """The query with variables as Grafana puts them in when nothing is chosen."""
        text = self.expression
        for name, value in VARIABLES.items():
            text = text.replace(name, value)
        return text


def list_queries() -> list[Query]:
    """Return every query of the dashboards, of their variables, and of the rules."""
    found: list[Query] = []
    for path in sorted((SHIPPED / "grafana" / "dashboards").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for panel in content["panels"]:
            found += [Query(f"{path.stem}: {panel['title']}", each["expr"]) for each in panel.get("targets", ())]
        for variable in content["templating"]["list"]:
            [selector] = re.findall(r"label_values\((.+), \w+\)", variable["query"])
            found.append(Query(f"{path.stem}: ${variable['name']}", selector))
    for group in yaml.safe_load((SHIPPED / "rules.yml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            found.append(Query(f"rules: {rule.get('record') or rule['alert']}", rule["expr"]))
    return found


QUERIES = list_queries()
DOWN = "rules: AiCollectorDown"
"""Gives data only when nothing else does; it is tried last."""


def invented(step: int) -> Activity:
    """Return what a person did so far in apps, on pages and in commands."""
    thousand, usd = 1_000, 10**9
    totals = {
        series("ai.app.active.duration", **APP): step * 300 * thousand,
        series("ai.app.estimated.cost", **APP): step * usd // 4,
        series("ai.browser.domain.active.duration", **SEEN): step * 120 * thousand,
        series("ai.browser.domain.visit.count", **SEEN): step * 3,
        series("ai.browser.domain.estimated.cost", **PAGE): step * usd // 8,
        series("ai.cli.active.duration", **CLI): step * 60 * thousand,
        series("ai.cli.estimated.cost", **CLI): step * usd // 16,
        series("ai.cli.command.count", **CLI): step * 2,
    }
    gauges: dict[Series, int] = {
        series("ai.app.running", **APP): thousand,
        series("ai.app.cpu.usage", **APP): 12_500,
        series("ai.app.memory.usage", **APP): 512_000,
        series("ai.cli.running", **CLI): thousand,
    }
    return Activity(totals, gauges)


class Machine:
    """One home with tools and a service that exports, which is started and ended again and again."""

    def __init__(self, folder: Path, name: str, port: int, certificates: Path) -> None:
        self.folder = folder
        self.ledger = LedgerFile(folder / "cline" / "taskHistory.json")
        self.claude = Transcript(folder / "transcripts", "5c1f0d6e-0000-4000-8000-000000000001", Clock())
        self.codex = Rollout(Work(folder / "codex"))
        otlp = OtlpSettings.model_validate(
            {"endpoint": f"localhost:{port}", "token": TOKEN, "ca_file": certificates / "ca.pem", "host_name": name}
        ).model_copy(update={"interval_s": 0.2})
        self._settings = Settings.model_validate(
            {
                "ledger_path": str(self.ledger.path),
                "database_path": folder / "own" / "observer.db",
                "tick_s": 0.1,
                "debounce_ms": 10,
                "sources": {
                    "claude-code": {"enabled": True, "roots": (str(folder / "transcripts"),)},
                    "codex": {"enabled": True, "roots": (str(folder / "codex" / "sessions"),)},
                },
                "plans": {"codex": {"price": 20, "renews_on": 1}},
                "otlp": otlp,
            }
        )
        self.step = 1

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Run the service until the block ends."""
        service = ObserverService(self._settings, "1.2.3", now_ms)
        assert service.exporter is not None
        service.exporter._find_activity = self._find_activity
        async with running(service):
            yield

    async def _find_activity(self) -> Activity:
        return invented(self.step)

    def work(self, number: int) -> None:
        """Spend something with every tool, in every way that is told apart."""
        self.step += 1
        self.ledger.write(entry("1", model="claude-opus-4-8", tokens_in=10_000 * number, cost=100.0 * number))
        self.claude.turn(number)
        self.claude.model = "model-of-nobody"
        self.claude.turn(number + 1_000)
        self.claude.model = "claude-opus-4-8"
        self.codex.ask()
        self.codex.answer(number)
        self.codex.answer(number + 1, is_measured=False)


async def live(laptop: Machine, desktop: Machine, fake: FakeCollector, page: Shown, asked: Prometheus) -> None:
    """Live the day: history, growth, restarts, a machine that goes away."""

    async def seen(expression: str) -> None:
        await asyncio.to_thread(asked.wait_for, expression)

    laptop.work(1)
    desktop.work(1)
    async with laptop.serving():
        await seen('ai_requests_total{host_name="ada-laptop"} > 0')
        async with desktop.serving():
            await seen('ai_requests_total{host_name="ada-desktop"} > 0')
        laptop.work(2)
        await seen('sum(increase(ai_tokens_cost_usd_total{tool_name="cline"}[1m])) > 10')
    await seen("ai:machine_heard{host_name='ada-desktop'}")
    page.expired.add("ada-desktop")
    for number in (3, 5):
        laptop.work(number)
        async with laptop.serving():
            await seen(f"sum(increase(ai_tokens_cost_usd_total[1h])) > {number * 10}")
            for metric in ("ai_tokens_value_USD_total", "ai_tokens_unpriced_total", "ai_requests_unmeasured_total"):
                await seen(f"sum(increase({metric}[1h])) > 0")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, FakeCollector, ExitStack]]:
    """Live a day; yield the server to ask, the collector, and the stack that ends the showing."""
    folder = tmp_path_factory.mktemp("day")
    certificates = make_certificates(folder / "ca", "localhost")
    with ExitStack() as stack, collector(certificates) as fake:
        page = stack.enter_context(shown(fake))
        with prometheus(folder, page.authority, SHIPPED, "collector:8889") as asked:
            machines = [Machine(folder / name, name, fake.port, certificates) for name in ("ada-laptop", "ada-desktop")]
            asyncio.run(live(machines[0], machines[1], fake, page, asked))
            yield asked, fake, stack


@pytest.mark.parametrize("query", [each for each in QUERIES if each.where != DOWN], ids=lambda each: each.where)
def test_query_gives_data(day: tuple[Prometheus, FakeCollector, ExitStack], query: Query) -> None:
    """Every panel, variable and rule shows something after such a day: at least one number, and no error."""
    assert day[0].wait_for(query.ready)


def test_totals_in_prometheus_are_what_the_machines_have_sent(
    day: tuple[Prometheus, FakeCollector, ExitStack],
) -> None:
    """The last sample of each machine is its last export, and no export ever fell."""
    asked, fake, _ = day
    last: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    counters = {name for name, each in INSTRUMENTS.items() if each.kind is Kind.COUNTER}
    for export in fake.accepted:
        known = last.setdefault(export.resource["host.name"], {})
        for key, point in export.points.items():
            if key[0] in counters:
                assert point.value >= known.get(key, 0)
                known[key] = point.value
        assert {key for key in known if key[0] in counters} <= export.points.keys()
    spent = sum(value for (name, _), value in last["ada-laptop"].items() if name == "ai.tokens.cost_usd_total")
    total = 'sum(ai_tokens_cost_usd_total{host_name="ada-laptop"})'
    assert asked.wait_for(total) == [pytest.approx(spent, rel=1e-12)]


def test_names_are_those_of_the_table(
    day: tuple[Prometheus, FakeCollector, ExitStack], capsys: pytest.CaptureFixture[str]
) -> None:
    """Prometheus knows exactly the names that are documented, with their labels; their translator is told."""
    asked, fake, _ = day
    rows = [line.split("|") for line in (SHIPPED / "README.md").read_text(encoding="utf-8").splitlines()]
    table = {row[2].strip(" `"): row for row in rows if len(row) > 5 and row[2].strip().startswith("`ai.")}
    assert set(table) == set(INSTRUMENTS)
    kinds = {name: each for export in fake.accepted for name, each in export.kinds.items()}
    for name, row in table.items():
        kind, unit = kinds[name]
        assert (kind, unit) == (INSTRUMENTS[name].kind.value, INSTRUMENTS[name].unit)
        shown_name = row[3].strip(" `")
        assert translate(name, kind, unit) == shown_name
        labels = sorted(re.findall(r"`(\w+)`", row[5]))
        found = {label for (metric, pairs) in fake.accepted[-1].points if metric == name for label, _ in pairs}
        assert sorted(label.replace(".", "_") for label in found) == labels
        assert asked.wait_for(f'count({shown_name}{{job="ai-cost-observer"}})')
    with capsys.disabled():
        print(f"\nNames were translated by {TRANSLATOR}.")  # noqa: T201  # a run has to say it


def test_another_translator_gives_the_same_names(
    day: tuple[Prometheus, FakeCollector, ExitStack],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If vmagent can be had, it turns the last export of a machine into the names and values of the table."""
    _, fake, _ = day
    program, folder = find_vmagent(), tmp_path_factory.mktemp("vmagent")
    with capsys.disabled():
        who = "not" if program is None else "also"
        print(f"\nNames were {who} translated by VictoriaMetrics' vmagent.")  # noqa: T201  # a run has to say it
    if program is None:
        return
    last = fake.accepted[-1]
    wanted = {(translate(name, *last.kinds[name]), point.value) for (name, _), point in last.points.items()}
    assert {name for name, _ in last.points} == set(INSTRUMENTS)
    with (
        prometheus(folder, "127.0.0.1:9", SHIPPED, "collector:8889") as asked,
        vmagent(program, folder, asked.url) as agent,
    ):
        agent.take(last.request)
        for name, value in wanted:
            assert pytest.approx(value) in asked.wait_for(name)


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")],
)
def test_shipped_files_are_valid_and_alerts_fire_when_they_should(arguments: tuple[str, ...]) -> None:
    """The shipped files are read by promtool, and the rules' own tests pass."""
    answer = promtool(*arguments, folder=SHIPPED)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_alert_of_a_collector_that_is_down_gives_data(day: tuple[Prometheus, FakeCollector, ExitStack]) -> None:
    """The last one: nothing else gives data then."""
    asked, _, stack = day
    stack.close()
    [query] = [each for each in QUERIES if each.where == DOWN]
    assert asked.wait_for(query.ready) == [0]
