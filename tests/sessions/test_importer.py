"""Both stores end in one account: every task once, to the last cent, in whatever order they are read."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest

from aico.core.accounting import Amount
from aico.core.database import Database
from aico.core.domain import CLINE, Store, TaskUsage, Trigger
from aico.core.errors import SessionsBusy, SessionsFormat
from aico.core.filters import UsageFilter
from aico.core.usage_reader import UsageReader
from aico.features.sessions import importer as importer_module
from aico.features.sessions.importer import cursor_of
from aico.features.sessions.shapes import Cell
from aico.features.stores.identity import text_of
from aico.features.stores.steps import StoreImporter
from bench.fake_session_store import FIRST_MS, SessionStore, core_metadata, editor_metadata, iso, usage
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.sessions.store_imports import ledger_importer, new_repository, run, sessions_importer

HOUR_MS = 3_600_000
WIDE = UsageFilter(first_quarter=0, end_quarter=10**7)


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return the ledger's file, not written yet."""
    return LedgerFile(tmp_path.resolve() / "cline" / "data" / "state" / "taskHistory.json")


async def totals_of(database: Database) -> Amount:
    """Return the sum of everything that is stored."""
    async with UsageReader(database, CLINE).snapshot() as snapshot:
        return (await snapshot.get_all_totals()).amount


async def spent_between(database: Database, first_ms: int, end_ms: int) -> int:
    """Return the nano-dollars spent in a stretch of time."""
    async with UsageReader(database, CLINE).snapshot() as snapshot:
        wanted = UsageFilter(first_quarter=first_ms // 900_000, end_quarter=end_ms // 900_000)
        return (await snapshot.get_totals(wanted)).amount.cost_nano_usd


@pytest.mark.parametrize("order", ["ledger first", "sessions first"])
async def test_resumed_task_is_counted_once(
    store: SessionStore, path: Path, ledger: LedgerFile, database: Database, order: str
) -> None:
    """A task that stands in both stores has the session's numbers, and the frozen entry never pulls them back."""
    ledger.write(entry("1", ts=FIRST_MS, tokens_in=100, tokens_out=10, cost=1.0), entry("2", ts=FIRST_MS, cost=0.25))
    store.put("1", core_metadata(usage(250, 30, 1.75, read=50)), updated_ms=FIRST_MS + HOUR_MS)
    repository = new_repository(database)
    importers: list[StoreImporter] = [ledger_importer(ledger.path, repository), sessions_importer(path, repository)]
    for importer in importers if order == "ledger first" else importers[::-1]:
        await run(importer)
    for _ in range(2):
        for importer in (*importers, *importers[::-1]):
            assert (await run(importer)).imported_count == 0
    known = await repository.get_known()
    assert known.tasks["1"] == TaskUsage("1", FIRST_MS + HOUR_MS, "z-ai/glm-5", 200, 30, 1.75)
    assert known.stores == {"1": Store.SESSIONS}
    assert await totals_of(database) == Amount(1_200, 130, 2_000_000_000)


async def test_growth_of_a_resumed_task_lies_where_it_was_spent(
    store: SessionStore, path: Path, ledger: LedgerFile, database: Database
) -> None:
    """What the ledger knew stays on its day; only the rest belongs to the session."""
    ledger.write(entry("1", ts=FIRST_MS, cost=1.0))
    repository = new_repository(database)
    await run(ledger_importer(ledger.path, repository))
    store.put("1", core_metadata(usage(1_500, 150, 1.75)), updated_ms=FIRST_MS + 24 * HOUR_MS)
    receipt = await run(sessions_importer(path, repository))
    assert (receipt.added_count, receipt.updated_count) == (0, 1)
    assert await spent_between(database, FIRST_MS - HOUR_MS, FIRST_MS + HOUR_MS) == 1_000_000_000
    assert await spent_between(database, FIRST_MS + 23 * HOUR_MS, FIRST_MS + 25 * HOUR_MS) == 750_000_000


async def test_seed_of_a_resumed_task_changes_its_store_alone(
    store: SessionStore, path: Path, ledger: LedgerFile, database: Database
) -> None:
    """A session with exactly the old totals takes the row over and spends nothing; the entry is void from then on."""
    ledger.write(entry("1", ts=FIRST_MS, model="m", tokens_in=7, tokens_out=3, cost=0.5))
    repository = new_repository(database)
    await run(ledger_importer(ledger.path, repository))
    before = await totals_of(database)
    store.put("1", editor_metadata(7, 3, 0.5, legacyTask=True), updated_ms=FIRST_MS, model="m")
    await run(sessions_importer(path, repository))
    assert await totals_of(database) == before
    ledger.write(entry("1", ts=FIRST_MS + 5, model="m", tokens_in=900, tokens_out=900, cost=9))
    assert (await run(ledger_importer(ledger.path, repository))).imported_count == 0
    assert await totals_of(database) == before


async def test_session_that_says_nothing_leaves_the_old_totals(
    store: SessionStore, path: Path, ledger: LedgerFile, database: Database
) -> None:
    """A task resumed a moment ago has a session without numbers."""
    ledger.write(entry("1", ts=FIRST_MS, cost=0.5))
    store.put("1", {"legacyTask": True, "title": "x"}, updated_ms=FIRST_MS + 1)
    repository = new_repository(database)
    await run(ledger_importer(ledger.path, repository))
    receipt = await run(sessions_importer(path, repository))
    assert (receipt.imported_count, receipt.skipped_count) == (0, 1)
    assert (await repository.get_known()).stores == {}


async def test_store_of_a_row_is_known_after_a_restart(
    store: SessionStore, path: Path, ledger: LedgerFile, database: Database
) -> None:
    """Another process that reads the ledger first still leaves the session's row alone."""
    ledger.write(entry("1", ts=FIRST_MS, cost=0.5))
    store.put("1", core_metadata(usage(5_000, 500, 1.5)))
    repository = new_repository(database)
    await run(ledger_importer(ledger.path, repository))
    await run(sessions_importer(path, repository))
    later = new_repository(database)
    assert (await run(ledger_importer(ledger.path, later))).imported_count == 0
    assert (await later.get_known()).tasks["1"].total_cost == 1.5


async def test_agents_are_counted_in_the_session_that_started_them(
    store: SessionStore, path: Path, database: Database
) -> None:
    """Rows of subagents add nothing."""
    store.put("root", core_metadata(usage(100, 10, 0.1), usage(600, 60, 0.6)))
    store.put("agent", core_metadata(usage(500, 50, 0.5)), is_subagent=True)
    repository = new_repository(database)
    assert (await run(sessions_importer(path, repository))).added_count == 1
    assert await totals_of(database) == Amount(600, 60, 600_000_000)


async def test_thousand_mixed_tasks_are_true_to_the_last_cent(
    store: SessionStore, path: Path, ledger: LedgerFile, database: Database
) -> None:
    """Old tasks, resumed ones and new sessions of every shape, growing at random, both read in any order."""
    rng = random.Random(8_611)  # noqa: S311 - a history, not a secret
    entries: dict[str, dict[str, object]] = {}
    truth: dict[str, tuple[int, int, Decimal]] = {}
    store.connection.execute("BEGIN")
    for number in range(1_000):
        task_id = str(1_700_000_000_000 + number)
        tokens_in, tokens_out, cost = rng.randrange(10**6), rng.randrange(10**5), rng.randrange(10**6) / 10**6
        kind = rng.choice(("old", "resumed", "core", "editor"))
        if kind in {"old", "resumed"}:
            entries[task_id] = entry(
                task_id, ts=FIRST_MS + number, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost
            )
        if kind != "old":
            tokens_in, tokens_out, cost = tokens_in + 1_000, tokens_out + 10, cost + 0.125
            put_session(store, rng, task_id, tokens_in, tokens_out, cost, by_core=kind == "core")
        truth[task_id] = tokens_in, tokens_out, Decimal(repr(cost))
    store.connection.execute("COMMIT")
    ledger.write(*entries.values())
    repository = new_repository(database)
    importers: list[StoreImporter] = [ledger_importer(ledger.path, repository), sessions_importer(path, repository)]
    for importer in importers:
        await run(importer)
    for task_id in rng.sample([one for one in truth if one not in entries], 100):
        before = truth[task_id]
        now = truth[task_id] = before[0] + 500, before[1] + 5, before[2] + Decimal("0.0625")
        put_session(store, rng, task_id, now[0], now[1], float(now[2]), by_core=True, from_ms=FIRST_MS + HOUR_MS)
    for importer in (*importers[::-1], *importers):
        await run(importer, Trigger.WATCH)
    stored = (await repository.get_known()).tasks
    assert {one.task_id: (one.tokens_in, one.tokens_out, Decimal(repr(one.total_cost))) for one in stored.values()} == {
        task_id: (*numbers[:2], Decimal(repr(float(numbers[2])))) for task_id, numbers in truth.items()
    }
    total = await totals_of(database)
    assert total.cost_nano_usd == sum(round(Decimal(repr(float(cost))) * 10**9) for _in, _out, cost in truth.values())
    assert total[:2] == tuple(sum(numbers[place] for numbers in truth.values()) for place in (0, 1))
    await check_accounts(database)


def put_session(
    store: SessionStore,
    rng: random.Random,
    task_id: str,
    tokens_in: int,
    tokens_out: int,
    cost: float,
    *,
    by_core: bool,
    from_ms: int = FIRST_MS,
) -> None:
    """Write totals in one of the shapes; a part of the core's belongs to agents whose rows stand beside."""
    updated_ms = from_ms + rng.randrange(HOUR_MS)
    read, written = rng.randrange(10**6), rng.randrange(1_000)
    if not by_core:
        store.put(task_id, editor_metadata(tokens_in, tokens_out, cost, cacheReads=read), updated_ms=updated_ms)
        return
    whole = usage(tokens_in + read + written, tokens_out, cost, read=read, written=written)
    alone = usage(tokens_in // 2, tokens_out // 2, cost / 2)
    store.put(task_id, core_metadata(alone, whole), updated_ms=updated_ms)
    store.put(f"{task_id}-agent", core_metadata(alone), updated_ms=updated_ms, is_subagent=True)


async def check_accounts(database: Database) -> None:
    """Hold every sum against the deltas, with and without the filter by store."""
    async with UsageReader(database, CLINE).snapshot() as snapshot:
        everything = await snapshot.get_all_totals()
        whole = await snapshot.get_totals(WIDE)
        parts = [
            await snapshot.get_totals(UsageFilter(first_quarter=0, end_quarter=10**7, store=store)) for store in Store
        ]
    assert whole.amount == Amount(*(sum(numbers) for numbers in zip(*(part.amount for part in parts), strict=True)))
    assert whole.task_count == sum(part.task_count for part in parts) == 1_000
    assert everything == whole


async def test_notification_reads_what_changed_and_everything_else_reads_it_all(
    store: SessionStore, path: Path, database: Database
) -> None:
    """The cursor lies a minute behind the newest change; rescans and requests do not use it."""
    for minute in range(10):
        store.put(str(minute), editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS + minute * 60_000)
    importer = sessions_importer(path, new_repository(database))
    assert (await run(importer, Trigger.WATCH)).added_count == 10
    assert (await run(importer, Trigger.WATCH)).skipped_count == 2
    store.put("10", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS + 10 * 60_000)
    store.put("9b", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS + 9 * 60_000)
    receipt = await run(importer, Trigger.WATCH)
    assert (receipt.added_count, receipt.skipped_count) == (2, 2)
    for trigger in (Trigger.RESCAN, Trigger.REQUEST, Trigger.STARTUP, Trigger.CLI):
        assert (await run(importer, trigger)).skipped_count == 12


@pytest.mark.parametrize(("young_ns", "is_known"), [(0, True), (1 << 62, False)])
async def test_reading_of_a_store_that_was_just_written_is_remembered_for_no_other_process(
    store: SessionStore,
    path: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    young_ns: int,
    is_known: bool,  # a parameter of the test
) -> None:
    """It may be written once more within the same time stamp; changes or none, one that rests is remembered."""
    monkeypatch.setattr(importer_module, "_YOUNG_NS", young_ns)
    store.put("1", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS)
    for _ in range(2):
        repository = new_repository(database)
        importer = sessions_importer(path, repository)
        await run(importer)
        identity = text_of(importer._guard.look().identity)
        assert await repository.has_read(Store.SESSIONS, identity) is is_known
        assert not await repository.has_read(Store.LEDGER, identity)


async def test_change_that_is_dated_before_the_cursor_is_found_by_a_rescan(
    store: SessionStore, path: Path, database: Database
) -> None:
    """A clock that was set back by more than the overlap delays a change until the next full reading."""
    store.put("1", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS)
    importer = sessions_importer(path, new_repository(database))
    await run(importer, Trigger.WATCH)
    store.put("2", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS - HOUR_MS)
    assert (await run(importer, Trigger.WATCH)).added_count == 0
    assert (await run(importer, Trigger.RESCAN)).added_count == 1


@pytest.mark.parametrize(
    ("rows", "cursor"),
    [
        ([], None),
        ([["1", iso(FIRST_MS)]], "2026-02-25T06:12:20"),
        ([["1", "2999-01-01T00:00:00.000Z"]], "2026-02-25T07:12:20"),
        ([["1", "tomorrow"]], ""),
        ([["1", "0001-01-01T00:00:00.000Z"]], ""),
        ([["1", None]], ""),
    ],
)
def test_cursor_lies_behind_the_newest_change_and_never_ahead_of_now(
    rows: list[list[Cell]], cursor: str | None
) -> None:
    """A row from the future, or one without a time, cannot hide what comes next."""
    assert cursor_of(rows, FIRST_MS + HOUR_MS) == cursor


async def test_bad_session_costs_no_good_one(store: SessionStore, path: Path, database: Database) -> None:
    """It is counted, with place, code and field."""
    store.put("bad", {"tokensIn": -1, "tokensOut": 1, "totalCost": 1}, updated_ms=FIRST_MS)
    store.put("good", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS + 1)
    receipt = await run(sessions_importer(path, new_repository(database)))
    assert (receipt.added_count, receipt.error_count) == (1, 1)
    assert [(one.index, one.code.value, one.field) for one in receipt.rejections] == [(0, "negative", "tokensIn")]


async def test_another_version_is_an_error_and_not_zero(store: SessionStore, path: Path, database: Database) -> None:
    """What was imported stays; nothing is imported as nothing."""
    store.put("1", editor_metadata(1, 1, 0.5))
    repository = new_repository(database)
    importer = sessions_importer(path, repository)
    await run(importer)
    store.connection.execute("ALTER TABLE sessions RENAME COLUMN metadata_json TO metadata")
    with pytest.raises(SessionsFormat, match="has no metadata_json"):
        await run(importer)
    assert len((await repository.get_known()).tasks) == 1


async def test_import_writes_in_runs_of_bounded_size_and_moves_its_cursor_at_the_end(
    store: SessionStore, path: Path, database: Database
) -> None:
    """Each run is a revision; an import that is left half-way is made again in full."""
    for number in range(5):
        store.put(str(number), editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS + number * HOUR_MS)
    repository = new_repository(database)
    importer = sessions_importer(path, repository)
    importer._writer._max_entries_per_run = 2
    steps = importer.run(Trigger.WATCH)
    first = await anext(steps)
    await steps.aclose()  # type: ignore[attr-defined]  # an async generator, which its annotation does not say
    assert (first.receipt.added_count, first.receipt.remaining_count) == (2, 3)
    assert importer.identity is None
    assert read_rows(database.path, "SELECT store FROM store_reading") == []
    receipts = [step.receipt for step in [step async for step in importer.run(Trigger.WATCH)]]
    assert [(one.added_count, one.remaining_count, one.skipped_count, one.revision) for one in receipts] == [
        (2, 1, 2, 2),
        (1, 0, 0, 3),
    ]


async def test_busy_store_is_tried_again_unless_somebody_is_in_a_hurry(
    store: SessionStore, path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the attempts Cline has its peace; a request does not wait for them."""
    calls = 0
    called = asyncio.Event()

    async def busy(*_arguments: object) -> list[list[Cell]]:
        nonlocal calls
        calls += 1
        if calls == 6:
            called.set()
        raise SessionsBusy

    monkeypatch.setattr(importer_module, "read_sessions", busy)
    monkeypatch.setattr(importer_module, "_FIRST_RETRY_S", 0.001)
    importer = sessions_importer(path, new_repository(database))
    with pytest.raises(SessionsBusy):
        await run(importer)
    assert calls == 4
    importer.hurry()
    with pytest.raises(SessionsBusy):
        await run(importer)
    assert calls == 5
    importer.take_time()
    monkeypatch.setattr(importer_module, "_FIRST_RETRY_S", 60)
    task = asyncio.create_task(run(importer))
    await called.wait()
    importer.hurry()
    async with asyncio.timeout(60):
        with pytest.raises(SessionsBusy):
            await task


async def test_preview_says_what_an_import_would_bring(store: SessionStore, path: Path, database: Database) -> None:
    """Nothing is written."""
    store.put("1", editor_metadata(1, 1, 0.5))
    repository = new_repository(database)
    importer = sessions_importer(path, repository)
    assert (await importer.preview(await repository.get_known())).added_count == 1
    assert (await repository.get_known()).tasks == {}
