"""Whether a database file is whole, asked by a second program that computes every account anew, the slow way."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aico.core.domain import TaskUsage
from tests.core.reference_accounts import Sums, plus, sums_of

DOLLAR = 10**9
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Audit:
    """What stands in a database that is whole."""

    epoch: str
    revision: int
    tasks: dict[str, TaskUsage]


def audit(path: Path) -> Audit:
    """Return what is stored; fail where SQLite finds damage, where accounts differ, or where a revision is missing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # one moment, also of a database that is being written
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tasks = {row[0]: TaskUsage(*row) for row in connection.execute(_TASKS)}
        _check_sums(connection, tasks)
        _check_counters(connection, tasks)
        ((epoch, revision),) = connection.execute("SELECT epoch, revision FROM database_state")
        revisions = [run[0] for run in connection.execute(_RUNS)]
        connection.execute("ROLLBACK")
    assert revisions == list(range(revision - len(revisions) + 1, revision + 1)), "the revisions have a gap"
    return Audit(epoch, revision, tasks)


_TASKS = "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
_RUNS = "SELECT revision FROM import_run WHERE revision IS NOT NULL ORDER BY id"
_DELTAS = "SELECT quarter, task_id, model, tokens_in, tokens_out, cost_nano_usd FROM usage_delta"
_DAYS = "SELECT day, task_id, model, tokens_in, tokens_out, cost_nano_usd FROM usage_task_day"
_TASK_MODELS = "SELECT task_id, model, tokens_in, tokens_out, cost_nano_usd FROM usage_task_model"
_ROLLUPS = "SELECT quarter, model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_rollup"
_TOTALS = "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_total"
_COUNTERS = "SELECT tokens_in, tokens_out, cost_usd, cost_nano FROM usage_counter"
_PEAKS = "SELECT task_id, tokens_in, tokens_out, cost_nano_usd FROM task_peak"


def _check_sums(connection: sqlite3.Connection, tasks: dict[str, TaskUsage]) -> None:
    """Hold the deltas against the rows, and every sum that is kept against the deltas."""
    deltas = [(row[:3], _sums(row[3:])) for row in connection.execute(_DELTAS)]
    by_task = _add_up((key[1], amount) for key, amount in deltas)
    assert by_task == {task_id: sums_of(usage) for task_id, usage in tasks.items()}
    totals = {row[0]: _sums(row[1:]) for row in connection.execute(_TOTALS)}
    assert totals == _add_up((model, amount) for (_quarter, _task, model), amount in deltas)
    if connection.execute("SELECT COUNT(*) FROM summed_source").fetchone() == (1,):
        rollups = {row[:2]: _sums(row[2:]) for row in connection.execute(_ROLLUPS)}
        assert rollups == _add_up(((quarter, model), amount) for (quarter, _task, model), amount in deltas)
        days = {row[:3]: _sums(row[3:]) for row in connection.execute(_DAYS)}
        assert days == _add_up(((quarter // 96, task, model), amount) for (quarter, task, model), amount in deltas)
        models = {row[:2]: _sums(row[2:]) for row in connection.execute(_TASK_MODELS)}
        assert models == _add_up(((task, model), amount) for (_quarter, task, model), amount in deltas)


def _check_counters(connection: sqlite3.Connection, tasks: dict[str, TaskUsage]) -> None:
    """Hold the counters that never fall against the highest totals that each task ever had."""
    peaks = {row[0]: _sums(row[1:]) for row in connection.execute(_PEAKS)}
    highest = _add_up(("", peaks.get(task_id, sums_of(usage))) for task_id, usage in tasks.items())
    assert _add_up(("", _sums(row)) for row in connection.execute(_COUNTERS)) == highest


def _sums(values: tuple[int, ...]) -> Sums:
    tokens_in, tokens_out, *cost = values
    return tokens_in, tokens_out, cost[0] if len(cost) == 1 else cost[0] * DOLLAR + cost[1]


def _add_up(amounts: Iterable[tuple[Key, Sums]]) -> dict[Key, Sums]:
    sums: dict[Key, Sums] = {}
    for key, amount in amounts:
        sums[key] = plus(sums.get(key, (0, 0, 0)), amount)
    return sums
