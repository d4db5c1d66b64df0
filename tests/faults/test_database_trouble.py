"""A database that is locked, full, closed to us, gone or broken: nothing is lost, and it heals without a hand."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from aico.core.db.database import Database
from aico.core.db.migrations import migrate
from aico.core.errors import StorageBusy, StorageError
from aico.core.events import WatcherState
from tests.core.database_damage import close_log, contents, failed_checks, file_size_limit, set_contents
from tests.core.old_databases import open_old
from tests.core.repository_on_file import Store, copy_of_template, list_names, read_rows
from tests.core.second_process import second_process
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.faults.fault_counts import count_of
from tests.files.test_guard import as_ordinary_user
from tests.services.recorded_watcher import HANG_S, Watched, watching

DEGRADED, WATCHING = WatcherState.DEGRADED, WatcherState.WATCHING
HOLD = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE')"
PLENTY = 1_073_741_823
"""The greatest number of pages that SQLite knows."""


class Scene:
    """A ledger that is being watched, and its database."""

    def __init__(self, ledger: LedgerFile, database: Database, watched: Watched) -> None:
        self.ledger = ledger
        self.database = database
        self.watched = watched
        self._count = 0

    def spend(self, count: int) -> set[str]:
        """Let the ledger have ``count`` tasks more, and return the ids of all."""
        self._count += count
        self.ledger.write(*(entry(str(number), model="m" * 100) for number in range(self._count)))
        return {str(number) for number in range(self._count)}

    async def until_stored(self, wanted: set[str]) -> None:
        """Return when exactly ``wanted`` is stored, all is well and the accounts agree."""
        await self.watched.until_tasks(*wanted)
        async with asyncio.timeout(HANG_S):
            while self.watched.watcher.state.state is not WATCHING:
                await self.watched.states.get()
        while not self.watched.states.empty():
            self.watched.states.get_nowait()
        assert failed_checks(self.database.path) == []

    async def allow_pages(self, more: int) -> None:
        """Let the database grow by so many pages at most."""

        def limit(connection: sqlite3.Connection) -> None:
            ((pages,),) = connection.execute("PRAGMA page_count")
            connection.execute(f"PRAGMA max_page_count = {min(pages + more, PLENTY)}")

        await self.database.write(limit)


@asynccontextmanager
async def scene_in(folder: Path) -> AsyncIterator[Scene]:
    """Watch a ledger of one task that is stored."""
    ledger = LedgerFile(folder / "state" / "taskHistory.json")
    database = Database(folder / "data" / "observer.db")
    await database.open()
    try:
        async with watching(ledger, database) as watched:
            scene = Scene(ledger, database, watched)
            await scene.until_stored(scene.spend(1))
            yield scene
    finally:
        await database.close()


async def test_database_that_another_process_holds_delays_an_import(tmp_path: Path) -> None:
    """It is tried again for as long as it takes; reading goes on; what was spent meanwhile is stored afterwards."""
    async with scene_in(tmp_path) as scene:
        for _ in range(count_of("database held by another process", quick=1, soak=10)):
            async with second_process(HOLD, str(scene.database.path)):
                stored = len(scene.watched.tasks())
                wanted = scene.spend(1)
                await scene.watched.until_state(DEGRADED, "storage_busy")
                scene.watched.forget()
                await scene.watched.until_import(lambda _trigger, outcome: isinstance(outcome, StorageBusy))
                assert len(scene.watched.tasks()) == stored
            await scene.until_stored(wanted)


async def test_database_without_room_delays_an_import(tmp_path: Path) -> None:
    """A disk that is full in the middle of an import leaves what was there; with room again, everything comes."""
    async with scene_in(tmp_path) as scene:
        for _ in range(count_of("disk full in an import, by pages", quick=2, soak=20)):
            await scene.allow_pages(3)
            wanted = scene.spend(200)
            await scene.watched.until_state(DEGRADED, "storage_error")
            stored = len(scene.watched.tasks())
            assert stored == len(wanted) - 200
            assert failed_checks(scene.database.path) == []
            await scene.allow_pages(PLENTY)
            await scene.until_stored(wanted)


async def test_database_whose_log_has_no_room_delays_an_import(tmp_path: Path) -> None:
    """The same, where it is the system that refuses to write a byte more."""
    async with scene_in(tmp_path) as scene:
        for _ in range(count_of("disk full in an import, by bytes", quick=2, soak=20)):
            close_log(scene.database.path)
            # More than the ledger has, and less than one page for each table that an import writes to.
            with file_size_limit(16_000):
                wanted = scene.spend(1)
                await scene.watched.until_state(DEGRADED, "storage_error")
            await scene.until_stored(wanted)


def test_database_without_room_to_write_its_log_back_loses_nothing(tmp_path: Path) -> None:
    """A checkpoint that fails leaves every commit in the log; the next one that has room writes it back."""
    path = copy_of_template(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        for round_number in range(count_of("disk full in a checkpoint", quick=3, soak=20)):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            rows = [("x" * 400 + str(round_number * 1_000 + number),) for number in range(1_000)]
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO model (name) VALUES (?)", rows)
            connection.execute("COMMIT")
            # The log is written; there is no room for one page more of the database than it had.
            with file_size_limit(path.stat().st_size), pytest.raises(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            count = connection.execute("SELECT COUNT(*) FROM model WHERE name <> ''").fetchone()[0]
            assert count == (round_number + 1) * 1_000
    close_log(path)
    assert failed_checks(path) == []
    assert read_rows(path, "SELECT COUNT(*) FROM model WHERE name <> ''") == [(count,)]


@pytest.mark.parametrize("limit", [5_000, 20_000, 60_000])
async def test_database_without_room_to_be_migrated_stays_as_it_was(tmp_path: Path, limit: int) -> None:
    """If the backup before it or the migration finds no room, the old schema stays, and the next start goes on."""
    path = open_old("0007", tmp_path)
    rows = read_rows(path, "SELECT * FROM cline_task_usage")
    close_log(path)
    with file_size_limit(5_000), pytest.raises(StorageError):
        migrate(path)
    database = Database(path)
    with file_size_limit(limit), pytest.raises(StorageError):
        await database.open()
    assert read_rows(path, "SELECT version_num FROM alembic_version") == [("0007",)]
    await database.open()
    await database.close()
    assert read_rows(path, "SELECT * FROM cline_task_usage") == rows
    assert failed_checks(path) == []


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder in which an ordinary user may do everything, and may reach."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.chmod(0o777)
        yield home


@pytest.mark.parametrize(("name", "mode", "before"), [("observer.db", 0o400, 0o600), ("", 0o500, 0o700)])
async def test_database_that_is_closed_to_us_is_left_alone(home: Path, name: str, mode: int, before: int) -> None:
    """A file or a folder that may only be read is said, never replaced; with the permission back, all is there."""
    # Python may be installed where only root can read: what is imported late is imported by then.
    (home / "first").mkdir()
    async with scene_in(home / "first"):
        pass
    with as_ordinary_user():
        async with scene_in(home) as scene:
            wanted = scene.spend(1)
            await scene.until_stored(wanted)
        path = home / "data" / "observer.db"
        close_log(path)
        (home / "data" / name).chmod(mode)
        for _ in range(2):
            with pytest.raises(StorageError):
                await open_and_write(path)
        (home / "data" / name).chmod(before)
        await open_and_write(path)
        assert list_names(home / "data") == {"observer.db", "observer.db.sound"}
        assert read_rows(path, "SELECT COUNT(*) FROM cline_task_usage") == [(2,)]


async def open_and_write(path: Path) -> None:
    """Open the database and write into it."""
    store = Store(path)
    try:
        await store.database.open()
        await store.writer.record_run(store.receipt(), None)
    finally:
        await store.database.close()


async def test_database_that_is_moved_away_while_in_use_is_missed(tmp_path: Path) -> None:
    """Nothing is written into a file without a name; back in its place, it goes on as if nothing had been."""
    async with scene_in(tmp_path) as scene:
        moved = scene.database.path.with_name("moved.db")
        scene.database.path.rename(moved)
        wanted = scene.spend(3)
        await scene.watched.until_state(DEGRADED, "storage_error")
        moved.rename(scene.database.path)
        await scene.until_stored(wanted)


def cut(path: Path) -> None:
    """Leave the first third."""
    set_contents(path, contents(path)[: path.stat().st_size // 3])


def overwrite(path: Path) -> None:
    """Leave something else."""
    set_contents(path, b"<html>" * 10_000)


def remove(path: Path) -> None:
    """Leave nothing."""
    path.unlink()


@pytest.mark.parametrize("accident", [cut, overwrite, remove])
async def test_database_that_was_lost_is_filled_again_from_the_ledger(
    tmp_path: Path, accident: Callable[[Path], None]
) -> None:
    """After a restart everything that the ledger holds is stored, and the accounts agree."""
    async with scene_in(tmp_path) as scene:
        wanted = scene.spend(300)
        await scene.until_stored(wanted)
        epoch, _revision = await scene.watched.writer.get_position()
    close_log(scene.database.path)
    accident(scene.database.path)
    database = Database(scene.database.path)
    await database.open()
    async with watching(scene.ledger, database) as watched:
        await Scene(scene.ledger, database, watched).until_stored(wanted)
        assert (await watched.writer.get_position())[0] != epoch
    await database.close()
    assert (database.recovery is None) == (accident is remove)
