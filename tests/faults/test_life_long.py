"""A long life: nothing grows, a trouble that lasts is told once, and everything heals when its cause goes."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aico.core.db.writer import Batch
from aico.core.errors import LedgerUnreadable, StorageBusy
from aico.core.events import WatcherState
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.features.files import guard as guard_module
from aico.features.files import snapshot as snapshot_module
from aico.features.files.identity import FileIdentity
from tests.core.repository_on_file import NOW_MS, read_rows
from tests.e2e.fake_cline_ledger import LedgerFile
from tests.faults.fault_counts import IS_SOAK, count_of
from tests.faults.leak_measurement import WARM_UP
from tests.faults.life_model import Entry
from tests.faults.stepped_service import RUN_LIMIT, World, impatient

ROOT = Path(__file__).resolve().parents[2]
GROWTH_MAX_BYTES = 150
"""Per update: the smallest object that somebody forgets to forget is that large with what holds it."""
COME_LATE_MAX = 24
"""Descriptors and threads of pools that grow when they are first needed."""
TOLD_MAX = 4
ENTRIES = [Entry(str(number), NOW_MS + number, "m", 100, 10, 0.25) for number in range(2 * RUN_LIMIT + 1)]
NEWS = ENTRIES[0]._replace(task_id="news")


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger that does not exist yet, in a directory that does."""
    return LedgerFile(tmp_path.resolve() / "cline" / "taskHistory.json")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Begin a small world whose ledger was imported once."""
    with impatient():
        world = World(tmp_path)
        await world.start()
        world.write(ENTRIES, "rename", 0)
        await world.tick()
        assert world.post(world.stored_runs()) == 0
        yield world
        await world.end()


def test_nothing_grows_over_many_updates(tmp_path: Path) -> None:
    """After a while an update leaves nothing behind: no memory, no descriptor, no task, no thread."""
    updates = count_of("updates of one life", quick=300, soak=20_000)
    command = [sys.executable, "-m", "tests.faults.leak_measurement", str(tmp_path.resolve()), str(updates)]
    # It is no part of what is measured.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    limit_s = 3_600 if IS_SOAK else 600
    ended = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=limit_s, check=False
    )
    assert ended.returncode == 0, ended.stderr
    grown = json.loads(ended.stdout)
    assert grown["revision"] == WARM_UP + updates
    assert grown["bytes"] < GROWTH_MAX_BYTES * updates
    assert max(grown["descriptors"], grown["threads"]) < COME_LATE_MAX


@contextmanager
def spoilt(world: World, how: str) -> Iterator[None]:
    """Make the ledger no ledger for a while."""
    world.spoil(how)
    yield
    world.write(ENTRIES, "rename", 0)


@contextmanager
def unreadable(world: World) -> Iterator[None]:
    """Let the system refuse to open the file for a while."""
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*_arguments: object) -> None:
            raise LedgerUnreadable("EACCES")

        patch.setattr(guard_module.FileGuard, "open", refuse)
        world.write(ENTRIES, "rename", 0)
        yield


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Let another program hold the database's lock for a while, with news in the ledger."""
    with world.locked():
        world.write([*ENTRIES, NEWS], "rename", 0)
        yield


@contextmanager
def moved_away(world: World) -> Iterator[None]:
    """Let the database's file be somewhere else for a while, with news in the ledger."""
    path = world.database.path
    path.rename(path.with_name("elsewhere.db"))
    world.write([*ENTRIES, NEWS], "rename", 0)
    yield
    path.with_name("elsewhere.db").rename(path)


TROUBLES = {
    "ledger_format": lambda world: spoilt(world, "object"),
    "ledger_path_refused": lambda world: spoilt(world, "link"),
    "ledger_unreadable": unreadable,
    "storage_busy": locked,
    "storage_error": moved_away,
}


@pytest.mark.parametrize("code", TROUBLES)
async def test_trouble_that_lasts_is_told_once_and_heals_by_itself(
    world: World, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """However often it is met again, it costs a few lines and rows; when its cause goes, everything is stored."""
    ticks = count_of("ticks in trouble", quick=30, soak=2_000)
    caplog.set_level(logging.INFO, "aico")
    with TROUBLES[code](world):
        for number in range(ticks):
            await world.tick(forced=number % 3 == 2)
            state = world.watcher.state
            assert (state.state, state.reason) == (WatcherState.DEGRADED, code)
        assert 1 <= len(caplog.records) <= TOLD_MAX
    await world.tick()
    assert world.watcher.state.state is WatcherState.WATCHING
    assert world.post(world.stored_runs()) == 0
    world.check()
    assert len(caplog.records) <= TOLD_MAX + 1 + world.revision
    runs = read_rows(world.database.path, "SELECT error_code FROM import_run WHERE revision IS NULL ORDER BY id")
    assert runs == [(code,), (None,)]


async def test_watcher_says_at_once_that_a_follow_up_run_failed(world: World) -> None:
    """The records of a reading's first run are not all: as long as the rest is missing, the state says why."""
    with failing_follow_up_runs(world):
        world.write([each._replace(tokens_in=7) for each in ENTRIES], "rename", 0)
        await world.tick()
        assert (world.watcher.state.state, world.watcher.state.reason) == (WatcherState.DEGRADED, "storage_busy")
    assert world.post(world.stored_runs()) == len(ENTRIES) - RUN_LIMIT
    world.has_broken_off()
    await world.tick()
    assert world.watcher.state.state is WatcherState.WATCHING
    assert world.post(world.stored_runs()) == 0


async def test_ledger_that_goes_back_after_a_follow_up_run_failed_is_stored(world: World) -> None:
    """The records of a broken-off reading's first run are taken back, too, though they were known before."""
    with failing_follow_up_runs(world):
        world.write([each._replace(tokens_in=700) for each in ENTRIES], "rename", 0)
        await world.tick()
    assert world.post(world.stored_runs()) == len(ENTRIES) - RUN_LIMIT
    world.has_broken_off()
    world.write(ENTRIES, "rename", 0)
    await world.tick()
    assert world.post(world.stored_runs()) == 0
    world.check()


@contextmanager
def failing_follow_up_runs(world: World) -> Iterator[None]:
    """Let every transaction fail but the next one."""
    apply, calls = world.writer.apply, itertools.count()

    async def fail_later(batch: Batch) -> tuple[ImportReceipt, UsageCommitted | None]:
        if next(calls):
            raise StorageBusy("locked")
        return await apply(batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.writer, "apply", fail_later)
        yield


async def test_state_stays_what_the_rescan_found_where_metadata_show_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that went bad without its metadata is not called well again by every tick in between."""
    for module in (guard_module, snapshot_module):
        monkeypatch.setattr(module, "identity_of", lambda _status: FileIdentity(1, 2, 3, 4, 5))
    await world.tick(forced=True)
    data = world.path.read_bytes()
    world.path.write_bytes(b"{" + data[1:])
    for forced in (True, False, False, True, False):
        await world.tick(forced=forced)
        assert (world.watcher.state.state, world.watcher.state.reason) == (WatcherState.DEGRADED, "ledger_format")
    world.path.write_bytes(data)
    await world.tick(forced=True)
    assert world.watcher.state.state is WatcherState.WATCHING


async def test_import_that_failed_does_not_make_the_next_one_wait(world: World) -> None:
    """How long a lock was waited for is not how long an import takes."""
    took = dict(world.ingest.last_durations_s)
    with locked(world):
        await world.tick()
        assert [failure.code for failure in world.ingest.failures.values()] == ["storage_busy"]
        assert world.ingest.last_durations_s == took


async def test_bug_in_a_follow_up_run_reaches_the_watcher(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody waits for any more is not swallowed."""
    apply, calls = world.writer.apply, itertools.count()

    async def break_down_later(batch: Batch) -> tuple[ImportReceipt, UsageCommitted | None]:
        if next(calls):
            raise ZeroDivisionError("a bug")
        return await apply(batch)

    monkeypatch.setattr(world.writer, "apply", break_down_later)
    world.write([each._replace(tokens_in=7) for each in ENTRIES], "rename", 0)
    with pytest.raises(ZeroDivisionError):
        await world.tick()
    monkeypatch.undo()
    await world.tick()
    assert world.watcher.state.state is WatcherState.WATCHING
