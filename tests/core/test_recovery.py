"""A lost database: what is set aside, what takes its place, and what is never touched."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aico.core.db.database import Database
from aico.core.db.revisions import list_revisions
from aico.core.db.upkeep import replacement
from aico.core.db.upkeep.backups import BackupFolder, get_position
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.db.upkeep.recovery import Recovery, find_recovery
from aico.core.db.upkeep.sqlite_files import remove
from aico.core.errors import StorageBusy, StorageError, StorageForeign, StorageNewer
from tests.core.database_damage import (
    break_page,
    close_log,
    contents,
    copy_of_filled,
    copy_to,
    failed_checks,
    file_size_limit,
    fill,
    find_pages,
    set_contents,
)
from tests.core.old_databases import open_old
from tests.core.repository_on_file import copy_of_template, list_names, open_store, read_rows, usage

ROWS = "SELECT * FROM cline_task_usage ORDER BY task_id"
EVENTS = "SELECT * FROM usage_event ORDER BY id"


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    """Return a closed database of 2,000 tasks that grew once."""
    return await copy_of_filled(tmp_path)


async def reopen(path: Path) -> Recovery | None:
    """Open as the service does at its start, close, and return what was done about a loss."""
    database = Database(path)
    await database.open()
    await database.close()
    return database.recovery


def put_garbage(path: Path) -> None:
    """Leave bytes that never were a database."""
    set_contents(path, b"my diary\n" * 1_000)


def zero_the_beginning(path: Path) -> None:
    """Leave what a failing disk leaves of the first page."""
    data = bytearray(path.read_bytes())
    data[:4096] = bytes(4096)
    set_contents(path, bytes(data))


def cut_in_half(path: Path) -> None:
    """Leave the first half."""
    data = path.read_bytes()
    set_contents(path, data[: len(data) // 2])


def cut_short(path: Path) -> None:
    """Leave less than a header."""
    set_contents(path, path.read_bytes()[:50])


def break_the_schema(path: Path) -> None:
    """Overwrite the first page behind its header."""
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xa5" * 3996
    set_contents(path, bytes(data))


def break_a_leaf(path: Path) -> None:
    """Overwrite one page of tasks."""
    pages = find_pages(path, "cline_task_usage")
    break_page(path, pages[len(pages) // 2])


DAMAGES = [put_garbage, zero_the_beginning, cut_in_half, cut_short, break_the_schema, break_a_leaf]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_recovery_takes_the_backup_of_a_lost_database(filled: Path, damage: Callable[[Path], None]) -> None:
    """However it was lost: the bytes are kept aside, all that the backup knew is there, under another epoch."""
    rows, events = read_rows(filled, ROWS), read_rows(filled, EVENTS)
    before = get_position(filled)
    BackupFolder(filled).make_daily(date(2026, 3, 1))
    damage(filled)
    lost = contents(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    assert recovery.backup == "observer-2026-03-01.db"
    aside = filled.with_name(recovery.set_aside)
    assert aside.name.startswith("observer.db.corrupt-")
    assert aside.read_bytes() == lost
    assert read_rows(filled, ROWS) == rows
    assert read_rows(filled, EVENTS) == events
    after = get_position(filled)
    assert after.epoch != before.epoch
    assert after.revision > before.revision
    assert failed_checks(filled) == []
    assert {path.stat().st_mode & 0o777 for path in filled.parent.iterdir() if path.is_file() and path != aside} == {
        0o600
    }


@pytest.mark.parametrize("damage", DAMAGES)
async def test_recovery_begins_anew_without_a_backup(filled: Path, damage: Callable[[Path], None]) -> None:
    """Without a backup there is an empty database that agrees with itself, and the sentence says what is missing."""
    damage(filled)
    lost = contents(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    assert (recovery.backup, recovery.backup_at_ms) == (None, None)
    assert "Usage stored before is missing" in recovery.describe()
    assert filled.with_name(recovery.set_aside).read_bytes() == lost
    assert read_rows(filled, ROWS) == []
    assert failed_checks(filled) == []


@pytest.mark.slow
async def test_recovery_holds_what_the_backup_held(filled: Path) -> None:
    """Growth and new tasks since the backup are not in it, and the sentence says since when they may be missing."""
    rows, events = read_rows(filled, ROWS), read_rows(filled, EVENTS)
    backup = BackupFolder(filled).make_daily(date(2026, 3, 1))
    os.utime(backup, (1_772_356_860, 1_772_356_860))
    await fill(filled, count=2_100, growth=2)
    close_log(filled)
    break_a_leaf(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    assert recovery.backup_at_ms == 1_772_356_860_000
    assert "observer-2026-03-01.db of 2026-03-01 09:21 UTC" in recovery.describe()
    assert "Usage stored after that backup is missing" in recovery.describe()
    assert (read_rows(filled, ROWS), read_rows(filled, EVENTS)) == (rows, events)
    assert failed_checks(filled) == []


async def test_recovery_counts_anew_what_the_ledger_still_holds(filled: Path) -> None:
    """Usage after the backup is imported again as growth, once; usage that only the backup knows stays."""
    async with open_store(filled) as store:
        await store.take_in([usage("a", total_cost=1.0)])
    BackupFolder(filled).make_daily(date(2026, 3, 1))
    later = [usage("a", total_cost=3.5), usage("b", total_cost=2.0)]
    async with open_store(filled) as store:
        await store.take_in(later)
    close_log(filled)
    break_a_leaf(filled)
    assert await reopen(filled) is not None
    for _ in range(2):
        async with open_store(filled) as store:
            await store.take_in(later)
        spent = read_rows(
            filled,
            "SELECT s.key, SUM(e.recorded_nano) FROM usage_event AS e JOIN session AS s ON s.id = e.session "
            "WHERE s.key IN ('a', 'b') GROUP BY s.key",
        )
        assert spent == [("a", 3_500_000_000), ("b", 2_000_000_000)]
    assert len(read_rows(filled, ROWS)) == 2_002
    assert failed_checks(filled) == []


async def test_recovery_sets_the_log_aside_with_its_file(filled: Path) -> None:
    """A log that was not written back yet goes with its file: it belongs to no other."""
    with closing(sqlite3.connect(filled)) as holder:
        holder.execute("SELECT COUNT(*) FROM cline_task_usage").fetchone()
        async with open_store(filled) as store:
            await store.take_in([usage("in-the-log")])
            log, index = filled.with_name("observer.db-wal"), filled.with_name("observer.db-shm")
            kept = {path: path.read_bytes() for path in (filled, log, index)}
    for path, data in kept.items():
        path.write_bytes(data)
    break_page(filled, find_pages_of(kept[filled], filled)[0])
    recovery = await reopen(filled)
    assert recovery is not None
    assert filled.with_name(recovery.set_aside + "-wal").read_bytes() == kept[log]
    assert failed_checks(filled) == []


def find_pages_of(data: bytes, beside: Path) -> list[int]:
    """Return the leaf pages of the tasks in ``data``, looked at in a copy without a log."""
    with TemporaryDirectory(dir=beside.parent) as folder:
        copy = Path(folder) / "copy.db"
        copy.write_bytes(data)
        return find_pages(copy, "cline_task_usage")


async def test_recovery_of_an_older_version_is_told_too(filled: Path) -> None:
    """The note of a version that salvaged tasks holds more; the loss is told all the same."""
    put_garbage(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    note = filled.with_name(recovery.set_aside + ".json")
    text = note.read_text(encoding="utf-8")
    note.write_text(
        text.replace("{", '{"salvaged_count": 7, "task_count": 9, "is_whole": false, ', 1), encoding="utf-8"
    )
    assert find_recovery(filled) == recovery


@pytest.mark.parametrize("text", ["[]", "{}", "7", "no JSON"])
async def test_recovery_with_an_unreadable_note_is_passed_over(filled: Path, text: str) -> None:
    """A note that somebody wrote over says nothing, and stops no start."""
    put_garbage(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    filled.with_name(recovery.set_aside + ".json").write_text(text, encoding="utf-8")
    assert await reopen(filled) is None


async def test_recovery_passes_over_a_backup_that_is_damaged_itself(filled: Path) -> None:
    """The newest backup that is intact is taken, not the newest."""
    folder = BackupFolder(filled)
    older, newer = folder.make_daily(date(2026, 3, 1)), folder.make_daily(date(2026, 3, 2))
    os.utime(older, (1_000_000_000, 1_000_000_000))
    break_a_leaf(newer)
    put_garbage(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    assert recovery.backup == older.name


async def test_recovery_takes_an_emptied_file_for_lost_where_there_are_backups(filled: Path) -> None:
    """A file without a byte beside backups was emptied by an accident; one without any is a start broken off."""
    set_contents(filled, b"")
    lonely = copy_to(filled, filled.parent / "lonely")
    assert await reopen(lonely) is None
    set_contents(lonely, b"")
    BackupFolder(lonely).path.mkdir()
    shutil.copy(copy_of_template(lonely.parent), BackupFolder(lonely).path / "observer-2026-03-01.db")
    set_contents(lonely, b"")
    recovery = await reopen(lonely)
    assert recovery is not None
    assert recovery.backup == "observer-2026-03-01.db"


async def test_recovery_leaves_a_removed_database_removed(filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A user that removes the database wants another one: backups are left alone, and said to be there."""
    BackupFolder(filled).make_daily(date(2026, 3, 1))
    remove(filled)
    assert await reopen(filled) is None
    assert read_rows(filled, ROWS) == []
    assert "aico db restore" in caplog.text


async def test_recovery_is_told_until_the_lost_file_is_gone(filled: Path) -> None:
    """Every start says it again, until somebody has seen to the file that was set aside."""
    put_garbage(filled)
    first = await reopen(filled)
    assert first is not None
    assert await reopen(filled) == first == find_recovery(filled)
    database = Database(filled)
    await database.open()
    filled.with_name(first.set_aside).unlink()
    assert await database.find_recovery() is None
    await database.close()
    assert await reopen(filled) is None


async def test_recovery_sets_two_losses_aside_under_two_names(filled: Path) -> None:
    """A second loss within the same second overwrites nothing."""
    names = set()
    for _ in range(3):
        put_garbage(filled)
        recovery = await reopen(filled)
        assert recovery is not None
        names.add(recovery.set_aside)
    assert len(names) == 3
    assert names <= list_names(filled.parent)


@pytest.mark.parametrize("statement", ["CREATE TABLE notes (text)", "CREATE TABLE alembic_version (version_num)"])
async def test_recovery_never_touches_another_programs_database(tmp_path: Path, statement: str) -> None:
    """A sound database that is not ours is refused by its name, byte for byte as it was."""
    path = tmp_path / "observer.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
        connection.execute("CREATE TABLE more (text)")
        if "alembic" in statement:
            connection.execute("INSERT INTO alembic_version VALUES ('f00')")
    before = path.read_bytes()
    with pytest.raises(StorageForeign):
        await reopen(path)
    assert path.read_bytes() == before
    assert list_names(tmp_path) == {"observer.db"}


async def test_recovery_never_touches_a_newer_database(filled: Path) -> None:
    """A database of a newer version is refused untouched, also when it is damaged."""
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    close_log(filled)
    break_a_leaf(filled)
    before = contents(filled)
    with pytest.raises(StorageNewer):
        await reopen(filled)
    assert contents(filled) == before
    assert list_names(filled.parent) == {"observer.db"}


@pytest.mark.slow
async def test_recovery_never_sets_a_locked_database_aside(filled: Path) -> None:
    """A program that holds the whole file is an error that passes, not a damage."""
    with closing(sqlite3.connect(filled, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            await reopen(filled)
        holder.execute("ROLLBACK")
    assert await reopen(filled) is None
    assert list_names(filled.parent) == {"observer.db", "observer.db.sound"}


@pytest.mark.parametrize("step", range(6))
async def test_recovery_that_was_cut_off_is_finished_at_the_next_start(
    filled: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Wherever the power goes while files change their names, the next start has the database of the backup."""
    rows = read_rows(filled, ROWS)
    BackupFolder(filled).make_daily(date(2026, 3, 1))
    put_garbage(filled)
    filled.with_name("observer.db-wal").write_bytes(b"x" * 100)
    rename = Path.rename
    count = 0

    def rename_until(path: Path, target: Path) -> Path:
        nonlocal count
        if count == step:
            raise KeyboardInterrupt
        count += 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename_until)
        with suppress(KeyboardInterrupt):
            await reopen(filled)
    recovery = await reopen(filled)
    assert recovery is not None
    assert read_rows(filled, ROWS) == rows
    assert filled.with_name(recovery.set_aside).read_bytes() == b"my diary\n" * 1_000
    assert not [name for name in list_names(filled.parent) if name.endswith((".next", ".part"))]
    assert replacement.list_aside(filled) == [filled.with_name(recovery.set_aside)]


async def test_recovery_without_room_leaves_everything_as_it_was(filled: Path) -> None:
    """When there is no room for a second file, the lost one stays in its place for the next start."""
    break_a_leaf(filled)
    before = contents(filled)
    with file_size_limit(60_000), pytest.raises(StorageError):
        await reopen(filled)
    assert contents(filled) == before
    assert not [name for name in list_names(filled.parent) if ".corrupt" in name]
    assert await reopen(filled) is not None


async def test_database_is_backed_up_before_it_is_migrated(tmp_path: Path) -> None:
    """An existing database of an older schema is copied first; one of the newest schema, or a new one, is not."""
    path = copy_of_template(tmp_path)
    assert await reopen(path) is None
    assert not BackupFolder(path).path.exists()
    path.unlink()
    open_old("0002", tmp_path)
    await reopen(path)
    (backup,) = BackupFolder(path).list_all()
    assert backup.name == "observer-schema-0002.db"
    assert inspect(backup).revision == "0002"
    assert read_rows(path, "SELECT version_num FROM alembic_version") == [(list_revisions()[-1],)]


async def test_database_copied_by_hand_gets_its_log_back(filled: Path) -> None:
    """A backup that somebody copied into the place reads and writes at the same time, as ever."""
    copy = BackupFolder(filled).make_daily(date(2026, 3, 1))
    set_contents(filled, copy.read_bytes())
    assert not inspect(filled).has_wal
    await reopen(filled)
    assert inspect(filled).has_wal


def test_inspection_says_what_lies_there(tmp_path: Path) -> None:
    """Nothing, a blank file and a database without tables are no losses."""
    path = tmp_path / "observer.db"
    assert inspect(path).condition is Condition.EMPTY
    path.touch()
    assert inspect(path).condition is Condition.BLANK
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert inspect(path).condition is Condition.EMPTY


async def test_recovery_of_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A folder in the file's place is nothing to set aside."""
    (tmp_path / "observer.db").mkdir()
    with pytest.raises(StorageError):
        await reopen(tmp_path / "observer.db")
    assert list_names(tmp_path) == {"observer.db"}
