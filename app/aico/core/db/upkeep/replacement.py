"""Putting another file in the database's place: whole before it has the name, and the old one kept aside.

An interrupted replacement, also after a power cut, is finished at the next start: the new file lies ready under a name
that says where the old one goes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from sqlite3 import Connection

from aico.core.db.migrations import migrate
from aico.core.db.upkeep.sqlite_files import (
    COMPANIONS,
    connect,
    copy_database,
    in_our_words,
    remove,
    sync,
    transaction,
)
from aico.core.errors import StorageError
from aico.core.private_file import refuse_planted

CORRUPT = "corrupt"
"""Says in a name that the file was damaged, or no database."""
REPLACED = "backup"
"""Says in a name that the file was sound when another one was restored over it."""
_READY = ".next"
_UNFINISHED = ".part"


def aside_path(path: Path, why: str, now_ms: int) -> Path:
    """Return the free name under which the database at ``path`` is set aside."""
    moment = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    wanted = path.with_name(f"{path.name}.{why}-{moment}")
    number = 1
    while any(wanted.with_name(wanted.name + end).exists() for end in ("", ".json", _READY, *COMPANIONS)):
        number += 1
        wanted = path.with_name(f"{path.name}.{why}-{moment}-{number}")
    return wanted


def build(aside: Path, origin: Path | None, change: Callable[[Connection], None]) -> Path:
    """Make the database that takes the place of the one to be called ``aside``, and return where it lies ready.

    It begins as a copy of ``origin``, or empty, is migrated, and ``change`` is one transaction on it. Raises
    StorageBusy, StorageError and what ``change`` raises; then nothing has happened.
    """
    unfinished = aside.with_name(aside.name + _UNFINISHED)
    try:
        with in_our_words():
            if origin is None:
                unfinished.touch(0o600, exist_ok=False)
            else:
                copy_database(origin, unfinished)
            migrate(unfinished)
            with closing(connect(unfinished)) as connection:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA journal_mode=WAL")
                with transaction(connection):
                    change(connection)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _check_alone(unfinished)
            sync(unfinished)
            return unfinished.replace(aside.with_name(aside.name + _READY))
    except BaseException:
        remove(unfinished)
        raise


def _check_alone(path: Path) -> None:
    """Raise StorageError if the log is still there: the last connection to close empties it, if it can."""
    if path.with_name(path.name + "-wal").exists():
        raise StorageError("it could not be written to its end")


def put_in_place(path: Path, ready: Path) -> None:
    """Set aside what lies at ``path``, with its companions, and give ``ready`` its name. Raises StorageError."""
    aside = ready.with_name(ready.name.removesuffix(_READY))
    with in_our_words():
        for end in ("", *COMPANIONS):
            old, kept = path.with_name(path.name + end), aside.with_name(aside.name + end)
            if old.exists():
                old.rename(kept)
        ready.rename(path)
        sync(path.parent)


def finish_interrupted(path: Path) -> None:
    """Finish a replacement that was interrupted; a file that was not ready yet is removed. Raises StorageError."""
    with in_our_words():
        for ready in _list(path, _READY):
            refuse_planted(ready)
            put_in_place(path, ready)
        for left in _list(path, f"{_UNFINISHED}*"):
            left.unlink(missing_ok=True)


def list_aside(path: Path) -> list[Path]:
    """Return the databases that were set aside from ``path``."""
    ends = (".json", _READY, _UNFINISHED, *COMPANIONS)
    return [each for each in _list(path, "") if not each.name.endswith(ends)]


def _list(path: Path, end: str) -> list[Path]:
    """Return what lies beside the database under a name that we give, and ends as the pattern ``end`` says."""
    return sorted(
        found for why in (CORRUPT, REPLACED) for found in path.parent.glob(f"{escape(path.name)}.{why}-*{end}")
    )
