"""The watcher against the real file system: whatever happens to the file, what it says in the end is stored."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from watchfiles._rust_notify import RustNotify

from aico.core.db.database import Database
from aico.core.errors import LedgerNotFound, LedgerUnreadable, StorageBusy
from aico.core.events import WatcherState
from aico.core.receipts import ImportReceipt
from aico.core.usage import Trigger
from aico.features.files import whole_file as whole_file_module
from aico.features.files.feed import Look, Reading
from aico.features.files.guard import FileGuard
from aico.features.files.identity import FileIdentity
from aico.features.files.memory import FileBytes
from aico.features.files.snapshot import Snapshot, read_snapshot
from aico.services import notifier as notifier_module
from aico.services import watcher as watcher_module
from aico.services.watcher import WatchTimes
from tests.e2e.fake_cline_ledger import LedgerFile, entry, ledger_bytes
from tests.emulator.ledger_truth import Task
from tests.quick_variants import first_row_is_quick
from tests.services.recorded_watcher import FAST, HANG_S, Outcome, Watched, watching

WATCHING, WAITING = WatcherState.WATCHING, WatcherState.WAITING
DEGRADED, FAILED = WatcherState.DEGRADED, WatcherState.FAILED


class BrokenWatch:
    """Stands in for watchfiles on a machine whose limit of watches is reached."""

    def __init__(self, *_arguments: object) -> None:
        raise OSError(28, "OS file watch limit reached")


class DyingWatch:
    """Stands in for watchfiles that begins to watch, and then fails in its thread."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def watch(self, *_arguments: object) -> object:
        """Fail."""
        raise OSError(28, "OS file watch limit reached")

    def close(self) -> None:
        """Do nothing."""


def has(task_id: str) -> Callable[[dict[str, Task]], bool]:
    """Return the wish that ``task_id`` is stored."""
    return lambda tasks: task_id in tasks


def has_spent(tokens_in: int) -> Callable[[dict[str, Task]], bool]:
    """Return the wish that task 1 has spent ``tokens_in``."""
    return lambda tasks: tasks["1"].tokens_in == tokens_in


def found_nothing_new(_trigger: Trigger, outcome: Outcome) -> bool:
    """Return whether a reading ended well and changed nothing."""
    return isinstance(outcome, ImportReceipt) and outcome.imported_count == 0


async def test_watcher_imports_once_at_its_start_and_watches(ledger: LedgerFile, database: Database) -> None:
    """The file's content at the start is imported, with the trigger that says so."""
    ledger.write(entry("1"), entry("2"))
    async with watching(ledger, database) as watched:
        assert watched.watcher.state.state is WatcherState.STARTING
        await watched.until_state(WATCHING)
        event = watched.imported.get_nowait()
        assert event.receipt.trigger is Trigger.STARTUP
        assert event.receipt.added_count == 2
        assert watched.seen == [(WATCHING, None)]


class HeldReader:
    """Stands in for the ledger's reader: each reading waits until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._release = threading.Event()
        self._begun = threading.Event()

        def held(guard: FileGuard, now_ms: int, cut: Callable[[FileBytes], Sequence[int]] | None = None) -> Snapshot:
            self._begun.set()
            assert self._release.wait(HANG_S)
            return read_snapshot(guard, now_ms, cut)

        monkeypatch.setattr(whole_file_module, "read_snapshot", held)

    async def until_begun(self) -> None:
        """Return when a reading waits."""
        assert await asyncio.to_thread(self._begun.wait, HANG_S)

    def release(self) -> None:
        """Let all readings go on."""
        self._release.set()


async def test_watcher_that_knows_the_file_is_well_before_it_has_read_it(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart the same file needs no reading to be answered from; it is read all the same."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
    reader = HeldReader(monkeypatch)
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        await reader.until_begun()
        assert watched.ingest.last_receipt is None
        reader.release()
        await watched.until_import(found_nothing_new)
        assert watched.seen == [(WATCHING, None)]
        assert watched.states.empty()


async def test_watcher_that_does_not_know_the_file_reads_it_first(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes from the time when nobody watched are stored before anything is called well."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
    ledger.write(entry("1", tokens_in=2_000))
    reader = HeldReader(monkeypatch)
    async with watching(ledger, database) as watched:
        await reader.until_begun()
        assert watched.watcher.state.state is WatcherState.STARTING
        reader.release()
        await watched.until_state(WATCHING)
        assert watched.imported.get_nowait().receipt.updated_count == 1


async def test_watcher_waits_for_the_file_and_begins_by_itself(ledger: LedgerFile, database: Database) -> None:
    """A machine on which Cline has never run is no error; the first task appears without a restart."""
    async with watching(ledger, database) as watched:
        await watched.until_state(WAITING, "ledger_not_found")
        ledger.write(entry("1"))
        await watched.until_state(WATCHING)
        await watched.until_tasks("1")


async def test_watcher_waits_for_the_directory_and_begins_by_itself(ledger: LedgerFile, database: Database) -> None:
    """Also a directory that does not exist yet is waited for."""
    ledger.remove_folder()
    async with watching(ledger, database) as watched:
        await watched.until_state(WAITING, "directory_missing")
        ledger.write(entry("1"))
        await watched.until_tasks("1")
        await watched.until_state(WATCHING)


async def test_watcher_survives_a_directory_removed_and_recreated(ledger: LedgerFile, database: Database) -> None:
    """The new directory is watched anew: changes in it arrive by notification, twice over."""
    ledger.write(entry("1"))
    times = WatchTimes(debounce_s=0.01, tick_s=0.1, rescan_interval_s=0, backoff_max_s=8.0)
    async with watching(ledger, database, times) as watched:
        for number in range(2, 5):
            await watched.until_state(WATCHING)
            ledger.remove_folder()
            await watched.until_state(WAITING, "directory_missing")
            assert "1" in watched.tasks()
            ledger.write(entry(str(number)))
            await watched.until_stored(has(str(number)))


async def test_watcher_hears_of_a_directory_made_anew_with_the_same_inode(
    ledger: LedgerFile, database: Database
) -> None:
    """Removed and made again before anybody looks, a directory often has its old inode, and no watch any more."""
    slow = WatchTimes(debounce_s=0.01, tick_s=10 * HANG_S, rescan_interval_s=0, backoff_max_s=8.0)
    ledger.write(entry("1"))
    async with watching(ledger, database, slow) as watched:
        await watched.until_tasks("1")
        for number in range(2, 5):
            ledger.remove_folder()
            ledger.folder.mkdir()
            # The removal alone is noticed; by then a new watch must be armed.
            ledger.write(entry("1"), entry(str(number)))
            await watched.until_stored(has(str(number)))
            ledger.write(entry("1"), entry(str(number)), entry(f"{number}-later"))
            await watched.until_stored(has(f"{number}-later"))


async def test_watcher_survives_a_directory_renamed_away(ledger: LedgerFile, database: Database) -> None:
    """Files below the directory's new name are not ours; a directory that takes its place is."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        elsewhere = LedgerFile(ledger.rename_folder("elsewhere") / ledger.path.name)
        elsewhere.write(entry("1"), entry("not-ours"))
        await watched.until_state(WAITING, "directory_missing")
        ledger.write(entry("1"), entry("ours"))
        await watched.until_tasks("1", "ours")


async def test_watcher_never_reads_through_a_link_in_the_directorys_place(
    ledger: LedgerFile, database: Database
) -> None:
    """A directory replaced by a link is refused and said; the real one heals it."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        elsewhere = LedgerFile(ledger.rename_folder("elsewhere") / ledger.path.name)
        elsewhere.write(entry("secret"))
        ledger.link_folder_to(elsewhere.folder)
        await watched.until_state(DEGRADED, "ledger_path_refused")
        ledger.unlink_folder()
        ledger.write(entry("2"))
        await watched.until_state(WATCHING)
        await watched.until_tasks("1", "2")


async def test_watcher_never_reads_through_a_link_in_the_files_place(ledger: LedgerFile, database: Database) -> None:
    """A link instead of the file is refused and said; a plain file heals it."""
    ledger.write(entry("1"))
    other = LedgerFile(ledger.folder.with_name("other") / ledger.path.name)
    other.write(entry("secret"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        ledger.link_to(other.path)
        await watched.until_state(DEGRADED, "ledger_path_refused")
        ledger.write(entry("2"))
        await watched.until_state(WATCHING)
        await watched.until_tasks("1", "2")


async def test_watcher_imports_each_atomic_rename(ledger: LedgerFile, database: Database) -> None:
    """A file replaced again and again is seen each time, though each one is another inode."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        for number in range(2, 8):
            ledger.write(entry("1", tokens_in=number))
            await watched.until_stored(has_spent(number))


async def test_watcher_imports_truncate_and_write(ledger: LedgerFile, database: Database) -> None:
    """A file written over in place is seen each time, and never taken for empty on the way."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        for number in range(2, 8):
            ledger.overwrite(ledger_bytes(entry("1", tokens_in=number)))
            await watched.until_stored(has_spent(number))


async def test_watcher_finds_a_file_that_was_completed_in_two_writes(ledger: LedgerFile, database: Database) -> None:
    """Half a ledger is no ledger: the old rows stay, and the other half brings the new ones."""
    ledger.write(entry("1"))
    whole = ledger_bytes(entry("1"), entry("2"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        ledger.overwrite(whole[:-20])
        await watched.until_state(DEGRADED, "ledger_format")
        assert set(watched.tasks()) == {"1"}
        ledger.overwrite(whole)
        await watched.until_state(WATCHING)
        await watched.until_tasks("1", "2")


async def test_watcher_writes_nothing_when_the_file_was_only_touched(ledger: LedgerFile, database: Database) -> None:
    """A new time leads to a reading, the reading to nothing."""
    ledger.write(entry("1"))
    # No rescan: it could read the touched file before the notification is followed.
    async with watching(ledger, database, replace(FAST, rescan_interval_s=0)) as watched:
        await watched.until_state(WATCHING)
        watched.forget()
        ledger.touch()
        await watched.until_import(
            lambda trigger, outcome: trigger is Trigger.WATCH and found_nothing_new(trigger, outcome)
        )
        assert watched.imported.empty()
        assert (await watched.writer.get_position())[1] == 1


async def test_rescan_heals_a_change_that_metadata_do_not_show(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New bytes under the same size and times are found by the reading that asks no metadata."""
    ledger.write(entry("1", tokens_in=111))
    # The system keeps a ctime that no program can set back, so the watcher is made to see none of the metadata.
    identity = FileIdentity(1, 2, 3, 4, 5)
    monkeypatch.setattr("aico.features.files.guard.identity_of", lambda _status: identity)
    monkeypatch.setattr("aico.features.files.snapshot.identity_of", lambda _status: identity)
    monkeypatch.setattr(notifier_module, "RustNotify", BrokenWatch)
    async with watching(ledger, database, clock=lambda: 0) as watched:
        await watched.until_state(DEGRADED, "watch_unavailable")
        watched.forget()
        ledger.rewrite_unseen(entry("1", tokens_in=222))
        await watched.until_stored(has_spent(222))
        assert (await find_trigger(watched)) is Trigger.RESCAN


async def find_trigger(watched: Watched) -> Trigger:
    """Return what caused the import that changed something."""
    async with asyncio.timeout(HANG_S):
        while True:
            trigger, outcome = await watched.ingest.ended.get()
            if isinstance(outcome, ImportReceipt) and outcome.imported_count:
                return trigger


async def test_tick_heals_a_change_that_no_notification_told(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost notification costs one tick: rescans are off, and nothing is told."""
    monkeypatch.setattr(notifier_module, "RustNotify", BrokenWatch)
    ledger.write(entry("1"))
    times = WatchTimes(debounce_s=0.01, tick_s=0.1, rescan_interval_s=0, backoff_max_s=8.0)
    async with watching(ledger, database, times) as watched:
        await watched.until_tasks("1")
        ledger.write(entry("1"), entry("2"))
        await watched.until_tasks("1", "2")
        ledger.rewrite_unseen(entry("1", tokens_in=7))
        await watched.until_stored(has_spent(7))


async def test_notification_alone_is_enough(ledger: LedgerFile, database: Database) -> None:
    """With ticks and rescans an hour apart, a change is imported all the same."""
    ledger.write(entry("1"))
    times = WatchTimes(debounce_s=0.01, tick_s=3_600, rescan_interval_s=0, backoff_max_s=8.0)
    async with watching(ledger, database, times) as watched:
        await watched.until_state(WATCHING)
        for number in range(2, 5):
            ledger.write(entry(str(number)))
            await watched.until_stored(has(str(number)))


# The watch that dies must be dead at the next tick, also on a machine that has much else to do.
@pytest.mark.parametrize(("kind", "tick_s"), first_row_is_quick((BrokenWatch, 0.1), (DyingWatch, 1.0)))
async def test_watcher_says_that_notifications_are_unavailable_and_goes_on(
    ledger: LedgerFile,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: object,
    tick_s: float,
) -> None:
    """Without notifications the state is degraded, said once, the ticks converge, and the return is noticed."""
    caplog.set_level(logging.INFO, "aico.services.watcher")
    monkeypatch.setattr(notifier_module, "RustNotify", kind)
    ledger.write(entry("1"))
    async with watching(ledger, database, replace(FAST, tick_s=tick_s, rescan_interval_s=0)) as watched:
        await watched.until_state(DEGRADED, "watch_unavailable")
        for number in range(2, 4):
            ledger.write(entry(str(number)))
            await watched.until_stored(has(str(number)))
        assert [record.levelname for record in caplog.records].count("WARNING") == 1
        assert watched.states.empty()
        monkeypatch.setattr(notifier_module, "RustNotify", RustNotify)
        await watched.until_state(WATCHING)
        assert watched.seen[-2:] == [(DEGRADED, "watch_unavailable"), (WATCHING, None)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "state", "reason"),
    [
        (b"[]", WATCHING, None),
        (b"{}", DEGRADED, "ledger_format"),
        (b"", DEGRADED, "ledger_format"),
        (b"\xff\xfe[\0]\0", DEGRADED, "ledger_format"),
        (None, WAITING, "ledger_not_found"),
    ],
)
async def test_watcher_keeps_rows_when_the_ledger_says_nothing(
    ledger: LedgerFile, database: Database, content: bytes | None, state: WatcherState, reason: str | None
) -> None:
    """No row goes with any change of the ledger; the state says what it is; and a whole ledger heals it."""
    ledger.write(entry("1"), entry("2"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        watched.forget()
        if content is None:
            ledger.unlink()
        else:
            ledger.overwrite(content)
        if state is WATCHING:
            await watched.until_import(found_nothing_new)
        else:
            await watched.until_state(state, reason)
        assert watched.watcher.state.state is state
        assert set(watched.tasks()) == {"1", "2"}
        ledger.write(entry("3"))
        await watched.until_tasks("1", "2", "3")
        if state is not WATCHING:
            await watched.until_state(WATCHING)


async def test_watcher_does_not_read_a_refused_file_at_every_tick(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file at rest that is no ledger is left alone until it changes or a rescan is due."""
    times = WatchTimes(debounce_s=0.01, tick_s=0.02, rescan_interval_s=0, backoff_max_s=8.0)
    ledger.overwrite(b"{}")
    async with watching(ledger, database, times) as watched:
        await watched.until_state(DEGRADED, "ledger_format")
        watched.forget()
        stats = asyncio.Semaphore(0)
        real = watched.feed.look
        loop = asyncio.get_running_loop()

        def counted() -> Look:
            loop.call_soon_threadsafe(stats.release)
            return real()

        monkeypatch.setattr(watched.feed, "look", counted)
        async with asyncio.timeout(HANG_S):
            for _ in range(10):
                await stats.acquire()
        assert watched.ingest.ended.empty()


@pytest.mark.parametrize("where", ["read", "look"])
async def test_watcher_heals_when_an_unreadable_file_can_be_read_again(
    ledger: LedgerFile,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """A refusal of the system is said once, tried again at every tick, and its end is said once."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        caplog.set_level(logging.INFO, "aico.services")
        caplog.clear()
        watched.forget()

        def refuse(_trigger: Trigger | None = None) -> Reading:
            raise LedgerUnreadable("EACCES")

        with monkeypatch.context() as patched:
            patched.setattr(watched.feed, where, refuse)
            ledger.write(entry("1"), entry("2"))
            await watched.until_state(DEGRADED, "ledger_unreadable")
            if where == "read":
                for _ in range(3):
                    await watched.until_import(lambda _trigger, outcome: isinstance(outcome, LedgerUnreadable))
        await watched.until_state(WATCHING)
        await watched.until_tasks("1", "2")
        told = [record for record in caplog.records if "new)" not in record.message]
        assert [record.levelname for record in told] == ["WARNING", "INFO"]


async def test_watcher_goes_on_after_a_busy_database(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that the database refused is tried again at the next tick, and nothing is lost."""
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)

        async def refuse(*_arguments: object) -> None:
            raise StorageBusy("another process holds its lock")

        with monkeypatch.context() as patched:
            patched.setattr(watched.writer, "apply", refuse)
            ledger.write(entry("1"), entry("2"))
            await watched.until_state(DEGRADED, "storage_busy")
        await watched.until_state(WATCHING)
        await watched.until_tasks("1", "2")


async def test_supervisor_restarts_the_loop_after_a_bug(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is logged with its trace, shown as failed, and ends the watching for a moment only."""
    monkeypatch.setattr(watcher_module, "_RESTART_FIRST_S", 0.01)
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)

        def break_down() -> Look:
            raise ZeroDivisionError("an injected bug")

        with monkeypatch.context() as patched:
            patched.setattr(watched.feed, "look", break_down)
            await watched.until_state(FAILED, "internal_error")
        await watched.until_state(WATCHING)
        ledger.write(entry("1"), entry("2"))
        await watched.until_tasks("1", "2")
    assert "ZeroDivisionError: an injected bug" in caplog.text


@pytest.mark.parametrize("where", ["read", "complete"])
async def test_bug_in_a_reader_ends_the_watching_for_a_moment_only(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Any error of a reader reaches the supervisor, before and after something of it was stored."""
    monkeypatch.setattr(watcher_module, "_RESTART_FIRST_S", 0.01)
    ledger.write(entry("1"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)

        def break_down(_argument: object) -> Reading:
            raise ZeroDivisionError("an injected bug")

        with monkeypatch.context() as patched:
            patched.setattr(watched.feed, where, break_down)
            ledger.write(entry("1"), entry("2"))
            await watched.until_state(FAILED, "internal_error")
        await watched.until_state(WATCHING)
        assert set(watched.tasks()) == {"1", "2"}


async def test_supervisor_waits_longer_from_bug_to_bug(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop that breaks at once again is not restarted in a hurry."""
    monkeypatch.setattr(watcher_module, "_RESTART_FIRST_S", 0.01)
    monkeypatch.setattr(watcher_module, "_RESTART_MAX_S", 0.04)
    broken = asyncio.Semaphore(0)

    def break_down() -> tuple[int, int]:
        loop.call_soon_threadsafe(broken.release)
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    watched = Watched(ledger, database, FAST, lambda: 0)
    monkeypatch.setattr(watched.feed, "find_directory_identity", break_down)
    task = asyncio.create_task(watched.watcher.run())
    async with asyncio.timeout(HANG_S):
        for _ in range(5):
            await broken.acquire()
    task.cancel()
    await asyncio.wait({task})
    delays = [record.args for record in caplog.records if record.levelname == "ERROR"]
    assert delays[:4] == [(0.01,), (0.02,), (0.04,), (0.04,)]
    assert watched.states.qsize() == 1


class Scribbler(threading.Thread):
    """Writes the file over and over without a pause, until told to stop."""

    def __init__(self, ledger: LedgerFile) -> None:
        super().__init__()
        self._ledger = ledger
        self._stopped = threading.Event()
        self.count = 0

    def run(self) -> None:
        """Write, each time with one token more, a few milliseconds apart."""
        while not self._stopped.wait(0.003):
            self.count += 1
            self._ledger.write(entry("1", tokens_in=self.count))

    def stop(self) -> None:
        """End after the write that is under way."""
        self._stopped.set()
        self.join(HANG_S)


@pytest.mark.slow
async def test_watcher_imports_though_the_writing_never_pauses(ledger: LedgerFile, database: Database) -> None:
    """A quiet time that never comes is not waited for: import follows import while the writer goes on."""
    ledger.write(entry("1", tokens_in=0))
    times = WatchTimes(debounce_s=2.0, tick_s=3_600, rescan_interval_s=0, backoff_max_s=8.0)
    async with watching(ledger, database, times) as watched:
        await watched.until_state(WATCHING)
        watched.forget()
        writer = Scribbler(ledger)
        writer.start()
        try:
            async with asyncio.timeout(HANG_S):
                events = [await watched.imported.get() for _ in range(3)]
        finally:
            await asyncio.to_thread(writer.stop)
        totals = [row.stated.input or 0 for event in events for row in event.rows if row.stated is not None]
        assert len(totals) == 3
        assert totals == sorted(set(totals))
        await watched.until_stored(has_spent(writer.count))


class Clock:
    """Stands in for the module ``time``: stands still until moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Return the moment."""
        return self.now

    def time(self) -> float:
        """Return the moment as wall time."""
        return self.now


def test_rescan_backs_off_while_imports_fail_and_returns_to_its_interval(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The distance doubles up to its limit, and one success brings it back."""
    clock = Clock()
    monkeypatch.setattr(watcher_module, "time", clock)
    watcher = Watched(ledger, database, FAST, lambda: 0).watcher
    delays = []
    for succeeded in (True, False, False, False, False, False, True, False):
        clock.now += 10
        watcher._plan_rescan(succeeded=succeeded)
        delays.append(watcher._rescan_at - clock.now)
    assert delays == [1, 2, 4, 8, 8, 8, 1, 2]


def test_rescan_is_never_hastened_by_a_small_limit(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit below the interval does not make failing rescans more frequent than successful ones."""
    monkeypatch.setattr(watcher_module, "time", Clock())
    times = WatchTimes(debounce_s=0, tick_s=1, rescan_interval_s=60, backoff_max_s=1)
    watcher = Watched(ledger, database, times, lambda: 0).watcher
    watcher._plan_rescan(succeeded=False)
    assert watcher._rescan_delay_s == 60


async def test_rescan_never_comes_when_it_is_off(ledger: LedgerFile, database: Database) -> None:
    """An interval of 0 plans nothing, whether imports succeed or fail."""
    times = WatchTimes(debounce_s=0, tick_s=0.01, rescan_interval_s=0, backoff_max_s=8)
    watcher = Watched(ledger, database, times, lambda: 0).watcher
    for succeeded in (True, False):
        watcher._plan_rescan(succeeded=succeeded)
        assert watcher._rescan_at == 0
    assert (await watcher._wait())[:2] == (Trigger.WATCH, False)


async def test_watcher_imports_a_change_at_once_while_rescans_are_backed_off(
    ledger: LedgerFile, database: Database
) -> None:
    """Back-off is for rescans: a notification is followed whatever failed before it."""
    ledger.overwrite(b"{}")
    times = WatchTimes(debounce_s=0.01, tick_s=3_600, rescan_interval_s=0.05, backoff_max_s=3_600)
    async with watching(ledger, database, times) as watched:
        await watched.until_state(DEGRADED, "ledger_format")
        watched.watcher._rescan_delay_s = 1_800
        await watched.until_import(lambda trigger, _outcome: trigger is Trigger.RESCAN)
        ledger.write(entry("1"))
        await watched.until_state(WATCHING)
        await watched.until_tasks("1")
        assert watched.watcher._rescan_delay_s == 0.05


@pytest.mark.parametrize(("age_s", "from_mtime"), [(0.2, True), (0.0, True), (5.0, False), (-5.0, False)])
async def test_quiet_time_counts_from_mtime_only_when_that_is_recent(
    ledger: LedgerFile, database: Database, monkeypatch: pytest.MonkeyPatch, age_s: float, *, from_mtime: bool
) -> None:
    """An mtime of the last second says when the last write was; an old one or one ahead says nothing."""
    clock = Clock()
    monkeypatch.setattr(watcher_module, "time", clock)
    ledger.write(entry("1"))
    watched = Watched(ledger, database, WatchTimes(0.05, 1, 1, 1), lambda: 0)
    look = Look(None, int((clock.now - age_s) * 1e9), 0)
    quiet_at = watched.watcher._quiet_at(look, noticed=990.0)
    assert quiet_at == pytest.approx((clock.now - age_s if from_mtime else 990.0) + 0.05)


async def test_quiet_time_of_a_file_that_is_gone_counts_from_the_notification(
    ledger: LedgerFile, database: Database
) -> None:
    """There is no mtime to ask."""
    watched = Watched(ledger, database, WatchTimes(0.05, 1, 1, 1), lambda: 0)
    found = watched.watcher._glance().found
    assert isinstance(found, LedgerNotFound)
    assert watched.watcher._quiet_at(found, noticed=990.0) == pytest.approx(990.05)


async def test_watcher_tells_a_state_once(ledger: LedgerFile, database: Database) -> None:
    """A state that lasts is published when it begins, and its begin stays."""
    async with watching(ledger, database) as watched:
        await watched.until_state(WAITING, "ledger_not_found")
        since_ms = watched.watcher.state.since_ms
        await watched.watcher._visit(Trigger.WATCH, watched.watcher._glance(), forced=True)
        assert watched.states.empty()
        assert watched.watcher.state.since_ms == since_ms


async def test_watcher_announces_growth_with_unchanged_ts_and_count(ledger: LedgerFile, database: Database) -> None:
    """A running task that only spends more is news, though neither the newest time nor the number of rows moved."""
    ledger.write(entry("1", tokens_in=10), entry("2"))
    async with watching(ledger, database) as watched:
        await watched.until_state(WATCHING)
        watched.forget()
        ledger.write(entry("1", tokens_in=11, cost=0.75), entry("2"))
        async with asyncio.timeout(HANG_S):
            event = await watched.imported.get()
        assert [(row.session, row.stated and row.stated.input, row.stated_usd) for row in event.rows] == [
            ("1", 11, 0.75)
        ]
        assert event.receipt.latest_ts == 1_772_000_000_000
        assert event.session_count == 2
