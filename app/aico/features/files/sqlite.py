"""Reads a foreign SQLite database that may be in use: one fixed question, asked by a child, and the changes since.

Nothing is locked, made or changed, and no page of the database is ever in the memory of the service.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import unicodedata
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from aico.core.aside import work_aside
from aico.core.errors import SourceError, SourceErrors
from aico.core.usage import MeterReading, ReadingCounts, Record, Rejection, SessionState, Trigger, digest
from aico.features.files.feed import Look, Reading, ReadLimits
from aico.features.files.opening import WAL, DatabaseFiles, Refused
from aico.features.files.sqlite_process import Row, ask_database
from aico.features.files.sqlite_question import FUNCTIONS, Cell, Question
from aico.features.files.walk import find_directory_identity

_FIRST_RETRY_S = 0.05
_YOUNG_NS = 20_000_000
"""A file written less than this before the look at it may have been written again within the same time stamp."""


class Judged(NamedTuple):
    """The meaning of the rows of one answer."""

    records: Sequence[Record]
    """The newest first."""
    skipped_count: int = 0
    rejections: tuple[Rejection, ...] = ()
    partials: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class SqliteQuery:
    """How usage is read out of one kind of foreign database."""

    errors: SourceErrors
    """The errors of the origin; their name holds the title of the place."""
    name: str
    """The name of the file."""
    statement: str
    """One query; its bound value is the cursor."""
    tables: Mapping[str, Sequence[str]]
    """All columns that the statement may read, by table. A database without one of them is of an unknown version."""
    judge: Callable[[Sequence[Row]], Judged]
    """Say what the rows mean. Pure."""
    cursor_after: Callable[[Sequence[Row], int], Cell]
    """Return where the next reading begins, given the rows and the time now in milliseconds; None: where this did.

    That holds for notifications only, unless the cursor is anchored. All other readings ask for all rows: they find
    rows that a clock that was set back has hidden, and rows of a database that was made anew in the same place, under
    numbers that were seen before.
    """
    first: Cell
    """The cursor before all rows."""
    views: Sequence[str] = ()
    """Names that the statement gives to queries inside it."""
    functions: Sequence[str] = FUNCTIONS
    """All functions that the statement may call."""
    other_names: str = ""
    """Other names that an operator may give, as a pattern."""
    is_anchored: bool = False
    """True if the statement itself tells all rows when the row that the cursor names is another by now. Then a rescan
    begins at the cursor, too, and costs next to nothing for a database of any size."""
    rest_s: float = 0.0
    """At least so long lies between the beginnings of two readings for notifications."""

    def open(self, path: str, limits: ReadLimits) -> SqliteFeed:
        """Return the feed of the database at ``path``; opens nothing.

        Raises ValueError unless ``path`` is absolute, plain and ends in the name.
        """
        _check_path(path, self)
        query = replace(self, errors=self.errors.at(path)) if limits.is_one_of_several else self
        return SqliteFeed(query, path, limits)

    def ask(self, path: str, cursor: Cell, max_bytes: int) -> Question:
        """Return the question for the child."""
        tables = {table: list(columns) for table, columns in self.tables.items()}
        return Question(path, self.statement, [cursor], tables, list(self.views), list(self.functions), max_bytes)


def _check_path(path: str, query: SqliteQuery) -> None:
    folder, _, name = path.rpartition("/")
    if not path.startswith("/"):
        raise ValueError("must be an absolute path")
    if not all(character.isprintable() or unicodedata.category(character) == "Zs" for character in path):
        raise ValueError("must not hold control characters")
    if any(part in {"", ".", ".."} for part in folder.split("/")[1:]) or not name:
        raise ValueError("must be written without '.', '..', '//' and without a trailing slash")
    if name != query.name and not (query.other_names and re.fullmatch(query.other_names, name)):
        raise ValueError(f"must name a file called exactly {query.name}")


class _Known(NamedTuple):
    """The numbers of one session that were handed over, as far as they are needed to see a change."""

    numbers: int
    whole: int
    ts: int | None


class _Position(NamedTuple):
    """The file and the cursor from which the reading for a notification begins."""

    inode: int
    cursor: Cell


class _Answer(NamedTuple):
    """The question, and its answer."""

    look: Look
    """Of just before."""
    cursor: Cell
    inode: int
    rows: list[Row]


class _Pending(NamedTuple):
    """The facts that :meth:`SqliteFeed.complete` remembers."""

    reading: Reading
    known: dict[str, _Known]
    position: _Position
    identity: Hashable
    """Of the files; None when they may have changed once more within the same time."""


class SqliteFeed:
    """One foreign database. Hands over changes since the last completed reading; the first one in a process, all.

    A running total whose numbers did not change keeps its time, unless its session runs: tools also touch rows when
    they clean up.
    """

    def __init__(self, query: SqliteQuery, path: str, limits: ReadLimits) -> None:
        self._query = query
        self._path = path
        self._limits = limits
        self._hurry = asyncio.Event()
        self._began_s = float("-inf")
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._known: dict[str, _Known] = {}
        self._position: _Position | None = None
        self._identity: Hashable = None
        self._pending: _Pending | None = None

    @property
    def path(self) -> str:
        """The allowlisted path."""
        return self._path

    @property
    def title(self) -> str:
        """The name of the database in a sentence."""
        return self._query.errors.name.title

    @property
    def directory(self) -> str:
        """The directory that holds the database."""
        return self._path.rpartition("/")[0] or "/"

    @property
    def names(self) -> tuple[str, ...]:
        """The database and its log."""
        name = self._path.rpartition("/")[2]
        return name, name + WAL

    @property
    def place(self) -> bytes:
        """The bytes that name the database in checkpoints."""
        return digest(self._path)

    @property
    def identity(self) -> Hashable:
        """The result of ``stat`` for both files at the last completed reading; None before, or when it may be old."""
        return self._identity

    @property
    def rest_s(self) -> float:
        """How long a reading for a notification waits after the beginning of the last one."""
        return self._query.rest_s

    def look(self) -> Look:
        """Return the files' metadata without opening them. Raises SourceError. Blocks for a few system calls."""
        return _look_of(self._find())

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the directory, or None when it cannot be reached without a link."""
        return find_directory_identity(self.directory)

    def resume(self, _position: str | None) -> None:
        """Begin anew: the first reading asks for all rows, and needs no checkpoint."""
        self._begin_anew()

    def hurry(self) -> None:
        """Let the reading that runs wait no more for a database that is being written."""
        self._hurry.set()

    def take_time(self) -> None:
        """Let the next reading wait for a database that is being written."""
        self._hurry.clear()

    async def read(self, trigger: Trigger) -> Reading:
        """Read once. Raises SourceError. Any other exception is a bug."""
        asked_s = time.monotonic()
        if trigger is Trigger.WATCH:
            await self._rest(self._began_s + self._query.rest_s - asked_s)
        self._began_s = time.monotonic()
        look, cursor, inode, rows = await self._ask(trigger)
        judged = await work_aside(len(rows), self._query.judge, rows)
        records, known = self._changed(judged.records)
        after = self._query.cursor_after(rows, self._limits.now_ms())
        position = _Position(inode, cursor if after is None else after)
        counts = ReadingCounts(
            trigger,
            skipped_count=judged.skipped_count + len(judged.records) - len(records),
            rejections=judged.rejections,
            partials=judged.partials,
            partial_count=len({each.index for each in judged.partials}),
        )
        reading = Reading(
            records,
            counts,
            written_ns=look.written_ns,
            repeats=look.identity == self._identity,
            size_bytes=look.size_bytes,
            rested_s=self._began_s - asked_s,
        )
        is_young = time.time_ns() - look.written_ns < _YOUNG_NS
        self._pending = _Pending(reading, known, position, None if is_young else look.identity)
        return reading

    def complete(self, reading: Reading) -> None:
        """Remember ``reading``: all of it is committed."""
        pending = self._pending
        if pending is None or pending.reading is not reading:
            return
        self._known |= pending.known
        self._position = pending.position
        self._identity = pending.identity
        self._pending = None

    def _find(self) -> list[os.stat_result]:
        """Return the metadata of the database and, where there is one, of its log. Raises SourceError."""
        with self._translated():
            files = DatabaseFiles(self._path)
            try:
                database, log = files.check(), files.find(WAL)
            finally:
                files.close()
        return [database] if log is None else [database, log]

    def _cursor(self, trigger: Trigger, inode: int) -> Cell:
        """Return where a reading begins."""
        position = self._position
        goes_on = trigger is Trigger.WATCH or (trigger is Trigger.RESCAN and self._query.is_anchored)
        if position is None or position.inode != inode or not goes_on:
            return self._query.first
        return position.cursor

    async def _ask(self, trigger: Trigger) -> _Answer:
        """Ask, and again after a while when the database does not stand still. Raises SourceError."""
        for attempt in range(self._limits.read_attempts):
            if attempt:
                await self._rest(_FIRST_RETRY_S * 2 ** (attempt - 1))
            try:
                found = await asyncio.to_thread(self._find)
                cursor = self._cursor(trigger, found[0].st_ino)
                with self._translated():
                    rows = await ask_database(self._query.ask(self._path, cursor, self._limits.max_bytes))
            except self._query.errors.unstable:
                if self._hurry.is_set():
                    raise
            else:
                return _Answer(_look_of(found), cursor, found[0].st_ino, rows)
        raise self._query.errors.unstable(of=self._query.errors.name)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not when somebody is in a hurry."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), seconds)

    def _changed(self, records: Sequence[Record]) -> tuple[list[Record], dict[str, _Known]]:
        """Return the records that differ from those handed over before, and the facts to remember of them."""
        changed: list[Record] = []
        known: dict[str, _Known] = {}
        for record in records:
            if not isinstance(record, MeterReading):
                changed.append(record)
                continue
            before = self._known.get(record.session)
            numbers = hash(record[3:10])
            if before is not None and before.numbers == numbers and record.state is not SessionState.RUNNING:
                record = record._replace(ts=before.ts)  # noqa: PLW2901
            now = _Known(numbers, hash(record), record.ts)
            if now != before:
                changed.append(record)
                known[record.session] = now
        return changed, known

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn a Refused of the block into the error that is told."""
        try:
            yield
        except Refused as refused:
            error = error_of(refused, self._query.errors, self._path, self._limits.max_bytes)
        else:
            return
        raise error


def error_of(refused: Refused, errors: SourceErrors, path: str, max_bytes: int) -> SourceError:
    """Return the error for the opening module's ``refused.code``."""
    of = errors.name
    if refused.code == "not_found":
        return errors.not_found(path, of=of)
    if refused.code == "too_large":
        return errors.too_large(max_bytes, of=of)
    if refused.code == "busy":
        return errors.unstable(of=of)
    if refused.code == "format":
        return errors.format(refused.reason, refused.missing, of=of)
    kind = errors.path_refused if refused.code == "path_refused" else errors.unreadable
    return kind(refused.reason, of=of)


def _look_of(found: Sequence[os.stat_result]) -> Look:
    return Look(
        identity=tuple((each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found),
        written_ns=max(each.st_mtime_ns for each in found),
        size_bytes=sum(each.st_size for each in found),
    )
