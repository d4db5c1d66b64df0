"""The invariant: whatever happens to the ledger, the accounts say exactly what its entries say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core import derived_sums
from aico.core.accounting import Amount, UsageChange, post_changes
from aico.core.domain import TaskUsage
from aico.core.filters import UsageFilter
from aico.features.ledger.parser import parse_ledger
from tests.core.random_entries import as_ledger, entries, winners
from tests.core.reference_accounts import Books, Sums, plus, sums_of
from tests.core.repository_on_file import Store, open_store, read_rows, temporary_database, usage
from tests.hypothesis_profiles import examples

DOLLAR = 10**9


@dataclass(frozen=True)
class Reading:
    """One state of the ledger and how it is imported."""

    listed: list[TaskUsage]
    run_limit: int
    is_restarted: bool
    is_caught_up: bool
    """Whether the sums by task are brought up to date after it."""


@st.composite
def histories(draw: st.DrawFn) -> list[Reading]:
    """Draw ledgers that grow, shrink, lose entries and get them back, repeat ids, and change single fields."""
    readings: list[Reading] = []
    seen: list[TaskUsage] = []
    for _ in range(draw(st.integers(2, 7))):
        fresh = draw(st.lists(entries(), max_size=5))
        kept = draw(st.lists(st.sampled_from(seen), max_size=5)) if seen else []
        other = draw(st.lists(entries(), min_size=len(kept), max_size=len(kept)))
        altered = [alter(draw, entry, source) for entry, source in zip(kept, other, strict=True)]
        listed = draw(st.permutations([*fresh, *altered]))
        seen += listed
        run_limit = draw(st.sampled_from([1, 2, 10_000]))
        readings.append(Reading(listed, run_limit, draw(st.booleans()), draw(st.booleans())))
    return readings


def alter(draw: st.DrawFn, entry: TaskUsage, source: TaskUsage) -> TaskUsage:
    """Return ``entry`` with up to two fields of ``source``, never its id."""
    positions = draw(st.sets(st.integers(1, len(entry) - 1), max_size=2))
    pairs = enumerate(zip(entry, source, strict=True))
    return TaskUsage._make(new if position in positions else old for position, (old, new) in pairs)


def read_deltas(path: Path) -> dict[tuple[int, str, str], Sums]:
    """Return the stored deltas by quarter, task and model."""
    rows = read_rows(path, "SELECT quarter, task_id, model, tokens_in, tokens_out, cost_nano_usd FROM usage_delta")
    return {(int(q or 0), str(t), str(m)): as_sums(rest) for q, t, m, *rest in rows}


def as_sums(values: Sequence[str | int | float | None]) -> Sums:
    """Return three integers; anything else than integers is a failure."""
    assert all(isinstance(value, int) for value in values)
    tokens_in, tokens_out, *cost = (int(value or 0) for value in values)
    nano = cost[0] if len(cost) == 1 else cost[0] * DOLLAR + cost[1]
    return tokens_in, tokens_out, nano


def read_times(path: Path) -> dict[str, tuple[int, int]]:
    """Return when each row was first and last written."""
    rows = read_rows(path, "SELECT task_id, imported_at, updated_at FROM cline_task_usage")
    return {str(task_id): (int(first or 0), int(last or 0)) for task_id, first, last in rows}


def assert_database_equals(path: Path, books: Books) -> None:
    """Compare every account in the file with the model, to the last nano-dollar."""
    stored = read_rows(path, "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage")
    assert set(stored) == {tuple(row.usage) for row in books.rows.values()}
    assert read_times(path) == {task_id: (row.imported_at, row.updated_at) for task_id, row in books.rows.items()}
    deltas = read_deltas(path)
    assert deltas == books.deltas
    per_task: dict[str, Sums] = {}
    for (_quarter, task_id, _model), amount in deltas.items():
        per_task[task_id] = plus(per_task.get(task_id, (0, 0, 0)), amount)
    assert per_task == {task_id: sums_of(row.usage) for task_id, row in books.rows.items()}
    per_model: dict[str, Sums] = {}
    for (_quarter, _task_id, model), amount in deltas.items():
        per_model[model] = plus(per_model.get(model, (0, 0, 0)), amount)
    totals = read_rows(path, "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_total")
    assert {model: as_sums(rest) for model, *rest in totals} == per_model
    peaks = read_rows(path, "SELECT task_id, tokens_in, tokens_out, cost_nano_usd FROM task_peak")
    fallen = {task_id: peak for task_id, peak in books.peaks.items() if peak != sums_of(books.rows[task_id].usage)}
    assert {task_id: as_sums(rest) for task_id, *rest in peaks} == fallen


def assert_revisions_are_gapless(path: Path, revision: int) -> None:
    """Each committed run has the next revision, and the last one is the database's."""
    runs = [row[0] for row in read_rows(path, "SELECT revision FROM import_run ORDER BY id")]
    assert runs == list(range(1, revision + 1))
    assert read_rows(path, "SELECT revision FROM database_state") == [(revision,)]


async def read_counters(store: Store) -> dict[str, Sums]:
    """Return the growth counters, in their order."""
    async with store.reader.snapshot() as snapshot:
        return {model: (*amount,) for model, amount in (await snapshot.list_counters()).items()}


async def import_ledger(store: Store, reading: Reading) -> int:
    """Import one reading through parser and diff, and return how many runs it took."""
    parsed = parse_ledger(as_ledger(reading.listed))
    assert not parsed.rejections
    return len(await store.take_in(parsed.entries, reading.run_limit))


def assert_sums_equal(path: Path, books: Books) -> None:
    """Compare rollup, sums by task and day, and by model and task, with the model's deltas, where they are current."""
    if not read_rows(path, "SELECT * FROM summed_source"):
        return
    rollups = read_rows(path, "SELECT quarter, model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_rollup")
    assert {(q, m): as_sums(rest) for q, m, *rest in rollups} == books.rollups()
    days: dict[tuple[int, str, str], Sums] = {}
    models: dict[tuple[str, str], Sums] = {}
    for (quarter, task_id, model), amount in books.deltas.items():
        days[quarter // 96, task_id, model] = plus(days.get((quarter // 96, task_id, model), (0, 0, 0)), amount)
        models[model, task_id] = plus(models.get((model, task_id), (0, 0, 0)), amount)
    stored = read_rows(path, "SELECT day, task_id, model, tokens_in, tokens_out, cost_nano_usd FROM usage_task_day")
    assert {(day, task_id, model): as_sums(rest) for day, task_id, model, *rest in stored} == days
    stored = read_rows(path, "SELECT model, task_id, tokens_in, tokens_out, cost_nano_usd FROM usage_task_model")
    assert {(model, task_id): as_sums(rest) for model, task_id, *rest in stored} == models


async def live_through(path: Path, history: list[Reading]) -> None:
    """Import ``history`` and hold the database against the model after each reading."""
    books, revision, counters = Books(), 0, dict[str, Sums]()
    async with open_store(path) as store:
        for reading in history:
            store.now_ms += 1_000
            if reading.is_restarted:
                store.forget_what_is_known()
            counted = winners(reading.listed)
            runs = await import_ledger(store, reading)
            changed = books.take_in(counted, store.now_ms)
            assert runs == -(-len(changed) // reading.run_limit)
            revision += runs
            assert_database_equals(path, books)
            assert_revisions_are_gapless(path, revision)
            assert_sums_equal(path, books)
            if reading.is_caught_up:
                await store.repository.catch_up()
                assert_sums_equal(path, books)
                assert read_rows(path, "SELECT * FROM summed_source") == [("cline",)]
            grown = await read_counters(store)
            assert list(grown.items()) == list(books.counters.items())
            assert all(now >= was for model in counters for now, was in zip(grown[model], counters[model], strict=True))
            counters = grown
            known = await store.repository.get_known()
            assert known.tasks == {task_id: row.usage for task_id, row in books.rows.items()}
            assert known.latest_ts == max((row.usage.ts for row in books.rows.values()), default=None)
            assert await import_ledger(store, reading) == 0
            assert_revisions_are_gapless(path, revision)


@settings(max_examples=examples(0.4))
@given(histories(), st.sampled_from([500, 2]))
def test_accounts_equal_the_ledger_through_every_history(history: list[Reading], small_run: int) -> None:
    """Rows, deltas, sums, peaks, counters, times and revisions are what the contract says, after every import."""
    with temporary_database() as path, patch.object(derived_sums, "SMALL_RUN", small_run):
        asyncio.run(live_through(path, history))


async def test_large_import_leaves_the_sums_behind_until_they_are_made_anew(store: Store) -> None:
    """More deltas than are posted at once leave the sums behind; catching up makes them current, for good."""
    await store.take_in([usage("first")])
    await store.repository.catch_up()
    assert read_rows(store.path, "SELECT source FROM summed_source") == [("cline",)]
    many = [usage(f"task {number}") for number in range(derived_sums.SMALL_RUN + 1)]
    await store.take_in(many)
    assert read_rows(store.path, "SELECT source FROM summed_source") == []
    store.forget_what_is_known()
    await store.repository.catch_up()
    assert read_rows(store.path, "SELECT COUNT(*), SUM(tokens_in) FROM usage_task_day") == [
        (len(many) + 1, (len(many) + 1) * 100)
    ]
    assert read_rows(store.path, "SELECT COUNT(*) FROM usage_task_model") == [(len(many) + 1,)]


async def test_accounts_keep_a_known_model_when_the_ledger_forgets_it(store: Store) -> None:
    """An entry that lost its model goes on with the one that is known; nothing is written for that alone."""
    await store.take_in([usage(model_id="m")])
    assert await store.take_in([usage(model_id=None)]) == []
    await store.take_in([usage(model_id=None, tokens_in=101)])
    assert read_rows(store.path, "SELECT model_id, tokens_in FROM cline_task_usage") == [("m", 101)]
    assert read_rows(store.path, "SELECT model FROM usage_delta") == [("m",)]


async def test_accounts_move_no_usage_when_only_time_or_model_change(store: Store) -> None:
    """A change of ``ts`` or model alone writes the row and a revision, but no delta."""
    await store.take_in([usage()])
    before = read_deltas(store.path)
    await store.take_in([usage(ts=usage().ts + 10**9)])
    await store.take_in([usage(ts=usage().ts + 10**9, model_id="other")])
    assert read_deltas(store.path) == before
    assert read_rows(store.path, "SELECT model_id FROM cline_task_usage") == [("other",)]
    assert_revisions_are_gapless(store.path, 3)


async def test_accounts_book_growth_on_the_model_that_spent_it(store: Store) -> None:
    """After a switch the difference goes to the new model, in the quarter of the new ``ts``."""
    await store.take_in([usage(model_id="old", total_cost=1.0)])
    await store.take_in([usage(model_id="new", ts=usage().ts + 900_000, total_cost=1.5)])
    quarter = usage().ts // 900_000
    assert read_deltas(store.path) == {
        (quarter, "a", "old"): (100, 10, DOLLAR),
        (quarter + 1, "a", "new"): (0, 0, DOLLAR // 2),
    }


async def test_accounts_note_the_first_sight_of_a_task_that_spent_nothing(store: Store) -> None:
    """A task of zeros counts as a task in the quarter in which it appeared."""
    await store.take_in([usage(tokens_in=0, tokens_out=0, total_cost=0.0, model_id=None)])
    assert read_deltas(store.path) == {(usage().ts // 900_000, "a", ""): (0, 0, 0)}


def test_post_changes_counts_only_what_exceeds_the_peak() -> None:
    """A task that fell and grows again is not counted twice, each number for itself."""
    change = UsageChange(usage(tokens_in=5, tokens_out=5), usage(tokens_in=12, tokens_out=6))
    postings = post_changes([change], {"a": Amount(10, 8, 250_000_000)})
    assert dict(postings.growth) == {"m": (2, 0, 0)}
    assert postings.peaks == {"a": Amount(12, 8, 250_000_000)}


def test_post_changes_forgets_a_peak_that_is_reached() -> None:
    """The row itself is the peak again."""
    change = UsageChange(usage(tokens_in=5), usage(tokens_in=12))
    assert post_changes([change], {"a": Amount(12, 10, 250_000_000)}).peaks == {"a": None}


@pytest.mark.slow
async def test_accounts_hold_a_hundred_thousand_maximal_tasks(store: Store) -> None:
    """No sum overflows 64 bits, in the tables or in the questions: 10**17 tokens and 10**20 nano-dollars."""
    count = 100_000
    largest = [usage(f"t{number}", tokens_in=10**12, tokens_out=10**12, total_cost=1e6) for number in range(count)]
    expected = Amount(count * 10**12, count * 10**12, count * 10**15)
    await store.take_in(largest, run_limit=count - 1)
    quarter = usage().ts // 900_000
    async with store.reader.snapshot() as snapshot:
        assert await snapshot.get_totals(UsageFilter()) == (expected, count, 0)
        assert await snapshot.list_model_totals() == {"m": expected}
        assert await snapshot.list_counters() == {"m": expected}
        for wanted in (UsageFilter(), UsageFilter(text="t")):
            assert await snapshot.list_bucket_sums(wanted, [quarter], quarter + 1) == [expected]
    assert_revisions_are_gapless(store.path, 2)
