"""The service as a whole: its start, its end, its heartbeat, and what it says of itself."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core import known_reader
from aico.core.domain import ImportReceipt, Trigger
from aico.core.errors import LedgerNotFound
from aico.core.events import UsageImported, WatcherState, WatcherStateChanged
from aico.core.settings import Settings
from aico.services import messages
from aico.services.service import ObserverService, socket_limit
from aico.services.status import get_status
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms

HANG_S = 60


def make_service(ledger: LedgerFile) -> ObserverService:
    """Return a service that is not started."""
    settings = Settings(
        ledger_path=str(ledger.path),
        database_path=ledger.folder.parent / "data" / "observer.db",
        tick_s=0.1,
        rescan_interval_s=1,
        debounce_ms=10,
    )
    return ObserverService(settings, "1.2.3", now_ms)


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


async def test_service_ends_subscriptions_at_its_end(ledger: LedgerFile) -> None:
    """Who listens when the service ends is let go, after the last message."""
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S):
        async with service.run():
            subscribed = service.hub.subscribe(None, None)
            subscription = subscribed.__enter__()
        while await subscription.get() is not None:
            pass
        subscribed.__exit__(None, None, None)


async def test_service_lets_a_running_import_end_before_its_own_end(ledger: LedgerFile) -> None:
    """What a request asked for at the last moment is stored and announced."""
    ledger.write(entry("1"))
    service = make_service(ledger)
    async with asyncio.timeout(HANG_S):
        async with service.run():
            request = asyncio.create_task(service.imports.run(Trigger.REQUEST))
            await asyncio.sleep(0)
        assert (await request).revision == 1
    again = make_service(ledger)
    await again.database.open()
    assert set((await again.repository.get_known()).tasks) == {"1"}
    await again.database.close()


async def test_service_goes_on_from_the_revision_of_its_database(ledger: LedgerFile) -> None:
    """A restart neither repeats nor skips a revision, and keeps the epoch."""
    ledger.write(entry("1"))
    first, second = make_service(ledger), make_service(ledger)
    async with asyncio.timeout(HANG_S):
        async with first.run():
            await first.imports.run(Trigger.REQUEST)
        async with second.run():
            assert (second.hub.epoch, second.hub.revision) == (first.hub.epoch, 1)
            ledger.write(entry("1"), entry("2"))
            await second.imports.run(Trigger.REQUEST)
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
def test_service_names_what_keeps_it_from_being_ready(
    ledger: LedgerFile, state: WatcherState, reason: str | None, problems: list[str]
) -> None:
    """Watching and waiting are well; whatever else the watcher is, is a problem with a code."""
    service = make_service(ledger)
    service.watcher.state = WatcherStateChanged(state, 1, reason)
    assert service.list_problems() == problems


async def test_status_before_the_first_reading_tells_what_the_last_process_left(ledger: LedgerFile) -> None:
    """Until this process has read the file, the last import is the one that the database remembers."""
    ledger.write(entry("1", ts=1_700_000_000_000))
    first, second = make_service(ledger), make_service(ledger)
    async with asyncio.timeout(HANG_S), first.run():
        await first.imports.run(Trigger.REQUEST)
    await second.database.open()
    ledger.unlink()
    status = await get_status(second)
    await second.database.close()
    assert status.last_receipt is not None
    assert status.last_receipt.added_count == 1
    assert status.last_receipt.latest_ts == 1_700_000_000_000
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
        await service.imports.run(Trigger.REQUEST)
        ledger.unlink()
        with pytest.raises(LedgerNotFound):
            await service.imports.run(Trigger.REQUEST)
        status = await get_status(service)
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


async def test_status_is_told_while_an_import_begins_to_write(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads what is stored gets it whole, also when an import takes it over in the same moment."""
    ledger.write(entry("1"))
    service = make_service(ledger)
    await service.database.open()
    writing, go_on = asyncio.Event(), asyncio.Event()
    real_read, real_write = service.database.read, service.database.write
    imports: list[asyncio.Task[ImportReceipt]] = []

    async def write(work: Callable[[AsyncConnection], Awaitable[UsageImported]]) -> UsageImported:
        writing.set()
        await go_on.wait()
        return await real_write(work)

    @asynccontextmanager
    async def read() -> AsyncIterator[AsyncConnection]:
        async with real_read() as connection:
            yield connection
        if service.repository._known is not None and not imports:
            imports.append(asyncio.create_task(service.imports.run(Trigger.REQUEST)))
            await writing.wait()

    monkeypatch.setattr(service.database, "read", read)
    monkeypatch.setattr(service.database, "write", write)
    async with asyncio.timeout(HANG_S):
        status = await get_status(service)
        go_on.set()
        assert (await service.imports.run(Trigger.REQUEST)).revision == 1
        await asyncio.gather(*imports)
    assert status.task_count in {0, 1}
    await service.imports.close()
    await service.database.close()


async def test_reading_that_an_import_overtook_does_not_mislead_the_next_import(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status that was read from before an import never becomes what the import after it compares with."""
    ledger.write(entry("1"))
    service = make_service(ledger)
    await service.database.open()
    real = known_reader.read_position
    overtaken = False

    async def get_position(connection: AsyncConnection) -> tuple[str, int]:
        nonlocal overtaken
        position = await real(connection)
        if not overtaken and asyncio.current_task() is reader:
            overtaken = True
            await service.imports.run(Trigger.REQUEST)
        return position

    monkeypatch.setattr(known_reader, "read_position", get_position)
    async with asyncio.timeout(HANG_S):
        reader = asyncio.create_task(service.repository.get_known())
        assert (await reader).revision == 0
        ledger.write(entry("1"), entry("2"))
        receipt = await service.imports.run(Trigger.REQUEST)
    assert (receipt.added_count, receipt.skipped_count, receipt.revision) == (1, 1, 2)
    await service.database.close()
