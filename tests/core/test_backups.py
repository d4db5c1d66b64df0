"""Backups: whole or not there, private, few, and never in the writer's way."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from aico.core.db.upkeep import sqlite_files
from aico.core.db.upkeep.backups import DAILY_KEPT, BackupFolder, get_position, write_backup
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.errors import OutputFailed, StorageError
from tests.core.database_damage import break_page, copy_of_filled, failed_checks, find_pages
from tests.core.repository_on_file import Store, copy_of_template, list_names, open_store, read_rows, usage
from tests.core.test_looking import write_much

DAY = date(2026, 3, 1)


async def test_backup_is_whole_private_and_alone(tmp_path: Path) -> None:
    """A backup holds what its database holds, in one file that only its user may read."""
    path = await copy_of_filled(tmp_path)
    backup = BackupFolder(path).make_daily(DAY)
    assert backup == tmp_path / "backups" / "observer-2026-03-01.db"
    rows = "SELECT * FROM usage_event ORDER BY id"
    assert read_rows(backup, rows) == read_rows(path, rows)
    assert get_position(backup) == get_position(path)
    assert failed_checks(backup) == []
    assert list_names(backup.parent) == {backup.name}
    assert (backup.stat().st_mode & 0o777, backup.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_backup_folder_keeps_the_last_three_days(store: Store) -> None:
    """The oldest ones go when a new one has come."""
    folder = BackupFolder(store.path)
    for number in range(6):
        folder.make_daily(DAY + timedelta(days=number))
    assert [path.name for path in folder.list_daily()] == [
        f"observer-2026-03-{day:02}.db" for day in (6, 5, 4)[:DAILY_KEPT]
    ]


def test_backup_folder_keeps_what_was_just_made_by_a_wrong_clock(store: Store) -> None:
    """A clock that is years behind makes a backup all the same, and one that is years ahead takes one place only."""
    folder = BackupFolder(store.path)
    for day in (date(2100, 1, 1), DAY, DAY + timedelta(days=1), date(1970, 1, 1)):
        made = folder.make_daily(day)
        assert made in folder.list_daily()
    assert [path.name[9:13] for path in folder.list_daily()] == ["2100", "2026", "1970"]


async def test_backup_folder_goes_by_what_a_backup_holds_and_not_by_its_time(store: Store) -> None:
    """One made while the clock was years ahead is not the newest for years: revisions only grow."""
    folder = BackupFolder(store.path)
    await store.take_in([usage("a")])
    ahead = folder.make_daily(date(2100, 1, 1))
    os.utime(ahead, (4_102_444_800, 4_102_444_800))
    await store.take_in([usage("a"), usage("b")])
    later = folder.make_daily(DAY)
    assert folder.list_all() == [ahead, later]
    assert folder.find_intact() == later


def test_backup_folder_clears_what_a_killed_backup_left(store: Store) -> None:
    """Forgotten usage is forgotten there, too: an unfinished copy holds everything that it had copied."""
    folder = BackupFolder(store.path)
    folder.make_daily(DAY)
    left = folder.path / "observer-2026-03-02.db.part"
    left.write_bytes(b"copied so far")
    assert folder.list_unfinished() == [left]
    folder.clear()
    assert list_names(folder.path) == set()


def test_backup_folder_that_cannot_be_looked_into_is_a_storage_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper of the backups hears of it in our words, and goes on."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(StorageError):
        BackupFolder(store.path).has_daily(DAY)


def test_backup_folder_touches_no_other_files(store: Store) -> None:
    """Other files in the folder are not ours; unfinished copies are."""
    folder = BackupFolder(store.path)
    folder.path.mkdir()
    for name in ("notes.txt", "other-2026-03-01.db", "observer-2026-03-01.db.part", "observer-old.db"):
        (folder.path / name).write_text("x")
    folder.make_daily(DAY)
    assert list_names(folder.path) == {"notes.txt", "other-2026-03-01.db", "observer-old.db", "observer-2026-03-01.db"}
    folder.clear()
    assert list_names(folder.path) == {"notes.txt", "other-2026-03-01.db", "observer-old.db"}


async def test_backup_is_of_one_moment_while_others_write(store: Store) -> None:
    """Backups made while the writer goes on are each whole, and each write goes through."""
    folder = BackupFolder(store.path)
    writing = asyncio.create_task(write_on(store, 60))
    number = 0
    while not writing.done():
        backup = await asyncio.to_thread(folder.make_daily, DAY + timedelta(days=number % 3))
        assert failed_checks(backup) == []
        number += 1
    await writing
    assert read_rows(store.path, "SELECT COUNT(*) FROM session") == [(60,)]


async def write_on(store: Store, count: int) -> None:
    """Import one task after the other."""
    for number in range(count):
        await store.take_in([usage(f"t{number}")])


def test_backup_is_made_again_where_a_service_begins_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody had the file open when it began: pages of two moments are no backup."""
    begun: list[int] = []

    class InSteps(sqlite3.Connection):
        def backup(self, target: sqlite3.Connection, **_options: object) -> None:
            super().backup(target, pages=1, progress=self.begin)

        def begin(self, *_progress: int) -> None:
            if not begun:
                begun.append(1)
                write_much(writer)

    def connect_in_steps(address: str) -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, isolation_level=None, factory=InSteps)

    path, copy = copy_of_template(tmp_path), tmp_path / "copy.db"
    monkeypatch.setattr(sqlite_files, "connect_at", connect_in_steps)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        sqlite_files.copy_database(path, copy)
    assert begun
    assert read_rows(copy, "SELECT COUNT(*) FROM source") == [(3_001,)]


async def test_backup_of_a_damaged_database_is_refused(tmp_path: Path) -> None:
    """A copy that is not intact gets no name."""
    path = await copy_of_filled(tmp_path)
    break_page(path, find_pages(path, "cline_task_usage")[3])
    with pytest.raises(StorageError, match="damaged"):
        BackupFolder(path).make_daily(DAY)
    assert list_names(BackupFolder(path).path) == set()


def test_backup_that_fails_leaves_the_one_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no room, the backup of the same day stays as it was and nothing unfinished is left."""
    folder = BackupFolder(store.path)
    before = folder.make_daily(DAY).read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("aico.core.db.upkeep.sqlite_files.os.fsync", fail)
        with pytest.raises(StorageError, match="No space left"):
            folder.make_daily(DAY)
    assert folder.list_daily()[0].read_bytes() == before
    assert list_names(folder.path) == {"observer-2026-03-01.db"}


def test_written_backup_refuses_to_overwrite(store: Store) -> None:
    """A file that is there stays as it is, whatever it is."""
    target = store.path.with_name("mine.db")
    target.write_text("precious")
    with pytest.raises(OutputFailed, match="already"):
        write_backup(store.path, target)
    assert target.read_text() == "precious"


def test_written_backup_lies_where_it_was_told(store: Store) -> None:
    """A new file, readable by its user alone; of a folder that is missing, it is said."""
    target = store.path.with_name("a copy of mine.db")
    write_backup(store.path, target)
    assert inspect(target).condition is Condition.SOUND
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputFailed, match="No such file"):
        write_backup(store.path, store.path.parent / "missing" / "x.db")


def test_written_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """The name that was held is given back."""
    source = tmp_path / "observer.db"
    source.write_bytes(b"no database" * 1_000)
    with pytest.raises(StorageError):
        write_backup(source, tmp_path / "copy.db")
    assert list_names(tmp_path) == {"observer.db"}


async def test_backup_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    """A transaction that is under way is not in the backup, and does not hold it up."""
    path = await copy_of_filled(tmp_path)
    async with open_store(path), asyncio.timeout(60):
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM cline_task_usage")
            backup = await asyncio.to_thread(BackupFolder(path).make_daily, DAY)
            writer.execute("ROLLBACK")
    assert read_rows(backup, "SELECT COUNT(*) FROM cline_task_usage") == [(2_000,)]
