"""One look at the database by a command."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.db.database import Database
from aico.core.db.looking import look
from aico.core.db.sums_reader import Ask, SumsSnapshot
from aico.core.db.upkeep import sqlite_files
from aico.core.errors import StorageBusy
from tests.core.repository_on_file import copy_of_template, list_names


async def read_revision(snapshot: SumsSnapshot) -> int:
    """Return the number of the last change."""
    return snapshot.revision


def test_look_is_repeated_where_a_service_begins_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows read of a file without a writer may be wrong once there is one: they are read anew, with its log."""
    path = copy_of_template(tmp_path)
    seen: list[str] = []

    async def begin_to_write(snapshot: SumsSnapshot) -> int:
        if not seen:
            writer.execute("UPDATE database_state SET revision = 7")
        seen.append("look")
        return snapshot.revision

    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        assert look(path, begin_to_write) == 7
    assert seen == ["look", "look"]


COUNTS = ("SELECT COUNT(*) FROM source", "SELECT COUNT(*) FROM model", "SELECT COUNT(*) FROM source NOT INDEXED")
MANY = [3_001, 2, 3_001]
"""The answers behind :func:`write_much`."""


def write_much(writer: sqlite3.Connection) -> None:
    """Write rows, and the log back into the file."""
    with writer:
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO source (name) VALUES (?)", [(f"tool-{number}",) for number in range(3_000)])
        writer.execute("INSERT INTO model (name) VALUES ('new')")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("is_database", [False, True])
async def test_file_that_changes_under_a_look_is_not_damaged(tmp_path: Path, is_database: bool) -> None:
    """Pages of two moments contradict each other where a service begins meanwhile: they are read anew."""
    path = copy_of_template(tmp_path)
    seen: list[list[int]] = []

    async def count(ask: Ask) -> list[int]:
        before = [(await ask(COUNTS[0]))[0][0]]
        if not seen:
            seen.append(before)
            write_much(writer)
        return [(await ask(statement))[0][0] for statement in COUNTS]

    async def look_at(snapshot: SumsSnapshot) -> list[int]:
        return await count(snapshot.ask)

    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        if is_database:
            database = Database(path)
            database.only_look()
            assert await database.look(count) == MANY
            await database.close()
        else:
            assert look(path, look_at) == MANY
    assert seen == [[1]]


def test_look_beside_a_writer_sees_what_is_committed(tmp_path: Path) -> None:
    """It waits for nobody, and leaves what a writer keeps beside the file."""
    path = copy_of_template(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("UPDATE database_state SET revision = 3")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE database_state SET revision = 4")
        names = list_names(tmp_path)
        assert look(path, read_revision) == 3
        assert list_names(tmp_path) == names


def test_locked_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's exclusive lock is an error of its own."""
    path = copy_of_template(tmp_path)
    monkeypatch.setattr(sqlite_files, "BUSY_TIMEOUT_S", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA locking_mode=EXCLUSIVE")
        writer.execute("UPDATE database_state SET revision = 3")
        with pytest.raises(StorageBusy):
            look(path, read_revision)


def test_look_awaits_nothing_else(tmp_path: Path) -> None:
    """Without a loop nobody would ever go on with it: that is a bug, and said at once."""

    class Never:
        def __await__(self) -> object:
            yield

    async def wait(_snapshot: SumsSnapshot) -> None:
        await Never()  # type: ignore[misc]

    with pytest.raises(RuntimeError):
        look(copy_of_template(tmp_path), wait)
