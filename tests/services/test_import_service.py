"""The import service: one import at a time, and nobody is answered from a reading older than the question."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from aico.core.database import Database
from aico.core.domain import CLINE, ImportReceipt, Store, Trigger
from aico.core.errors import LedgerError, LedgerFormat, LedgerUnreadable, StorageBusy, StorageError
from aico.core.events import UsageImported
from aico.core.repository import UsageRepository
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.stores.identity import FileIdentity
from aico.features.stores.steps import ImportStep
from aico.services.import_service import ImportService, describe
from aico.services.import_ticket import Ticket
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms

HANG_S = 60


def receipt_of(number: int, trigger: Trigger = Trigger.WATCH) -> ImportReceipt:
    """Return a receipt that can be told from others by its revision."""
    return ImportReceipt(
        trigger=trigger,
        finished_at_ms=number,
        duration_ms=1.0,
        added_count=1,
        updated_count=0,
        skipped_count=3,
        error_count=1,
        remaining_count=0,
        latest_ts=None,
        revision=number,
    )


@dataclass
class Script:
    """What one import of the scripted importer does."""

    steps: int = 1
    error: Exception | None = None
    changed: bool = False
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the import opens the file."""
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    may_follow: asyncio.Event = field(default_factory=asyncio.Event)
    """What the import waits for between its first step and the next."""

    def free(self) -> Script:
        """Let this import run without waiting."""
        self.may_end.set()
        self.may_follow.set()
        return self


class ScriptedImporter(LedgerImporter):
    """Runs scripts instead of reading a file; counts how many run at once."""

    def __init__(self, scripts: list[Script], guard: LedgerGuard, repository: UsageRepository) -> None:
        super().__init__(guard, repository, read_attempts=1, max_entries_per_run=10, now_ms=now_ms)
        self.scripts = iter(scripts)
        self.triggers: list[Trigger] = []
        self.running = 0
        self.most_running = 0

    async def run(self, trigger: Trigger) -> AsyncIterator[ImportStep]:
        """Play the next script; the receipt's revision is 10 times its number plus the step's."""
        script = next(self.scripts)
        self.triggers.append(trigger)
        number = len(self.triggers) * 10
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        script.opened.set()
        try:
            await script.may_end.wait()
            for step in range(script.steps):
                if step:
                    await script.may_follow.wait()
                receipt = receipt_of(number + step, trigger)
                event = UsageImported(receipt, "epoch", 1, (), rows_truncated=False) if script.changed else None
                yield ImportStep(receipt, event)
            if script.error is not None:
                raise script.error
        finally:
            self.running -= 1


@dataclass
class Stage:
    """The service under test, its script, and what it published."""

    service: ImportService
    importer: ScriptedImporter
    repository: UsageRepository
    published: list[int]


@pytest.fixture
def make_stage(tmp_path: Path, database: Database) -> Callable[[list[Script]], Stage]:
    """Make the service on a list of scripts."""

    def make(scripts: list[Script]) -> Stage:
        repository = UsageRepository(database, CLINE, now_ms)
        importer = ScriptedImporter(scripts, LedgerGuard(str(tmp_path / "taskHistory.json"), 100), repository)
        published: list[int] = []
        service = ImportService(
            importer, repository, lambda event: published.append(event.receipt.revision), lambda: 1_000
        )
        return Stage(service, importer, repository, published)

    return make


async def ask(service: ImportService, trigger: Trigger = Trigger.WATCH) -> asyncio.Task[ImportReceipt]:
    """Return a task that has asked for an import."""
    task = asyncio.create_task(service.run(trigger))
    await asyncio.sleep(0)
    return task


async def test_service_runs_one_further_import_for_all_who_ask_meanwhile(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """Whoever asks while an import runs shares one that opens the file afterwards, and never joins the running one."""
    first, second = Script(), Script()
    stage = make_stage([first, second])
    async with asyncio.timeout(HANG_S):
        running = await ask(stage.service)
        await first.opened.wait()
        late = [await ask(stage.service, Trigger.REQUEST) for _ in range(5)]
        assert not second.opened.is_set()
        first.may_end.set()
        assert (await running).revision == 10
        await second.opened.wait()
        assert not any(task.done() for task in late)
        second.may_end.set()
        assert [(await task).revision for task in late] == [20] * 5
    assert stage.importer.most_running == 1
    assert len(stage.importer.triggers) == 2


async def test_service_opens_the_file_anew_for_who_asks_while_the_shared_import_runs(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """An import that has begun is closed to newcomers, also when it was itself waited for."""
    scripts = [Script(), Script(), Script().free()]
    stage = make_stage(scripts)
    async with asyncio.timeout(HANG_S):
        first = await ask(stage.service)
        await scripts[0].opened.wait()
        second = await ask(stage.service)
        scripts[0].may_end.set()
        await scripts[1].opened.wait()
        third = await ask(stage.service)
        scripts[1].may_end.set()
        assert [(await task).revision for task in (first, second, third)] == [10, 20, 30]


async def test_service_shares_an_import_that_has_not_opened_the_file_yet(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """Requests of one moment share one import even when none was running."""
    stage = make_stage([Script().free()])
    async with asyncio.timeout(HANG_S):
        receipts = await asyncio.gather(*(stage.service.run(Trigger.REQUEST) for _ in range(3)))
    assert [receipt.revision for receipt in receipts] == [10] * 3


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([Trigger.WATCH, Trigger.REQUEST, Trigger.RESCAN], Trigger.REQUEST),
        ([Trigger.STARTUP, Trigger.RESCAN], Trigger.RESCAN),
        ([Trigger.RESCAN, Trigger.WATCH], Trigger.WATCH),
        ([Trigger.CLI, Trigger.WATCH], Trigger.CLI),
        ([Trigger.REQUEST, Trigger.CLI], Trigger.REQUEST),
    ],
)
async def test_service_tells_the_strongest_trigger_of_a_shared_import(
    make_stage: Callable[[list[Script]], Stage], asked: list[Trigger], told: Trigger
) -> None:
    """Of several causes the strongest claim is the one that the receipt names, in whatever order they came."""
    stage = make_stage([Script().free()])
    async with asyncio.timeout(HANG_S):
        receipts = await asyncio.gather(*(stage.service.run(trigger) for trigger in asked))
    assert stage.importer.triggers == [told]
    assert {receipt.trigger for receipt in receipts} == {told}


async def test_service_hurries_for_every_request_whoever_asked_first(
    make_stage: Callable[[list[Script]], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs waits no more for an unfinished file, also when the request joins somebody who waits already."""
    hurried: list[Trigger] = []
    running, waiting = Script(), Script().free()
    stage = make_stage([running, waiting])
    first = await ask(stage.service, Trigger.WATCH)
    await running.opened.wait()
    monkeypatch.setattr(stage.importer, "hurry", lambda: hurried.append(Trigger.REQUEST))
    second = await ask(stage.service, Trigger.RESCAN)
    assert hurried == []
    third = await ask(stage.service, Trigger.REQUEST)
    assert hurried == [Trigger.REQUEST]
    running.free()
    await asyncio.gather(first, second, third)


async def test_service_goes_on_when_its_only_caller_is_cancelled(make_stage: Callable[[list[Script]], Stage]) -> None:
    """A disconnect cancels nothing: the import ends and is published."""
    script = Script(changed=True)
    stage = make_stage([script])
    async with asyncio.timeout(HANG_S):
        caller = await ask(stage.service, Trigger.REQUEST)
        await script.opened.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        script.may_end.set()
        await stage.service.close()
    assert stage.published == [10]
    assert stage.service.last_receipt is not None


async def test_service_answers_the_others_when_one_of_them_is_cancelled(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """Those who share an import do not share a caller's fate."""
    script = Script()
    stage = make_stage([script])
    async with asyncio.timeout(HANG_S):
        leaving, staying = (asyncio.create_task(stage.service.run(Trigger.WATCH)) for _ in range(2))
        await script.opened.wait()
        leaving.cancel()
        script.may_end.set()
        assert (await staying).revision == 10


async def test_service_runs_the_waiting_import_though_its_caller_is_gone(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """Also an import that had not begun is run, because somebody may share it by then."""
    first, second = Script(), Script(changed=True).free()
    stage = make_stage([first, second])
    async with asyncio.timeout(HANG_S):
        running = await ask(stage.service)
        await first.opened.wait()
        waiting = await ask(stage.service)
        waiting.cancel()
        shared = await ask(stage.service)
        first.may_end.set()
        await running
        assert (await shared).revision == 20
    assert stage.published == [20]


async def test_service_answers_after_the_first_run_and_publishes_the_following(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """The caller gets the first receipt while the rest of the same reading is still being written."""
    script = Script(steps=3, changed=True)
    script.may_end.set()
    stage = make_stage([script])
    async with asyncio.timeout(HANG_S):
        assert (await stage.service.run(Trigger.REQUEST)).revision == 10
        assert stage.published == [10]
        script.may_follow.set()
        assert stage.service._newest is not None
        await asyncio.wait({stage.service._newest})
    assert stage.published == [10, 11, 12]
    assert stage.service.run_count == 3
    assert stage.service.last_receipt is not None
    # What is told as the last import is the sum of its runs.
    assert stage.service.last_receipt.imported_count == 3 * receipt_of(10, Trigger.REQUEST).imported_count


async def test_service_publishes_nothing_when_nothing_changed(make_stage: Callable[[list[Script]], Stage]) -> None:
    """A reading without a change has a receipt and no event."""
    stage = make_stage([Script().free()])
    assert (await stage.service.run(Trigger.REQUEST)).revision == 10
    assert stage.published == []


@pytest.mark.parametrize(
    "error", [LedgerUnreadable("EIO"), LedgerFormat("it is not JSON"), StorageBusy("locked"), StorageError("full")]
)
async def test_service_raises_the_failure_to_all_who_share_it(
    make_stage: Callable[[list[Script]], Stage], error: LedgerError | StorageError
) -> None:
    """Everybody who waits for an import gets the error that it ended with, and it is counted by code."""
    stage = make_stage([Script(steps=0, error=error).free()])
    async with asyncio.timeout(HANG_S):
        results = await asyncio.gather(*(stage.service.run(Trigger.WATCH) for _ in range(3)), return_exceptions=True)
    assert results == [error] * 3
    assert list(stage.service.failures.values()) == [error]
    assert stage.service.failure_counts == {error.code: 1}


async def list_runs(database: Database) -> list[tuple[str | None, int]]:
    """Return error code and number of skipped entries of every recorded run."""
    async with database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT error_code, skipped_count FROM import_run ORDER BY id")
        return [tuple(row) for row in rows]


async def test_service_logs_and_records_failure_and_recovery_once(
    make_stage: Callable[[list[Script]], Stage], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure that is met again and again is told when it begins, when it becomes another one, and when it ends."""
    refused, unreadable = LedgerFormat("it is not JSON"), LedgerUnreadable("EIO")
    errors = [None, refused, refused, refused, unreadable, unreadable, None, None]
    stage = make_stage([Script(steps=not error, error=error).free() for error in errors])
    caplog.set_level(logging.INFO, "aico.services.import_service")
    for error in errors:
        if error is None:
            await stage.service.run(Trigger.RESCAN)
        else:
            with pytest.raises(type(error)):
                await stage.service.run(Trigger.RESCAN)
    await stage.service.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert ["ledger_format" in record.message for record in caplog.records] == [True, False, False]
    assert await list_runs(database) == [("ledger_format", 0), ("ledger_unreadable", 0), (None, 3)]
    assert stage.service.failures == {}
    assert stage.service.failure_counts == {"ledger_format": 3, "ledger_unreadable": 2}


async def test_service_tells_the_whole_reading_that_ended_a_failure(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """What is left for the next start to tell counts what that reading wrote, too, in all of its runs."""
    stage = make_stage([Script(steps=0, error=LedgerUnreadable("EIO")).free(), Script(steps=2, changed=True).free()])
    with pytest.raises(LedgerUnreadable):
        await stage.service.run(Trigger.RESCAN)
    await stage.service.run(Trigger.REQUEST)
    assert await stage.service.finish(Store.LEDGER) is None
    told = stage.service.last_receipt
    (run,) = await stage.repository.list_last_runs()
    assert told is not None
    assert (run.added_count, run.skipped_count, run.error_count) == (2, 6, 2)
    assert (told.added_count, told.skipped_count, told.error_count) == (2, 6, 2)
    assert run.trigger == Trigger.REQUEST


async def test_service_does_not_record_failure_of_the_storage_in_the_storage(
    make_stage: Callable[[list[Script]], Stage], database: Database
) -> None:
    """A database that fails is not asked to remember it; when it has recovered, begin and end are remembered."""
    stage = make_stage([Script(steps=0, error=StorageBusy("locked")).free(), Script().free()])
    with pytest.raises(StorageBusy):
        await stage.service.run(Trigger.WATCH)
    assert await list_runs(database) == []
    await stage.service.run(Trigger.WATCH)
    await stage.service.close()
    assert await list_runs(database) == [("storage_busy", 0), (None, 3)]


async def test_service_survives_a_database_that_cannot_record(
    make_stage: Callable[[list[Script]], Stage], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure that cannot be recorded is still raised as itself, and the log says what was not recorded."""
    stage = make_stage([Script(steps=0, error=LedgerUnreadable("EIO")).free()])

    async def fail(_receipt: ImportReceipt, _code: str | None) -> None:
        raise StorageBusy("locked")

    monkeypatch.setattr(stage.repository, "record_run", fail)
    with pytest.raises(LedgerUnreadable):
        await stage.service.run(Trigger.WATCH)
    assert "could not be recorded" in caplog.text


async def test_service_hands_a_bug_to_the_waiter_and_goes_on(make_stage: Callable[[list[Script]], Stage]) -> None:
    """An unexpected exception reaches who waits, and the next import works as if nothing had been."""
    stage = make_stage([Script(steps=0, error=ZeroDivisionError("a bug")).free(), Script().free()])
    async with asyncio.timeout(HANG_S):
        with pytest.raises(ZeroDivisionError):
            await stage.service.run(Trigger.REQUEST)
        assert (await stage.service.run(Trigger.REQUEST)).revision == 20


async def test_service_keeps_the_receipt_when_a_follow_up_run_fails(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """Who was answered stays answered; the failure is the service's own."""
    stage = make_stage([Script(error=StorageError("full"), changed=True).free()])
    async with asyncio.timeout(HANG_S):
        assert (await stage.service.run(Trigger.REQUEST)).revision == 10
        await stage.service.close()
    assert [failure.code for failure in stage.service.failures.values()] == ["storage_error"]


async def test_service_close_lets_the_running_import_end_and_the_waiting_one_not_begin(
    make_stage: Callable[[list[Script]], Stage],
) -> None:
    """What has begun is stored; who still waits is told to come again, and nobody is kept for a file."""
    first, second = Script(), Script()
    stage = make_stage([first, second])
    async with asyncio.timeout(HANG_S):
        tasks = [await ask(stage.service)]
        await first.opened.wait()
        tasks.append(await ask(stage.service))
        closing = asyncio.create_task(stage.service.close())
        first.may_end.set()
        await closing
        assert (await tasks[0]).revision == 10
        with pytest.raises(StorageBusy, match="stopping"):
            await tasks[1]
    assert not second.opened.is_set()


async def test_failures_keep_nothing_of_the_ones_before(make_stage: Callable[[list[Script]], Stage]) -> None:
    """However long a failure lasts, one import is remembered: its trace would hold rows and bytes of the ledger."""
    stage = make_stage([Script(steps=0, error=StorageBusy("locked")).free() for _ in range(5)])
    tasks: list[weakref.ref[asyncio.Task[None]]] = []
    for _ in range(5):
        with pytest.raises(StorageBusy):
            await stage.service.run(Trigger.WATCH)
        assert stage.service._newest is not None
        await asyncio.wait({stage.service._newest})
        tasks.append(weakref.ref(stage.service._newest))
    gc.collect()
    assert [task() is not None for task in tasks] == [False, False, False, False, True]


async def test_service_close_returns_at_once_when_nothing_ran(make_stage: Callable[[list[Script]], Stage]) -> None:
    """There is nothing to wait for before the first import."""
    async with asyncio.timeout(HANG_S):
        await make_stage([]).service.close()


async def test_service_shows_what_the_importer_knows(ledger: LedgerFile, database: Database) -> None:
    """Fingerprint and the need of a second look are the importer's, of a real file."""
    ledger.write(entry("1"))
    repository = UsageRepository(database, CLINE, now_ms)
    importer = LedgerImporter(
        LedgerGuard(str(ledger.path), 10_000), repository, read_attempts=1, max_entries_per_run=10, now_ms=lambda: 0
    )
    service = ImportService(importer, repository, lambda _event: None, now_ms)
    before = service.identity_of(Store.LEDGER)
    receipt = await service.run(Trigger.CLI)
    after = service.identity_of(Store.LEDGER)
    assert receipt.added_count == 1
    assert before is None
    assert isinstance(after, FileIdentity)
    assert after.size == ledger.size_bytes
    assert service.last_duration_s > 0


@pytest.mark.parametrize(
    ("receipt", "line"),
    [
        (receipt_of(1), "1 imported (1 new), 3 unchanged, 1 refused in 1 ms [watch]"),
        (
            replace(receipt_of(1, Trigger.REQUEST), error_count=0, updated_count=2, remaining_count=4),
            "3 imported (1 new), 3 unchanged, 4 to follow in 1 ms [request]",
        ),
    ],
)
def test_describe_tells_only_what_there_is(receipt: ImportReceipt, line: str) -> None:
    """The line of a run names refused and remaining entries when there are some."""
    assert describe(receipt) == line


async def test_ticket_lets_nobody_wait_for_a_store_that_was_left_out() -> None:
    """An import that ends without having come to a store, because the service stops, says so to who waits for it."""
    ticket = Ticket(Trigger.WATCH, asyncio.get_running_loop().create_future(), set(Store))
    part = ticket.part(Store.SESSIONS)
    task = asyncio.create_task(asyncio.sleep(0))
    task.add_done_callback(ticket.settle)
    with pytest.raises(StorageBusy):
        await asyncio.wait_for(part, HANG_S)
