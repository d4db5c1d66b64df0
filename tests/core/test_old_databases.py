"""Databases of every older schema, written by the versions that had it: what they said is said after the migration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aico.core.db.migrations import migrate
from aico.core.db.reader import Group, Sort, UsageSnapshot
from aico.core.filters import UsageFilter
from aico.core.money import nano_usd
from aico.core.sums import Sums
from aico.core.usage import DAY_SLOTS
from tests.core.database_damage import failed_checks
from tests.core.old_databases import NAMES, Amounts, open_old, read_answers
from tests.core.repository_on_file import Store, open_store, read_rows

CLINE = UsageFilter(sources=("cline",))


@asynccontextmanager
async def migrated(name: str, folder: Path) -> AsyncIterator[Store]:
    """Yield the old database called ``name`` with the newest schema."""
    path = open_old(name, folder)
    migrate(path)
    async with open_store(path) as store:
        yield store


def amounts(sums: Sums) -> Amounts:
    """Return what the old accounts held of ``sums``; all else that was spent is a failure."""
    assert sums.token_count == sums.tokens.input + sums.tokens.output  # type: ignore[operator]  # of sums all are known
    assert sums.cost_nano == sums.get("recorded")
    return sums.get("input"), sums.get("output"), sums.get("recorded")


async def spent_by_task(snapshot: UsageSnapshot, wanted: UsageFilter = CLINE) -> dict[str, Amounts]:
    """Return what each task spent inside ``wanted``."""
    sums = await snapshot.list_sums(wanted, (Group.SESSION,))
    return {task: amounts(each) for (task,), each in sums.items()}


@pytest.mark.parametrize("name", NAMES)
async def test_old_rows_are_what_they_were(tmp_path: Path, name: str) -> None:
    """Every task has its row, its time, its model, its totals and its store."""
    expected = read_answers()[name]
    async with migrated(name, tmp_path) as store, store.reader.snapshot() as snapshot:
        rows = await snapshot.list_cline_rows(row[0] for row in expected.rows)
        page, _counts, _sums = await snapshot.list_sessions(CLINE, Sort.SESSION, descending=False, limit=-1, offset=0)
    assert sorted(tuple(row) for row in expected.rows) == sorted(
        (row.task_id, row.ts, row.model_id, row.tokens_in, row.tokens_out, row.total_cost, row.imported_at)
        for row in rows.values()
    )
    assert [
        (
            each.key,
            each.last_ts,
            each.model,
            None if each.stated is None else (each.stated.input, each.stated.output),
            each.stated_nano,
            each.seen_at,
            each.origin == "sessions",
        )
        for each in page
    ] == sorted(
        (task, ts, model or "", (tokens_in, tokens_out), nano_usd(cost), seen_at, task in expected.sessions)
        for task, ts, model, tokens_in, tokens_out, cost, seen_at in expected.rows
    )


@pytest.mark.parametrize("name", NAMES)
async def test_old_days_are_what_they_were_for_tasks_that_never_fell(tmp_path: Path, name: str) -> None:
    """What they spent on each day, to the nano-dollar, and how many they were."""
    expected = read_answers()[name]
    async with migrated(name, tmp_path) as store, store.reader.snapshot() as snapshot:
        found = {}
        for day in expected.days:
            wanted = UsageFilter(sources=("cline",), first_slot=day * DAY_SLOTS, end_slot=(day + 1) * DAY_SLOTS)
            spent = await spent_by_task(snapshot, wanted)
            kept = [each for task, each in spent.items() if task not in expected.fell]
            found[day] = (*map(sum, zip((0, 0, 0), *kept, strict=True)), len(kept))
        everything = await spent_by_task(snapshot)
    assert found == expected.days
    assert everything.keys() == {row[0] for row in expected.rows}


@pytest.mark.parametrize("name", NAMES)
async def test_old_task_has_spent_the_highest_totals_that_it_had(tmp_path: Path, name: str) -> None:
    """A task that never fell its row, one that fell its peak; no event takes anything back."""
    expected = read_answers()[name]
    highest = {}
    for task, _ts, _model, tokens_in, tokens_out, cost, _seen in expected.rows:
        row = (tokens_in, tokens_out, nano_usd(cost))
        highest[task] = tuple(map(max, row, expected.peaks.get(task, row)))
    async with migrated(name, tmp_path) as store, store.reader.snapshot() as snapshot:
        assert await spent_by_task(snapshot) == highest
        assert {task for task in highest if highest[task] != amounts_of_row(expected.rows, task)} <= expected.fell
    assert read_rows(store.path, "SELECT COUNT(*) FROM usage_event WHERE MIN(input, output, recorded_nano) < 0") == [
        (0,)
    ]
    assert failed_checks(store.path) == []


def amounts_of_row(rows: list[tuple[str, int, str | None, int, int, float, int]], task: str) -> Amounts:
    """Return the totals of the row of ``task``."""
    (found,) = [row for row in rows if row[0] == task]
    return found[3], found[4], nano_usd(found[5])


@pytest.mark.parametrize("name", NAMES)
async def test_old_counters_show_what_they_showed(tmp_path: Path, name: str) -> None:
    """By model, and none of them anything else."""
    async with migrated(name, tmp_path) as store:
        counters = await store.list_counters()
    assert {model: amounts(sums) for (_source, model), sums in counters.items()} == read_answers()[name].counters
