"""Forgetting: everything of a task goes, nothing else changes, and it does not come back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from aico.core.accounting import Amount
from aico.core.errors import StorageBusy
from aico.core.repository import UsageRepository
from aico.core.upkeep.backups import get_position
from aico.core.upkeep.forgetting import forget, preview_forgetting
from aico.features.stores.diff import diff_usage
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, Store, read_rows, usage

TABLES = ("cline_task_usage", "usage_delta", "usage_task_day", "usage_task_model", "task_peak", "task_store")


@pytest.fixture
async def three(store: Store) -> Store:
    """Return a store of three tasks with a history: one fell below its peak, one changed its model."""
    await store.take_in([usage("a", tokens_in=500), usage("b", ts=NOW_MS - 86_400_000), usage("c", total_cost=3.0)])
    await store.repository.catch_up()
    await store.take_in([usage("a", tokens_in=200), usage("b", tokens_in=900, model_id="other")])
    return store


def tasks_in(store: Store, table: str) -> set[object]:
    """Return the ids that a table holds."""
    return {row[0] for row in read_rows(store.path, f"SELECT task_id FROM {table}")}  # noqa: S608  # our own tables


async def test_forgetting_says_first_what_would_go(three: Store) -> None:
    """The preview counts and adds up what would go, and changes nothing."""
    position = get_position(three.path)
    going = preview_forgetting(three.path, ["a", "nobody", "b"], None)
    assert going.task_ids == ("a", "b")
    assert going.unknown_ids == ("nobody",)
    assert going.spent == Amount(1_100, 20, 500_000_000)
    assert tasks_in(three, "cline_task_usage") == {"a", "b", "c"}
    assert get_position(three.path) == position


async def test_forgetting_before_a_moment_means_the_last_activity(three: Store) -> None:
    """A task that went on after the moment stays, also with what it spent before."""
    assert preview_forgetting(three.path, [], NOW_MS).task_ids == ()
    await three.take_in([usage("old", ts=NOW_MS - 1)])
    assert preview_forgetting(three.path, [], NOW_MS).task_ids == ("old",)


async def test_forgetting_removes_a_task_from_every_table(three: Store) -> None:
    """Rows, deltas, sums and peaks go in one transaction; the id stays as forgotten; the accounts agree."""
    counters = read_rows(three.path, "SELECT * FROM usage_counter")
    position = get_position(three.path)
    forget(three.path, ["a", "b"], NOW_MS)
    assert {table: tasks_in(three, table) - {"c"} for table in TABLES} == {table: set() for table in TABLES}
    assert tasks_in(three, "forgotten_task") == {"a", "b"}
    assert read_rows(three.path, "SELECT * FROM usage_counter") == counters
    assert read_rows(three.path, "SELECT SUM(tokens_in), SUM(cost_usd) FROM usage_total") == [(100, 3)]
    assert read_rows(three.path, "SELECT model FROM usage_rollup WHERE model = 'other'") == []
    assert failed_checks(three.path) == []
    after = get_position(three.path)
    assert after.epoch != position.epoch
    assert after.revision == position.revision + 1


async def test_forgotten_task_does_not_come_back(three: Store) -> None:
    """The next ledgers hold it still, as it was and grown; it counts as unchanged, and others are imported."""
    forget(three.path, ["a"], NOW_MS)
    three.forget_what_is_known()
    known = await three.repository.get_known()
    for tokens_in in (200, 5_000):
        entries = [usage("a", tokens_in=tokens_in), usage("d", tokens_in=tokens_in)]
        diff = diff_usage(known.tasks, entries, forgotten=known.forgotten)
        assert [change.after.task_id for change in diff.changes] == ["d"]
        assert diff.unchanged_count == 1


async def test_forgetting_everything_leaves_a_database_that_goes_on(three: Store) -> None:
    """Without any task there are no sums; new ones are imported as ever."""
    forget(three.path, ["a", "b", "c"], NOW_MS)
    assert read_rows(three.path, "SELECT COUNT(*) FROM usage_total") == [(0,)]
    three.repository = UsageRepository(three.database, "cline", lambda: NOW_MS)
    await three.take_in([usage("d")])
    assert failed_checks(three.path) == []


@pytest.mark.slow
async def test_forgetting_waits_for_nobody_and_does_nothing_by_halves(three: Store) -> None:
    """While another program holds the lock it is refused, and everything stays."""
    with closing(sqlite3.connect(three.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            forget(three.path, ["a"], NOW_MS)
    assert tasks_in(three, "cline_task_usage") == {"a", "b", "c"}
    assert failed_checks(three.path) == []
