"""The repository of activity: stretches of use become rows and sums in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aico.core.activity import ActivitySpan, divide
from aico.core.db.database import Database
from aico.core.db.statements import add, put
from aico.core.db.sums_reader import Ask

LONGEST_MS = 8 * 86_400_000
"""No stretch is longer: so old ones need not be looked at for what reaches into a time."""
JOIN_MS = 2_000
"""A stretch that begins so soon after the last one of its subject goes on with it."""
_JOINED_MS = LONGEST_MS - 86_400_000
"""A stretch that began so long before is not gone on with."""
_AMOUNTS = ("duration_ms", "count")
_SUBJECT = put("activity_subject", ("kind", "name", "place"), ("category",)) + " RETURNING id"
# Of the last few alone: a subject may have been used a hundred thousand times.
_LAST = """
    SELECT start_ms FROM (
        SELECT start_ms, duration_ms FROM activity_span
        WHERE subject = ?1 AND start_ms <= ?2 + ?3 AND start_ms > ?2 - ?4
        ORDER BY start_ms DESC LIMIT 8
    ) WHERE abs(start_ms + duration_ms - ?2) <= ?3 LIMIT 1
"""
_ADD_SPAN = add("activity_span", ("subject", "start_ms"), ("duration_ms",))
_ADD_SLOT = add("activity_slot", ("slot", "subject"), _AMOUNTS)
_ADD_TOTAL = """
    INSERT INTO activity_total (subject, duration_ms, count, cost_nano, last_ms) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (subject) DO UPDATE SET duration_ms = duration_ms + excluded.duration_ms,
        count = count + excluded.count, cost_nano = cost_nano + excluded.cost_nano,
        last_ms = max(last_ms, excluded.last_ms)
"""
_CHECKPOINT = "SELECT position FROM activity_checkpoint WHERE kind = ? AND place = ?"
_KINDS_READ = "SELECT DISTINCT kind FROM activity_checkpoint"
_FORGET_POSITIONS = "DELETE FROM activity_checkpoint WHERE kind = ?"
_PUT_CHECKPOINT = put("activity_checkpoint", ("kind", "place"), ("position", "read_at"))
_SUMS = """
    SELECT s.kind, s.name, s.place, s.category, SUM(a.duration_ms), SUM(a.count), t.last_ms
    FROM activity_slot AS a JOIN activity_subject AS s ON s.id = a.subject
    JOIN activity_total AS t ON t.subject = a.subject
    WHERE a.slot >= ? AND a.slot < ? GROUP BY a.subject ORDER BY 5 DESC, 6 DESC, 1, 2, 3
"""
_SPANS = """
    SELECT s.kind, s.name, s.place, a.start_ms, a.duration_ms
    FROM activity_span AS a JOIN activity_subject AS s ON s.id = a.subject
    WHERE a.start_ms < ?1 AND a.start_ms + a.duration_ms > ?2 AND a.start_ms > ?2 - ?4 ORDER BY a.start_ms DESC LIMIT ?3
"""
_TOTALS = """
    SELECT s.kind, s.name, s.place, s.category, t.duration_ms, t.count, t.cost_nano
    FROM activity_total AS t JOIN activity_subject AS s ON s.id = t.subject ORDER BY s.id
"""


@dataclass(frozen=True, slots=True)
class SubjectSum:
    """The use of a subject inside a period."""

    kind: str
    name: str
    place: str
    category: str
    duration_ms: int
    count: int
    last_ms: int
    """End of its last use ever."""


class StoredSpan(NamedTuple):
    """A stretch of use."""

    kind: str
    name: str
    place: str
    start_ms: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class SubjectTotal:
    """The use of a subject in all time; no part of it ever falls."""

    kind: str
    name: str
    place: str
    category: str
    duration_ms: int
    count: int
    cost_nano: int


class Checkpoint(NamedTuple):
    """How far a place was read."""

    kind: str
    place: str
    """A digest of its path."""
    position: str
    read_at: int


class ActivityStore:
    """Writes activity. Every method raises StorageBusy, StorageError, and then has written nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, spans: Sequence[ActivitySpan], checkpoint: Checkpoint | None = None) -> None:
        """Add stretches of use and, with them, how far a place was read."""

        def write(connection: sqlite3.Connection) -> None:
            add_spans(connection, spans)
            if checkpoint is not None:
                put_checkpoint(connection, checkpoint)

        await self._database.write(write)

    async def find_position(self, kind: str, place: str) -> str | None:
        """Return how far a place was read; None where it never was."""
        async with self._database.asking() as ask:
            return await find_checkpoint(ask, kind, place)

    async def forget_positions(self, kinds: Sequence[str]) -> None:
        """Forget how far the places of ``kinds`` were read: use while nobody may look is never counted."""
        async with self._database.asking() as ask:
            kept = {str(kind) for (kind,) in await ask(_KINDS_READ)}
        wanted = [(kind,) for kind in kinds if kind in kept]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_FORGET_POSITIONS, wanted)

        if wanted:
            await self._database.write(write)


async def find_checkpoint(ask: Ask, kind: str, place: str) -> str | None:
    """Return how far a place was read; None where it never was."""
    rows = await ask(_CHECKPOINT, (kind, place))
    return str(rows[0][0]) if rows else None


def put_checkpoint(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Note how far a place was read, inside a transaction. Raises sqlite3.Error."""
    connection.execute(_PUT_CHECKPOINT, checkpoint)


async def list_sums(ask: Ask, first_slot: int, end_slot: int) -> list[SubjectSum]:
    """Return what each subject was used between two slots, the longest first."""
    return [SubjectSum(*row) for row in await ask(_SUMS, (first_slot, end_slot))]


async def list_spans(ask: Ask, from_ms: int, to_ms: int, limit: int) -> list[StoredSpan]:
    """Return the stretches that lie inside a time or reach into it, the newest first."""
    return [StoredSpan(*row) for row in await ask(_SPANS, (to_ms, from_ms, limit, LONGEST_MS))]


async def list_totals(ask: Ask) -> list[SubjectTotal]:
    """Return the sums of all time, in the order in which subjects were first seen."""
    return [SubjectTotal(*row) for row in await ask(_TOTALS)]


def add_spans(connection: sqlite3.Connection, spans: Iterable[ActivitySpan]) -> None:
    """Add stretches of use to rows and sums, inside a transaction. Raises sqlite3.Error."""
    subjects: dict[tuple[str, str, str, str], int] = {}
    slots: dict[tuple[int, int], tuple[int, int]] = {}
    totals: dict[int, tuple[int, int, int, int]] = {}
    for span in spans:
        names = (span.kind, span.subject, span.place, span.category)
        subject = subjects.get(names)
        if subject is None:
            [(subject,)] = connection.execute(_SUBJECT, names).fetchall()
            subjects[names] = subject
        if span.duration_ms:
            last = connection.execute(_LAST, (subject, span.start_ms, JOIN_MS, _JOINED_MS)).fetchone()
            connection.execute(_ADD_SPAN, (subject, span.start_ms if last is None else last[0], span.duration_ms))
        count = span.count
        for slot, part_ms in divide(span.start_ms, span.duration_ms):
            before_ms, before = slots.get((slot, subject), (0, 0))
            slots[slot, subject] = before_ms + part_ms, before + count
            count = 0  # where it began
        duration_ms, calls, nano, last_ms = totals.get(subject, (0, 0, 0, 0))
        end_ms = max(last_ms, span.start_ms + span.duration_ms)
        totals[subject] = duration_ms + span.duration_ms, calls + span.count, nano + span.cost_nano, end_ms
    connection.executemany(_ADD_SLOT, [(*key, *amounts) for key, amounts in slots.items()])
    connection.executemany(_ADD_TOTAL, [(subject, *amounts) for subject, amounts in totals.items()])
