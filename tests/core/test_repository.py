"""The repository: one transaction per run, and knowledge that never outlives what it is about."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core import domain, import_runs
from aico.core.accounting import UsageChange
from aico.core.domain import TaskUsage
from aico.core.errors import StorageBusy, StorageError
from aico.core.events import FreshRow
from aico.core.repository import StoredState
from aico.core.run_plan import FRESH_ROWS_MAX
from aico.core.upkeep.forgetting import forget
from aico.features.stores.diff import diff_usage
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, Store, read_rows, usage


def change_behind_its_back(store: Store, statement: str) -> None:
    """Run ``statement`` as another program."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(statement)


def read_cost(store: Store) -> list[int]:
    """Return the sum of all deltas."""
    return [int(row[0] or 0) for row in read_rows(store.path, "SELECT SUM(cost_nano_usd) FROM usage_delta")]


async def test_repository_begins_without_anything(store: Store) -> None:
    """A new database has an epoch, the revision 0, and no run."""
    state = await store.repository.get_state()
    known = await store.repository.get_known()
    assert state == StoredState(known.epoch, 0, None, 0, None)
    assert (known.tasks, known.peaks, known.latest_ts) == ({}, {}, None)
    assert await store.repository.list_last_runs() == []


async def test_repository_returns_the_fact_to_publish(store: Store) -> None:
    """The event names the rows with the time of their first sight, the newest first, and the new position."""
    await store.take_in([usage("old", ts=5)])
    store.now_ms += 7
    (event,) = await store.take_in([usage("new", ts=9), usage("old", ts=8)])
    epoch = (await store.repository.get_state()).epoch
    assert event.rows == (FreshRow(usage("new", ts=9), NOW_MS + 7), FreshRow(usage("old", ts=8), NOW_MS))
    assert (event.epoch, event.task_count, event.rows_truncated) == (epoch, 2, False)
    assert event.receipt == replace(store.receipt(1, 1), revision=2, latest_ts=9)
    assert event.receipt.imported_count == 2


async def test_repository_names_the_newest_rows_of_many(store: Store) -> None:
    """A message carries at most so many rows, and says that there are more."""
    entries = [usage(f"t{number}", ts=number) for number in range(FRESH_ROWS_MAX + 1)]
    (event,) = await store.take_in(entries)
    assert event.rows_truncated
    assert [row.usage.ts for row in event.rows] == list(range(FRESH_ROWS_MAX, 0, -1))


async def test_repository_keeps_the_end_of_the_first_import(store: Store) -> None:
    """``exact_since`` is written once."""
    await store.take_in([usage()])
    store.now_ms += 1_000
    await store.take_in([usage(tokens_in=101)])
    assert (await store.repository.get_state()).exact_since == NOW_MS


@pytest.mark.parametrize(
    ("second", "latest"),
    [
        ([usage("a", ts=3)], 5),
        ([usage("b", ts=4)], 4),
        ([usage("a", ts=9)], 9),
        ([usage("b", ts=2), usage("a", ts=7)], 7),
        ([usage("c", ts=1)], 5),
    ],
)
async def test_repository_knows_the_latest_ts(store: Store, second: list[TaskUsage], latest: int) -> None:
    """Also when the task that held it falls back."""
    await store.take_in([usage("a", ts=2), usage("b", ts=5)])
    (event,) = await store.take_in(second)
    assert event.receipt.latest_ts == latest


async def test_repository_reads_anew_after_a_failure(store: Store) -> None:
    """A write that failed leaves nothing behind, neither in the file nor in what is known."""
    await store.take_in([usage()])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            await store.take_in([usage(total_cost=1.0)])
        connection.execute("ROLLBACK")
    assert (await store.repository.get_known()).tasks == {"a": usage()}
    (event,) = await store.take_in([usage(total_cost=1.0)])
    assert event.receipt.revision == 2
    assert read_cost(store) == [10**9]


async def test_repository_refuses_to_write_beside_another_writer(store: Store) -> None:
    """A revision that moved on its own is no ground to build on; the next import reads what is there."""
    await store.take_in([usage()])
    change_behind_its_back(store, "UPDATE database_state SET revision = 7")
    with pytest.raises(StorageError, match="another writer"):
        await store.take_in([usage(total_cost=1.0)])
    (event,) = await store.take_in([usage(total_cost=1.0)])
    assert event.receipt.revision == 8
    assert read_cost(store) == [10**9]


async def test_repository_refuses_changes_that_start_from_something_else(store: Store) -> None:
    """Changes that were applied already, or come from an older view, are refused with nothing written."""
    change = UsageChange(None, usage("a", total_cost=1.0))
    await store.repository.apply([change], store.receipt(1, 0))
    with pytest.raises(StorageError, match="something else"):
        await store.repository.apply([change], store.receipt(1, 0))
    assert read_cost(store) == [10**9]


async def test_repository_drops_what_it_planned_for_a_run_that_never_came(store: Store) -> None:
    """An import that stops between two runs leaves nothing known that is not stored, and the next one goes on."""
    second = (UsageChange(None, usage("b", total_cost=2.0)),)
    for name, event_revision in (("a", 1), ("c", 2)):
        first = (UsageChange(None, usage(name, total_cost=1.0)),)
        event = await store.repository.apply(first, store.receipt(1, 0), following=second)
        assert (event.receipt.revision, event.task_count) == (event_revision, event_revision)
        assert "b" not in (await store.repository.get_known()).tasks
    event = await store.repository.apply(second, store.receipt(1, 0))
    assert (event.receipt.revision, event.task_count) == (3, 3)
    assert read_cost(store) == [4 * 10**9]
    assert failed_checks(store.path) == []


async def test_repository_forgets_what_it_planned_when_a_run_fails(store: Store) -> None:
    """What was worked out while another writer stood in the way is worked out again, from what is stored."""
    parts = [(UsageChange(None, usage(name, total_cost=1.0)),) for name in "abc"]
    await store.repository.apply(parts[0], store.receipt(1, 0), following=parts[1])
    change_behind_its_back(store, "UPDATE database_state SET revision = 7")
    with pytest.raises(StorageError, match="another writer"):
        await store.repository.apply(parts[1], store.receipt(1, 0), following=parts[2])
    for part in parts[1:]:
        await store.repository.apply(part, store.receipt(1, 0))
    assert (await store.repository.get_known()).revision == 9
    assert read_cost(store) == [3 * 10**9]
    assert failed_checks(store.path) == []


async def test_repository_writes_a_large_import_back_after_it(store: Store) -> None:
    """Its runs stay in the log, which a reader sees through; with the sums they go into the file."""
    before = store.path.stat().st_size
    await store.take_in([usage(f"task-{number:05}") for number in range(20_000)])
    assert store.path.stat().st_size == before
    assert read_rows(store.path, "SELECT COUNT(*) FROM cline_task_usage") == [(20_000,)]
    await store.repository.catch_up()
    assert store.path.stat().st_size > before + 20_000 * 100
    assert failed_checks(store.path) == []


async def test_repository_leaves_nothing_staged(store: Store) -> None:
    """Neither a run that was written nor one that was taken back leaves a row to the next one."""

    async def count_staged(connection: AsyncConnection) -> int:
        return int((await connection.exec_driver_sql("SELECT COUNT(*) FROM staged")).scalar_one())

    await store.take_in([usage("a"), usage("b")])
    assert await store.database.write(count_staged) == 0
    change_behind_its_back(
        store, "CREATE TRIGGER full BEFORE INSERT ON import_run BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(StorageError):
        await store.take_in([usage("c"), usage("d")])
    change_behind_its_back(store, "DROP TRIGGER full")
    assert await store.database.write(count_staged) == 0
    await store.take_in([usage("c"), usage("d")])
    assert read_rows(store.path, "SELECT COUNT(*) FROM cline_task_usage") == [(4,)]


async def test_repository_never_counts_twice_when_an_import_is_cancelled(store: Store) -> None:
    """Cancelled at any moment and imported again, the deltas say what the rows say, and revisions have no gap."""
    for number in range(1, 31):
        entries = [usage(str(task), total_cost=float(number)) for task in range(3)]
        caller = asyncio.create_task(store.take_in(entries, run_limit=2))
        for _ in range(number * number):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        await store.take_in(entries)
        assert read_cost(store) == [3 * number * 10**9]
    revisions = [row[0] for row in read_rows(store.path, "SELECT revision FROM import_run ORDER BY id")]
    assert revisions == list(range(1, len(revisions) + 1))


async def test_repository_waits_for_a_cancelled_write_before_it_reads(store: Store) -> None:
    """What a cancelled caller left running is known before the next comparison."""
    await store.take_in([usage()])
    entered, proceed = asyncio.Event(), asyncio.Event()

    async def linger(_connection: object) -> None:
        entered.set()
        await proceed.wait()

    blocker = asyncio.create_task(store.database.write(linger))
    await entered.wait()
    caller = asyncio.create_task(store.take_in([usage(total_cost=1.0)]))
    await wait_until(lambda: len(store.database._writes) == 2)
    caller.cancel()
    reader = asyncio.create_task(store.repository.get_known())
    await asyncio.sleep(0)
    proceed.set()
    assert (await reader).tasks == {"a": usage(total_cost=1.0)}
    await blocker


async def wait_until(is_true: Callable[[], bool]) -> None:
    """Let the others run until ``is_true``."""
    async with asyncio.timeout(60):
        while not is_true():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0)


async def test_repository_knows_which_runs_were_one_reading(store: Store) -> None:
    """The runs of the last reading are told together, without those of the reading before."""

    async def record(added_count: int, remaining_count: int, skipped_count: int = 0) -> None:
        counted = replace(store.receipt(added_count), remaining_count=remaining_count, skipped_count=skipped_count)
        await store.repository.record_run(counted, None)

    async def counts() -> list[int]:
        return [run.added_count for run in await store.repository.list_last_runs()]

    await record(2, 1)
    await record(1, 0)
    assert await counts() == [2, 1]
    # A reading that was broken off after its first run, and the one that found the rest.
    await record(4, 5)
    assert await counts() == [4]
    await record(5, 0, skipped_count=4)
    assert await counts() == [5]
    await record(2, 3)
    await record(2, 1)
    await record(1, 0)
    assert await counts() == [2, 2, 1]


async def test_repository_tells_failures_from_the_last_successful_run(store: Store) -> None:
    """A failure is noted without a revision, and is not the last completed run."""
    await store.take_in([usage()])
    await store.repository.record_run(replace(store.receipt(), finished_at_ms=NOW_MS + 5), "ledger_not_found")
    (run,) = await store.repository.list_last_runs()
    assert (run.revision, run.error_code, run.finished_at, run.trigger) == (1, None, NOW_MS, "watch")
    assert read_rows(store.path, "SELECT revision, error_code FROM import_run ORDER BY id") == [
        (1, None),
        (None, "ledger_not_found"),
    ]


async def test_repository_keeps_the_last_runs_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of runs does not grow for ever."""
    monkeypatch.setattr(import_runs, "RUNS_KEPT", 3)
    for _ in range(5):
        await store.repository.record_run(store.receipt(), None)
    assert read_rows(store.path, "SELECT id FROM import_run ORDER BY id") == [(3,), (4,), (5,)]


async def test_reading_is_remembered_by_the_database_that_took_it(store: Store) -> None:
    """Of each store only the last one counts, and none for a database from which something was removed."""
    assert not await store.repository.has_read(domain.Store.LEDGER, "[1]")
    await store.repository.note_observation(identity="[1]")
    await store.repository.note_observation(domain.Store.SESSIONS, "[2]")
    assert await store.repository.has_read(domain.Store.LEDGER, "[1]")
    assert await store.repository.has_read(domain.Store.SESSIONS, "[2]")
    assert not await store.repository.has_read(domain.Store.SESSIONS, "[1]")
    changes = diff_usage({}, [usage("a")]).changes
    await store.repository.apply(changes, store.receipt(1), identity="[3]")
    assert not await store.repository.has_read(domain.Store.LEDGER, "[1]")
    assert await store.repository.has_read(domain.Store.LEDGER, "[3]")
    forget(store.path, ["a"], store.now_ms)
    assert not await store.repository.has_read(domain.Store.LEDGER, "[3]")
    assert not await store.repository.has_read(domain.Store.SESSIONS, "[2]")


async def test_observation_begins_with_the_first_reading_even_of_an_empty_ledger(store: Store) -> None:
    """What comes later was seen as it happened, so the beginning is noted once and stays."""
    await store.repository.note_observation()
    begun = store.now_ms
    store.now_ms += 5
    await store.repository.note_observation()
    await store.take_in([usage("a")])
    assert (await store.repository.get_state()).exact_since == begun
