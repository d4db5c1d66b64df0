"""The pipeline: one reading of a place at a time, one transaction at a time, and nobody is answered from before."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol
from unittest.mock import Mock

import pytest

from aico.core.db import database as database_module
from aico.core.db.database import Database
from aico.core.errors import LedgerFormat, LedgerNotFound, LedgerUnreadable, SourceError, StorageBusy, StorageError
from aico.core.receipts import ImportReceipt
from aico.core.usage import Trigger
from aico.features.files.feed import Left, Reading
from aico.services.ingest import describe, sum_of
from tests.services.scripted_place import LIMIT, SIZE_BYTES, Script, Stage
from tests.sources.pipeline import intakes_of

HANG_S = 60


class MakeStage(Protocol):
    """Make the pipeline on one place with a list of scripts, or on several."""

    def __call__(self, scripts: Sequence[Script], /, **others: Sequence[Script]) -> Stage:
        """Return it, not started."""


FAILURES = [LedgerUnreadable("EIO"), LedgerFormat("it is not JSON"), StorageBusy("locked"), StorageError("full")]


@pytest.fixture
def make_stage(database: Database) -> MakeStage:
    """Make the pipeline on one place with a list of scripts, or on several."""

    def make(scripts: Sequence[Script], /, **others: Sequence[Script]) -> Stage:
        return Stage(database, [("place", scripts), *others.items()])

    return make


async def test_ingest_runs_one_further_reading_for_all_who_ask_meanwhile(make_stage: MakeStage) -> None:
    """Callers that ask during a reading share one that opens the file afterwards, and never join the running one."""
    first, second = Script(), Script()
    stage = make_stage([first, second])
    async with asyncio.timeout(HANG_S):
        running = await stage.ask()
        await first.opened.wait()
        late = [await stage.ask(Trigger.REQUEST) for _ in range(5)]
        assert not second.opened.is_set()
        first.may_end.set()
        assert (await running).revision == 1
        await second.opened.wait()
        assert not any(task.done() for task in late)
        second.may_end.set()
        assert [(await task).revision for task in late] == [2] * 5
        await stage.ingest.close()
    assert stage.feeds["place"].most_running == 1
    assert len(stage.feeds["place"].triggers) == 2


async def test_ingest_opens_the_file_anew_for_who_asks_while_the_shared_reading_runs(
    make_stage: MakeStage,
) -> None:
    """A reading that has begun is closed to newcomers, also when it was itself waited for."""
    scripts = [Script(), Script(), Script().free()]
    stage = make_stage(scripts)
    async with asyncio.timeout(HANG_S):
        first = await stage.ask()
        await scripts[0].opened.wait()
        second = await stage.ask()
        scripts[0].may_end.set()
        await scripts[1].opened.wait()
        third = await stage.ask()
        scripts[1].may_end.set()
        assert [(await task).revision for task in (first, second, third)] == [1, 2, 3]
        await stage.ingest.close()


async def test_ingest_shares_a_reading_that_has_not_opened_the_file_yet(make_stage: MakeStage) -> None:
    """Requests of one moment share one reading even when none was running, of every place."""
    stage = make_stage([Script().free()], other=[Script().free()])
    async with asyncio.timeout(HANG_S):
        receipts = await asyncio.gather(*(stage.run(Trigger.REQUEST, "place", "other") for _ in range(3)))
        assert [receipt.revision for receipt in receipts] == [2] * 3
        await stage.ingest.close()


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
async def test_ingest_tells_the_strongest_trigger_of_a_shared_reading(
    make_stage: MakeStage, asked: list[Trigger], told: Trigger
) -> None:
    """Of several causes the strongest claim is the one that the receipt names, in whatever order they came."""
    stage = make_stage([Script().free()])
    async with asyncio.timeout(HANG_S):
        receipts = await asyncio.gather(*(stage.run(trigger) for trigger in asked))
        await stage.ingest.close()
    assert stage.feeds["place"].triggers == [told]
    assert {receipt.trigger for receipt in receipts} == {told}


async def test_ingest_hurries_for_every_request_whoever_asked_first(make_stage: MakeStage) -> None:
    """The running reading waits no more for an unfinished file, also when the request joins a caller that waits."""
    running, waiting = Script(), Script().free()
    stage = make_stage([running, waiting])
    feed = stage.feeds["place"]
    async with asyncio.timeout(HANG_S):
        first = await stage.ask(Trigger.WATCH)
        await running.opened.wait()
        second = await stage.ask(Trigger.RESCAN)
        assert feed.hurried_count == 0
        third = await stage.ask(Trigger.REQUEST)
        assert feed.hurried_count == 1
        running.free()
        await asyncio.gather(first, second, third)
        await stage.ingest.close()


async def test_ingest_goes_on_when_its_only_caller_is_cancelled(make_stage: MakeStage) -> None:
    """A disconnect cancels nothing: every place that was asked for is read and told."""
    script, other = Script(), Script()
    stage = make_stage([script], other=[other])
    async with asyncio.timeout(HANG_S):
        caller = await stage.ask(Trigger.REQUEST, "place", "other")
        await script.opened.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        script.may_end.set()
        await other.opened.wait()
        other.may_end.set()
        await stage.ingest.close()
    assert stage.published == [("place", 1, 0), ("other", 2, 0)]
    assert stage.ingest.last_receipt is not None


async def test_ingest_answers_the_others_when_one_of_them_is_cancelled(make_stage: MakeStage) -> None:
    """Callers that share a reading do not share one caller's fate."""
    script = Script()
    stage = make_stage([script])
    async with asyncio.timeout(HANG_S):
        leaving, staying = (asyncio.create_task(stage.run()) for _ in range(2))
        await script.opened.wait()
        leaving.cancel()
        script.may_end.set()
        assert (await staying).revision == 1
        await stage.ingest.close()


async def test_ingest_runs_the_waiting_reading_though_its_caller_is_gone(make_stage: MakeStage) -> None:
    """Also a reading that had not begun is run, because somebody may share it by then."""
    first, second = Script(), Script().free()
    stage = make_stage([first, second])
    async with asyncio.timeout(HANG_S):
        running = await stage.ask()
        await first.opened.wait()
        waiting = await stage.ask()
        waiting.cancel()
        shared = await stage.ask()
        first.may_end.set()
        await running
        assert (await shared).revision == 2
        await stage.ingest.close()
    assert stage.published == [("place", 1, 0), ("place", 2, 0)]


async def test_ingest_answers_after_the_first_transaction_and_tells_the_following(
    make_stage: MakeStage,
) -> None:
    """The caller gets the first receipt, and what is to follow, while the rest of the reading still waits."""
    stage = make_stage([Script(count=3 * LIMIT).free()])
    key = stage.keys["place"]
    async with asyncio.timeout(HANG_S):
        stage.writer.hold()
        asked = await stage.ask(Trigger.REQUEST)
        await stage.writer.came.get()
        stage.writer.let_one_pass()
        receipt = await asked
        assert (receipt.revision, receipt.imported_count, receipt.remaining_count) == (1, LIMIT, 2 * LIMIT)
        assert stage.ingest.find_progress(key) == (SIZE_BYTES // 3, SIZE_BYTES)
        assert stage.feeds["place"].completed == []
        stage.writer.open()
        assert await stage.ingest.finish(key) is None
        await stage.ingest.close()
    assert stage.published == [("place", 1, 2 * LIMIT), ("place", 2, LIMIT), ("place", 3, 0)]
    assert stage.feeds["place"].completed == [3 * LIMIT]
    assert stage.ingest.find_progress(key) is None
    assert stage.ingest.run_counts == {"tool": 3}
    # The receipt of the last import is the sum of its transactions.
    total = stage.ingest.last_receipts[key]
    assert (total.imported_count, total.skipped_count, total.error_count) == (3 * LIMIT, 3, 1)


async def test_changes_and_requests_go_between_two_transactions_of_a_large_reading(
    make_stage: MakeStage,
) -> None:
    """Nobody waits for the end of a first reading of much: a request is next after the transaction that runs."""
    live, requested = Script(), Script()
    nothing = Script(count=0).free()
    stage = make_stage([nothing, Script(count=4 * LIMIT).free()], live=[nothing, live], requested=[nothing, requested])
    async with asyncio.timeout(HANG_S):
        await stage.start()
        stage.writer.came = asyncio.Queue()
        stage.writer.hold()
        await stage.ask(Trigger.STARTUP)
        await stage.writer.came.get()
        tasks = [await stage.ask(Trigger.WATCH, "live"), await stage.ask(Trigger.REQUEST, "requested")]
        for script in (live, requested):
            await script.opened.wait()
            script.may_end.set()
            await script.ended.wait()
        stage.writer.open()
        assert [(await task).remaining_count for task in tasks] == [0, 0]
        assert await stage.ingest.finish(stage.keys["place"]) is None
        await stage.ingest.close()
    origins = [origin for origin, _revision, _remaining in stage.published]
    assert origins == ["place", "live", "requested", "place", "place", "place"]
    assert [revision for _origin, revision, _remaining in stage.published] == [1, 2, 3, 4, 5, 6]


async def test_who_asks_for_a_place_during_its_large_reading_gets_a_reading_of_after(
    make_stage: MakeStage,
) -> None:
    """A place cannot be read anew before all that it said is stored: then it is, at once."""
    again = Script()
    stage = make_stage([Script(count=2 * LIMIT).free(), again])
    async with asyncio.timeout(HANG_S):
        stage.writer.hold()
        first = await stage.ask(Trigger.STARTUP)
        await stage.writer.came.get()
        asked = await stage.ask(Trigger.REQUEST)
        assert not again.opened.is_set()
        stage.writer.open()
        assert (await first).remaining_count == LIMIT
        await again.opened.wait()
        assert [remaining for _origin, _revision, remaining in stage.published] == [LIMIT, 0]
        again.may_end.set()
        assert (await asked).revision == 3
        await stage.ingest.close()


async def test_what_a_reading_leaves_is_read_at_once(make_stage: MakeStage) -> None:
    """A tree comes in parts: the caller gets the receipt of the first, and what is told last is the sum of all."""
    last = Script()
    stage = make_stage(
        [Script(left=Left(7, 10, 90)).free(), Script(count=2 * LIMIT, left=Left(1, 80, 90)).free(), last]
    )
    key = stage.keys["place"]
    async with asyncio.timeout(HANG_S):
        receipt = await stage.run(Trigger.REQUEST)
        assert (receipt.imported_count, receipt.remaining_count) == (1, 7)
        await last.opened.wait()
        assert stage.ingest.find_progress(key) == (80, 90)
        assert [remaining for _origin, _revision, remaining in stage.published] == [7, LIMIT + 1, 1]
        last.may_end.set()
        assert await stage.ingest.finish(key) is None
        await stage.ingest.close()
    assert stage.ingest.find_progress(key) is None
    assert stage.feeds["place"].completed == [1, 2 * LIMIT, 1]
    # No request asked for the rest: the place needs no look at everything for it.
    assert stage.feeds["place"].triggers == [Trigger.REQUEST, Trigger.WATCH, Trigger.WATCH]
    total = stage.ingest.last_receipts[key]
    assert (total.trigger, total.imported_count, total.error_count) == (Trigger.REQUEST, 2 + 2 * LIMIT, 3)
    assert total.remaining_count == 0


async def test_memory_is_given_back_at_the_end_of_a_large_reading(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, after its last part, whether it came in parts or in several transactions; not after a small one."""
    given_back = Mock()
    monkeypatch.setattr(database_module, "give_back", given_back)
    stage = make_stage(
        [Script().free(), Script(left=Left(1, 10, 90)).free(), Script().free(), Script(count=2 * LIMIT).free()]
    )
    async with asyncio.timeout(HANG_S):
        for expected in (0, 1, 2):
            await stage.run(Trigger.REQUEST)
            assert await stage.ingest.finish(stage.keys["place"]) is None
            assert given_back.call_count == expected
        await stage.ingest.close()


async def test_who_asks_comes_between_the_parts_of_a_reading(make_stage: MakeStage) -> None:
    """Of the same place and of others: nobody waits for the end of what a reading has left."""
    second, asked_for = Script(left=Left(3, 2, 9)), Script(count=3, left=Left(2, 4, 9)).free()
    stage = make_stage([Script(left=Left(5, 1, 9)).free(), second, asked_for, Script().free()])
    key = stage.keys["place"]
    async with asyncio.timeout(HANG_S):
        await stage.run(Trigger.STARTUP)
        await second.opened.wait()
        asked = await stage.ask(Trigger.REQUEST)
        second.may_end.set()
        assert (await asked).imported_count == 3
        assert await stage.ingest.finish(key) is None
        await stage.ingest.close()
    feed = stage.feeds["place"]
    assert feed.triggers == [Trigger.STARTUP, Trigger.WATCH, Trigger.REQUEST, Trigger.WATCH]
    assert feed.completed == [1, 1, 3, 1]


@pytest.mark.parametrize("where", ["read", "store"])
async def test_failure_in_a_later_part_ends_a_reading_and_is_told(make_stage: MakeStage, where: str) -> None:
    """Its stored part stays; the next reading begins at its end."""
    second = Script(left=Left(1, 2, 3), error=LedgerUnreadable("EIO") if where == "read" else None)
    stage = make_stage([Script(left=Left(2, 1, 3)).free(), second, Script().free()])
    key = stage.keys["place"]
    async with asyncio.timeout(HANG_S):
        await stage.run(Trigger.STARTUP)
        await second.opened.wait()
        if where == "store":
            stage.writer.errors.append(StorageBusy("another process holds its lock"))
        second.may_end.set()
        failure = await stage.ingest.finish(key)
        assert isinstance(failure, LedgerUnreadable if where == "read" else StorageBusy)
        assert stage.ingest.find_progress(key) is None
        await stage.run(Trigger.WATCH)
        assert await stage.ingest.finish(key) is None
        await stage.ingest.close()
    assert stage.feeds["place"].completed == [1, 1]


async def test_place_that_waits_delays_no_other(make_stage: MakeStage) -> None:
    """An unfinished file is waited for, a database rests: whatever else changes is stored meanwhile."""
    stuck, nothing = Script(), Script(count=0).free()
    stage = make_stage([nothing, stuck], other=[nothing, Script().free(), Script().free()])
    async with asyncio.timeout(HANG_S):
        await stage.start()
        waiting = await stage.ask()
        await stuck.opened.wait()
        for trigger in (Trigger.WATCH, Trigger.REQUEST):
            await stage.run(trigger, "other")
        assert stage.published == [("other", 1, 0), ("other", 2, 0)]
        assert not waiting.done()
        stuck.may_end.set()
        assert (await waiting).revision == 3
        await stage.ingest.close()


async def test_places_of_one_request_are_read_in_their_order(make_stage: MakeStage) -> None:
    """Of two origins that know one session the first one to speak decides its days: never the quicker one."""
    first, second = Script(), Script().free()
    stage = make_stage([first], second=[second])
    async with asyncio.timeout(HANG_S):
        asked = await stage.ask(Trigger.CLI, "second", "place")
        await first.opened.wait()
        assert not second.opened.is_set()
        first.may_end.set()
        await asked
        await stage.ingest.close()
    assert [origin for origin, *_ in stage.published] == ["place", "second"]


async def test_origins_of_one_running_total_speak_one_after_the_other(database: Database) -> None:
    """The later one waits for all that the first one has to say of models and days, not for its first part alone."""
    stage = Stage(database, [("place", [Script(count=3 * LIMIT).free()]), ("second", [Script().free()])], "meter")
    async with asyncio.timeout(HANG_S):
        await stage.run(Trigger.STARTUP, "place", "second")
        await stage.ingest.close()
    assert [origin for origin, *_ in stage.published] == ["place", "place", "place", "second"]


async def test_first_readings_of_a_start_keep_the_order_of_the_places(make_stage: MakeStage) -> None:
    """A session store that is read in a moment waits for a large ledger, once; later neither waits for the other."""
    large, stuck = Script(), Script()
    stage = make_stage([large, stuck], quick=[Script().free(), Script().free()])
    async with asyncio.timeout(HANG_S):
        first = await stage.ask(Trigger.STARTUP)
        second = await stage.ask(Trigger.STARTUP, "quick")
        await large.opened.wait()
        assert stage.feeds["quick"].triggers == []
        large.may_end.set()
        await asyncio.gather(first, second)
        assert [origin for origin, *_ in stage.published] == ["place", "quick"]
        waiting = await stage.ask()
        await stuck.opened.wait()
        await stage.run(Trigger.WATCH, "quick")
        stuck.may_end.set()
        await waiting
        await stage.ingest.close()


async def test_first_reading_waits_for_an_earlier_place_that_is_not_looked_at_yet(make_stage: MakeStage) -> None:
    """A ledger on a slow file system speaks before a session store that is there at once."""
    stage = make_stage([Script().free()], quick=[Script().free()])
    for intake in intakes_of(stage.ingest):
        stage.ingest.add(intake, is_watched=True)
    async with asyncio.timeout(HANG_S):
        second = await stage.ask(Trigger.STARTUP, "quick")
        assert not second.done()
        await stage.run(Trigger.STARTUP)
        await second
        await stage.ingest.close()
    assert [origin for origin, *_ in stage.published] == ["place", "quick"]


@pytest.mark.parametrize("end", ["let_pass", "remove", "close"])
async def test_first_reading_waits_for_no_place_that_has_nothing_to_say(make_stage: MakeStage, end: str) -> None:
    """One that is absent, is switched off, or belongs to a service that stops."""
    stage = make_stage([Script().free()], quick=[Script().free()])
    for intake in intakes_of(stage.ingest):
        stage.ingest.add(intake, is_watched=True)
    async with asyncio.timeout(HANG_S):
        second = await stage.ask(Trigger.STARTUP, "quick")
        if end == "let_pass":
            await stage.ingest.let_pass(stage.keys["place"])
        elif end == "remove":
            await stage.ingest.remove(stage.keys["place"])
        else:
            await stage.ingest.close()
        await second
        await stage.ingest.close()
    assert [origin for origin, *_ in stage.published] == ["quick"]


async def test_ingest_publishes_nothing_when_nothing_changed(make_stage: MakeStage) -> None:
    """A reading without a change has a receipt and no event."""
    stage = make_stage([Script(count=0).free()])
    receipt = await stage.run(Trigger.REQUEST)
    await stage.ingest.close()
    assert (receipt.revision, receipt.imported_count, receipt.skipped_count) == (0, 0, 3)
    assert stage.published == []
    assert stage.feeds["place"].completed == [0]


@pytest.mark.parametrize("error", FAILURES)
async def test_ingest_raises_the_failure_to_all_who_share_it(
    make_stage: MakeStage, error: SourceError | StorageError
) -> None:
    """All callers that wait for a reading get the error that ended it, and it is counted by source and code."""
    stage = make_stage([Script(error=error).free()])
    async with asyncio.timeout(HANG_S):
        results = await asyncio.gather(*(stage.run() for _ in range(3)), return_exceptions=True)
        await stage.ingest.close()
    assert results == [error] * 3
    assert stage.ingest.failures == {stage.keys["place"]: error}
    assert stage.ingest.failure_counts == {("tool", error.code): 1}


async def test_absence_is_no_failure_beside_a_place_that_was_read(make_stage: MakeStage) -> None:
    """Without any it is one; and a true failure is told whatever else was read or is not there."""
    absent, broken = LedgerNotFound("/ledger"), LedgerFormat("it is not JSON")
    stage = make_stage(
        [Script(error=absent).free() for _ in range(3)],
        good=[Script().free(), Script().free()],
        broken=[Script(error=broken).free() for _ in range(2)],
    )
    async with asyncio.timeout(HANG_S):
        assert (await stage.run(Trigger.REQUEST, "place", "good")).revision == 1
        with pytest.raises(LedgerNotFound):
            await stage.run(Trigger.REQUEST, "place")
        with pytest.raises(LedgerFormat):
            await stage.run(Trigger.REQUEST, "place", "good", "broken")
        with pytest.raises(LedgerFormat):
            await stage.run(Trigger.REQUEST, "broken")
        await stage.ingest.close()
    assert [origin for origin, *_ in stage.published] == ["good", "good"]


async def test_ingest_warns_of_nothing_that_is_merely_not_there(
    make_stage: MakeStage, caplog: pytest.LogCaptureFixture
) -> None:
    """Most known places of a tool do not exist on a computer: that is no failure."""
    stage = make_stage([Script(error=LedgerNotFound("/there")).free()])
    caplog.set_level(logging.INFO, "aico.services.ingest")
    with pytest.raises(LedgerNotFound):
        await stage.run(Trigger.REQUEST)
    await stage.ingest.close()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "failed" not in caplog.text


async def test_ingest_logs_and_records_failure_and_recovery_once(
    make_stage: MakeStage, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure that is met again and again is told when it begins, when it becomes another one, and when it ends."""
    refused, unreadable = LedgerFormat("it is not JSON"), LedgerUnreadable("EIO")
    errors = [None, refused, refused, refused, unreadable, unreadable, None, None]
    stage = make_stage([Script(count=0, error=error).free() for error in errors])
    caplog.set_level(logging.INFO, "aico.services.ingest")
    for error in errors:
        if error is None:
            await stage.run(Trigger.RESCAN)
        else:
            with pytest.raises(type(error)):
                await stage.run(Trigger.RESCAN)
    await stage.ingest.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert ["ledger_format" in record.message for record in caplog.records] == [True, False, False]
    assert await stage.list_runs() == [("ledger_format", 0), ("ledger_unreadable", 0), (None, 3)]
    assert stage.ingest.failures == {}
    assert stage.ingest.failure_counts == {("tool", "ledger_format"): 3, ("tool", "ledger_unreadable"): 2}


async def test_place_that_is_refused_by_its_metadata_fails_like_any_other(make_stage: MakeStage) -> None:
    """It is told and recorded once, though nothing was opened; the next good reading ends it."""
    stage = make_stage([Script(count=0).free()])
    (intake,) = intakes_of(stage.ingest)
    for _ in range(3):
        await stage.ingest.refuse(Trigger.WATCH, intake, LedgerUnreadable("EACCES"))
    assert list(stage.ingest.failures) == [intake.key]
    await stage.run(Trigger.WATCH)
    await stage.ingest.close()
    assert await stage.list_runs() == [("ledger_unreadable", 0), (None, 3)]
    assert stage.ingest.failures == {}


async def test_ingest_tells_the_whole_reading_that_ended_a_failure(make_stage: MakeStage) -> None:
    """The receipt for the next start counts that reading's records, too, in all of its transactions."""
    stage = make_stage([Script(error=LedgerUnreadable("EIO")).free(), Script(count=2 * LIMIT).free()])
    with pytest.raises(LedgerUnreadable):
        await stage.run(Trigger.RESCAN)
    await stage.run(Trigger.REQUEST)
    assert await stage.ingest.finish(stage.keys["place"]) is None
    told = stage.ingest.last_receipt
    async with stage.database.asking() as ask:
        rows = await ask("""
            SELECT added_count, skipped_count, error_count, "trigger" FROM import_run ORDER BY id DESC LIMIT 1
        """)
        (run,) = rows
    await stage.ingest.close()
    assert told is not None
    assert (told.added_count, told.skipped_count, told.error_count) == (2 * LIMIT, 3, 1)
    assert tuple(run) == (2 * LIMIT, 3, 1, "request")


async def test_ingest_does_not_record_failure_of_the_storage_in_the_storage(make_stage: MakeStage) -> None:
    """A database that fails is not asked to remember it; when it has recovered, begin and end are remembered."""
    stage = make_stage([Script(count=0).free(), Script(count=0).free()])
    stage.writer.errors.append(StorageBusy("locked"))
    with pytest.raises(StorageBusy):
        await stage.run()
    assert await stage.list_runs() == []
    await stage.run()
    await stage.ingest.close()
    assert await stage.list_runs() == [("storage_busy", 0), (None, 3)]


async def test_ingest_survives_a_database_that_cannot_record(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure that cannot be recorded is still raised as itself, and the log says what was not recorded."""
    stage = make_stage([Script(error=LedgerUnreadable("EIO")).free()])

    async def fail(_receipt: ImportReceipt, _code: str | None) -> None:
        raise StorageBusy("locked")

    monkeypatch.setattr(stage.writer, "record_run", fail)
    with pytest.raises(LedgerUnreadable):
        await stage.run()
    await stage.ingest.close()
    assert "could not be recorded" in caplog.text


async def test_bug_in_a_reader_reaches_who_waits_and_kills_nothing_else(make_stage: MakeStage) -> None:
    """An unexpected exception ends that reading alone: other places go on, and so does the next reading of this one."""
    bad, nothing = Script(error=ZeroDivisionError("a bug")), Script(count=0).free()
    stage = make_stage([nothing, bad, Script().free()], other=[nothing, Script().free(), Script().free()])
    async with asyncio.timeout(HANG_S):
        await stage.start()
        failing = await stage.ask(Trigger.WATCH)
        await bad.opened.wait()
        assert (await stage.run(Trigger.WATCH, "other")).revision == 1
        bad.may_end.set()
        with pytest.raises(ZeroDivisionError):
            await failing
        assert (await stage.run(Trigger.WATCH, "other")).revision == 2
        assert (await stage.run(Trigger.REQUEST)).revision == 3
        await stage.ingest.close()


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), StorageError("full")])
async def test_what_ends_the_rest_of_a_large_reading_is_told_to_who_waits_for_its_end(
    make_stage: MakeStage, error: Exception
) -> None:
    """An answered caller stays answered; a failure is kept, a bug is raised, and the next reading begins anew."""
    stage = make_stage([Script(count=2 * LIMIT).free(), Script().free()], other=[Script().free()])
    key = stage.keys["place"]
    async with asyncio.timeout(HANG_S):
        stage.writer.hold()
        asked = await stage.ask(Trigger.REQUEST)
        await stage.writer.came.get()
        stage.writer.errors += [None, error]
        stage.writer.open()
        assert (await asked).remaining_count == LIMIT
        if isinstance(error, StorageError):
            assert await stage.ingest.finish(key) is error
            assert stage.ingest.failures == {key: error}
        else:
            with pytest.raises(ZeroDivisionError):
                await stage.ingest.finish(key)
        assert stage.feeds["place"].completed == []
        assert (await stage.run(Trigger.WATCH, "other")).revision == 2
        assert (await stage.run(Trigger.WATCH)).revision == 3
        assert await stage.ingest.finish(key) is None
        await stage.ingest.close()


async def test_ingest_close_lets_the_running_reading_end_and_the_waiting_one_not_begin(
    make_stage: MakeStage,
) -> None:
    """A begun reading is stored; a caller that still waits is told to come again, and nobody is kept for a file."""
    first, second = Script(), Script()
    stage = make_stage([first, second])
    async with asyncio.timeout(HANG_S):
        running = await stage.ask()
        await first.opened.wait()
        waiting = await stage.ask()
        closing = asyncio.create_task(stage.ingest.close())
        await asyncio.sleep(0)
        assert stage.feeds["place"].hurried_count > 0
        first.may_end.set()
        await closing
        assert (await running).revision == 1
        with pytest.raises(StorageBusy, match="stopping"):
            await waiting
        with pytest.raises(StorageBusy, match="stopping"):
            await stage.run()
    assert not second.opened.is_set()


async def test_ingest_closes_between_two_transactions_of_a_large_reading(
    make_stage: MakeStage, database: Database
) -> None:
    """The transaction that runs ends, no other begins, and the next start takes the rest in without a thing twice."""
    stage = make_stage([Script(count=4 * LIMIT).free()])
    async with asyncio.timeout(HANG_S):
        stage.writer.hold()
        asked = await stage.ask(Trigger.STARTUP)
        await stage.writer.came.get()
        closing = asyncio.create_task(stage.ingest.close())
        await asyncio.sleep(0)
        stage.writer.open()
        await closing
        assert (await asked).remaining_count == 3 * LIMIT
        assert stage.published == [("place", 1, 3 * LIMIT)]
        assert stage.feeds["place"].completed == []
        again = Stage(database, [("place", [Script(count=4 * LIMIT).free()])])
        await again.run(Trigger.STARTUP)
        assert await again.ingest.finish(again.keys["place"]) is None
        total = again.ingest.last_receipts[again.keys["place"]]
        await again.ingest.close()
    assert (total.added_count, total.skipped_count) == (3 * LIMIT, LIMIT + 3)


async def test_place_that_is_removed_is_read_to_the_end_of_its_transaction(make_stage: MakeStage) -> None:
    """Nothing of it comes afterwards; a caller that waits for it is told, and the other places go on."""
    stage = make_stage([Script(count=3 * LIMIT).free(), Script().free()], other=[Script().free()])
    key = stage.keys["place"]
    async with asyncio.timeout(HANG_S):
        stage.writer.hold()
        running = await stage.ask()
        await stage.writer.came.get()
        waiting = await stage.ask()
        removing = asyncio.create_task(stage.ingest.remove(key))
        await asyncio.sleep(0)
        stage.writer.open()
        await removing
        assert (await running).remaining_count == 2 * LIMIT
        for late in (waiting, asyncio.create_task(stage.run())):
            with pytest.raises(StorageBusy, match="read no more"):
                await late
        assert (await stage.run(Trigger.WATCH, "other")).revision == 2
        assert [intake.origin.id for intake in intakes_of(stage.ingest)] == ["other"]
        await stage.ingest.close()


async def test_failures_keep_nothing_of_what_was_read(make_stage: MakeStage) -> None:
    """However long a failure lasts, no record is kept by it: a trace would hold them, and bytes of the file."""
    stage = make_stage([Script().free() for _ in range(3)])
    feed = stage.feeds["place"]
    read: list[weakref.ref[object]] = []
    real = feed.read

    async def read_and_note(trigger: Trigger) -> Reading:
        reading = await real(trigger)
        read.append(weakref.ref(reading.records))
        return reading

    feed.read = read_and_note  # type: ignore[method-assign]  # it only looks on
    for _ in range(3):
        stage.writer.errors.append(StorageBusy("locked"))
        with pytest.raises(StorageBusy):
            await stage.run()
    gc.collect()
    assert [records() for records in read] == [None] * 3
    assert stage.keys["place"] in stage.ingest.failures
    await stage.ingest.close()


async def test_repeated_bytes_are_no_news_unless_somebody_asks(make_stage: MakeStage) -> None:
    """The result of the last reading stays to be seen when a notification tells of nothing new."""
    scripts = [Script().free(), *(Script(count=0, is_repeated=True).free() for _ in range(2))]
    stage = make_stage(scripts)
    await stage.run()
    await stage.run(Trigger.WATCH)
    assert stage.ingest.last_receipts[stage.keys["place"]].added_count == 1
    await stage.run(Trigger.REQUEST)
    assert stage.ingest.last_receipts[stage.keys["place"]].added_count == 0
    await stage.ingest.close()


async def test_ingest_close_returns_at_once_when_nothing_ran(make_stage: MakeStage) -> None:
    """There is nothing to wait for before the first reading."""
    async with asyncio.timeout(HANG_S):
        await make_stage([]).ingest.close()


def receipt_of(trigger: Trigger = Trigger.WATCH) -> ImportReceipt:
    """Return a receipt with every kind of count that a first transaction has."""
    return ImportReceipt(
        "cline", "ledger", trigger, 1, duration_ms=1.0, added_count=1, skipped_count=3, error_count=1, revision=1
    )


@pytest.mark.parametrize(
    ("receipt", "line"),
    [
        (receipt_of(), "cline: 1 imported (1 new), 3 unchanged, 1 refused in 1 ms [watch]"),
        (
            replace(receipt_of(Trigger.REQUEST), error_count=0, updated_count=2, partial_count=5, remaining_count=4),
            "cline: 3 imported (1 new), 3 unchanged, 5 in part in 1 ms; 4 to follow [request]",
        ),
    ],
)
def test_describe_tells_only_what_there_is(receipt: ImportReceipt, line: str) -> None:
    """The line of a run names refused, partial and remaining entries when there are some."""
    assert describe(receipt) == line


async def test_outcome_holds_a_receipt_or_an_error_of_each_place(make_stage: MakeStage) -> None:
    """A place that fails takes no receipt from another, and what is only absent comes last; a bug is raised."""
    wrong, absent = LedgerFormat("it is no array"), LedgerNotFound("/nowhere")
    scripts = [
        Script(error=absent).free(),
        Script(error=absent).free(),
        Script(error=ZeroDivisionError("a bug")).free(),
    ]
    stage = make_stage(
        scripts, bad=[Script(error=wrong).free(), Script(error=wrong).free()], good=[Script().free(), Script().free()]
    )
    absent_key, bad_key, good_key = stage.keys.values()
    async with asyncio.timeout(HANG_S):
        outcome = await stage.ingest.read(Trigger.REQUEST, stage.keys.values())
        assert [receipt.origin for receipt in outcome.check_any().receipts] == ["good"]
        assert list(outcome.failures.items()) == [(bad_key, wrong), (absent_key, absent)]
        with pytest.raises(LedgerFormat):
            outcome.check_all()
        nothing = await stage.ingest.read(Trigger.REQUEST, [bad_key, absent_key])
        with pytest.raises(LedgerFormat):
            nothing.check_any()
        with pytest.raises(ZeroDivisionError):
            await stage.ingest.read(Trigger.REQUEST, [absent_key, good_key])
        await stage.ingest.close()


def test_sum_of_receipts_counts_every_place() -> None:
    """Counts are added up, the newest number and moment count; of none there is none."""
    other = replace(receipt_of(), origin="sessions", revision=3, latest_ts=7, remaining_count=2)
    total = sum_of([receipt_of(), other])
    assert sum_of([]) is None
    assert total is not None
    assert (total.added_count, total.skipped_count, total.error_count) == (2, 6, 2)
    assert (total.remaining_count, total.revision, total.latest_ts) == (2, 3, 7)
