"""The databases of a folder, read row by row: the newest rows first, later only new and changed ones.

Each database has a checkpoint of its own. It names the last row that was read, by its number and by something that
tells it from another row under the same number: without that row the database is another, and is read anew. Rows must
have keys over all databases of the source, so that a second reading counts nothing twice.
"""

from __future__ import annotations

import asyncio
import glob
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from aico.core.aside import work_aside
from aico.core.errors import SourceError, SourceErrors
from aico.core.plain_path import check_plain_path, printable_path
from aico.core.usage import ReadingCounts, Trigger, digest
from aico.features.files.feed import Checkpoint, Left, Look, Positions, Reading, ReadLimits
from aico.features.files.opening import WAL, Refused
from aico.features.files.shape import Shape
from aico.features.files.sqlite import Judged, error_of
from aico.features.files.sqlite_process import Row, ask_database, find_cpu_s
from aico.features.files.sqlite_question import FUNCTIONS, Cell, Question, text_of
from aico.features.files.tree_guard import FileStat, TreeGuard

PART_ROWS = 5_000
"""One reading ends after so many rows, so that changes and requests go between it and the next."""
WINDOW_ROWS = 500
"""A notification looks for changes in so many of the newest rows; all other readings look at the times of all rows."""
OVERLAP_MS = 3_600_000
"""How far behind the newest change a reading begins: clocks that were set back."""
WATCH_OVERLAP_MS = 60_000
REST_S = 0.3
"""At least so long lies between the beginnings of two readings for notifications."""
_REST_SHARE = 3
"""Or so many times the processor time of the last one: a long log is read as a whole each time.

On a busy machine a reading takes several times as long as it works, and nobody gains by waiting for that, too.
"""
_FIRST_RETRY_S = 0.05
_YOUNG_NS = 20_000_000
"""A file written less than this before it is asked may be written again within the same time stamp."""
_BY_HAND = {Trigger.CLI, Trigger.REQUEST}
DATABASE_END = ".db"
_OWN_CELLS = 3
"""Cells of each row before those that the judge gets: its number, what tells it from others, its last change."""
Stats = tuple[FileStat, FileStat | None]
"""The results of ``stat`` for a database and for its log."""


@dataclass(frozen=True, slots=True)
class SqliteRows:
    """How usage is read out of a table to which a tool appends rows, in one or several databases of a folder."""

    errors: SourceErrors
    """The errors of the origin; their name holds the title of the place."""
    names: tuple[str, ...]
    """Patterns of the names of the databases: ``opencode*.db``."""
    table: str
    mark: str
    """A text column that tells a row from another one that stands under the same number."""
    columns: Sequence[str]
    """The SQL of the cells that the judge gets."""
    tables: Mapping[str, Sequence[str]]
    """All columns that the statement may read, by table. A database without one of them is of an unknown version."""
    judge: Callable[[Sequence[Row]], Judged]
    """Say what the rows mean, the newest first. Pure."""
    updated: str | None = None
    """The column of the last change, epoch milliseconds; None: rows never change."""
    document: str = "NULL"
    """The SQL of a value that is worked out once for each row and is called ``document`` in ``columns``."""
    joins: str = ""
    functions: Sequence[str] = FUNCTIONS
    version: int = 1
    """Another one reads everything anew."""
    part_rows: int = PART_ROWS

    @property
    def statement(self) -> str:
        """One query; its values are last row, lower bound, least change, bounds of older rows, and number of rows."""
        changed = "row_no > ?1" if self.updated is None else f"(row_no > ?1 OR {self.updated} >= ?3)"
        updated = "NULL" if self.updated is None else f"{self.table}.{self.updated}"
        own = ", ".join(f"{self.table}.{column}" for column in self.tables[self.table])
        return f"""
            WITH numbered AS (SELECT rowid AS row_no{f", {self.updated}" if self.updated else ""} FROM {self.table}),
                fresh AS (SELECT row_no FROM numbered WHERE row_no > ?2 AND {changed} ORDER BY row_no DESC LIMIT ?6),
                older AS (SELECT row_no FROM numbered WHERE row_no > ?4 AND row_no < ?5 ORDER BY row_no DESC LIMIT ?6),
                wanted AS (
                    SELECT row_no FROM fresh UNION SELECT row_no FROM older
                    UNION SELECT row_no FROM numbered WHERE row_no = ?1
                ),
                found AS (
                    SELECT wanted.row_no AS row_no, {text_of(f"{self.table}.{self.mark}")} AS row_mark,
                        CASE typeof({updated}) WHEN 'integer' THEN {updated} END AS row_changed,
                        {self.document} AS document, {own}
                    FROM wanted JOIN {self.table} ON {self.table}.rowid = wanted.row_no LIMIT -1
                )
            SELECT row_no, row_mark, row_changed, {", ".join(self.columns)} FROM found {self.joins}
            WHERE row_no > -1 ORDER BY row_no DESC
        """  # noqa: S608  # constants of the sources; the values are bound

    def open(self, path: str, limits: ReadLimits) -> RowsFeed:
        """Return the feed of the folder at ``path``, or of one database if the path ends so; opens nothing.

        Raises ValueError unless ``path`` is absolute and plain.
        """
        return RowsFeed(self, check_plain_path(path), limits)

    def ask(self, path: str, values: list[Cell], max_bytes: int) -> Question:
        """Return the question for the child."""
        tables = {table: list(columns) for table, columns in self.tables.items()}
        views = ["numbered", "fresh", "older", "wanted", "found"]
        return Question(path, self.statement, values, tables, views, list(self.functions), max_bytes)


class _Position(msgspec.Struct, array_like=True, frozen=True):
    """How far a database was read."""

    version: int
    last: int = 0
    """The greatest number of a row."""
    mark: Cell = None
    """The text that tells that row from others."""
    updated: int = 0
    """The newest change, epoch milliseconds."""
    floor: int = 0
    low: int = 0
    """Rows between these are still to be read; 0: none."""


@dataclass(slots=True, eq=False)
class _Base:
    """One database."""

    name: str
    stats: Stats
    position: _Position | None = None
    done: Stats | None = None
    """The results of ``stat`` before the last reading that was completed, or failed; None when they may be old."""
    failure: SourceError | None = None
    is_full: bool = False
    """True if the next reading looks at all rows."""
    is_dirty: bool = False
    """True if only the newest rows were looked at since."""
    seen: dict[int, int] = field(default_factory=dict)
    """Digests of the newest rows that were handed over, by number."""

    @property
    def is_pending(self) -> bool:
        has_rest = self.position is not None and self.position.low > 0
        return self.done != self.stats or (self.failure is None and (self.is_full or has_rest))

    @property
    def size_bytes(self) -> int:
        return sum(each.size for each in self.stats if each is not None)

    @property
    def written_ns(self) -> int:
        return max(each.mtime_ns for each in self.stats if each is not None)


class _Asked(NamedTuple):
    """A reading's question to a database, and the answer."""

    base: _Base
    stats: Stats | None
    """The results of ``stat`` before; None if a later change may carry the same time."""
    is_full: bool
    start: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class _RowsReading(Reading):
    """A reading with the facts that must be remembered of it."""

    base: _Base | None = field(default=None, kw_only=True, repr=False)
    stats: Stats | None = field(default=None, kw_only=True)
    position: _Position | None = field(default=None, kw_only=True)
    is_full: bool = field(default=False, kw_only=True)
    seen: Mapping[int, int] = field(default_factory=dict, kw_only=True, repr=False)


class RowsFeed:
    """Reads the databases of one folder, one part of one database in each reading, and the newest database first."""

    def __init__(self, query: SqliteRows, path: str, limits: ReadLimits) -> None:
        self._query = query
        self._limits = limits
        self._errors = query.errors.at(path) if limits.is_one_of_several else query.errors
        self._path = path
        folder, _, name = path.rpartition("/")
        is_file = name.endswith(DATABASE_END)
        self._folder = (folder or "/") if is_file else path
        names = (glob.escape(name),) if is_file else query.names
        self._shape = Shape([each + end for each in names for end in ("", WAL)])
        self._guard = TreeGuard(self._folder, self._shape, self._errors)
        self.place = digest(path)
        self._turn = threading.Lock()
        """Held by the caller that looks at the folder."""
        self._bases: dict[str, _Base] = {}
        self._stored: Positions | None = None
        self._refused: dict[str, str] = {}
        self._notes: tuple[str, ...] = ()
        self._hurry = asyncio.Event()
        self._began_s = float("-inf")
        self._rest_s = REST_S
        self._reads_on = False
        """True if the last reading has left something."""

    @property
    def path(self) -> str:
        """The allowlisted path."""
        return self._path

    @property
    def title(self) -> str:
        """The name of the place in a sentence."""
        return self._errors.name.title

    @property
    def directory(self) -> str:
        """The folder of the databases."""
        return self._folder

    @property
    def names(self) -> tuple[str, ...]:
        """No name alone: see :meth:`hint`."""
        return ()

    @property
    def folders(self) -> frozenset[str]:
        """The folder alone: nothing below it is watched."""
        return frozenset({self._folder})

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each database that is not read, as the last look or reading left them."""
        return self._notes

    @property
    def identity(self) -> Hashable:
        """The result of the last look if everything that it had found was read; None before."""
        bases = list(self._bases.values())
        return tuple((base.name, base.done) for base in bases) if not any(base.is_pending for base in bases) else None

    def look(self) -> Look:
        """Look for changes, and return the files' metadata. Raises SourceError. Opens the folder at most."""
        with self._turn:
            directory = self._scan()
            bases = list(self._bases.values())
        identity = tuple((base.name, base.stats) for base in bases)
        size = sum(base.size_bytes for base in bases)
        return Look(identity, max(base.written_ns for base in bases), size, len(bases), directory)

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the folder; None when it cannot be reached without a link."""
        return self._guard.find_identity()

    def resume(self, position: str | None) -> None:  # each database has a checkpoint of its own
        """Do nothing: a reading that was not completed is handed over again anyhow."""

    def resume_files(self, positions: Positions) -> None:
        """Take over the stored checkpoints of all databases."""
        self._stored = positions

    def hint(self, path: str) -> bool:
        """Return whether ``path`` is a database, or the log of one. Returns at once."""
        folder, _, name = path.rpartition("/")
        return path == self._folder or (folder == self._folder and self._shape.is_file(self._shape.root, name))

    def is_known(self, path: str) -> bool:  # noqa: ARG002  # of any database a look says whether it has changed
        """Return False: each notification is followed by a look."""
        return False

    def note_watched(self, folders: Set[str], moved: Iterable[str] = ()) -> None:
        """Do nothing: every look looks at all."""

    def hurry(self) -> None:
        """Let the reading that runs wait no more for a database that is being written."""
        self._hurry.set()

    def take_time(self) -> None:
        """Let the next reading wait for a database that is being written."""
        self._hurry.clear()

    async def read(self, trigger: Trigger) -> Reading:
        """Read one part of one database; ``left`` says whether there is more. Raises SourceError.

        A database that cannot be read is told and passed by; only where there is no other, its error is raised.
        """
        asked_s = time.monotonic()
        if trigger is Trigger.WATCH and not self._reads_on:
            await self._rest(self._began_s + self._rest_s - asked_s)
        self._began_s = time.monotonic()
        await asyncio.to_thread(self._refresh, trigger)
        busy: SourceError | None = None
        for base in self._list_waiting():
            cpu_s = find_cpu_s()
            try:
                asked = await self._ask(base)
            except self._query.errors.unstable as error:
                busy = error  # it stays as it is, and the others are read
            except SourceError as error:
                base.failure, base.done = error, base.stats
            else:
                base.failure = None
                self._rest_s = max(REST_S, _REST_SHARE * (find_cpu_s() - cpu_s))
                return await self._take(trigger, asked, self._began_s - asked_s)
        self._take_notes()
        failures = [base.failure for base in self._bases.values() if base.failure is not None]
        if busy is not None:
            raise busy
        if failures and len(failures) == len(self._bases):
            raise failures[0].with_traceback(None)
        return _RowsReading((), ReadingCounts(trigger), repeats=True)

    def complete(self, reading: Reading) -> None:
        """Remember ``reading``, which is the last one of this feed: all of it is committed."""
        if not isinstance(reading, _RowsReading):
            raise TypeError("a reading of another feed")
        base, position = reading.base, reading.position
        self._reads_on = reading.left is not None
        if base is None or position is None:
            return
        base.position, base.done, base.is_full = position, reading.stats, False
        base.is_dirty = not reading.is_full
        base.seen |= reading.seen
        if len(base.seen) > 2 * WINDOW_ROWS:
            base.seen = {number: each for number, each in base.seen.items() if number > position.last - WINDOW_ROWS}

    # Looks

    def _scan(self) -> tuple[int, int]:
        """Look at the folder; return its device and inode. Raises SourceError."""
        with self._guard.open() as root:
            listing = self._guard.list_folder(root, "", self._shape.root)
        if listing is None:
            raise self._errors.not_found(self._path, of=self._errors.name)
        self._refused = listing.refused
        found = {name: stat for name, stat in listing.files.items() if name.endswith(DATABASE_END)}
        for name, stat in found.items():
            stats = stat, listing.files.get(name + WAL)
            base = self._bases.get(name)
            if base is None:
                self._bases[name] = _Base(name, stats, self._load(name))
            else:
                base.stats = stats
        for name in self._bases.keys() - found.keys():
            del self._bases[name]
        self._take_notes()
        if self._refused and not self._bases:
            raise self._errors.path_refused(next(iter(self._refused.values())), of=self._errors.name)
        if not self._bases:
            raise self._errors.not_found(self._path, of=self._errors.name)
        return root.identity

    def _load(self, name: str) -> _Position | None:
        """Return the stored checkpoint of a database; one that cannot be understood is none."""
        key = digest(name)
        stored = {} if self._stored is None else self._stored.find([key])
        with suppress(msgspec.DecodeError):
            position = msgspec.json.decode(stored.get(key, ""), type=_Position)
            return position if position.version == self._query.version else None
        return None

    def _refresh(self, trigger: Trigger) -> None:
        with self._turn:
            self._scan()
            if trigger is not Trigger.WATCH:
                for base in self._bases.values():
                    base.is_full |= base.is_dirty or base.done is None or trigger in _BY_HAND

    def _list_waiting(self) -> list[_Base]:
        """Return the databases to read, the last written first, then those that could not be read before."""
        bases = sorted(self._bases.values(), key=lambda base: base.written_ns, reverse=True)
        failed = [base for base in bases if base.failure is not None and not base.failure.is_final]
        return [*(base for base in bases if base.is_pending), *(base for base in failed if not base.is_pending)]

    def _take_notes(self) -> None:
        """Keep the notes on databases that are not read."""
        refused = [f"{printable_path(f'{self._folder}/{name}')} {why}." for name, why in self._refused.items()]
        failed = [str(base.failure) for base in self._bases.values() if base.failure is not None]
        self._notes = (*refused, *failed)

    # Reading

    async def _ask(self, base: _Base) -> _Asked:
        """Ask, and again after a while when the database does not stand still. Raises SourceError."""
        path = f"{self._folder}/{base.name}"
        refused = Refused("busy", "")
        for attempt in range(self._limits.read_attempts):
            if attempt:
                await self._rest(_FIRST_RETRY_S * 2 ** (attempt - 1))
            try:
                return await self._ask_once(base, path)
            except Refused as error:
                refused = error
            if refused.code != "busy" or self._hurry.is_set():
                break
        raise error_of(refused, self._query.errors.at(path), path, self._limits.max_bytes)

    async def _ask_once(self, base: _Base, path: str) -> _Asked:
        """Ask for new rows; for all of them if the last row that was read is not there. Raises Refused."""
        stats: Stats | None = base.stats
        if time.time_ns() - base.written_ns < _YOUNG_NS:
            stats = None
        query = self._query
        while True:
            position = base.position or _Position(query.version)
            is_full = base.is_full or base.position is None
            start = 0 if is_full else max(position.last - WINDOW_ROWS, 0)
            start = max(start, position.low - 1)
            newest = min(position.updated, self._limits.now_ms())
            since = newest - (OVERLAP_MS if is_full else WATCH_OVERLAP_MS)
            values: list[Cell] = [position.last, start, since, position.floor, position.low, query.part_rows]
            rows = await ask_database(query.ask(path, values, self._limits.max_bytes))
            if not position.last or any(row[:2] == [position.last, position.mark] for row in rows):
                return _Asked(base, stats, is_full, start, rows)
            base.position, base.seen = None, {}

    async def _take(self, trigger: Trigger, asked: _Asked, rested_s: float) -> _RowsReading:
        base = asked.base
        seen = {int(row[0] or 0): hash(tuple(row)) for row in asked.rows}
        fresh = [row[_OWN_CELLS:] for row in asked.rows if base.seen.get(int(row[0] or 0)) != seen[int(row[0] or 0)]]
        judged = await work_aside(len(fresh), self._query.judge, fresh)
        position, is_whole = _advance(base.position or _Position(self._query.version), asked, self._query.part_rows)
        checkpoint = Checkpoint(self.place + digest(base.name), msgspec.json.encode(position).decode())
        counts = ReadingCounts(
            trigger,
            skipped_count=judged.skipped_count + len(asked.rows) - len(fresh),
            rejections=judged.rejections,
            partials=judged.partials,
            partial_count=len({each.index for each in judged.partials}),
        )
        self._take_notes()
        return _RowsReading(
            judged.records,
            counts,
            () if position == base.position else (checkpoint,),
            base.written_ns,
            repeats=not fresh,
            size_bytes=base.size_bytes,
            rested_s=rested_s,
            left=self._left(base, position),
            base=base,
            stats=asked.stats,
            position=position,
            is_full=asked.is_full and is_whole,
            seen=seen,
        )

    def _left(self, base: _Base, position: _Position) -> Left | None:
        """Return the rest when ``base`` has been read to ``position``."""
        others = [each for each in self._bases.values() if each is not base and each.is_pending]
        if not others and not position.low:
            return None
        unread = [_unread_bytes(each.size_bytes, each.position) for each in others]
        unread.append(_unread_bytes(base.size_bytes, position) if position.low else 0)
        total = sum(each.size_bytes for each in self._bases.values())
        return Left(len(others) + bool(position.low), max(total - sum(unread), 0), total)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not when somebody is in a hurry."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), seconds)


def _unread_bytes(size_bytes: int, position: _Position | None) -> int:
    """Return the share of a database that is still to be read; rows of one table are taken for all of it."""
    if position is None or not position.last:
        return size_bytes
    return size_bytes * (position.low - position.floor) // position.last


def _advance(position: _Position, asked: _Asked, part_rows: int) -> tuple[_Position, bool]:
    """Return the position behind an answer, and whether nothing was left out that a notification would not find."""
    floor, low, last = position.floor, position.low, position.last
    numbers = [int(row[0] or 0) for row in asked.rows]
    older = [number for number in numbers if number < low]
    fresh = [number for number in numbers if number >= low and number != last]
    new = [number for number in fresh if number > last]
    is_cut = len(fresh) >= part_rows - 1
    if low:
        low = older[-1] if len(older) >= part_rows else 0
    if len(new) >= part_rows:
        floor, low = (floor if low else min(asked.start, last)), new[-1]
    elif is_cut and not position.low:
        floor, low = asked.start, fresh[-1]
    low = low if low > floor + 1 else 0
    changes = [row[2] for row in asked.rows if isinstance(row[2], int)]
    newest = max(changes, default=0)
    mark = asked.rows[0][1] if new else position.mark
    return (
        _Position(
            position.version,
            max([last, *numbers[:1]]),
            mark,
            max(position.updated, newest),
            floor if low else 0,
            low,
        ),
        not is_cut,
    )
