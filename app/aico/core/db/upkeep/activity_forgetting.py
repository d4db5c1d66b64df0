"""Removing the use of apps, commands and sites on request: a time of it goes, and nothing brings it back.

Stretches, sums and visits go. The time itself is remembered, so that no history of a browser tells it again; the totals
of all time stay as they are, because counters never fall. All functions block: call them in a thread.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aico.core.activity import BROWSERS, SHELL, divide
from aico.core.db.json_values import json_of
from aico.core.db.statements import add, insert
from aico.core.db.upkeep.sqlite_files import connect, in_our_words, transaction
from aico.core.filters import slot_ceiling, slot_floor
from aico.core.units import SLOT_MS

# Of one kind, ?1, from one slot, ?2, to another, ?3.
_OF_KIND = "subject IN (SELECT id FROM activity_subject WHERE kind = ?1)"
_MEANT = f"{_OF_KIND} AND slot >= ?2 AND slot < ?3"
_GOING = """
    SELECT s.kind, s.name, SUM(a.duration_ms), SUM(a.count)
    FROM activity_slot AS a JOIN activity_subject AS s ON s.id = a.subject
    WHERE s.kind IN (SELECT value FROM json_each(?1)) AND a.slot >= ?2 AND a.slot < ?3
    GROUP BY s.kind, s.name ORDER BY 3 DESC, 4 DESC, 1, 2
"""
_SUMS = f"SELECT subject, SUM(duration_ms), SUM(count) FROM activity_slot WHERE {_OF_KIND} GROUP BY subject"  # noqa: S608
_SPANS = f"SELECT subject, start_ms, duration_ms FROM activity_span WHERE {_OF_KIND}"  # noqa: S608  # our own names
_REACHING = f"{_SPANS} AND start_ms < ?3 * {SLOT_MS} AND start_ms + duration_ms > ?2 * {SLOT_MS}"
_DROP_SPAN = "DELETE FROM activity_span WHERE subject = ? AND start_ms = ?"
_ADD_SPAN = add("activity_span", ("subject", "start_ms"), ("duration_ms",))
_DROP_SLOTS = f"DELETE FROM activity_slot WHERE {_MEANT}"  # noqa: S608  # likewise
_EMPTY_SLOTS = f"UPDATE activity_slot SET duration_ms = 0 WHERE {_OF_KIND}"  # noqa: S608  # likewise
_ADD_SLOT = add("activity_slot", ("slot", "subject"), ("duration_ms", "count"))
_DROP_EMPTY = f"DELETE FROM activity_slot WHERE {_OF_KIND} AND duration_ms = 0 AND count = 0"  # noqa: S608  # likewise
_ADD_FORGOTTEN = add("activity_forgotten_total", ("subject",), ("duration_ms", "count"))
_LAST_USE = f"""
    UPDATE activity_total SET last_ms = min(last_ms, ifnull(
        (SELECT (max(slot) + 1) * {SLOT_MS} FROM activity_slot AS s WHERE s.subject = activity_total.subject), 0
    )) WHERE {_OF_KIND}
"""  # noqa: S608  # likewise
_DROP_VISITS = f"DELETE FROM activity_visit WHERE at_us >= ? * {SLOT_MS} * 1000 AND at_us < ? * {SLOT_MS} * 1000"  # noqa: S608
_DROP_POSITIONS = "DELETE FROM activity_checkpoint WHERE kind = ?"
_COLUMNS = ("kind", "from_ms", "to_ms", "forgotten_at")
_REMEMBER = insert("activity_forgotten", _COLUMNS, " ON CONFLICT DO NOTHING")
_FORGOTTEN = f"SELECT {', '.join(_COLUMNS)} FROM activity_forgotten ORDER BY forgotten_at, kind, from_ms"  # noqa: S608


class ForgottenTime(NamedTuple):
    """A time of a kind that was forgotten."""

    kind: str
    from_ms: int
    to_ms: int
    forgotten_at: int


@dataclass(frozen=True, slots=True)
class GoingUse:
    """The use of a subject that goes, or would go."""

    kind: str
    subject: str
    duration_ms: int
    count: int


def list_going(path: Path, kinds: Collection[str], from_ms: int, to_ms: int) -> list[GoingUse]:
    """Return what of ``kinds`` would go between two moments; write nothing. Raises StorageBusy, StorageError."""
    with in_our_words(), closing(connect(path, "ro")) as connection:
        return _going(connection, kinds, from_ms, to_ms)


def forget_activity(path: Path, kinds: Collection[str], from_ms: int, to_ms: int, now_ms: int) -> list[GoingUse]:
    """Remove the use of ``kinds`` between two moments, rounded out to slots, in one transaction; return what went.

    Use after ``now_ms`` counts again, also in the slot that has begun. Raises StorageBusy, StorageError.
    """
    from_ms, to_ms = slot_floor(from_ms) * SLOT_MS, min(slot_ceiling(to_ms) * SLOT_MS, now_ms)
    with in_our_words(), closing(connect(path)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        # Removed data is overwritten, too.
        connection.execute("PRAGMA secure_delete=ON")
        with transaction(connection):
            going = _going(connection, kinds, from_ms, to_ms)
            for kind in kinds:
                remove_time(connection, ForgottenTime(kind, from_ms, to_ms, now_ms))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return going


def list_forgotten_times(connection: sqlite3.Connection) -> list[ForgottenTime]:
    """Return every time that was forgotten, the first one first. Raises sqlite3.Error."""
    return [ForgottenTime(*row) for row in connection.execute(_FORGOTTEN)]


def has_use(connection: sqlite3.Connection, time: ForgottenTime) -> bool:
    """Return whether anything of a time is stored. Raises sqlite3.Error."""
    return bool(_going(connection, [time.kind], time.from_ms, time.to_ms))


def remove_time(connection: sqlite3.Connection, time: ForgottenTime) -> None:
    """Remove all use of a time, and remember that, inside a transaction. Raises sqlite3.Error.

    A stretch that reaches out of it is cut. Sums are made anew from the stretches: both stay equal.
    """
    first, end = slot_floor(time.from_ms), slot_ceiling(time.to_ms)
    of_kind, meant = (time.kind,), (time.kind, first, end)
    before = connection.execute(_SUMS, of_kind).fetchall()
    for subject, start_ms, duration_ms in connection.execute(_REACHING, meant).fetchall():
        connection.execute(_DROP_SPAN, (subject, start_ms))
        connection.executemany(
            _ADD_SPAN,
            [(subject, *part) for part in _around(start_ms, duration_ms, first * SLOT_MS, end * SLOT_MS)],
        )
    connection.execute(_DROP_SLOTS, meant)
    connection.execute(_EMPTY_SLOTS, of_kind)
    slots = Counter[tuple[int, int]]()
    for subject, start_ms, duration_ms in connection.execute(_SPANS, of_kind):
        for slot, part_ms in divide(start_ms, duration_ms):
            slots[slot, subject] += part_ms
    connection.executemany(_ADD_SLOT, [(*key, duration_ms, 0) for key, duration_ms in slots.items()])
    connection.execute(_DROP_EMPTY, of_kind)
    after = {subject: amounts for subject, *amounts in connection.execute(_SUMS, of_kind)}
    gone = [
        (subject, duration_ms - after.get(subject, [0, 0])[0], count - after.get(subject, [0, 0])[1])
        for subject, duration_ms, count in before
    ]
    connection.executemany(_ADD_FORGOTTEN, [each for each in gone if any(each[1:])])
    connection.execute(_LAST_USE, of_kind)
    if time.kind == BROWSERS.id:
        connection.execute(_DROP_VISITS, (first, end))
    if time.kind == SHELL.id:
        # Lines that were typed until now and are not read yet are never counted.
        connection.execute(_DROP_POSITIONS, of_kind)
    connection.execute(_REMEMBER, time)


def _going(connection: sqlite3.Connection, kinds: Collection[str], from_ms: int, to_ms: int) -> list[GoingUse]:
    meant = (json_of(kinds), slot_floor(from_ms), slot_ceiling(to_ms))
    return [GoingUse(*row) for row in connection.execute(_GOING, meant)]


def _around(start_ms: int, duration_ms: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """Yield what of a stretch lies before a time and behind it."""
    if start_ms < from_ms:
        yield start_ms, from_ms - start_ms
    if start_ms + duration_ms > to_ms:
        yield to_ms, start_ms + duration_ms - to_ms
