"""The one writer: statements of sources become rows, in one transaction for each batch."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from aico.core.booking import LOST_AFTER_MS, Books, EventEntry, EventKey, Growth, SessionEntry, Tally, slot_of
from aico.core.db import cline_rows, first_readings, import_runs, repricing
from aico.core.db.checkpoints import StoredPositions
from aico.core.db.counted import keep_counted, plus, shift_counters
from aico.core.db.counters import hold_counters
from aico.core.db.database import Database
from aico.core.db.driver import Value
from aico.core.db.first_readings import FirstReadings
from aico.core.db.forgotten_kinds import LATER_USE, UNMEASURED_REQUEST
from aico.core.db.forks import take_off_inherited
from aico.core.db.json_values import json_of
from aico.core.db.keys import growth_keys, later_key, split_key
from aico.core.db.statements import add, insert, put, update
from aico.core.errors import SessionUnknown
from aico.core.metering import Meter
from aico.core.own_prices import OwnPrice, OwnPrices
from aico.core.pricing import Pricer, PriceRef, may_be_priced
from aico.core.receipts import FreshSession, ImportReceipt, UsageCommitted
from aico.core.sums import GROWTH, PROMPT, REQUEST, SUM_COLUMNS, Costs, EventKind, Sums, Vector, row_of
from aico.core.usage import (
    DAY_SLOTS,
    REJECTIONS_SHOWN,
    SLOT_MS,
    TOKENS,
    UNKNOWN_MODEL,
    AnyRecord,
    GapReading,
    MeterReading,
    PlanReading,
    ProjectSeen,
    PromptSeen,
    ReadingCounts,
    Record,
    RequestState,
    SessionState,
    Tokens,
    Trigger,
    UsageEvent,
)

T = TypeVar("T")

FRESH_ROWS_MAX = 500
"""Sessions that one message carries at most."""
UNHEARD_ROWS_MAX = 5
"""The same while nobody listens: a returning page reads the others. 500 take a third of a first import of 1,000."""
_KINDS = {kind.code: kind for kind in (REQUEST, GROWTH, PROMPT)}
_NUMBERS = (*TOKENS, "nano")
_METER = (
    *(f"last_{name}" for name in _NUMBERS),
    *(f"high_{name}" for name in _NUMBERS),
    "unknown",
    "is_joint",
    "stated_by",
)
_EVENT = (
    *("kind", "key_high", "key_low", "origin", "session", "ts", "model"),
    *TOKENS,
    *("recorded_nano", "own_nano", "list_nano", "state", "unknown", "context", "price_ref", "claim"),
)
_GAP = ("requests", *TOKENS, "heir_of", "heir_since", "recorded_count")
_SESSION = ("key", "parent_key", "first_ts", "last_ts", "model", "state", "seen_at", "label", "project")

_POSITION = "SELECT epoch, revision FROM database_state"
_ADVANCE = "UPDATE database_state SET revision = revision + 1 RETURNING revision"
_STATE = """
    SELECT (SELECT COUNT(*) FROM session WHERE source = ?1), (SELECT MAX(last_ts) FROM session WHERE source = ?1)
"""
_LATEST = "SELECT MAX(last_ts) FROM session WHERE source = ?"
_SESSIONS = f"""
    SELECT id, {", ".join(_SESSION)} FROM session WHERE source = ? AND key IN (SELECT value FROM json_each(?))
"""  # noqa: S608  # our own names
_SESSIONS_BY_ID = f"""
    SELECT id, {", ".join(_SESSION)} FROM session WHERE id IN (SELECT value FROM json_each(?))
"""  # noqa: S608  # our own names
_METERS = f"""
    SELECT session, origin, {", ".join(_METER)} FROM meter WHERE session IN (SELECT value FROM json_each(?))
"""  # noqa: S608  # our own names
# Not by source as well: then SQLite would go through all days of the source, by the primary key.
_BOOKED = f"""
    SELECT session, {", ".join(f"SUM({name})" for name in SUM_COLUMNS)} FROM usage_session_day
    WHERE session IN (SELECT value FROM json_each(?)) GROUP BY session
"""  # noqa: S608  # our own names
_EVENTS = f"""
    SELECT e.id, {", ".join(f"e.{name}" for name in _EVENT)} FROM json_each(?) AS wanted CROSS JOIN usage_event AS e
    ON e.source = ? AND e.kind = ? AND e.key_high = json_extract(wanted.value, '$[0]')
        AND e.key_low = json_extract(wanted.value, '$[1]')
"""  # noqa: S608  # our own names
_GROWTH_OF = f"""
    SELECT id, {", ".join(_EVENT)} FROM usage_event WHERE session IN (SELECT value FROM json_each(?))
    AND kind = {GROWTH.code} AND (recorded_nano IS NULL OR unknown <> ''
        OR state IN ({RequestState.UNMEASURED.value}, {RequestState.AT_LEAST.value}))
"""  # noqa: S608  # our own names
_UNPRICED = f"""
    SELECT id, {", ".join(_EVENT)} FROM usage_event
    WHERE id > ? AND +source = ? AND kind = {REQUEST.code} AND list_nano IS NULL ORDER BY id LIMIT ?
"""  # noqa: S608  # our own names
_LIST_WAS_ASKED = "SELECT 1 FROM price_list WHERE name = ?"
_FORGET_LISTS = "DELETE FROM price_list"
_NOTE_LIST = insert("price_list", ("name", "asked_at"))
_FIRST_HALVES = """
    SELECT DISTINCT key_high FROM usage_event WHERE source = ? AND kind = ?
    AND key_high IN (SELECT value FROM json_each(?))
"""
_TOLD = f"""
    SELECT DISTINCT e.id, {", ".join(f"e.{name}" for name in _EVENT)} FROM json_each(?) AS wanted
    CROSS JOIN session AS s ON s.source = ? AND s.key = json_extract(wanted.value, '$[0]')
    CROSS JOIN usage_event AS e ON e.session = s.id
        AND e.ts BETWEEN json_extract(wanted.value, '$[1]') AND json_extract(wanted.value, '$[2]')
    WHERE e.kind = {REQUEST.code} AND e.origin <> ?
"""  # noqa: S608  # our own names
# The state is written out: only then SQLite sees that an index of open requests is meant.
_LOST = f"""
    SELECT id, {", ".join(_EVENT)} FROM usage_event WHERE source = ? AND ts < ? AND state = 1
"""  # noqa: S608  # our own names
_GAPS = f"""
    SELECT session, model, kind, at, {", ".join(_GAP)} FROM gap WHERE session IN (SELECT value FROM json_each(?))
"""  # noqa: S608  # our own names
_SPAN = f"""
    UPDATE session SET first_ts = t.first_ts, last_ts = t.last_ts, model = t.model FROM (
        SELECT MIN(ts) AS first_ts, MAX(ts) AS last_ts,
            IFNULL((SELECT model FROM usage_event WHERE session = ?1 AND kind <> {PROMPT.code}
                ORDER BY ts DESC, id DESC LIMIT 1), (SELECT model FROM session WHERE id = ?1)) AS model
        FROM usage_event WHERE session = ?1
    ) AS t WHERE id = ?1 AND t.first_ts IS NOT NULL RETURNING first_ts, last_ts, model
"""  # noqa: S608  # our own names
_OWN_COLUMNS = OwnPrice._fields
_OWN_PRICES = f"SELECT {', '.join(_OWN_COLUMNS)} FROM own_price"  # noqa: S608  # our own names
_DROP_OWN_PRICES = "DELETE FROM own_price"
_ADD_OWN_PRICE = insert("own_price", _OWN_COLUMNS)
_FORGOTTEN = "SELECT key, forgotten_at FROM forgotten WHERE source = ?"
_FORGET = insert("forgotten", ("source", "key", "forgotten_at"))
_FORGOTTEN_KEYS = f"SELECT kind, key_high, key_low FROM forgotten_key WHERE source = ? AND kind < {LATER_USE}"  # noqa: S608
_NOTE_LATER = f"INSERT OR IGNORE INTO forgotten_key VALUES (?, {LATER_USE}, ?, ?)"  # noqa: S608  # our own names
_OPEN = "UPDATE source SET exact_since = ? WHERE id = ? AND exact_since IS NULL"
_ADD_SOURCE = f"{insert('source', ('name',))} RETURNING id"
_ADD_ORIGIN = f"{insert('origin', ('source', 'name'))} RETURNING id"
_ADD_PRICE_REF = f"{insert('price_ref', ('list', 'entry'))} RETURNING id"
_ADD_MODEL = insert("model", ("id", "name"))
_ADD_EVENT = insert("usage_event", ("source", *_EVENT))
_SET_EVENT = update("usage_event", _EVENT)
_ADD_SESSION = insert("session", ("id", "source", *_SESSION))
_SET_SESSION = update("session", ("parent_key", "first_ts", "last_ts", "model", "state"))
_PUT_METER = put("meter", ("session", "origin"), _METER)
_PUT_CHECKPOINT = put("checkpoint", ("source", "place"), ("origin", "epoch", "position", "read_at"))
_PUT_GAP = put("gap", ("session", "model", "kind", "at"), _GAP)
_ADD_SLOT = add("usage_slot", ("source", "slot", "model"), SUM_COLUMNS)
_ADD_MODEL_DAY = add("usage_day", ("source", "day", "model"), SUM_COLUMNS)
_ADD_DAY = add("usage_session_day", ("source", "day", "session", "model"), SUM_COLUMNS)
_ADD_TOTAL = add("usage_total", ("source", "model"), SUM_COLUMNS)
# Not by source: then SQLite would go through all events of the source, by their keys.
_DROP_SLOT = f"""
    DELETE FROM usage_slot WHERE source = ?1 AND slot = ?2 AND model = ?3 AND NOT EXISTS (
        SELECT 1 FROM usage_event WHERE +source = ?1 AND ts >= ?2 * {SLOT_MS} AND ts < (?2 + 1) * {SLOT_MS}
        AND model = ?3)
"""  # noqa: S608  # our own names
_DROP_MODEL_DAY = f"""
    DELETE FROM usage_day WHERE source = ?1 AND day = ?2 / {DAY_SLOTS} AND model = ?3 AND NOT EXISTS (
        SELECT 1 FROM usage_slot WHERE source = ?1 AND slot >= ?2 / {DAY_SLOTS} * {DAY_SLOTS}
        AND slot < (?2 / {DAY_SLOTS} + 1) * {DAY_SLOTS} AND model = ?3)
"""  # noqa: S608  # our own names
_DROP_DAY = f"""
    DELETE FROM usage_session_day WHERE source = ?1 AND day = ?2 AND session = ?3 AND model = ?4 AND NOT EXISTS (
        SELECT 1 FROM usage_event WHERE session = ?3 AND ts >= ?2 * {DAY_SLOTS * SLOT_MS}
        AND ts < (?2 + 1) * {DAY_SLOTS * SLOT_MS} AND model = ?4)
"""  # noqa: S608  # our own names
PLAN_AHEAD_MS = 300_000
"""By so much the clock of the tool may be ahead of ours."""
_PLANS = "SELECT plan, MAX(at) FROM plan_state WHERE source = ? GROUP BY plan"
_DROP_PLAN = "DELETE FROM plan_state WHERE source = ? AND plan = ?"
_ADD_PLAN = insert("plan_state", ("source", "plan", "name", "used_hundredths", "minutes", "resets_at", "at"))
_SET_LABEL = "UPDATE session SET label = ? WHERE id = ?"
_SET_PROJECT = "UPDATE session SET project = ? WHERE source = ? AND key = ? AND project IS NULL"
_FORGET_PROJECTS = "UPDATE session SET project = NULL WHERE project IS NOT NULL"
_COUNT_PROJECTS = "SELECT COUNT(*) FROM session WHERE project IS NOT NULL"
_DROP_CHECKPOINTS = """
    DELETE FROM checkpoint WHERE source IN (SELECT id FROM source WHERE name IN (SELECT value FROM json_each(?)))
"""
_DROP_CHECKPOINT = "DELETE FROM checkpoint WHERE source = ? AND place = ?"


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a reading that one transaction stores."""

    source: str
    origin: str
    meter: str
    """The name under which running totals are kept."""
    records: Sequence[AnyRecord]
    counts: ReadingCounts
    """Of the whole reading; in later parts of it only the trigger."""
    is_joint: bool = False
    """True if this origin is not the first that reads its meter."""
    shared: frozenset[str] = frozenset()
    """Sessions whose totals another place of the origin tells, too: a lower one of one of them is no fall."""
    meters: tuple[str, ...] = ()
    """Every meter of the source: the word of a later one counts more."""
    checkpoints: tuple[tuple[str, str | None], ...] = ()
    """Place and position of what is read to its end with this batch; None takes a checkpoint away."""
    remaining_count: int = 0
    """Records of the reading that are still to follow."""
    started: float = field(default_factory=time.perf_counter)
    """``time.perf_counter`` when the reading began."""
    has_task_rows: bool = False
    """True if the sessions are tasks with rows of their own, in the table that is Cline's."""


@dataclass(slots=True)
class _Names:
    """The writer's knowledge of the database: true as long as it stands where the last transaction has left it."""

    epoch: str
    revision: int
    """As it was before the transaction that runs."""
    sources: dict[str, int]
    origins: dict[tuple[int, str], int]
    models: dict[str, int]
    model_names: dict[int, str]
    price_refs: dict[PriceRef, int]
    next_session_id: int
    exact_since: dict[int, int | None]
    own: OwnPrices
    """The user's own prices, those of the settings included."""
    forgotten: dict[int, dict[str, int]] = field(default_factory=dict)
    """By source: the forgotten sessions, each with the moment of that."""
    forgotten_keys: dict[int, frozenset[EventKey]] = field(default_factory=dict)
    forgotten_halves: dict[int, frozenset[int]] = field(default_factory=dict)
    """First halves of the keys of forgotten requests, by source."""
    session_counts: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """Number of sessions and greatest moment, by source."""
    touched: Collection[int] | None = None
    """The sessions of the transaction that runs, if it is known that no other is another one by it."""


class UsageWriter:
    """Writes usage. The exclusive lock of the instance makes this object the only one that does."""

    def __init__(
        self,
        database: Database,
        now_ms: Callable[[], int],
        pricer: Pricer | None = None,
        *,
        is_heard: Callable[[], bool] = lambda: True,
        fixed_prices: Sequence[OwnPrice] = (),
    ) -> None:
        """``pricer`` says what requests cost by a list; without it, none has a list price.

        ``fixed_prices`` are own prices besides the stored ones, which they replace where both are of one name and day.
        ``is_heard`` returns whether anybody listens to what is committed.
        """
        self._database = database
        self._now_ms = now_ms
        self._pricer = pricer
        self._is_heard = is_heard
        self._fixed_prices = fixed_prices
        self._names: _Names | None = None
        self._turn = asyncio.Lock()
        """Held until what is known of the database has followed a transaction: not each has a revision of its own."""

    async def get_position(self) -> tuple[str, int]:
        """Return epoch and revision. Raises StorageBusy, StorageError."""
        async with self._database.asking() as ask:
            [(epoch, revision)] = await ask(_POSITION)
            return epoch, revision

    async def let_go(self) -> None:
        """Give back the memory that a large reading has left."""
        await self._database.let_go()

    def positions_of(self, source: str, place: str) -> StoredPositions:
        """Return what tells, whenever it is asked, where ``place`` and what lies below it were left."""
        return StoredPositions(self._database.connect_to_read, source, place, self._database.note_error)

    async def record_run(self, receipt: ImportReceipt, error_code: str | None) -> None:
        """Note a failure when it begins, or the first reading after it. Raises StorageBusy, StorageError."""
        await self._database.write(lambda connection: import_runs.add_run(connection, receipt, None, error_code))

    async def apply(self, batch: Batch) -> tuple[ImportReceipt, UsageCommitted | None]:
        """Store ``batch`` in one transaction; return its receipt and, if it changed something, the fact to publish.

        A record equal to the stored row is counted as skipped. Raises StorageBusy or StorageError with nothing written.
        """

        def write(connection: sqlite3.Connection, known: _Names) -> tuple[ImportReceipt, UsageCommitted | None]:
            rows_max = FRESH_ROWS_MAX if self._is_heard() else UNHEARD_ROWS_MAX
            return _Transaction(connection, known, batch, self._now_ms, rows_max, self._pricer).run()

        return await self._write(write)

    async def set_label(self, source: str, session: str, label: str | None) -> UsageCommitted | None:
        """Give a session the user's own name, or take it away; return the fact to publish, None if nothing changed.

        Raises SessionUnknown, StorageBusy or StorageError with nothing written.
        """
        batch = Batch(source, "", "", (), ReadingCounts(Trigger.REQUEST))

        def write(connection: sqlite3.Connection, known: _Names) -> UsageCommitted | None:
            return _Transaction(connection, known, batch, self._now_ms, FRESH_ROWS_MAX).set_label(session, label)

        return await self._write(write)

    async def count_projects(self) -> int:
        """Return how many sessions have a project. Raises StorageBusy, StorageError."""
        async with self._database.asking() as ask:
            [(count,)] = await ask(_COUNT_PROJECTS)
        return int(count)

    async def forget_projects(self) -> int | None:
        """Take the project from every session; return the revision of that, None where none has one.

        Raises StorageBusy or StorageError with nothing written.
        """

        def write(connection: sqlite3.Connection, known: _Names) -> int | None:
            # Removed data is overwritten, too.
            connection.execute("PRAGMA secure_delete=ON")
            is_gone = connection.execute(_FORGET_PROJECTS).rowcount > 0
            connection.execute("PRAGMA secure_delete=OFF")
            if not is_gone:
                return None
            [(revision,)] = _ask(connection, _ADVANCE)
            known.revision = int(revision)
            return known.revision

        return await self._write(write)

    async def drop_checkpoints(self, sources: Sequence[str]) -> None:
        """Let all files of ``sources`` be read from their beginning next time. Raises StorageBusy, StorageError."""
        await self._database.write(lambda connection: connection.execute(_DROP_CHECKPOINTS, (json_of(sources),)))

    async def list_unasked(self) -> list[str]:
        """Return the sources whose requests without a list price the present list was not asked for yet.

        Raises StorageBusy, StorageError.
        """
        if self._pricer is None:
            return []
        async with self._database.asking() as ask:
            if await ask(_LIST_WAS_ASKED, (self._pricer.name,)):
                return []
            return [str(name) for (name,) in await ask("SELECT name FROM source ORDER BY id")]

    async def price_unpriced(self, source: str, after: int, limit: int) -> tuple[int | None, UsageCommitted | None]:
        """Price requests of ``source`` that have no list price, ``limit`` of those behind the event ``after``.

        Return the last event that was looked at, None behind the last one of all, and the fact to publish. A request
        with a list price keeps it. Raises StorageBusy or StorageError with nothing written.
        """
        batch = Batch(source, "", "", (), ReadingCounts(Trigger.STARTUP))

        def write(connection: sqlite3.Connection, known: _Names) -> tuple[int | None, UsageCommitted | None]:
            transaction = _Transaction(connection, known, batch, self._now_ms, FRESH_ROWS_MAX, self._pricer)
            return transaction.price_unpriced(after, limit)

        return await self._write(write)

    async def list_own_prices(self) -> list[OwnPrice]:
        """Return the own prices that are stored. Raises StorageBusy, StorageError."""
        async with self._database.asking() as ask:
            return [OwnPrice(*row) for row in await ask(_OWN_PRICES)]

    async def change_own_prices(
        self, change: Callable[[Sequence[OwnPrice]], Iterable[OwnPrice]]
    ) -> tuple[str, int] | None:
        """Store what ``change`` makes of the stored own prices; return epoch and revision, None if nothing changed.

        From then on requests that are read cost what they say. :meth:`price_own` brings them to the stored ones. Raises
        what ``change`` raises, StorageBusy or StorageError, with nothing written.
        """

        def write(connection: sqlite3.Connection, known: _Names) -> tuple[str, int] | None:
            stored = _stored_prices(connection)
            wanted = list(change(stored))
            if sorted(stored) == sorted(wanted):
                return None
            _ask(connection, _DROP_OWN_PRICES)
            _many(connection, _ADD_OWN_PRICE, wanted)
            known.own = _own_prices(wanted, self._fixed_prices)
            repricing.put_job(connection, repricing.OWN, repricing.Job(known.own.digest))
            [(revision,)] = _ask(connection, _ADVANCE)
            known.revision = int(revision)
            return known.epoch, known.revision

        return await self._write(write)

    async def price_own(self, limit: int) -> repricing.Step | None:
        """Bring the own prices of now to at most ``limit`` further events; None as soon as all have them.

        A process that ends in between is followed by one that goes on from there. Raises StorageBusy or StorageError
        with nothing written.
        """

        def write(connection: sqlite3.Connection, known: _Names) -> repricing.Step | None:
            own, goal = known.own, known.own.digest
            models = json_of(number for number, name in known.model_names.items() if own.covers(name))
            sources = repricing.sources_of_own(connection, models)
            job = repricing.find_job(connection, repricing.OWN)
            if (job is None and (sources or own)) or (job is not None and job.goal != goal):
                # Also where nothing is to be done: what is read from now on has these prices, and no earlier ones.
                job = repricing.Job(goal, is_done=not sources)
                repricing.put_job(connection, repricing.OWN, job)
            if job is None or job.is_done:
                return None
            part = repricing.find_part(connection, job, sources, _EVENT, repricing.OWN_CONDITION, (models,), limit)
            repricing.put_job(connection, repricing.OWN, part.job)
            if part.job.is_done:
                return None
            transaction = self._repricing(connection, known, part.job.source)
            return repricing.Step(part.done, part.total, transaction.price_own(part.rows))

        return await self._write(write)

    async def begin_review(self) -> None:
        """Note that the present list shall replace the prices of older ones: :meth:`review` does it.

        Raises StorageBusy, StorageError.
        """
        pricer = self._pricer
        if pricer is not None:
            await self._database.write(
                lambda connection: repricing.begin_review(connection, pricer.name, self._now_ms())
            )

    async def review(self, limit: int) -> repricing.Step | None:
        """Let the present list replace older prices of at most ``limit`` further requests; None when nothing is left.

        A request that it does not know keeps its price. Raises StorageBusy or StorageError with nothing written.
        """

        def write(connection: sqlite3.Connection, known: _Names) -> repricing.Step | None:
            job = repricing.find_job(connection, repricing.REVIEW)
            if job is None or job.is_done or self._pricer is None or job.goal != self._pricer.name:
                return None
            refs = json_of(number for (number,) in _ask(connection, repricing.OLD_REFS, (job.goal,)))
            sources = repricing.sources_of_all(connection)
            part = repricing.find_part(connection, job, sources, _EVENT, repricing.REVIEW_CONDITION, (refs,), limit)
            repricing.put_job(connection, repricing.REVIEW, part.job)
            if part.job.is_done:
                return None
            transaction = self._repricing(connection, known, part.job.source)
            return repricing.Step(part.done, part.total, transaction.review(part.rows))

        return await self._write(write)

    async def _write(self, work: Callable[[sqlite3.Connection, _Names], T]) -> T:
        """Return what ``work`` makes of the database in one transaction. Raises like it, StorageBusy, StorageError."""
        known: _Names | None = None

        def write(connection: sqlite3.Connection) -> T:
            nonlocal known
            known = _know(connection, names, self._fixed_prices)
            try:
                result = work(connection, known)
            finally:
                if self._pricer is not None:
                    self._pricer.let_go()
            if known.touched is not None:
                self._database.touched.note(known.epoch, known.revision, known.touched)
                known.touched = None
            return result

        async with self._turn:
            # Known again only after the commit; if that never comes, the next call reads the database.
            names, self._names = self._names, None
            result = await self._database.write(write)
            self._names = known
            return result

    def _repricing(self, connection: sqlite3.Connection, names: _Names, source: int) -> _Transaction:
        name = next(name for name, number in names.sources.items() if number == source)
        batch = Batch(name, "", "", (), ReadingCounts(Trigger.REQUEST))
        rows_max = FRESH_ROWS_MAX if self._is_heard() else UNHEARD_ROWS_MAX
        return _Transaction(connection, names, batch, self._now_ms, rows_max, self._pricer)

    async def note_list(self) -> None:
        """Note that the present list was asked for everything, as the only one. Raises StorageBusy, StorageError.

        After a step back to an older version, and forward again, there are requests that this list was not asked for.
        """
        if self._pricer is None:
            return
        row = (self._pricer.name, self._now_ms())

        def write(connection: sqlite3.Connection) -> None:
            _ask(connection, _FORGET_LISTS)
            _ask(connection, _NOTE_LIST, row)

        await self._database.write(write)


def _know(connection: sqlite3.Connection, names: _Names | None, fixed_prices: Sequence[OwnPrice]) -> _Names:
    [(epoch, revision)] = _ask(connection, _POSITION)
    if names is not None and (names.epoch, names.revision) == (epoch, revision):
        return names
    sources = _ask(connection, "SELECT name, id, exact_since FROM source")
    origins = _ask(connection, "SELECT source, name, id FROM origin")
    models = _ask(connection, "SELECT name, id FROM model")
    refs = _ask(connection, "SELECT list, entry, id FROM price_ref")
    [(last_session,)] = _ask(connection, "SELECT IFNULL(MAX(id), 0) FROM session")
    return _Names(
        epoch,
        revision,
        {name: number for name, number, _since in sources},
        {(source, name): number for source, name, number in origins},
        {name: number for name, number in models},  # noqa: C416  # rows are no pairs to mypy
        {number: name for name, number in models},
        {PriceRef(name, entry): number for name, entry, number in refs},
        last_session + 1,
        {number: since for _name, number, since in sources},
        _own_prices(_stored_prices(connection), fixed_prices),
    )


def _stored_prices(connection: sqlite3.Connection) -> list[OwnPrice]:
    return [OwnPrice(*row) for row in _ask(connection, _OWN_PRICES)]


def _own_prices(stored: Iterable[OwnPrice], fixed: Iterable[OwnPrice]) -> OwnPrices:
    return OwnPrices((*stored, *fixed))


class _Transaction:
    """One batch on its way into the database."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        names: _Names,
        batch: Batch,
        now_ms: Callable[[], int],
        rows_max: int,
        pricer: Pricer | None = None,
    ) -> None:
        self._connection = connection
        self._rows_max = rows_max
        self._pricer = pricer
        self._names = names
        self._batch = batch
        self._clock = now_ms
        self._now_ms = now_ms()
        self._new_models: list[tuple[Value, ...]] = []
        self._meters: dict[int, dict[int, Meter]] = {}
        """The meters of the readings' sessions, by session and origin, as they are after what was read so far."""

    def run(self) -> tuple[ImportReceipt, UsageCommitted | None]:
        """Load, book and store; see :meth:`UsageWriter.apply`."""
        batch, names = self._batch, self._names
        source = self._source(batch.source)
        # All of them, in their order: the greater number is the stronger one.
        meters = [self._origin(source, name) for name in batch.meters or (batch.meter,)]
        meter = self._origin(source, batch.meter)
        projects, plans, said = _set_apart(batch.records)
        records = take_off_inherited(self._connection, source, self._remembered(source, said))
        # Of a source that is read for the first time nothing is stored, and nothing is looked for.
        is_first = not self._count(source)[0]
        by_key = {} if is_first else self._load_sessions(source, {record.session for record in records})
        origin = self._origin(source, batch.origin)
        # Their growth may have own prices, which the quick way knows nothing of.
        kinds = _sorted_out(records)
        is_quick = bool(kinds.readings) and not names.own
        chosen = first_readings.choose(records, by_key, batch.shared) if is_quick else []
        first = FirstReadings(chosen, names.next_session_id, self._now_ms)
        books = Books(
            origin=origin,
            now_ms=self._now_ms,
            model_id=self._model,
            sessions=by_key,
            next_session_id=names.next_session_id + len(first),
            price=self._price,
            price_new=self._price_new,
            # Most have no own prices, and each event is asked about.
            **({"own": self._find_own} if names.own else {}),
        )
        requests, readings, prompts, gap_readings = kinds
        if first:
            self._store_first(first, source, origin, meter)
            stored = {reading.session for reading in chosen}
            readings = [reading for reading in readings if reading.session not in stored]
        # Requests first: the part of them in a total is not booked once more.
        self._take_events(books, source, requests)
        if readings:
            self._take_readings(books, source, meter, meters, readings)
        self._take_prompts(books, source, prompts)
        self._lose(books, source)
        gaps = self._gap_rows(books, gap_readings)
        has_plan = self._take_plans(source, plans)
        skipped_count = books.skipped_count + len(said) - len(records)
        fresh = [session for session in books.sessions.values() if session.is_touched]
        # Also when nothing else is: what is known of the database outlives this transaction.
        self._store_models()
        self._open(source)
        self._checkpoint(source, origin)
        is_named = self._take_projects(source, books, projects)
        if not (fresh or gaps or first or has_plan or is_named):
            _count, latest = self._count(source)
            return self._receipt(latest, names.revision, skipped_count=skipped_count), None
        self._store(books, source, meter, gaps)
        if batch.has_task_rows:
            cline_rows.upsert(self._connection, books, self._readings_of(readings), self._model_name, self._now_ms)
        new_count = len(first) + sum(session.is_new for session in fresh)
        count, latest = self._recount(source, new_count, max((first.newest, *map(_last_ts, fresh))))
        # Of those that got the name of a project nobody knows which they were.
        revision = self._advance(None if is_named else self._touched(books, len(first)))
        names.next_session_id += new_count
        rows = self._fresh_rows(fresh, books.tally, books.meters, self._readings_of(readings))
        if first:
            rows += first.fresh_rows(self._rows_max, batch.source, batch.origin, is_joint=batch.is_joint)
            rows.sort(key=_last_ts, reverse=True)
        receipt = self._receipt(
            latest,
            revision,
            added_count=books.added_count + len(first),
            updated_count=books.updated_count,
            skipped_count=skipped_count,
        )
        import_runs.add_run(self._connection, receipt, revision, None)
        is_truncated = len(fresh) + len(first) > self._rows_max
        told = tuple(rows[: self._rows_max])
        return receipt, UsageCommitted(receipt, names.epoch, count, told, rows_truncated=is_truncated)

    def set_label(self, key: str, label: str | None) -> UsageCommitted | None:
        """See :meth:`UsageWriter.set_label`."""
        source = self._names.sources.get(self._batch.source)
        session = None if source is None else self._load_sessions(source, [key]).get(key)
        if source is None or session is None:
            raise SessionUnknown
        if session.label == label:
            return None
        _ask(self._connection, _SET_LABEL, (label, session.id))
        session.label = label
        count, latest = self._count(source)
        revision = self._advance((session.id,))
        rows = self._fresh_rows([session], Tally(), {}, {})
        return UsageCommitted(
            self._receipt(latest, revision), self._names.epoch, count, tuple(rows), rows_truncated=False
        )

    def price_unpriced(self, after: int, limit: int) -> tuple[int | None, UsageCommitted | None]:
        """See :meth:`UsageWriter.price_unpriced`."""
        source = self._source(self._batch.source)
        events = [_event_of(row) for row in _ask(self._connection, _UNPRICED, (after, source, limit))]
        last = events[-1].id if len(events) == limit else None
        books = self._books_of(events)
        for event, nano, ref in self._ask_for_all(events):
            books.price(event, nano, self._price_ref(ref))
        return last, self._store_prices(books)

    def price_own(self, rows: Iterable[sqlite3.Row]) -> UsageCommitted | None:
        """Let stored events cost what the own prices say; return the fact to publish, None if nothing changed."""
        events = [_event_of(row) for row in rows]
        books = self._books_of(events)
        for event in events:
            books.price_own(event)
        return self._store_prices(books)

    def review(self, rows: Iterable[sqlite3.Row]) -> UsageCommitted | None:
        """Let the present list replace the list prices of stored events; see :meth:`UsageWriter.review`."""
        events = [_event_of(row) for row in rows]
        books = self._books_of(events)
        count = before_nano = after_nano = 0
        for event, nano, ref in self._ask_for_all(events):
            count, before_nano, after_nano = count + 1, before_nano + (event.costs.list or 0), after_nano + nano
            books.price(event, nano, self._price_ref(ref))
        repricing.note_review(self._connection, self._now_ms, count, before_nano, after_nano)
        return self._store_prices(books)

    def _books_of(self, events: Sequence[EventEntry]) -> Books:
        """Return books that know the sessions of stored ``events``, whose prices alone may change."""
        books = Books(
            origin=0,
            now_ms=self._now_ms,
            model_id=self._model,
            sessions={},
            next_session_id=self._names.next_session_id,
            own=self._find_own,
        )
        owners = _ask(self._connection, _SESSIONS_BY_ID, (json_of({event.session for event in events}),))
        books.add_sessions(SessionEntry(*row) for row in owners)
        return books

    def _store_prices(self, books: Books) -> UsageCommitted | None:
        fresh = [session for session in books.sessions.values() if session.is_touched]
        if not fresh:
            return None
        source = self._source(self._batch.source)
        self._store(books, source, 0, [], is_repricing=True)
        count, latest = self._count(source)
        revision = self._advance(self._touched(books))
        is_truncated = len(fresh) > self._rows_max
        rows = self._fresh_rows(fresh, books.tally, {}, {})
        receipt = self._receipt(latest, revision, updated_count=books.updated_count)
        return UsageCommitted(receipt, self._names.epoch, count, tuple(rows), rows_truncated=is_truncated)

    def _touched(self, books: Books, first_count: int = 0) -> set[int]:
        """Return the sessions that are not as before; of first readings there are ``first_count``."""
        made = range(self._names.next_session_id, self._names.next_session_id + first_count)
        rows = {each.id for each in books.sessions.values() if each.is_touched or each.is_changed}
        return rows.union(made, books.deserted, books.tally.list_sessions())

    # Names

    def _source(self, name: str) -> int:
        known = self._names.sources
        if name not in known:
            known[name] = self._name(_ADD_SOURCE, (name,))
        return known[name]

    def _origin(self, source: int, name: str) -> int:
        known = self._names.origins
        if (source, name) not in known:
            known[source, name] = self._name(_ADD_ORIGIN, (source, name))
        return known[source, name]

    def _name(self, statement: str, values: tuple[Value, ...]) -> int:
        [(number,)] = _ask(self._connection, statement, values)
        return int(number)

    def _model(self, name: str) -> int:
        """Return the number of a model; a new one is written with everything else."""
        models = self._names.models
        number = models.get(name)
        if number is None:
            number = models[name] = max(self._names.model_names, default=0) + 1
            self._names.model_names[number] = name
            self._new_models.append((number, name))
        return number

    def _model_name(self, number: int) -> str:
        return self._names.model_names[number]

    def _price(self, event: EventEntry) -> None:
        """Give a request the list price of what is known of it now; where an older list knew one, it stays."""
        pricer, price = self._pricer, None
        if pricer is None:
            return
        if may_be_priced(event.tokens, event.state, is_partial=bool(event.unknown)):
            price = pricer.price(self._model_name(event.model), event.ts, event.context, event.tokens)
            if price is None and not self._is_by(pricer.name, event.price_ref):
                return
        recorded, own, _listed = event.costs
        event.costs = Costs(recorded, own, None if price is None else price.nano)
        event.price_ref = None if price is None else self._price_ref(price.ref)

    def _price_new(self, events: Sequence[EventEntry]) -> None:
        """Give requests that never had one a list price: what :meth:`_price` does, for many at once."""
        for event, nano, ref in self._ask_for_all(events):
            recorded, own, _listed = event.costs
            event.costs, event.price_ref = Costs(recorded, own, nano), self._price_ref(ref)

    def _find_own(self, event: EventEntry) -> int | None:
        """Return what an event costs at the user's own price, whatever its context; None where there is none."""
        own = self._names.own
        if not own or not may_be_priced(event.tokens, event.state, is_partial=bool(event.unknown)):
            return None
        price = own.find(self._model_name(event.model), event.ts)
        return None if price is None else price.cost_of(event.tokens)

    def _ask_for_all(self, events: Iterable[EventEntry]) -> Iterator[tuple[EventEntry, int, PriceRef]]:
        """Yield each of ``events`` that the list knows a price of, with it and with what it is taken from."""
        groups: dict[tuple[int, str], list[EventEntry]] = defaultdict(list)
        for event in events:
            if may_be_priced(event.tokens, event.state, is_partial=bool(event.unknown)):
                groups[event.model, event.context].append(event)
        for (model, context), those in groups.items():
            if self._pricer is None:
                return
            moments, many = [event.ts for event in those], [event.tokens for event in those]
            ref, costs = self._pricer.price_many(self._model_name(model), context, moments, many)
            if ref is not None:
                yield from ((event, nano, ref) for event, nano in zip(those, costs, strict=True) if nano is not None)

    def _is_by(self, name: str, price_ref: int | None) -> bool:
        return any(number == price_ref and ref.list == name for ref, number in self._names.price_refs.items())

    def _price_ref(self, ref: PriceRef) -> int:
        known = self._names.price_refs
        if ref not in known:
            known[ref] = self._name(_ADD_PRICE_REF, ref)
        return known[ref]

    # Loading

    def _remembered(self, source: int, records: Sequence[Record]) -> Sequence[Record]:
        """Return ``records`` without those of sessions and requests that were forgotten on request."""
        names = self._names
        if source not in names.forgotten:
            keys = _ask(self._connection, _FORGOTTEN, (source,))
            names.forgotten[source] = {key: at for key, at in keys}  # noqa: C416  # rows are no pairs to mypy
            rows = _ask(self._connection, _FORGOTTEN_KEYS, (source,))
            names.forgotten_keys[source] = frozenset((kind, high, low) for kind, high, low in rows)
            names.forgotten_halves[source] = frozenset(high for kind, high, _low in rows if kind == REQUEST.code)
        sessions, events = self._note_started(source, records), names.forgotten_keys[source]
        halves = names.forgotten_halves[source]
        if not (sessions or events):
            return records
        kept: list[Record] = []
        later: set[tuple[int, int]] = set()
        for record in records:
            if _is_forgotten(record, events, halves):
                continue
            if record.session not in sessions:
                kept.append(record)
            elif _is_use_after(record, sessions[record.session]):
                later.add(later_key(record.session, record.key if isinstance(record, UsageEvent) else None))
        # Nothing of it is counted, and that is told.
        _many(self._connection, _NOTE_LATER, [(source, *key) for key in sorted(later)])
        return kept

    def _note_started(self, source: int, records: Sequence[Record]) -> Mapping[str, int]:
        """Return the forgotten sessions, each with the moment of that.

        The sessions that they start, as ``records`` tell it, are forgotten from the beginning, with them.
        """
        known = self._names.forgotten[source]
        if not known:
            return known
        parents = {record.session: parent for record in records if (parent := _parent_of(record)) is not None}
        started = dict(known)
        while more := {
            session: started[by] for session, by in parents.items() if by in started and session not in started
        }:
            started |= more
        if new := started.keys() - known.keys():
            # One that was stored before anybody told who had started it stays as it is.
            rows = [(source, key, started[key]) for key in sorted(new - self._load_sessions(source, new).keys())]
            _many(self._connection, _FORGET, rows)
            self._names.forgotten[source] = known | {key: at for _source, key, at in rows}
        return started

    def _load_sessions(self, source: int, keys: Iterable[str]) -> dict[str, SessionEntry]:
        rows = _ask(self._connection, _SESSIONS, (source, json_of(keys)))
        return {row[1]: SessionEntry(*row) for row in rows}

    def _load_meters(self, sessions: Iterable[int]) -> dict[int, dict[int, Meter]]:
        """Return the meters by session and origin."""
        found: dict[int, dict[int, Meter]] = {}
        for session, origin, *columns in _ask(self._connection, _METERS, (json_of(sessions),)):
            last, high, (unknown, is_joint, by) = tuple(columns[:7]), tuple(columns[7:14]), columns[14:]
            found.setdefault(session, {})[origin] = Meter(last, high, tuple(unknown.split()), bool(is_joint), by)
        return found

    def _load_sums(self, sessions: Iterable[int]) -> dict[int, Sums]:
        """Return what sessions have spent altogether."""
        rows = _ask(self._connection, _BOOKED, (json_of(sessions),))
        return {session: Sums.of(columns) for session, *columns in rows}

    def _load_events(self, books: Books, source: int, kind: EventKind, keys: Sequence[tuple[int, int]]) -> None:
        """Put the stored events called ``keys`` into ``books``."""
        if keys:
            for row in _ask(self._connection, _EVENTS, (json_of(keys), source, kind.code)):
                event = _event_of(row)
                books.events[event.kind.code, *event.key] = event

    # Taking

    def _take_readings(
        self, books: Books, source: int, meter: int, ranks: Sequence[int], readings: Sequence[MeterReading]
    ) -> None:
        place = ranks.index(meter) + 1
        lesser, stronger = {*ranks[:place], self._origin(source, self._batch.origin)}, set(ranks[place:])
        known = self._meters = self._load_meters(session.id for session in books.sessions.values())
        # Of what a session has booked otherwise, by requests or for another origin, nothing is booked once more.
        first = [session.id for session in books.sessions.values() if meter not in known.get(session.id, {})]
        booked = self._load_sums(first) if first else {}
        growths: list[Growth] = []
        for reading in readings:
            session = books.sessions.get(reading.session)
            meters = {} if session is None else known.setdefault(session.id, {})
            louder = {origin for origin, each in meters.items() if not each.is_silent}
            # A meter that never stated a number says nothing of a session whose numbers another origin states.
            is_mute = reading.is_silent and meter not in louder
            if session is not None and is_mute and (louder if meter in meters else meters):
                books.note_state(session, reading)
                continue
            growth = books.read_meter(
                reading,
                meters.get(meter),
                None
                if session is None or meter in meters
                else _amounts(booked.get(session.id), books.tally.spent(session.id)),
                [each for origin, each in meters.items() if origin != meter],
                is_joint=self._batch.is_joint or reading.session in self._batch.shared,
                is_outranked=not stronger.isdisjoint(louder),
            )
            if growth is not None:
                # An entry that comes twice in one batch starts from what the first one left.
                known.setdefault(growth.session.id, {})[meter] = growth.meter
                growths.append(growth)
        keys = growth_keys(
            [each.session.key for each in growths],
            [slot_of(each.ts) for each in growths],
            [self._model_name(each.model) for each in growths],
        )
        old = [key for each, key in zip(growths, keys, strict=True) if each.books and not each.session.is_new]
        self._load_events(books, source, GROWTH, old)
        earlier = self._load_doubtful(books, {each.session.id for each in growths if each.tells_more})
        for growth, key in zip(growths, keys, strict=True):
            doubtful = earlier.get(growth.session.id, {})
            if growth.books:
                doubtful[key] = books.book(growth, key)
            if growth.tells_more:
                for event in doubtful.values():
                    # A stronger origin may have seen more than the totals that are read.
                    books.restate(growth, event, is_told=not stronger or event.origin in lesser)

    def _load_doubtful(self, books: Books, sessions: set[int]) -> dict[int, dict[tuple[int, int], EventEntry]]:
        """Return the growths of ``sessions`` of which something is not known, by session and key."""
        found: dict[int, dict[tuple[int, int], EventEntry]] = {session: {} for session in sessions}
        if sessions:
            for row in _ask(self._connection, _GROWTH_OF, (json_of(sessions),)):
                event = _event_of(row)
                found[event.session][event.key] = books.events.setdefault((event.kind.code, *event.key), event)
        return found

    def _take_events(self, books: Books, source: int, records: Sequence[UsageEvent]) -> None:
        keys = [split_key(record.key) for record in records]
        former = [split_key(record.former_key) for record in records if record.former_key is not None]
        self._load_events(books, source, REQUEST, [*keys, *former])
        self._load_told(books, source, records, keys)
        self._load_owners(books)
        bare = [key[0] for record, key in zip(records, keys, strict=True) if record.is_bare]
        if bare:
            rows = _ask(self._connection, _FIRST_HALVES, (source, REQUEST.code, json_of(bare)))
            books.first_halves.update((REQUEST.code, half) for (half,) in rows)
        for record, key in zip(records, keys, strict=True):
            old = None if record.former_key is None else books.events.get((REQUEST.code, *split_key(record.former_key)))
            books.take_event(record, key, old)

    def _load_told(
        self, books: Books, source: int, records: Sequence[UsageEvent], keys: Sequence[tuple[int, int]]
    ) -> None:
        """Load what other origins say of the time around those of ``records`` that are not known by their keys."""
        wanted = [
            (record.session, record.ts - record.near_ms, record.ts + record.near_ms)
            for record, key in zip(records, keys, strict=True)
            if record.near_ms is not None and (REQUEST.code, *key) not in books.events
        ]
        if wanted:
            for row in _ask(
                self._connection, _TOLD, (json_of(wanted), source, self._origin(source, self._batch.origin))
            ):
                event = _event_of(row)
                event = books.events.setdefault((REQUEST.code, *event.key), event)
                books.told.setdefault(event.session, []).append(event)

    def _load_owners(self, books: Books) -> None:
        """Load the sessions of known events that records of other sessions repeat."""
        owners = books.lacking_sessions()
        if owners:
            rows = _ask(self._connection, _SESSIONS_BY_ID, (json_of(owners),))
            books.add_sessions(SessionEntry(*row) for row in rows)

    def _take_prompts(self, books: Books, source: int, records: Sequence[PromptSeen]) -> None:
        keys = [split_key(record.key) for record in records]
        self._load_events(books, source, PROMPT, keys)
        self._load_owners(books)
        for record, key in zip(records, keys, strict=True):
            books.take_prompt(record, key)

    def _lose(self, books: Books, source: int) -> None:
        """Let go of open requests without an answer for too long, in this batch or stored.

        Here, at each reading of the source, and not where sums are asked for: so a state is in one place, and every
        sum follows from it.
        """
        limit = self._now_ms - LOST_AFTER_MS
        for row in _ask(self._connection, _LOST, (source, limit)):
            event = _event_of(row)
            books.events.setdefault((event.kind.code, *event.key), event)
        self._load_owners(books)
        is_open = RequestState.OPEN
        for event in books.events.values():
            if event.state is is_open and event.ts < limit:
                books.lose(event)

    def _take_plans(self, source: int, readings: Sequence[PlanReading]) -> bool:
        """Store the newest state of each plan, if it is newer than what is stored; return whether one was.

        A state that a wrong clock has dated ahead says nothing: it would stay the newest one.
        """
        ceiling = self._now_ms + PLAN_AHEAD_MS
        readings = [each for each in readings if each.at <= ceiling]
        if not readings:
            return False
        known = {row[0]: row[1] for row in _ask(self._connection, _PLANS, (source,)) if row[1] <= ceiling}
        newest: dict[str, PlanReading] = {}
        for each in readings:
            if each.at > max(known.get(each.plan, -1), newest[each.plan].at if each.plan in newest else -1):
                newest[each.plan] = each
        for plan in newest:
            _ask(self._connection, _DROP_PLAN, (source, plan))
        _many(
            self._connection,
            _ADD_PLAN,
            [(source, plan, *window, each.at) for plan, each in newest.items() for window in each.windows],
        )
        return bool(newest)

    def _take_projects(self, source: int, books: Books, projects: Sequence[ProjectSeen]) -> bool:
        """Name the projects of sessions that have none; return whether one is stored already, and has one now."""
        for each in projects:
            session = books.sessions.get(each.session)
            if session is not None and session.project is None:
                session.project = each.name  # a new one is stored with it
        before = self._connection.total_changes
        _many(self._connection, _SET_PROJECT, [(each.name, source, each.session) for each in projects])
        return self._connection.total_changes > before

    def _readings_of(self, readings: Sequence[MeterReading]) -> dict[str, MeterReading]:
        return {reading.session: reading for reading in readings}

    def _gap_rows(self, books: Books, gaps: Sequence[GapReading]) -> list[tuple[Value, ...]]:
        """Return the rows of ``gaps`` that say something else than what is stored."""
        if not gaps:
            return []
        rows = {}
        for gap in gaps:
            session = books.find_session(gap.session, None, gap.at or self._now_ms, gap.model).id
            key = (session, self._model(gap.model or UNKNOWN_MODEL), gap.kind, gap.at or 0)
            rows[key] = (gap.requests, *gap.tokens, gap.heir_of, gap.heir_since, gap.recorded_count)
        stored = _ask(self._connection, _GAPS, (json_of({key[0] for key in rows}),))
        known = {tuple(row[:4]): tuple(row[4:]) for row in stored}
        return [(*key, *numbers) for key, numbers in rows.items() if known.get(key) != numbers]

    # Storing

    def _store_models(self) -> None:
        if self._new_models:
            _many(self._connection, _ADD_MODEL, self._new_models)
            self._new_models = []

    def _store_first(self, first: FirstReadings, source: int, origin: int, meter: int) -> None:
        for name in first.models():
            self._model(name)
        self._store_models()
        batch = self._batch
        first.store(
            self._connection,
            self._names.models,
            source,
            origin,
            meter,
            is_joint=batch.is_joint,
            has_task_rows=batch.has_task_rows,
        )

    def _store(
        self,
        books: Books,
        source: int,
        meter: int,
        gaps: Sequence[tuple[Value, ...]],
        *,
        is_repricing: bool = False,
    ) -> None:
        connection, sessions = self._connection, books.sessions.values()
        _many(connection, _ADD_SESSION, [_new_session(source, each) for each in sessions if each.is_new])
        _many(
            connection,
            _SET_SESSION,
            [
                (each.parent, each.first_ts, each.last_ts, each.model, each.state, each.id)
                for each in sessions
                if each.is_changed and not each.is_new
            ],
        )
        _many(
            connection,
            _PUT_METER,
            [
                (session, meter, *each.last, *each.high, " ".join(each.unknown), each.is_joint, each.stated_by)
                for session, each in sorted(books.meters.items())
                if session in books.changed_meters
            ],
        )
        # Changes first: a request that was renamed leaves a key that a new one may have.
        changed = [each for each in books.events.values() if each.is_changed and each.id is not None]
        shifts = keep_counted(connection, changed, is_repricing=is_repricing)
        _many(connection, _SET_EVENT, [(*_columns_of(each), each.id) for each in changed])
        _many(connection, _ADD_EVENT, [(source, *_columns_of(each)) for each in books.made])
        tally = books.tally
        _many(connection, _ADD_SLOT, [(source, *key, *row_of(sums)) for key, sums in sorted(tally.slots().items())])
        _many(
            connection,
            _ADD_MODEL_DAY,
            [(source, *key, *row_of(sums)) for key, sums in sorted(tally.model_days().items())],
        )
        _many(connection, _ADD_DAY, [(source, *key, *row_of(sums)) for key, sums in sorted(tally.days().items())])
        totals = tally.totals()
        hold_counters(connection, source, plus(totals, shifts))
        shift_counters(connection, source, shifts)
        _many(connection, _ADD_TOTAL, [(source, key, *row_of(sums)) for key, sums in totals.items()])
        _many(connection, _PUT_GAP, gaps)
        # A sum over no event at all would count a session where it spent nothing.
        vacated_slots = [(source, *key) for key in tally.list_vacated_slots()]
        _many(connection, _DROP_SLOT, vacated_slots)
        _many(connection, _DROP_MODEL_DAY, vacated_slots)
        _many(connection, _DROP_DAY, [(source, *key) for key in tally.list_vacated_days()])
        for session in books.list_deserted():
            for first_ts, last_ts, model in _ask(connection, _SPAN, (session.id,)):
                session.first_ts, session.last_ts, session.model = first_ts, last_ts, model

    def _open(self, source: int) -> None:
        """Note the end of the first reading: from then on usage is seen as it happens."""
        since = self._names.exact_since
        if since.get(source) is None and not self._batch.remaining_count:
            since[source] = self._now_ms
            _ask(self._connection, _OPEN, (self._now_ms, source))

    def _checkpoint(self, source: int, origin: int) -> None:
        rows: list[tuple[Value, ...]] = [
            (source, place, origin, self._names.epoch, position, self._now_ms)
            for place, position in self._batch.checkpoints
            if position is not None
        ]
        _many(self._connection, _PUT_CHECKPOINT, rows)
        gone = [(source, place) for place, position in self._batch.checkpoints if position is None]
        _many(self._connection, _DROP_CHECKPOINT, gone)

    def _advance(self, touched: Collection[int] | None) -> int:
        [(revision,)] = _ask(self._connection, _ADVANCE)
        self._names.revision, self._names.touched = int(revision), touched
        return self._names.revision

    # Telling

    def _receipt(
        self, latest: int | None, revision: int, *, added_count: int = 0, updated_count: int = 0, skipped_count: int = 0
    ) -> ImportReceipt:
        """Return the receipt of what ends now."""
        batch, counts = self._batch, self._batch.counts
        return ImportReceipt(
            source=batch.source,
            origin=batch.origin,
            trigger=counts.trigger,
            finished_at_ms=self._clock(),
            duration_ms=round((time.perf_counter() - batch.started) * 1000, 3),
            added_count=added_count,
            updated_count=updated_count,
            skipped_count=counts.skipped_count + skipped_count,
            error_count=len(counts.rejections),
            partial_count=counts.partial_count,
            remaining_count=batch.remaining_count,
            latest_ts=latest,
            revision=revision,
            rejections=counts.rejections[:REJECTIONS_SHOWN],
            partials=counts.partials[:REJECTIONS_SHOWN],
        )

    def _count(self, source: int) -> tuple[int, int | None]:
        known = self._names.session_counts.get(source)
        if known is None:
            [(count, latest)] = _ask(self._connection, _STATE, (source,))
            known = self._names.session_counts[source] = (count, latest)
        return known

    def _recount(self, source: int, new_count: int, newest: int) -> tuple[int, int | None]:
        """Return how many sessions there are now, and the greatest moment of them; ``newest`` is that of this batch."""
        known = self._names.session_counts.get(source)
        if known is None:
            return self._count(source)
        count, latest = known[0] + new_count, known[1]
        if latest is None or newest >= latest:
            latest = newest
        else:
            # A moment may also go back: then it is asked for, at the end of an index.
            [(latest,)] = _ask(self._connection, _LATEST, (source,))
        self._names.session_counts[source] = (count, latest)
        return count, latest

    def _fresh_rows(
        self,
        fresh: list[SessionEntry],
        tally: Tally,
        meters: Mapping[int, Meter],
        readings: Mapping[str, MeterReading],
    ) -> list[FreshSession]:
        """Return the newest of ``fresh``; ``tally`` and ``meters`` are those of this batch, as are ``readings``."""
        fresh.sort(key=_last_ts, reverse=True)
        shown = fresh[: self._rows_max]
        old = [session.id for session in shown if not session.is_new]
        totals = self._load_sums(old) if old else {}
        others = [number for number in old if number not in self._meters]
        stored = (self._load_meters(others) if others else {}) | self._meters
        origins = {number: name for (_source, name), number in self._names.origins.items()}
        rows = []
        for session in shown:
            posted = tally.spent(session.id)
            spent = Sums() if posted is None else Sums(tuple(posted))
            # The last one counts, as everywhere: the weakest was read first, and one that says nothing is weaker still.
            known = sorted(stored.get(session.id, {}).items(), key=lambda item: (not item[1].is_silent, item[0]))
            origin, stated = (origins[known[-1][1].stated_by], known[-1][1]) if known else ("", meters.get(session.id))
            reading = readings.get(session.key)
            rows.append(
                FreshSession(
                    source=self._batch.source,
                    session=session.key,
                    parent=session.parent,
                    model=self._model_name(session.model),
                    first_ts=session.first_ts,
                    last_ts=session.last_ts,
                    state=SessionState(session.state),
                    label=session.label,
                    project=session.project,
                    seen_at=session.seen_at,
                    origin=origin or self._batch.origin,
                    stated=None if stated is None else Tokens(*stated.last[:6]),
                    stated_nano=None if stated is None else stated.last[6],
                    stated_usd=None if stated is None else cline_rows.stated_usd(stated, reading),
                    has_fallen=stated is not None and stated.has_fallen,
                    unknown=() if stated is None else stated.unknown,
                    spent=spent,
                    total=totals.get(session.id, spent),
                )
            )
        return rows


class _Kinds(NamedTuple):
    """Records by what they are."""

    requests: list[UsageEvent]
    readings: list[MeterReading]
    prompts: list[PromptSeen]
    gaps: list[GapReading]


def _sorted_out(records: Sequence[Record]) -> _Kinds:
    """Return ``records`` by what they are, each kind in their order."""
    kinds = _Kinds([], [], [], [])
    requests, prompts = kinds.requests.append, kinds.prompts.append
    for record in records:
        if isinstance(record, UsageEvent):
            requests(record)
        elif isinstance(record, PromptSeen):
            prompts(record)
        elif isinstance(record, MeterReading):
            kinds.readings.append(record)
        else:
            kinds.gaps.append(record)
    return kinds


class _Parts(NamedTuple):
    projects: list[ProjectSeen]
    plans: list[PlanReading]
    rest: list[Record]


def _set_apart(records: Sequence[AnyRecord]) -> _Parts:
    """Return what is said of projects and of plans, and the rest."""
    parts = _Parts([], [], [])
    rest = parts.rest.append
    for record in records:
        if isinstance(record, PlanReading):
            parts.plans.append(record)
        elif isinstance(record, ProjectSeen):
            parts.projects.append(record)
        else:
            rest(record)
    return parts


def _ask(connection: sqlite3.Connection, statement: str, values: Sequence[Value] = ()) -> list[sqlite3.Row]:
    return connection.execute(statement, values).fetchall()


def _many(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Value, ...]]) -> None:
    if rows:
        connection.executemany(statement, rows)


def _is_forgotten(record: Record, keys: Set[EventKey], halves: Set[int]) -> bool:
    """Return whether ``keys``, of what was forgotten, name the request or prompt that ``record`` tells.

    ``halves`` are first halves of those of requests: a bare record is a copy of any that has its own.
    """
    if isinstance(record, PromptSeen):
        return (PROMPT.code, *split_key(record.key)) in keys
    if not isinstance(record, UsageEvent):
        return False
    key = split_key(record.key)
    if (REQUEST.code, *key) in keys or (record.is_bare and key[0] in halves):
        return True
    if record.former_key is None:
        return False
    # A bare key may stand for many requests: of what was forgotten under it nothing says which of them it was.
    former = split_key(record.former_key)
    return (REQUEST.code, *former) in keys and (UNMEASURED_REQUEST, *former) not in keys


def _is_use_after(record: Record, moment: int) -> bool:
    """Return whether ``record`` tells spending behind ``moment``."""
    return isinstance(record, UsageEvent | MeterReading) and record.ts is not None and record.ts > moment


def _parent_of(record: Record) -> str | None:
    return None if isinstance(record, GapReading) else record.parent


def _event_of(row: sqlite3.Row) -> EventEntry:
    number, kind, high, low, origin, session, ts, model, *rest = row
    recorded, own, listed, state, unknown, context, price_ref, claim = rest[len(TOKENS) :]
    return EventEntry(
        number,
        _KINDS[kind],
        (high, low),
        origin,
        session,
        ts,
        model,
        Tokens(*rest[: len(TOKENS)]),
        Costs(recorded, own, listed),
        RequestState(state),
        unknown,
        context,
        price_ref,
        claim,
    )


def _columns_of(event: EventEntry) -> tuple[Value, ...]:
    """Return an event as the columns of ``_EVENT``."""
    # Not its ``value``, which a function of Python says; nor itself, for which the driver would look for an adapter.
    return (
        event.kind[0],
        *event.key,
        event.origin,
        event.session,
        event.ts,
        event.model,
        *event.tokens,
        *event.costs,
        int(event.state),
        event.unknown,
        event.context,
        event.price_ref,
        event.claim,
    )


def _new_session(source: int, session: SessionEntry) -> tuple[Value, ...]:
    return (
        session.id,
        source,
        session.key,
        session.parent,
        session.first_ts,
        session.last_ts,
        session.model,
        session.state,
        session.seen_at,
        session.label,
        session.project,
    )


def _amounts(stored: Sums | None, spent: Vector | None) -> tuple[int, ...]:
    """Return the sum of what is ``stored`` and what this transaction has ``spent`` so far as the numbers of a meter."""
    sums = Sums.total([stored or Sums(), Sums() if spent is None else Sums(tuple(spent))])
    return (*sums.vector[: len(TOKENS)], sums.get("recorded"))


def _last_ts(session: SessionEntry | FreshSession) -> int:
    return session.last_ts
