"""The short-lived process that asks a foreign database, so that only the answer reaches the service.

Pages with conversations pass through this process and end with it. It gives out one JSON document on standard output:
the rows of the question's statement, or a code, a reason in our words, and the names that are missing. By its own
limits it writes no file. Standard library and ``apsw`` only, so that it starts in some 50 milliseconds.

SQLite itself reads the files, through a file system of ours in SQLite's sense (VFS): it reads from our own descriptors,
takes no lock, makes no file and refuses every write. ``locking_mode=EXCLUSIVE`` keeps the index of the log in memory,
so that no ``-shm`` is needed. Nothing marks us as a reader, so a checkpoint of the writer's may bring newer pages into
the database meanwhile, and the log may begin anew; both show (:class:`_Moment`), and then the answer does not count.

Source: "The SQLite OS Interface", "Write-Ahead Logging" and "WAL-mode File Format" in SQLite's documentation.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import sys
import time
from math import isfinite
from typing import NamedTuple

import apsw

from aico.features.files.opening import WAL, DatabaseFiles, Refused, translated
from aico.features.files.sqlite_question import NOT_FINITE, NOT_UTF8, Cell, Question

CPU_LIMIT_S = 20
MEMORY_MAX_BYTES = 1 << 30
"""Databases of any size are not copied: this holds the interpreter, the answer and its order."""
_ATTEMPTS = 6
_FIRST_PAUSE_S = 0.02
_LENGTH_MAX = 128 * 1024 * 1024
_LOG_HEADER = 32
_CACHE_KB = 32 * 1024
_DATABASE = "/database"
"""SQLite's name for the file; our file system knows no other, and its log."""
_PR_SET_DUMPABLE = 4  # Source: prctl(2)
_CLOCK_REALTIME_COARSE = 5  # Source: clock_gettime(2)
_WHOLE_SECOND_NS = 1_000_000_000


def main() -> None:
    """Print the answer to the question that standard input holds as a JSON array."""
    _limit()
    question = Question(*json.load(sys.stdin))
    try:
        answer = '{"rows":[' + ",".join(read_database(question)) + "]}"
    except Refused as refused:
        answer = json.dumps({"code": refused.code, "reason": refused.reason, "missing": refused.missing})
    except Exception as error:  # noqa: BLE001  # a trace could show bytes of the database
        answer = json.dumps({"code": "unreadable", "reason": type(error).__name__})
    sys.stdout.write(answer)


def _limit() -> None:
    """Let this process write no file, leave no core dump, take bounded memory, and not run for ever.

    A database may be made so that it never ends: pages may lead to the same pages again and again.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # No limit forbids dumps to a collecting program, nor others to attach; and it is not inherited.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        with contextlib.suppress(ValueError):  # already less
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))


def read_database(question: Question) -> list[str]:
    """Return the rows as JSON, each as one committed state of the database has it. Raises Refused."""
    files = DatabaseFiles(question.path)
    try:
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
            with contextlib.suppress(_Unstable):
                return _attempt(files, question)
    finally:
        files.close()
    raise Refused("busy", "")


class _Unstable(Exception):  # never leaves this module
    """Two moments could have been mixed."""


class _Moment(NamedTuple):
    """The facts that must be the same before and after an answer.

    Only a checkpoint changes the database itself; while it rests, its pages are older than those in the log, or equal.
    Frames of the log are written once, unless it begins anew: then its header changes. So an answer between two equal
    moments is made of one committed state. Frames added to the log meanwhile do no harm: the log was indexed once.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    log: tuple[int, int] | None
    log_header: bytes


def _attempt(files: DatabaseFiles, question: Question) -> list[str]:
    """Return the answer. Raises Refused, and _Unstable when the files did not stand still for it."""
    _check(files)
    with translated(), files.open() as database, files.open(WAL) as log:
        if database is None:
            raise Refused("not_found", "")
        tick_ns = _tick_ns()
        before = _look(database, log)
        if _may_hide_a_change(before.mtime_ns, tick_ns):
            raise _Unstable
        failure = None
        rows: list[str] = []
        try:
            rows = _ask(_Files(database, log), question)
        except Refused as refused:
            # Two moments mixed may look like a damaged database: judged only if nothing was mixed.
            failure = refused
        if _look(database, log) != before or not _is_same(files, "", database) or not _is_same(files, WAL, log):
            raise _Unstable
    _check(files)
    if failure is not None:
        raise failure
    return rows


def _check(files: DatabaseFiles) -> None:
    """Raise Refused for files that break a rule, _Unstable when the database may hold half a transaction."""
    try:
        files.check()
    except Refused as refused:
        if refused.code != "busy":
            raise
    else:
        return
    raise _Unstable


def _tick_ns() -> int:
    """Return the last moment that the system stamped files with: Linux does it with the last tick of its clock."""
    is_linux = sys.platform == "linux"
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) if is_linux else time.time_ns() - 1_000_000


def _may_hide_a_change(mtime_ns: int, tick_ns: int) -> bool:
    """Return whether what is written after a look at ``mtime_ns`` might carry the same time, for ``tick_ns`` before it.

    A time from the future is of another clock, which does not repeat itself either.
    """
    if mtime_ns % _WHOLE_SECOND_NS == 0:
        tick_ns -= 2 * _WHOLE_SECOND_NS  # a file system that keeps no fractions
    return tick_ns <= mtime_ns <= time.time_ns()


def _look(database: int, log: int | None) -> _Moment:
    status = os.fstat(database)
    place, header = None, b""
    if log is not None:
        held = os.fstat(log)
        place, header = (held.st_dev, held.st_ino), os.pread(log, _LOG_HEADER, 0)
    return _Moment(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, place, header)


def _is_same(files: DatabaseFiles, suffix: str, descriptor: int | None) -> bool:
    """Return whether the name still leads to the opened file, or still to nothing."""
    named = files.find(suffix)
    if named is None or descriptor is None:
        return named is None and descriptor is None
    held = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


class _File:
    """A descriptor as SQLite wants a file: reading works, locks mean nothing, writing is refused."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # SQLite's names
        return b"" if self._descriptor is None else os.pread(self._descriptor, amount, offset)

    def xFileSize(self) -> int:  # noqa: N802
        return 0 if self._descriptor is None else os.fstat(self._descriptor).st_size

    def xLock(self, _level: int) -> None:  # noqa: N802
        pass

    def xUnlock(self, _level: int) -> None:  # noqa: N802
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xClose(self) -> None:  # noqa: N802
        pass

    def xFileControl(self, _operation: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xWrite(self, _data: bytes, _offset: int) -> None:  # noqa: N802
        raise apsw.ReadOnlyError

    def xTruncate(self, _size: int) -> None:  # noqa: N802
        raise apsw.ReadOnlyError

    def xSync(self, _flags: int) -> None:  # noqa: N802
        raise apsw.ReadOnlyError


class _Files(apsw.VFS):
    """A database and its log, already open: there is no other file, and none can be made or deleted."""

    def __init__(self, database: int, log: int | None) -> None:
        self._held = {_DATABASE: database, _DATABASE + WAL: log}
        self.name = f"aico-{id(self)}"
        super().__init__(self.name, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> _File:  # type: ignore[override]  # noqa: N802  # any object with these methods will do
        called = name.filename() if isinstance(name, apsw.URIFilename) else name
        if called not in self._held:
            raise apsw.CantOpenError
        flags[1] = apsw.SQLITE_OPEN_READONLY
        return _File(self._held[called])

    def xAccess(self, name: str, _flags: int) -> bool:  # noqa: N802
        return self._held.get(name) is not None

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xDelete(self, _name: str, _sync: bool) -> None:  # noqa: N802
        raise apsw.ReadOnlyError


def _ask(files: _Files, question: Question) -> list[str]:
    """Return the rows as JSON. Raises Refused when this is no database that the question fits."""
    reason = ""
    connection = None
    try:
        connection = apsw.Connection(_DATABASE, flags=apsw.SQLITE_OPEN_READONLY, vfs=files.name)
        _prepare(connection)
        _check_schema(connection, question)
        connection.authorizer = _authorizer(question)
        return _rows(connection, question)
    except apsw.Error as error:
        # Not its words: they may quote a text of the database.
        reason = f"its database cannot be read ({type(error).__name__})"
    finally:
        if connection is not None:
            connection.close(True)
        files.unregister()
    raise Refused("format", reason)


def _prepare(connection: apsw.Connection) -> None:
    for option, value in (
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
        (apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1),
    ):
        connection.config(option, value)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, _LENGTH_MAX)
    # Before the first look at the database: from then on the index of the log is kept in memory.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    # This process may write no file, and sorting some ten thousand rows would make one.
    connection.execute("PRAGMA temp_store = MEMORY")
    # Each page that is not kept comes through our file system once more. This process is gone in a moment.
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")


def _check_schema(connection: apsw.Connection, question: Question) -> None:
    """Raise Refused when a table or column is missing. Names that are there but not known to us are not told."""
    if connection.execute("PRAGMA page_count").get == 0:
        raise Refused("format", "its database is empty")
    for table, columns in question.tables.items():
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchall()
        if kinds != [("table",)]:
            raise Refused("format", f"it has no table {table}", (table,))
        rows = connection.execute("SELECT CAST(name AS BLOB) FROM pragma_table_info(?)", (table,)).fetchall()
        found = {name for (name,) in rows}
        if missing := tuple(name for name in columns if name.encode() not in found):
            raise Refused("format", f"its table {table} has no {', '.join(missing)}", missing)


def _authorizer(question: Question) -> apsw.Authorizer:
    """Return an authoriser that allows the statement's own needs, and nothing else."""
    # The empty name stands for a table of which a part of the statement takes no column; a row's number tells nothing.
    columns = {(table, column) for table, names in question.tables.items() for column in (*names, "", "ROWID")}
    views, functions = set(question.views), set(question.functions)

    def authorize(
        action: int, first: str | None, second: str | None, _database: str | None, _inside: str | None
    ) -> int:
        if action == apsw.SQLITE_SELECT or (action == apsw.SQLITE_RECURSIVE and question.is_recursive):
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_READ and ((first, second) in columns or first in views):
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_FUNCTION and second in functions:
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY

    return authorize


def _rows(connection: apsw.Connection, question: Question) -> list[str]:
    rows: list[str] = []
    length = 0
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for row in connection.execute(question.statement, question.values):
        rows.append(encode([_sayable(cell) for cell in row]))
        length += len(rows[-1]) + 1
        if length > question.max_bytes:
            raise Refused("too_large", str(length))
    return rows


def _sayable(cell: apsw.SQLiteValue) -> Cell:
    """Return ``cell`` as JSON can hold it. Statements hand texts on as bytes: they need not be UTF-8."""
    if isinstance(cell, float) and not isfinite(cell):
        return NOT_FINITE
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError:
            return NOT_UTF8
    return cell
