"""A user whose permissions are taken and given back, while the service runs. As root, in an ordinary user's place."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aico.core.db.database import Database
from aico.core.events import WatcherState
from aico.services.watcher import WatchTimes
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.emulator.ledger_truth import Task
from tests.files.test_guard import as_ordinary_user
from tests.services.recorded_watcher import Watched, watching
from tests.services.watched_tree import WatchedTree, watching_tree
from tests.sources.invented_lines import LogFolder, use

RESCANS = WatchTimes(debounce_s=0.01, tick_s=0.1, rescan_interval_s=0.2, backoff_max_s=8.0)
DEGRADED, WATCHING = WatcherState.DEGRADED, WatcherState.WATCHING


def has(task_id: str) -> Callable[[dict[str, Task]], bool]:
    """Return the wish that ``task_id`` is stored."""
    return lambda tasks: task_id in tasks


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder in which an ordinary user may do everything, and may reach."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.chmod(0o777)
        yield home


@asynccontextmanager
async def watched(home: Path) -> AsyncIterator[tuple[LedgerFile, Watched]]:
    """Watch a ledger of one task in ``home``."""
    ledger = LedgerFile(home / "state" / "taskHistory.json")
    ledger.write(entry("1"))
    database = Database(home / "database" / "observer.db")
    await database.open()
    try:
        async with watching(ledger, database) as watched:
            await watched.until_state(WATCHING)
            yield ledger, watched
    finally:
        ledger.folder.chmod(0o755)
        await database.close()


@asynccontextmanager
async def watched_by_ordinary_user(home: Path) -> AsyncIterator[tuple[LedgerFile, Watched]]:
    """Do the same as an ordinary user."""
    # Python may be installed where only root can read: what is imported late is imported by then.
    before = home / "before"
    before.mkdir()
    async with watched(before):
        pass
    with as_ordinary_user():
        async with watched(home) as both:
            yield both


@pytest.mark.parametrize("part", ["file", "directory"])
async def test_permission_that_comes_back_heals_by_itself(home: Path, part: str) -> None:
    """Without permission nothing is read and no row goes; with it, what was written meanwhile is imported."""
    async with watched_by_ordinary_user(home) as (ledger, run):
        for number in range(2, 5):
            closed, mode = (ledger.path, 0o644) if part == "file" else (ledger.folder, 0o755)
            ledger.write(entry(str(number)))
            closed.chmod(0)
            await run.until_state(DEGRADED, "ledger_unreadable")
            assert "1" in run.tasks()
            closed.chmod(mode)
            await run.until_stored(has(str(number)))
            await run.until_state(WATCHING)


async def test_directory_that_cannot_be_watched_is_looked_at_instead(home: Path) -> None:
    """If entering is allowed and watching is not, the state says so, and every change is found all the same."""
    async with watched_by_ordinary_user(home) as (ledger, run):
        ledger.rename_folder("moved")
        ledger.write(entry("2"))
        ledger.folder.chmod(0o311)
        await run.until_state(DEGRADED, "watch_unavailable")
        for number in range(3, 6):
            ledger.write(entry(str(number)))
            await run.until_stored(has(str(number)))
        ledger.folder.chmod(0o755)
        await run.until_state(WATCHING)


@pytest.mark.parametrize("part", ["file", "folder"])
async def test_part_of_a_tree_without_permission_holds_up_no_other(home: Path, part: str) -> None:
    """It is told and not read, the rest is watched all the same, and with the permission it is read by itself."""
    before = home / "before"
    before.mkdir()
    async with watched_tree(before):
        pass
    with as_ordinary_user():
        async with watched_tree(home) as (logs, run):
            await run.until_total(1)
            closed = logs.append("closed/one.jsonl", use("2", 10))
            closed = closed if part == "file" else closed.parent
            await run.until_total(11)
            closed.chmod(0)
            try:
                logs.append("a/one.jsonl", use("3", 100))
                await run.until_total(111)
                await run.until_state(WATCHING)
            finally:
                closed.chmod(0o755)
            logs.append("closed/one.jsonl", use("4", 1_000))
            await run.until_total(1_111)


@pytest.mark.parametrize("part", ["file", "folder"])
async def test_tree_that_begins_with_a_part_without_permission_is_watched(home: Path, part: str) -> None:
    """An unreadable folder would keep all others from being watched."""
    before = home / "before"
    before.mkdir()
    async with watched_tree(before):
        pass
    with as_ordinary_user():
        logs = LogFolder(home / "logs")
        path = logs.append("closed/one.jsonl", use("2", 10))
        closed = path if part == "file" else path.parent
        closed.chmod(0)
        async with watched_tree(home, logs) as (_, run):
            await run.until_total(1)
            await run.until_state(WATCHING)
            assert len(run.watcher.notes) == 1
            assert "cannot be read (" in run.watcher.notes[0]
            logs.append("a/one.jsonl", use("3", 100))
            await run.until_total(101)
            closed.chmod(0o755)
            await run.until_total(111)
            await run.until_state(WATCHING)


@asynccontextmanager
async def watched_tree(home: Path, logs: LogFolder | None = None) -> AsyncIterator[tuple[LogFolder, WatchedTree]]:
    """Watch a tree in ``home`` with a log of one request."""
    logs = logs or LogFolder(home / "logs")
    logs.append("a/one.jsonl", use("1", 1))
    database = Database(home / "database" / "observer.db")
    await database.open()
    try:
        async with watching_tree(logs, database, RESCANS) as watched:
            yield logs, watched
    finally:
        await database.close()
