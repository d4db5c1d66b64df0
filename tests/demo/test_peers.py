"""The invented homes of ``make bench-peers`` and how its viewers' answers are read; the viewers are not run here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.usage import MeterReading
from aico.features.demo.texts import CANARY_PREFIX
from aico.features.sources.cline.ledger import LedgerParser
from bench.peers.homes import NANO, Home, HomeMaker, Kind, Price
from bench.peers.report import Measured, dollars, seconds, table_of, write_results
from bench.peers.stores import WrittenHome
from bench.peers.viewers import agentsview_cost, codeburn_page_cost, codeburn_report_cost, our_cost, tokdash_cost
from bench.peers.watching import Shown, growing_tasks

NOW_MS = 1_772_000_000_000


def made(kind: Kind, count: int = 60, *, plain: bool = False) -> Home:
    """Return a small home."""
    return HomeMaker(7, NOW_MS).home(kind, count, plain=plain)


def ledger_nano(data: Path) -> int:
    """Return the cost of all entries of the ledger."""
    ledger = LedgerParser().parse(bytearray((data / "state" / "taskHistory.json").read_bytes()))
    readings = [record for record in ledger.records if isinstance(record, MeterReading)]
    return sum(round((reading.cost_usd or 0) * NANO) for reading in readings)


def ui_nano(data: Path) -> int:
    """Return the cost of all requests in the tasks' folders."""
    files = data.glob("tasks/*/ui_messages.json")
    rows = (row for path in files for row in json.loads(path.read_bytes()) if row["say"] == "api_req_started")
    return sum(round(json.loads(row["text"])["cost"] * NANO) for row in rows)


def messages_nano(data: Path) -> int:
    """Return the cost of all answers in the sessions' folders, those of subagents included."""
    files = data.glob("sessions/*/*.messages.json")
    rows = (row for path in files for row in json.loads(path.read_bytes())["messages"] if "metrics" in row)
    return sum(round(row["metrics"]["cost"] * NANO) for row in rows)


def sessions_nano(data: Path) -> int:
    """Return the cost of all sessions in the session store; what subagents spent stands in their parents' rows."""
    path = "$.aggregateUsage.totalCost"
    statement = "SELECT coalesce(json_extract(metadata_json, ?), json_extract(metadata_json, '$.totalCost'))"
    with closing(sqlite3.connect(data / "db" / "sessions.db")) as connection:
        rows = connection.execute(f"{statement} FROM sessions WHERE is_subagent = 0", (path,)).fetchall()
    return sum(round(cost * NANO) for (cost,) in rows)


def test_same_seed_makes_the_same_home() -> None:
    """A measurement can be repeated."""
    assert made(Kind.MIXED) == made(Kind.MIXED)
    assert made(Kind.MIXED).told() == made(Kind.MIXED).told()


def test_real_home_holds_what_makes_viewers_wrong() -> None:
    """Resumed tasks, subagents, cached tokens, a price that no list has, and usage that costs nothing."""
    home = made(Kind.MIXED, 200)
    assert any(task.in_ledger and task.in_sessions for task in home.tasks)
    assert any(task.of_agents for task in home.tasks)
    assert {task.model.price for task in home.tasks} == set(Price)
    assert home.truth.cache_reads > home.truth.tokens_in > 0
    assert not any(
        task.model.price is Price.NONE and any(r.cost_nano_usd for r in task.requests) for task in home.tasks
    )


def test_plain_home_is_at_list_price_and_without_subagents() -> None:
    """It is what every viewer should get right."""
    tasks = made(Kind.CURRENT, 200, plain=True).tasks
    assert {task.model.price for task in tasks} == {Price.LISTED}
    assert not any(task.of_agents or task.in_ledger for task in tasks)


@pytest.mark.parametrize(
    ("kind", "readings"),
    [(Kind.CLASSIC, [ledger_nano, ui_nano]), (Kind.CURRENT, [sessions_nano, messages_nano])],
)
def test_all_files_of_a_home_hold_the_same_truth(
    tmp_path: Path, kind: Kind, readings: list[Callable[[Path], int]]
) -> None:
    """Whichever file a viewer reads, its sum is the truth to the nano-dollar, also after a task grew."""
    maker = HomeMaker(7, NOW_MS)
    written = WrittenHome(maker.home(kind, 40, plain=False), tmp_path)
    written.write()
    first = written.home.truth.cost_nano_usd
    assert {reading(written.data) for reading in readings} == {first}
    task = growing_tasks(written)[0]
    maker.grow(written.home, task, NOW_MS)
    written.rewrite(task)
    written.close()
    assert {reading(written.data) for reading in readings} == {written.home.truth.cost_nano_usd}
    assert written.home.truth.cost_nano_usd > first


def test_resumed_task_stands_in_both_stores_and_its_session_begins_with_the_old_totals(tmp_path: Path) -> None:
    """The frozen entry stays; the parts in the folders add up to the truth, the session alone is the task's whole."""
    written = WrittenHome(made(Kind.MIXED, 50), tmp_path)
    written.write()
    written.close()
    moved = [task for task in written.home.tasks if not task.in_sessions]
    only_ledger = sum(request.cost_nano_usd for task in moved for request in task.requests)
    truth = written.home.truth.cost_nano_usd
    assert ui_nano(written.data) + messages_nano(written.data) == truth
    assert sessions_nano(written.data) + only_ledger == truth
    assert ledger_nano(written.data) > only_ledger


def test_every_prompt_of_a_home_is_a_marker(tmp_path: Path) -> None:
    """No text that could be mistaken for anybody's stands in the files."""
    written = WrittenHome(made(Kind.CLASSIC, 5), tmp_path)
    written.write()
    entries = json.loads((written.data / "state" / "taskHistory.json").read_bytes())
    assert all(entry["task"].startswith(CANARY_PREFIX) for entry in entries)


@pytest.mark.parametrize(
    ("cost_of", "answer", "cost"),
    [
        (our_cost, {"totals": {"total_cost": 1.5}}, 1.5),
        (tokdash_cost, {"total_cost": 1.23, "by_tool": {"cline": {"cost": 1.234}}}, 1.234),
        (tokdash_cost, {"total_cost": 0, "by_tool": {}}, 0.0),
        (agentsview_cost, {"totals": {"totalCost": {"microdollars": 2_500_000}}}, 2.5),
        (codeburn_page_cost, {"current": {"cost": 3}}, 3.0),
        (codeburn_report_cost, {"overview": {"cost": 4.25}}, 4.25),
    ],
)
def test_cost_is_found_in_an_answer_and_missed_in_another(
    cost_of: Callable[[object], float | None], answer: object, cost: float
) -> None:
    """An answer of another shape is no cost, not a cost of 0."""
    assert cost_of(answer) == cost
    others: list[object] = [{}, [], None, {"error": "x"}]
    assert [cost_of(other) for other in others] == [None] * 4


def test_what_is_late_is_said_to_be_late() -> None:
    """A sample beyond the limit is never left out of a median."""
    assert seconds([0.1, None]) == ">= 60 s"
    assert seconds([0.3, 0.1, 0.2]) == "0.20 s (0.10 to 0.30)"
    assert [dollars(off) for off in (None, 0.0, -0.5, 2.0)] == ["-", "$0", "-$0.500000", "+$2.000000"]


def test_results_name_the_truth_and_no_folder(tmp_path: Path) -> None:
    """The table has a row per viewer and home, the file the same figures."""
    shown = Shown(cost_usd=1.25, cold_s=[2.0], warm_s=[1.0], live_s=[None])
    measured = Measured("other", "1.0", "other serve", "classic, real: 3 tasks", 1.0, shown, timed=True)
    path = tmp_path / "peers.json"
    write_results([measured], ["codeburn: not measured"], path)
    row = "| other | classic, real | 2.00 s | 1.00 s | >= 60 s | $1.250000 | +$0.250000 |"
    assert row in table_of([measured])
    document = json.loads(path.read_text())
    assert document["not_measured"] == ["codeburn: not measured"]
    assert document["results"][0]["off_usd"] == 0.25
    assert str(tmp_path) not in path.read_text()
