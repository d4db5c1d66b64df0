"""The service with the session store: live, honest about what it lacks, and without it exactly as before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aico.core.errors import LedgerFormat, LedgerNotFound, SessionsFormat
from aico.core.events import WatcherState
from aico.core.receipts import ImportReceipt
from aico.core.usage import Trigger
from aico.services.ingest import sum_of
from aico.services.metrics import render_metrics
from aico.services.service import ObserverService
from aico.services.status import get_cline_status
from bench.fake_session_store import FIRST_MS, SECRET, SessionStore, core_metadata, editor_metadata, iso, usage
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.emulator.fake_session_process import SessionProcess
from tests.files.folder_witness import READING, Deed, witnessing
from tests.services.heard_service import CLINE, HANG_S, observer, running
from tests.sessions.store_imports import opened

DAY_MS = 86_400_000


@pytest.fixture
def ledger(path: Path) -> LedgerFile:
    """Return the ledger's file beside the store, not written yet."""
    return LedgerFile(path.parent.parent / "state" / "taskHistory.json")


def make_service(
    ledger: LedgerFile, path: Path, clock: Callable[[], int] = now_ms, *, reads_sessions: bool = True
) -> ObserverService:
    """Return a service that is not started, with the old names of the settings."""
    return observer(
        path.parents[3], clock, ledger_path=str(ledger.path), cline_sessions=reads_sessions, sessions_path=str(path)
    )


async def read_all(
    service: ObserverService, origin: str | None = None, trigger: Trigger = Trigger.REQUEST
) -> ImportReceipt:
    """Have Cline's places read as a request does, and return the sum."""
    total = sum_of(await service.sources.read(trigger, CLINE, origin))
    assert total is not None
    return total


@contextmanager
def filled(path: Path) -> Iterator[SessionStore]:
    """Open a store that holds one session."""
    with opened(path) as store:
        store.put("s", core_metadata(usage(300, 20, 0.5, read=100)))
        yield store


def costs(total: float) -> Callable[[dict[str, object]], bool]:
    """Return whether a message tells a task that costs ``total``."""
    return lambda message: f'"total_cost": {total}' in json.dumps(message)


async def test_growth_of_a_session_reaches_the_socket_by_itself(ledger: LedgerFile, path: Path) -> None:
    """A second process writes, and every turn arrives as a message with its store; revisions have no gap."""
    ledger.write(entry("old", cost=9.5))
    with SessionProcess(path) as cline:
        async with running(make_service(ledger, path)) as heard:
            await heard.until_state("sessions", WatcherState.WATCHING)
            for turn in range(1, 4):
                cline.put("s", editor_metadata(100 * turn, turn, turn / 4), updated_ms=FIRST_MS + turn)
                text = json.dumps(await heard.until(costs(turn / 4)))
                assert '"task_id": "s"' in text
                assert '"store": "sessions"' in text
                assert f'"revision": {turn + 1}' in text
                assert SECRET not in text
            assert await heard.until_stored(lambda costs: costs == {"old": 9.5, "s": 0.75})


async def test_store_that_appears_is_waited_for_and_read(ledger: LedgerFile, path: Path) -> None:
    """Neither the folder nor the file need to be there at the start."""
    async with running(make_service(ledger, path)) as heard:
        await heard.until_state("sessions", WatcherState.WAITING, "directory_missing")
        await heard.until_well()
        with filled(path):
            assert await heard.until_stored(lambda costs: costs == {"s": 0.5})
            await heard.until_state("sessions", WatcherState.WATCHING)


async def test_request_reads_both_stores_and_answers_with_the_sum(ledger: LedgerFile, path: Path) -> None:
    """The receipt counts the entries of both."""
    ledger.write(entry("old"), entry("s", cost=0.25))
    with filled(path) as store:
        async with running(make_service(ledger, path)) as heard:
            await heard.until_stored(lambda costs: costs == {"old": 0.5, "s": 0.5})
            store.put("new", editor_metadata(1, 1, 2.0))
            receipt = await read_all(heard.service)
            counts = (receipt.imported_count + receipt.skipped_count, receipt.error_count, receipt.remaining_count)
            assert counts == (4, 0, 0)
            assert await heard.until_stored(lambda costs: costs.get("new") == 2.0)


async def test_request_without_a_ledger_answers_from_the_session_store(ledger: LedgerFile, path: Path) -> None:
    """A new user of Cline has no ledger at all: that is no failure, but without either there is nothing to read."""
    service = make_service(ledger, path)
    async with running(service):
        with pytest.raises(LedgerNotFound):
            await read_all(service)
        with filled(path):
            receipt = await read_all(service)
            assert receipt.imported_count + receipt.skipped_count == 1


@pytest.mark.slow
async def test_ledger_that_fails_is_told_although_the_session_store_was_read(ledger: LedgerFile, path: Path) -> None:
    """One store's trouble neither hides nor stops the other."""
    ledger.overwrite(b"{}")
    service = make_service(ledger, path)
    with filled(path):
        async with running(service) as heard:
            with pytest.raises(LedgerFormat):
                await read_all(service)
            assert await heard.until_stored(lambda costs: costs == {"s": 0.5})
            failures = {key.origin: error.code for key, error in service.ingest.failures.items()}
            assert failures == {"ledger": "ledger_format"}


async def test_another_version_of_the_store_degrades_it_and_says_what_is_missing(
    ledger: LedgerFile, path: Path
) -> None:
    """The status names the column, the ledger goes on, and a version that is known again heals it."""
    ledger.write(entry("old"))
    service = make_service(ledger, path)
    with filled(path) as store:
        store.connection.execute("ALTER TABLE sessions RENAME COLUMN metadata_json TO metadata")
        async with running(service) as heard:
            await heard.until_state("sessions", WatcherState.DEGRADED, "sessions_format")
            await heard.until_state("ledger", WatcherState.WATCHING)
            status = await get_cline_status(service)
            assert status.sessions is not None
            assert status.sessions.problem == "Not a known session store: its table sessions has no metadata_json."
            assert status.sessions.missing == ("metadata_json",)
            assert service.list_problems() == ["sessions_format"]
            with pytest.raises(SessionsFormat):
                await read_all(service)
            store.connection.execute("ALTER TABLE sessions RENAME COLUMN metadata TO metadata_json")
            assert await heard.until_stored(lambda costs: costs == {"old": 0.5, "s": 0.5})
            await heard.until_state("sessions", WatcherState.WATCHING)
            healed = (await get_cline_status(service)).sessions
            assert healed is not None
            assert (healed.problem, healed.missing) == (None, ())


async def test_status_says_what_the_session_store_brought(ledger: LedgerFile, path: Path) -> None:
    """Path, size, tasks and the last import of that store alone."""
    ledger.write(entry("old"), entry("s", cost=0.25))
    service = make_service(ledger, path)
    with filled(path):
        async with running(service) as heard:
            await heard.until_stored(lambda costs: costs == {"old": 0.5, "s": 0.5})
            await heard.until_state("sessions", WatcherState.WATCHING)
            sessions = (await get_cline_status(service)).sessions
    assert sessions is not None
    assert (sessions.path, sessions.task_count) == (str(path), 1)
    assert sessions.look is not None
    assert sessions.last_receipt is not None


async def test_frozen_ledger_is_told_since_when(ledger: LedgerFile, path: Path) -> None:
    """After a week without a write the status says so; it is no problem of the service's."""
    ledger.write(entry("old"))
    written_ms = ledger.path.stat().st_mtime_ns // 1_000_000
    for days, since in ((6, None), (7, written_ms)):
        service = make_service(ledger, path, lambda days=days: written_ms + days * DAY_MS, reads_sessions=False)  # type: ignore[misc]  # a clock
        async with running(service) as heard:
            await read_all(service)
            assert (await get_cline_status(service)).ledger_frozen_since_ms == since
            await heard.until_well()


async def test_service_without_the_setting_never_touches_the_session_store(ledger: LedgerFile, path: Path) -> None:
    """No look, no open, nothing: the kernel sees nobody in that folder while the ledger is imported and watched."""
    ledger.write(entry("1"))
    with filled(path) as store:
        service = make_service(ledger, path, reads_sessions=False)
        with witnessing(path.parent) as elsewhere, witnessing(ledger.folder) as witness:
            async with running(service) as heard:
                ledger.write(entry("1"), entry("2"))
                await heard.until_stored(lambda costs: set(costs) == {"1", "2"})
                await read_all(service)
                status = await get_cline_status(service)
            assert elsewhere.deeds() == set()
            assert Deed("open", "taskHistory.json") in witness.deeds()
        assert (status.sessions, service.sources.find_watcher(CLINE, "sessions")) == (None, None)
        store.close()


async def test_service_with_the_setting_only_reads_the_two_files(ledger: LedgerFile, path: Path) -> None:
    """The service opens database and log in that folder to read, and nothing else ever."""
    with SessionProcess(path) as cline:
        cline.put("s", editor_metadata(1, 1, 0.25))
        with witnessing(path.parent) as witness:
            async with running(make_service(ledger, path)) as heard:
                await heard.until_stored(lambda costs: costs == {"s": 0.25})
                await read_all(heard.service)
            deeds = witness.deeds()
        files = {Deed(kind, name) for kind in READING for name in ("sessions.db", "sessions.db-wal")}
        assert deeds <= files
        assert Deed("open", "sessions.db-wal") in deeds


async def test_store_is_known_after_a_restart_of_the_service(ledger: LedgerFile, path: Path) -> None:
    """The frozen entry of a resumed task changes nothing, whichever store the next process reads first."""
    ledger.write(entry("s", cost=0.25))
    with filled(path):
        for _ in range(2):
            service = make_service(ledger, path)
            async with running(service) as heard:
                await heard.until_stored(lambda costs: costs == {"s": 0.5})
                await read_all(service)
        service = make_service(ledger, path, reads_sessions=False)
        async with running(service) as heard:
            assert (await read_all(service)).imported_count == 0
            assert await heard.until_stored(lambda costs: costs == {"s": 0.5})


def test_time_is_written_as_the_store_writes_it() -> None:
    """The emulator's times are those of JavaScript."""
    assert iso(FIRST_MS + 7) == "2026-02-25T06:13:20.007Z"
    assert os.path.sep == "/"


async def test_metrics_keep_what_the_ledger_refused(ledger: LedgerFile, path: Path) -> None:
    """A reading of the session store says nothing of the ledger's entries."""
    ledger.write(entry("1"), {"id": ""})
    with opened(path) as store:
        store.put("2", core_metadata(usage(10, 1, 0.1)))
        async with running(make_service(ledger, path)) as heard:
            await heard.until_stored(lambda costs: len(costs) == 2)
            await read_all(heard.service, "sessions", Trigger.RESCAN)
            text = (await render_metrics(heard.service)).decode()
    assert 'aico_ledger_rejected_entries{source="cline"} 1.0' in text.splitlines()


async def test_latency_is_measured_by_the_place_that_changed(ledger: LedgerFile, path: Path) -> None:
    """A change of the session store is no late news of a ledger that has stood still for weeks."""
    ledger.write(entry("1"))
    os.utime(ledger.path, (1_600_000_000, 1_600_000_000))
    with opened(path) as store:
        store.put("2", core_metadata(usage(10, 1, 0.1)))
        async with running(make_service(ledger, path)) as heard:
            await heard.until_stored(lambda costs: len(costs) == 2)
            await heard.until_well()
            store.put("2", core_metadata(usage(20, 2, 0.2)))
            await read_all(heard.service, "sessions", Trigger.WATCH)
            await heard.until_stored(lambda costs: costs["2"] == 0.2)
            lines = (await render_metrics(heard.service)).decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line.startswith("aico_write_to_publish_seconds_"))
    assert float(values["aico_write_to_publish_seconds_count"]) == 1
    assert 0 <= float(values["aico_write_to_publish_seconds_sum"]) < HANG_S


async def test_metrics_tell_that_the_session_store_is_not_read(ledger: LedgerFile, path: Path) -> None:
    """A store of another version is seen by a monitoring that knows nothing of the page."""
    ledger.write(entry("1"))
    with opened(path) as store:
        store.connection.execute("DROP TABLE sessions")
        async with running(make_service(ledger, path)) as heard:
            await heard.until_state("sessions", WatcherState.DEGRADED, "sessions_format")
            await heard.until_state("ledger", WatcherState.WATCHING)
            lines = (await render_metrics(heard.service)).decode().splitlines()
    assert 'aico_sessions_watcher_state{state="degraded"} 1.0' in lines
    assert 'aico_sessions_watcher_state{state="watching"} 0.0' in lines
    assert 'aico_watcher_state{state="watching"} 1.0' in lines
