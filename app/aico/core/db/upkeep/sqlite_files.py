"""SQLite files as files: connections without transactions of their own, errors in our words, copies that are whole."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from aico.core.errors import StorageBusy, StorageError

T = TypeVar("T")

READER_PRAGMAS = (
    "PRAGMA query_only=ON",
    # Only the writer checkpoints: SQLite before 3.51.3 can corrupt a WAL that two connections write back.
    "PRAGMA wal_autocheckpoint=0",
)
BUSY_TIMEOUT_S = 1.5
"""How long a statement waits for a lock: a request is answered within two seconds."""
LOGS = ("-wal", "-journal")
"""Ends of the names of the files beside a database that hold a part of what it says."""
COMPANIONS = (*LOGS, "-shm")
"""The same of all files that SQLite keeps beside it."""
_LOOKS = 3
_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """Return a connection to the existing file at ``path``. Raises sqlite3.Error.

    ``mode`` is ``rw``, or ``ro`` to look only: that leaves nothing beside a database that nobody has open, least of
    all as another user. Without a log the file alone is everything.
    """
    return connect_at(looking_uri(path) if mode == "ro" else f"file:{uri_path(path)}?mode={mode}")


def connect_at(address: str) -> sqlite3.Connection:
    """Return a connection to what lies at ``address``, such as :func:`looking_uri` returns. Raises sqlite3.Error."""
    return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def looking_uri(path: Path) -> str:
    """Return the address at which a connection that only looks at the file at ``path`` leaves nothing beside it."""
    alone = not path.with_name(path.name + "-wal").exists() and not has_journal(path)
    return f"file:{uri_path(path)}?mode=ro{'&immutable=1' if alone else ''}"


def look_again(path: Path, look: Callable[[str], T]) -> T:
    """Return what ``look`` reads at the address that it is given. Raises sqlite3.Error.

    What is read of a file without a writer may be wrong, or seem damaged, once there is one: it is read anew.
    """
    for attempt in range(1, _LOOKS + 1):
        address = looking_uri(path)
        try:
            found = look(address)
        except sqlite3.DatabaseError:
            if attempt == _LOOKS or address == looking_uri(path):
                raise
            continue
        if address == looking_uri(path):
            break
    return found


def has_journal(path: Path) -> bool:
    """Return whether a transaction of a database without a write-ahead log is under way, or was broken off."""
    return path.with_name(path.name + "-journal").exists()


def uri_path(path: Path) -> str:
    """Return ``path`` as it stands in a SQLite URI: no character of it means anything."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def translate(error: sqlite3.Error) -> StorageError:
    """Return ``error`` in our words; the driver's own may quote what is stored."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int) and code & 0xFF in _BUSY_CODES:
        return StorageBusy("another process holds its lock")
    name = getattr(error, "sqlite_errorname", None)
    return StorageError(name if isinstance(name, str) else type(error).__name__)


def says_damaged(error: sqlite3.Error) -> bool:
    """Return whether ``error`` says that the bytes themselves are wrong, and not that they cannot be had just now."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _DAMAGE_CODES


@contextmanager
def in_our_words() -> Iterator[None]:
    """Raise StorageBusy or StorageError for what the driver and the operating system raise inside."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error) from error
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what happens inside as one transaction, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def copy_database(source: Path, target: Path) -> None:
    """Write what ``source`` holds at one moment to the new file ``target`` (0600), checked and safe on the disk.

    ``source`` may be written meanwhile: its writers do not wait. The copy is one file without companions. Raises
    FileExistsError, StorageBusy or StorageError, and leaves no ``target`` behind. Blocking: call it in a thread.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        with in_our_words():
            with closing(connect(target)) as copy:
                look_again(source, partial(_copy, copy))
                copy.execute("PRAGMA journal_mode=DELETE")
                _check(copy)
            sync(target)
    except BaseException:
        remove(target)
        raise


def _copy(copy: sqlite3.Connection, address: str) -> None:
    with closing(connect_at(address)) as origin:
        # In one step: one that is interrupted begins anew with every write to the source.
        origin.backup(copy, pages=-1)


def _check(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise StorageError("its copy is damaged, and so is it")


def sync(path: Path) -> None:
    """Return when the file or folder at ``path`` is safe on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a database that nobody needs, with its companions; a missing file is no error."""
    for end in ("", *COMPANIONS):
        path.with_name(path.name + end).unlink(missing_ok=True)
