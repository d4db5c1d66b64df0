"""Checks that a database file is whole, by a second program that computes every account anew, the slow way."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from tests.core.database_damage import failed_checks
from tests.emulator.ledger_truth import Task
from tests.faults.life_model import SLOT_MS, Growth, GrowthKey, Numbers, normalised

DOLLAR = 10**9
DAY_SLOTS = 96
AT_LEAST, UNMEASURED = 3, 4
Key = TypeVar("Key", bound=Hashable)
Sums: TypeAlias = tuple[int, ...]
"""Tokens in, tokens out, nano-dollars."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The content of a database that is whole and knows no other source than Cline's ledger."""

    epoch: str
    revision: int
    tasks: dict[str, Task]
    growth: dict[GrowthKey, Growth]
    """The booked growth, by task, slot and model."""
    highs: dict[str, Numbers]
    """The highest numbers that each task ever had."""


def audit(path: Path) -> Audit:
    """Return the stored content; fail if SQLite finds damage, if accounts differ, or if a revision is missing."""
    found = failed_checks(path)
    assert found == [], found
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # one moment, also of a database that is being written
        tasks = {row[0]: Task(*row) for row in connection.execute(_TASKS)}
        highs: dict[str, Numbers] = {row[0]: row[1:] for row in connection.execute(_METERS)}
        booked = [(row[:3], _growth(*row[3:], is_priced=bool(highs[row[0]][2]))) for row in connection.execute(_EVENTS)]
        _check_sums(connection, booked)
        ((epoch, revision),) = connection.execute("SELECT epoch, revision FROM database_state")
        revisions = [run[0] for run in connection.execute(_RUNS)]
        connection.execute("ROLLBACK")
    growth = dict(booked)
    assert len(growth) == len(booked), "one growth is booked twice"
    by_task = _add_up((task, _sums(each)) for (task, _slot, _model), each in booked)
    assert by_task == {task: _zeros(high) for task, high in highs.items()}, "what was spent is not the high water"
    assert tasks.keys() == highs.keys()
    assert revisions == list(range(revision - len(revisions) + 1, revision + 1)), "the revisions have a gap"
    return Audit(epoch, revision, tasks, growth, highs)


_TASKS = "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
_RUNS = "SELECT revision FROM import_run WHERE revision IS NOT NULL ORDER BY id"
_METERS = "SELECT s.key, high_input, high_output, high_nano FROM meter JOIN session AS s ON s.id = session"
_EVENTS = f"""
    SELECT s.key, e.ts / {SLOT_MS}, m.name, e.input, e.output, e.recorded_nano, e.state FROM usage_event AS e
    JOIN session AS s ON s.id = e.session JOIN model AS m ON m.id = e.model
"""  # noqa: S608  # our own names
_SPENT = "t.input, t.output, t.recorded_usd, t.recorded_nano"
_SLOTS = f"SELECT slot, m.name, {_SPENT} FROM usage_slot AS t JOIN model AS m ON m.id = t.model"  # noqa: S608
_DAYS = f"""
    SELECT s.key, day, m.name, {_SPENT} FROM usage_session_day AS t
    JOIN session AS s ON s.id = t.session JOIN model AS m ON m.id = t.model
"""  # noqa: S608  # our own names
_TOTALS = f"SELECT m.name, {_SPENT} FROM usage_total AS t JOIN model AS m ON m.id = t.model"  # noqa: S608


def _growth(
    tokens_in: int | None, tokens_out: int | None, cost_nano: int | None, state: int, *, is_priced: bool
) -> Growth:
    is_part = is_priced and cost_nano is None and bool(tokens_in or tokens_out)
    cost = 0 if is_part else cost_nano
    return normalised(Growth(tokens_in, tokens_out, cost, state != UNMEASURED, not is_part and state != AT_LEAST))


def _check_sums(connection: sqlite3.Connection, booked: list[tuple[GrowthKey, Growth]]) -> None:
    """Hold every sum that is kept against what was booked."""
    spent = [(key, _sums(growth)) for key, growth in booked]
    for statement, sums in (
        (_SLOTS, _add_up(((slot, model), each) for (_task, slot, model), each in spent)),
        (_DAYS, _add_up(((task, slot // DAY_SLOTS, model), each) for (task, slot, model), each in spent)),
        (_TOTALS, _add_up(((model,), each) for (_task, _slot, model), each in spent)),
    ):
        kept = {row[:-4]: (row[-4], row[-3], row[-2] * DOLLAR + row[-1]) for row in connection.execute(statement)}
        assert kept == sums


def _sums(growth: Growth) -> Sums:
    return _zeros(growth[:3])


def _zeros(numbers: Iterable[int | None]) -> Sums:
    return tuple(number or 0 for number in numbers)


def _add_up(amounts: Iterable[tuple[Key, Sums]]) -> dict[Key, Sums]:
    sums: dict[Key, Sums] = {}
    for key, amount in amounts:
        sums[key] = tuple(map(sum, zip(sums.get(key, (0, 0, 0)), amount, strict=True)))
    return sums
