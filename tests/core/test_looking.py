"""One look at the database by a command."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.db import looking
from aico.core.db.looking import look
from aico.core.db.sums_reader import SumsSnapshot
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
    monkeypatch.setattr(looking, "BUSY_TIMEOUT_S", 0)
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
