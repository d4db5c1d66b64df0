"""The service as a whole: its start, its end, its heartbeat, and what it says of itself."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
from collections.abc import Callable
from functools import partial

import pytest

from aico.core.errors import LedgerNotFound
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.receipts import ImportReceipt
from aico.core.usage import Trigger
from aico.features.files.feed import Reading
from aico.features.files.whole_file import WholeFileFeed
from aico.services import messages
from aico.services.service import ObserverService, socket_limit
from aico.services.status import get_cline_status, get_status
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.services.heard_service import observer, running

HANG_S = 60


def make_service(ledger: LedgerFile) -> ObserverService:
    """Return a service that is not started."""
    return observer(ledger.folder.parent, ledger_path=str(ledger.path))


async def request(service: ObserverService) -> ImportReceipt:
    """Have everything read, as a request does."""
    (receipt,) = await service.sources.read(Trigger.REQUEST)
    return receipt


async def test_service_sends_heartbeats_with_its_revision(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet socket hears that it lives and that it has missed nothing, again and again."""
    monkeypatch.setattr(messages, "HEARTBEAT_S", 0.01)
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S), service.run():
        with service.hub.subscribe(None, None) as subscription:
            beats: list[object] = []
            while len(beats) < 2:
                message = json.loads(await subscription.get() or "")
                if message["type"] == "heartbeat":
                    beats.append(message)
    assert beats == [{"type": "heartbeat", "revision": 0}] * 2


@pytest.mark.parametrize(("distance_s", "told"), [(0.0, [1, 2, 3]), (3_600.0, [1])])
async def test_service_tells_how_far_a_large_reading_is(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch, distance_s: float, told: list[int]
) -> None:
    """In bytes of the file, by the share that is stored; not of its end, and not again too soon."""
    monkeypatch.setattr("aico.services.service._PROGRESS_S", distance_s)
    ledger.write(*(entry(str(number)) for number in range(8)))
    service = observer(ledger.folder.parent, ledger_path=str(ledger.path), max_entries_per_run=2)
    async with running(service) as heard:
        await heard.until(lambda message: message.get("revision") == 4 and message["type"] == "cline_usage_updated")
        size, epoch = ledger.size_bytes, service.hub.epoch
    assert heard.of_kind("reading") == [
        {
            "type": "reading",
            "source": "cline",
            "bytes_done": size * number // 4,
            "bytes_total": size,
            "epoch": epoch,
            "revision": number,
        }
        for number in told
    ]


async def test_memory_of_the_start_is_given_back_once(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first looks have ended: what does it ends with that, and does not live on like other parts."""
    gave_back = asyncio.Event()
    monkeypatch.setattr("aico.services.service._SETTLED_S", 0.0)
    monkeypatch.setattr(
        "aico.core.db.database.give_back", partial(asyncio.get_running_loop().call_soon_threadsafe, gave_back.set)
    )
    async with asyncio.timeout(HANG_S), make_service(ledger).run():
        await gave_back.wait()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "settle"))


async def test_part_that_a_bug_has_ended_begins_again(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Budgets are looked at for as long as the service lives, and a bug in them is told with its trace."""
    monkeypatch.setattr("aico.services.service._AGAIN_S", 0.0)
    service, looks = make_service(ledger), [0]
    has_looked_again = asyncio.Event()

    async def look() -> None:
        looks[0] += 1
        if looks[0] == 1:
            raise ZeroDivisionError
        has_looked_again.set()

    monkeypatch.setattr(service.budgets, "look", look)
    async with asyncio.timeout(HANG_S), service.run():
        await has_looked_again.wait()
    [told] = [record for record in caplog.records if record.exc_info]
    assert told.getMessage() == 'a bug has ended "budgets"; it begins again in 0 s'


async def test_bug_in_the_way_of_prices_is_told(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for an end that does not come, and the next change tries again."""
    service, calls = make_service(ledger), [0]
    is_asked, is_over = asyncio.Event(), asyncio.Event()

    async def apply() -> int:
        calls[0] += 1
        if calls[0] == 1:
            await is_asked.wait()
            raise ZeroDivisionError
        is_over.set()
        return 0

    monkeypatch.setattr(service.prices, "apply", apply)
    async with asyncio.timeout(HANG_S), service.run():
        await service.prices.begin_review()
        is_asked.set()
        service.prices.start()
        await is_over.wait()
        assert service.prices.progress is None
    assert "prices could not be brought to all requests" in caplog.messages


async def test_service_ends_subscriptions_at_its_end(ledger: LedgerFile) -> None:
    """A subscriber that listens when the service ends is let go, after the last message."""
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S):
        async with service.run():
            subscribed = service.hub.subscribe(None, None)
            subscription = subscribed.__enter__()
        while await subscription.get() is not None:
            pass
        subscribed.__exit__(None, None, None)


async def test_service_lets_a_running_import_end_before_its_own_end(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that a request asked for at the last moment is stored and announced."""
    begun, read = asyncio.Event(), WholeFileFeed.read

    async def note(feed: WholeFileFeed, trigger: Trigger) -> Reading:
        if trigger is Trigger.REQUEST:
            begun.set()
        return await read(feed, trigger)

    monkeypatch.setattr(WholeFileFeed, "read", note)
    ledger.write(entry("1"))
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S):
        async with service.run():
            asked = asyncio.create_task(request(service))
            await begun.wait()  # what waits at the end is told to come again
        assert (await asked).revision == 1
    assert read_rows(service.database.path, "SELECT task_id FROM cline_task_usage") == [("1",)]


async def test_service_goes_on_from_the_revision_of_its_database(ledger: LedgerFile) -> None:
    """A restart neither repeats nor skips a revision, and keeps the epoch."""
    ledger.write(entry("1"))
    first, second = make_service(ledger), make_service(ledger)
    async with asyncio.timeout(HANG_S):
        async with first.run():
            await request(first)
        async with second.run():
            assert (second.hub.epoch, second.hub.revision) == (first.hub.epoch, 1)
            ledger.write(entry("1"), entry("2"))
            await request(second)
            assert second.hub.revision == 2


@pytest.mark.parametrize(
    ("state", "reason", "problems"),
    [
        (WatcherState.WATCHING, None, []),
        (WatcherState.WAITING, "ledger_not_found", []),
        (WatcherState.STARTING, None, ["starting"]),
        (WatcherState.DEGRADED, "ledger_format", ["ledger_format"]),
        (WatcherState.FAILED, "internal_error", ["internal_error"]),
    ],
)
async def test_service_names_what_keeps_it_from_being_ready(
    ledger: LedgerFile, state: WatcherState, reason: str | None, problems: list[str]
) -> None:
    """Watching and waiting are well; whatever else a watcher is, is a problem with a code."""
    service = make_service(ledger)
    async with running(service):
        watcher = service.sources.find_watcher("cline", "ledger")
        assert watcher is not None
        # No other task has its turn before the answer.
        watcher.state = WatcherStateChanged(state, 1, reason)
        assert service.list_problems() == problems


async def test_status_before_the_first_reading_tells_what_the_last_process_left(ledger: LedgerFile) -> None:
    """Until this process has read the file, the last import is the one that the database remembers."""
    ledger.write(entry("1", ts=1_700_000_000_000))
    first, second = make_service(ledger), make_service(ledger)
    async with asyncio.timeout(HANG_S), first.run():
        await request(first)
    await second.database.open()
    ledger.unlink()
    status = await get_cline_status(second)
    await second.database.close()
    assert status.last_receipt is not None
    assert status.last_receipt.added_count == 1
    assert status.latest_ts == 1_700_000_000_000
    assert status.task_count == 1
    assert (status.ledger_exists, status.ledger_size_bytes, status.ledger_written_at_ms) == (False, None, None)


async def test_status_of_an_empty_database_has_no_last_import(ledger: LedgerFile) -> None:
    """Nothing was ever read, and that is what is said."""
    service = make_service(ledger)
    await service.database.open()
    status = await get_status(service)
    await service.database.close()
    assert status.last_receipt is None
    assert status.latest_ts is None
    assert status.revision == 0


async def test_status_keeps_the_last_receipt_when_an_import_fails(ledger: LedgerFile) -> None:
    """The last import is the last completed reading; a failure is told elsewhere."""
    ledger.write(entry("1"))
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S), service.run():
        await request(service)
        ledger.unlink()
        with pytest.raises(LedgerNotFound):
            await request(service)
        status = await get_cline_status(service)
    assert status.last_receipt is not None
    assert not status.ledger_exists


@pytest.mark.parametrize(
    ("descriptors", "wanted", "limit"),
    [(1_024, 256, 256), (300, 256, 200), (50, 256, 1), (resource.RLIM_INFINITY, 10_000, 10_000)],
)
def test_service_takes_no_more_sockets_than_its_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, wanted: int, limit: int
) -> None:
    """A hundred descriptors are kept for database, ledger and requests; one socket is always allowed."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (descriptors, descriptors))
    assert socket_limit(wanted) == limit


async def test_status_is_told_while_an_import_writes(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the store gets it whole, from before, while an import holds its transaction open."""
    ledger.write(entry("1"))
    service = make_service(ledger)
    writing, go_on = asyncio.Event(), asyncio.Event()
    real = service.database.write

    async def write(work: Callable[[sqlite3.Connection], object]) -> object:
        writing.set()
        await go_on.wait()
        return await real(work)

    async with asyncio.timeout(HANG_S), running(service) as heard:
        await heard.until_stored(lambda costs: set(costs) == {"1"})
        monkeypatch.setattr(service.database, "write", write)
        ledger.write(entry("1"), entry("2"))
        asked = asyncio.create_task(request(service))
        await writing.wait()
        assert (await get_cline_status(service)).task_count == 1
        assert (await get_status(service)).revision == 1
        go_on.set()
        assert (await asked).revision == 2
        status = await get_cline_status(service)
        assert (status.task_count, status.revision) == (2, 2)


async def test_status_is_of_one_moment(ledger: LedgerFile) -> None:
    """Number of tasks and number of the last change are read together: an import between them is not half seen."""
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S), running(service):
        async with service.reader.snapshot() as snapshot:
            before = await snapshot.list_sources()
            ledger.write(entry("1"))
            assert (await request(service)).revision == 1
            assert await snapshot.list_sources() == before
            assert snapshot.revision == 0
        status = await get_cline_status(service)
        assert (status.task_count, status.revision) == (1, 1)
