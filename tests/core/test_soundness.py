"""The note that a database ended well: when a start need not read every page, and when it does."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aico.cli import EXIT_FAILED, main
from aico.core.db.database import Database
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.db.upkeep.soundness import END, VALID_MS, leave_note
from aico.core.db.writer import UsageWriter
from aico.core.errors import StorageError, StorageNewer
from tests.core.database_damage import break_page, close_log, copy_of_filled, find_pages, set_contents

DAY_MS = 86_400_000


@pytest.fixture
async def ended(tmp_path: Path) -> Path:
    """Return a filled database whose service has ended well."""
    path = await copy_of_filled(tmp_path)
    await open_and_close(path)
    assert note_of(path).exists()
    return path


def note_of(path: Path) -> Path:
    """Return where the note lies."""
    return path.with_name(path.name + END)


async def open_and_close(path: Path) -> bool:
    """Open as a start does, and close; return whether a damage was found."""
    database = Database(path)
    await database.open()
    await database.close()
    return database.recovery is not None


def damage_unseen(path: Path, table: str = "cline_task_usage") -> None:
    """Overwrite a page of a table as a failing disk does: without a trace in the file's metadata."""
    status = path.stat()
    pages = find_pages(path, table)
    break_page(path, pages[len(pages) // 2])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns


async def test_start_after_a_good_end_reads_not_every_page(ended: Path) -> None:
    """A damage that leaves no trace is not looked for; the note is for us alone, and there again at the next end."""
    assert note_of(ended).stat().st_mode & 0o777 == 0o600
    damage_unseen(ended)
    assert not await open_and_close(ended)
    assert note_of(ended).exists()


def killed(path: Path) -> None:
    """Leave what is there after a kill: the start took the note away."""
    note_of(path).unlink()


def touched(path: Path) -> None:
    """Leave a file that was written to once more."""
    os.utime(path)


def replaced(path: Path) -> None:
    """Leave a copy with all times of the original, as a tool for backups does."""
    status, copy = path.stat(), path.with_name("copy")
    set_contents(copy, path.read_bytes())
    set_contents(path, b"")  # without the log of the old one
    copy.replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def lengthened(path: Path) -> None:
    """Leave a file with a page more, and the same times."""
    status = path.stat()
    with path.open("ab") as file:
        file.write(bytes(4096))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def logged(path: Path) -> None:
    """Leave a log beside it, in which a part of it may lie."""
    path.with_name(path.name + "-wal").touch(0o600)


def garbled(path: Path) -> None:
    """Leave half a note."""
    note_of(path).write_bytes(note_of(path).read_bytes()[:20])


def emptied(path: Path) -> None:
    """Leave an empty note."""
    note_of(path).write_bytes(b"")


@pytest.mark.parametrize("event", [killed, touched, replaced, lengthened, logged, garbled, emptied])
async def test_start_after_anything_else_reads_every_page(ended: Path, event: Callable[[Path], None]) -> None:
    """Whatever happened to the file or the note: the same damage is found."""
    damage_unseen(ended)
    event(ended)
    assert await open_and_close(ended)


async def test_every_page_is_read_after_a_week(ended: Path) -> None:
    """Restarts in between do not put it off, and a clock that was set back does not either."""
    checked_at = prepare_database(ended, lambda: 0).checked_at
    assert checked_at == 0
    for now, since in ((DAY_MS, 0), (6 * DAY_MS, 0), (VALID_MS, VALID_MS), (VALID_MS + 1, VALID_MS), (5, 5)):
        leave_note(ended, checked_at)
        checked_at = prepare_database(ended, lambda now=now: now).checked_at  # type: ignore[misc]
        assert checked_at == since


async def test_refused_database_keeps_its_note(ended: Path) -> None:
    """What is not opened is left as it is, with everything beside it."""
    with closing(sqlite3.connect(ended)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    close_log(ended)
    note_of(ended).unlink()
    leave_note(ended, 0)
    before = note_of(ended).read_bytes()
    with pytest.raises(StorageNewer):
        prepare_database(ended, lambda: 0)
    assert note_of(ended).read_bytes() == before


async def test_no_note_is_left_of_a_file_in_doubt(ended: Path) -> None:
    """Once a damage was met in use, the next start looks for it."""
    database = Database(ended)
    await database.open()
    damage_unseen(ended)
    with pytest.raises(StorageError):
        await database.write(
            lambda connection: connection.execute("SELECT SUM(total_cost) FROM cline_task_usage").fetchall()
        )
    await database.close()
    assert not note_of(ended).exists()
    assert await open_and_close(ended)


@pytest.mark.parametrize("words", [("doctor", "--port", "0"), ("db", "check")])
@pytest.mark.parametrize("is_in_use", [False, True])
async def test_damage_that_a_command_has_found_is_found_by_the_next_start(
    ended: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], *, is_in_use: bool
) -> None:
    """Both say that a restart sets the file aside. So it does, also after a service that has met nothing."""
    monkeypatch.setenv("AICO_DATABASE_PATH", str(ended))
    database = Database(ended)
    if is_in_use:
        await database.open()
    damage_unseen(ended)
    assert await asyncio.to_thread(main, words) == EXIT_FAILED
    await database.close()
    assert note_of(ended).read_bytes() == b""
    assert await open_and_close(ended)


@pytest.mark.parametrize("words", [("doctor", "--port", "0"), ("db", "check")])
async def test_command_of_another_user_leaves_nothing_that_keeps_the_owner_from_starting(
    ended: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """A file of somebody else's in the note's place is refused; that the next start looks for the damage holds."""
    monkeypatch.setenv("AICO_DATABASE_PATH", str(ended))
    damage_unseen(ended)
    other = os.geteuid() + 1
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: other)
        assert await asyncio.to_thread(main, words) == EXIT_FAILED
    assert not note_of(ended).exists()
    assert await open_and_close(ended)


async def test_backup_that_cannot_be_made_of_a_damaged_file_has_the_next_start_look(
    ended: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The copy was read to its end, and the file is what it was made of."""
    monkeypatch.setenv("AICO_DATABASE_PATH", str(ended))
    damage_unseen(ended)
    assert await asyncio.to_thread(main, ("db", "backup", str(tmp_path / "copy.db"))) == EXIT_FAILED
    assert await open_and_close(ended)


async def test_no_note_is_left_after_damaged_checkpoints(ended: Path) -> None:
    """They are none then, and all is read anew: nobody else is told of the damage."""
    database = Database(ended)
    await database.open()
    damage_unseen(ended, "checkpoint")
    await database.write(lambda connection: connection.execute("DELETE FROM import_run"))
    assert list(UsageWriter(database, lambda: 0).positions_of("cline", "").read_all()) == []
    await database.close()
    assert not note_of(ended).exists()
    assert await open_and_close(ended)


async def test_no_note_is_left_while_somebody_else_has_it_open(ended: Path) -> None:
    """Their log may hold a part of it."""
    database = Database(ended)
    await database.open()
    await database.write(lambda connection: connection.execute("DELETE FROM import_run"))
    with closing(sqlite3.connect(ended)) as other:
        assert other.execute("SELECT COUNT(*) FROM import_run").fetchone() == (0,)
        await database.close()
        assert not note_of(ended).exists()


async def test_no_note_is_left_of_another_file(ended: Path) -> None:
    """One that took the name meanwhile was never read."""
    database = Database(ended)
    await database.open()
    replaced(ended)
    await database.close()
    assert not note_of(ended).exists()


async def test_looking_takes_no_note_and_leaves_none(ended: Path) -> None:
    """A command that only looks is no start."""
    before = note_of(ended).read_bytes()
    database = Database(ended)
    database.only_look()
    async with database.asking() as ask:
        assert await ask("SELECT COUNT(*) FROM cline_task_usage")
    await database.close()
    assert note_of(ended).read_bytes() == before


async def test_planted_note_is_refused(ended: Path, tmp_path: Path) -> None:
    """A link in its place could name a note that somebody else has written."""
    note_of(ended).rename(tmp_path / "elsewhere")
    note_of(ended).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="plain file"):
        prepare_database(ended, lambda: 0)


async def test_folder_that_cannot_be_written_to_costs_a_check_only(
    ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a service never fails for it."""
    database = Database(ended)
    await database.open()

    def refuse(*_arguments: object, **_named: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aico.core.db.upkeep.soundness.open_private", refuse)
    await database.close()
    assert not note_of(ended).exists()
