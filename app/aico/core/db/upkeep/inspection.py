"""The kind of file in the database's place: nothing, ours, damaged, no database at all, or somebody else's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from aico.core.db.revisions import list_revisions
from aico.core.db.upkeep.sqlite_files import connect, has_journal, in_our_words, says_damaged, translate
from aico.core.errors import StorageAbsent, StorageError, StorageForeign, StorageNewer, StorageOlder

_VERSIONS = "alembic_version"
_OURS = "cline_task_usage"
_MAGIC = b"SQLite format 3\0"
_WAL_PLACE, _WAL = 18, b"\2"
"""The place and value by which the file's header states a write-ahead log. Source: SQLite's file format, 1.3.3."""


class Condition(StrEnum):
    """How a file is. Only damaged ones and garbage are ever set aside."""

    EMPTY = "empty"
    """Missing, or a database without tables."""
    BLANK = "without a byte"
    """As a start leaves it that was broken off at once; or emptied, where there are backups."""
    SOUND = "sound"
    DAMAGED = "damaged"
    """A database whose bytes contradict each other."""
    GARBAGE = "no database"
    """Bytes that never were a database, or lost their beginning."""


class Inspection(NamedTuple):
    """The result of a look at a file."""

    condition: Condition
    revision: str | None = None
    """Schema of a sound database."""
    has_wal: bool = False
    """True if it keeps a write-ahead log, as the service needs it."""


def inspect(path: Path, *, was_sound: bool = False) -> Inspection:
    """Return how the file at ``path`` is, with every page looked at unless it ``was_sound`` before. Nothing is changed.

    Raises StorageForeign for another program's database and StorageNewer for a newer version's, whatever their
    condition: both stay as they are. Raises StorageBusy or StorageError for what says nothing about the file: a lock,
    a permission, a full or failing disk. Blocking: call it in a thread.
    """
    if not path.exists():
        return Inspection(Condition.EMPTY)
    if path.stat().st_size == 0:
        return Inspection(Condition.BLANK)
    try:
        # A half-done transaction of the old kind can be read only with the right to take it back.
        with closing(connect(path, "rw" if has_journal(path) else "ro")) as connection:
            connection.text_factory = _decode
            return _inspect(connection, path, was_sound=was_sound)
    except sqlite3.Error as error:
        if not says_damaged(error):
            raise translate(error) from error
    return Inspection(Condition.DAMAGED if _read(path, len(_MAGIC)) == _MAGIC else Condition.GARBAGE)


def _inspect(connection: sqlite3.Connection, path: Path, *, was_sound: bool) -> Inspection:
    revision = find_known_revision(connection)
    if revision is None:
        return Inspection(Condition.EMPTY)
    if not was_sound and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        return Inspection(Condition.DAMAGED)
    return Inspection(Condition.SOUND, revision, _read(path, _WAL_PLACE + 1)[_WAL_PLACE:] == _WAL)


def get_revision(path: Path) -> str:
    """Return the schema's revision of the database at ``path``: one that this version reads, or can migrate.

    Only the schema is looked at, and nothing is left beside a database that nobody has open. Raises StorageAbsent for
    a file that is not there or holds no table yet, StorageForeign, StorageNewer, StorageBusy, StorageError. Blocking.
    """
    check_file(path)
    with in_our_words(), closing(connect(path, "ro")) as connection:
        revision = find_known_revision(connection)
    if revision is None:
        raise StorageAbsent(str(path))
    return revision


def check_file(path: Path) -> None:
    """Raise StorageAbsent where there is no file at ``path``, StorageError for what is no plain file. Opens nothing."""
    with in_our_words():
        if not path.exists():
            raise StorageAbsent(str(path))
        if not path.is_file():
            raise StorageError(f"{path} is no plain file")


def check_present(path: Path) -> None:
    """Raise StorageOlder unless the schema of the database at ``path`` is this version's; else like get_revision."""
    if get_revision(path) != list_revisions()[-1]:
        raise StorageOlder


def find_known_revision(connection: sqlite3.Connection) -> str | None:
    """Return the same as :func:`find_revision`. Raises StorageNewer, too, for one that this version does not know."""
    revision = find_revision(connection)
    if revision is not None and revision not in list_revisions():
        raise StorageNewer
    return revision


def find_revision(connection: sqlite3.Connection) -> str | None:
    """Return the schema's revision, None for a database without tables. Raises StorageForeign and sqlite3.Error."""
    tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables = {name for name in tables if not name.startswith("sqlite_")}
    revisions = (
        [str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")]
        if _VERSIONS in tables
        else []
    )
    if not revisions and tables <= {_VERSIONS}:
        return None
    if not revisions or _OURS not in tables:
        raise StorageForeign
    return max(revisions)


def _read(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
