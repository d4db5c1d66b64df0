"""Databases of every older schema, written by the versions that had it: what they said is said after the migration."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from aico.core.db.migrations import migrate
from aico.core.db.reader import Sort, UsageSnapshot
from aico.core.db.sums_reader import Group
from aico.core.filters import UsageFilter
from aico.core.money import nano_usd
from aico.core.sums import Sums
from aico.core.usage import DAY_SLOTS, SLOT_MS, MeterReading
from tests.core.database_damage import failed_checks
from tests.core.old_accounts import OldAccounts
from tests.core.old_databases import NAMES, Amounts, open_old, read_answers
from tests.core.random_entries import histories, readings
from tests.core.repository_on_file import NOW_MS, Store, open_store, read_rows, usage
from tests.hypothesis_profiles import examples

CLINE = UsageFilter(sources=("cline",))


@cache
def migrated_once(name: str) -> tuple[TemporaryDirectory[str], Path]:
    """Return the old database called ``name``, migrated once: tests look at copies of it."""
    folder = TemporaryDirectory()
    path = open_old(name, Path(folder.name))
    migrate(path)
    return folder, path


@asynccontextmanager
async def migrated(name: str, folder: Path) -> AsyncIterator[Store]:
    """Yield the old database called ``name`` with the newest schema."""
    async with open_store(Path(shutil.copy(migrated_once(name)[1], folder / "observer.db"))) as store:
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
        found = await snapshot.list_sessions(CLINE, Sort.SESSION, descending=False, limit=-1, offset=0)
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
        for each in found.items
    ] == sorted(
        (task, ts, model or "", (tokens_in, tokens_out), nano_usd(cost), seen_at, task in expected.sessions)
        for task, ts, model, tokens_in, tokens_out, cost, seen_at in expected.rows
    )


@pytest.mark.parametrize("name", NAMES)
async def test_old_days_are_what_they_were_for_tasks_that_never_fell(tmp_path: Path, name: str) -> None:
    """Their usage on each day, to the nano-dollar, and their number."""
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
    """By model, and none of them anything else. Schema 0001 had none: those made of its accounts may only rise."""
    async with migrated(name, tmp_path) as store:
        counters = {model: amounts(sums) for (_source, model), sums in (await store.list_counters()).items()}
    expected = read_answers()[name].counters
    if name == "0001":
        assert counters.keys() == expected.keys()
        assert all(now >= was for model in expected for now, was in zip(counters[model], expected[model], strict=True))
    else:
        assert counters == expected


async def test_old_counters_go_on_from_what_was_forgotten(tmp_path: Path) -> None:
    """Tasks that were forgotten are no debt that has to be spent again before a counter moves."""
    async with migrated("0007", tmp_path) as store:
        before = await store.list_counters()
        await store.take_in([usage("new", model_id="openai/gpt-5", tokens_in=3, tokens_out=2, total_cost=0.5)])
        after = await store.list_counters()
    assert read_rows(store.path, "SELECT COUNT(*) FROM forgotten") == [(20,)]
    grown = {key: tuple(a - b for a, b in zip(amounts(after[key]), amounts(before[key]), strict=True)) for key in after}
    assert grown == dict.fromkeys(before, (0, 0, 0)) | {("cline", "openai/gpt-5"): (3, 2, 500_000_000)}


async def test_old_tasks_that_a_restored_backup_lacked_are_not_counted_twice(tmp_path: Path) -> None:
    """They may come back with totals that counters have shown already: only what exceeds those is growth."""
    key = ("cline", "openai/gpt-5")
    async with migrated("0007-restored", tmp_path) as store:
        shown = amounts((await store.list_counters())[key])
        async with store.reader.snapshot() as snapshot:
            stored = amounts((await snapshot.list_totals())[key])
        tokens_in, tokens_out, nano = (a - b for a, b in zip(shown, stored, strict=True))
        assert min(tokens_in, tokens_out, nano) > 0
        back = usage("back", None, key[1], tokens_in, tokens_out, nano / 1e9)
        await store.take_in([back])
        assert amounts((await store.list_counters())[key]) == shown
        await store.take_in([back._replace(output=tokens_out + 4)])
        assert amounts((await store.list_counters())[key]) == (shown[0], shown[1] + 4, shown[2])


@pytest.mark.slow
@settings(max_examples=examples(0.5))
@given(histories(readings()))
def test_migration_keeps_what_was_spent_of_every_history(history: list[list[MeterReading]]) -> None:
    """A task's events add up to its highest totals and take nothing back; if it never fell they are its deltas."""
    accounts = OldAccounts()
    for entries in history:
        accounts.take_in(entries)
    with TemporaryDirectory() as folder:
        path = accounts.write(Path(folder))
        migrate(path)
        events = read_rows(
            path,
            "SELECT s.key, e.ts / 900000, m.name, e.input, e.output, IFNULL(e.recorded_nano, 0) FROM usage_event AS e "
            "JOIN session AS s ON s.id = e.session JOIN model AS m ON m.id = e.model ORDER BY e.session, e.id",
        )
        assert failed_checks(path) == []
        counters = asyncio.run(read_counters(path))
    booked = {
        (str(task), int(slot or 0), str(model)): (int(i or 0), int(o or 0), int(nano or 0))
        for task, slot, model, i, o, nano in events
    }
    assert len(booked) == len(events)
    assert booked.keys() <= accounts.deltas.keys()
    assert all(min(amount) >= 0 for amount in booked.values())
    steady = {key for key in accounts.deltas if key[0] not in accounts.fallen}
    assert {key: booked[key] for key in steady} == {key: accounts.deltas[key] for key in steady}
    for task, peak in accounts.peaks.items():
        mine = [key for key in booked if key[0] == task]
        assert tuple(map(sum, zip(*(booked[key] for key in mine), strict=True))) == peak
        assert [slot for _task, slot, _model in mine] == sorted(slot for _task, slot, _model in mine)
    if accounts.seen_falling:
        pairs = ((counters[model], accounts.counters[model]) for model in accounts.counters)
        assert all(now >= was for shown, before in pairs for now, was in zip(shown, before, strict=True))
    else:
        assert counters == accounts.counters


async def read_counters(path: Path) -> dict[str, Amounts]:
    """Return what the counters show by model."""
    async with open_store(path) as store:
        return {model: amounts(sums) for (_source, model), sums in (await store.list_counters()).items()}


def test_migration_takes_rows_and_deltas_that_have_lost_each_other(tmp_path: Path) -> None:
    """A row without a delta was spent at its last activity; deltas without a row get one. Nothing is left out."""
    accounts = OldAccounts()
    accounts.take_in([usage("row"), usage("deltas", ts=NOW_MS + SLOT_MS, total_cost=1.5), usage("both")])
    path = accounts.write(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM usage_delta WHERE task_id = 'row'")
        connection.execute("DELETE FROM cline_task_usage WHERE task_id = 'deltas'")
    migrate(path)
    assert read_rows(path, "SELECT task_id, tokens_in, total_cost FROM cline_task_usage ORDER BY 1") == [
        ("both", 100, 0.25),
        ("deltas", 100, 1.5),
        ("row", 100, 0.25),
    ]
    assert read_rows(path, "SELECT SUM(input), SUM(recorded_nano) FROM usage_event") == [(300, 2 * 10**9)]
    assert failed_checks(path) == []


def test_migration_says_what_it_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """How many tasks were booked anew, and by how much the sum over all time changed; else it says nothing."""
    accounts = OldAccounts()
    accounts.take_in([usage("a"), usage("b")])
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    migrate(accounts.write(quiet))
    assert caplog.text == ""
    accounts.take_in([usage("a", tokens_in=40, total_cost=0.125)])
    migrate(accounts.write(tmp_path))
    assert "1 tasks whose totals had fallen" in caplog.text
    assert "+60 tokens in, +0 tokens out, +0.125000000 US dollars" in caplog.text
