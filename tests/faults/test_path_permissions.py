"""A user whose permissions are taken and given back, while the service runs. As root, in an ordinary user's place."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aico.core.db.database import Database
from aico.core.events import WatcherState
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.emulator.ledger_truth import Task
from tests.files.test_guard import as_ordinary_user
from tests.services.recorded_watcher import Watched, watching

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
    """Where entering is allowed and watching is not, the state says so, and every change is found all the same."""
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
