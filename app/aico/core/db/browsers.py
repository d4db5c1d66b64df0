"""The repository of browsers: visits of histories, pairings, and reports of extensions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aico.core.activity import BROWSERS, ActivitySpan, estimate_nano
from aico.core.db.activity import Checkpoint, add_spans, find_checkpoint, put_checkpoint
from aico.core.db.database import Database
from aico.core.db.statements import insert, put

_KNOWN = "SELECT at_us, name, duration_ms FROM activity_visit WHERE at_us BETWEEN ? AND ?"
_PUT_VISIT = put("activity_visit", ("at_us", "name"), ("duration_ms",))
_PAIRING_COLUMNS = ("id", "token", "created_at", "browser", "paired_at", "last_at", "until_ms", "ended_at")
_PAIRINGS = f"SELECT {', '.join(_PAIRING_COLUMNS)} FROM activity_pairing ORDER BY id"  # noqa: S608  # our own names
_ADD_PAIRING = insert("activity_pairing", ("token", "created_at", "until_ms")) + " RETURNING id"
_END_PAIRING = "UPDATE activity_pairing SET ended_at = ? WHERE id = ? AND ended_at IS NULL"
_DROP_UNUSED = "DELETE FROM activity_pairing WHERE paired_at IS NULL AND (ended_at IS NOT NULL OR created_at < ?)"
_REPORTED = """
    UPDATE activity_pairing SET browser = coalesce(browser, ?2), paired_at = coalesce(paired_at, ?3), last_at = ?3,
        until_ms = ?4 WHERE id = ?1
"""
_FORGOTTEN = "SELECT from_ms, to_ms FROM activity_forgotten WHERE kind = ?"
_ADD_BATCH = insert("activity_batch", ("pairing", "batch", "at"), " ON CONFLICT DO NOTHING")
_DROP_BATCHES = "DELETE FROM activity_batch WHERE at < ?"


class CountedVisit(NamedTuple):
    """A visit of a history, as it is to be counted."""

    at_us: int
    span: ActivitySpan
    """Its whole time so far, from its beginning."""


class Pairing(NamedTuple):
    """An extension that may report, or might."""

    id: int
    token: str
    created_at: int
    browser: str | None
    paired_at: int | None
    last_at: int | None
    until_ms: int
    ended_at: int | None


class BrowserStore:
    """Writes what browsers tell. Every method raises StorageBusy, StorageError, and then has written nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_visits(
        self, visits: Sequence[CountedVisit], hourly_rates: dict[str, float], checkpoint: Checkpoint | None = None
    ) -> bool:
        """Add what is new of ``visits`` and, with them, how far was read; return whether there was anything new.

        A known visit adds what it has grown by. ``hourly_rates`` are those of the listed names, US dollars.
        """
        if not visits:
            return False

        def write(connection: sqlite3.Connection) -> bool:
            moments = [visit.at_us for visit in visits]
            known = {(at, name): ms for at, name, ms in connection.execute(_KNOWN, (min(moments), max(moments)))}
            growth = list(_growth_of(visits, known, hourly_rates))
            connection.executemany(
                _PUT_VISIT, [(*key, known[key]) for key in dict.fromkeys(key for key, _span in growth)]
            )
            add_spans(connection, (span for _key, span in growth))
            if checkpoint is not None:
                put_checkpoint(connection, checkpoint)
            return bool(growth)

        return await self._database.write(write)

    async def list_pairings(self) -> list[Pairing]:
        """Return all of them, ended ones too: when a browser was paired stays true."""
        async with self._database.asking() as ask:
            return [Pairing(*row) for row in await ask(_PAIRINGS)]

    async def find_position(self, place: str) -> str | None:
        """Return how far the history of a place was read; None where it never was."""
        async with self._database.asking() as ask:
            return await find_checkpoint(ask, BROWSERS.id, place)

    async def list_forgotten(self, kind: str) -> list[tuple[int, int]]:
        """Return the times of ``kind`` that were forgotten, epoch milliseconds."""
        async with self._database.asking() as ask:
            return [(from_ms, to_ms) for from_ms, to_ms in await ask(_FORGOTTEN, (kind,))]

    async def add_pairing(self, token: str, now_ms: int, unused_since_ms: int) -> int:
        """Add a pairing, and return its id. Those that were never used and are older than a moment go."""

        def write(connection: sqlite3.Connection) -> int:
            connection.execute(_DROP_UNUSED, (unused_since_ms,))
            [(key,)] = connection.execute(_ADD_PAIRING, (token, now_ms, 0)).fetchall()
            return int(key)

        return await self._database.write(write)

    async def end_pairing(self, key: int, now_ms: int) -> None:
        """End a pairing: its browser's history counts again from now on."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_END_PAIRING, (now_ms, key))

        await self._database.write(write)

    async def add_report(
        self, pairing: Pairing, batch: str, spans: Sequence[ActivitySpan], now_ms: int, forget_before_ms: int
    ) -> bool:
        """Add a report and remember it, with ``pairing`` as it is after it. Return False for one that was known."""

        def write(connection: sqlite3.Connection) -> bool:
            connection.execute(_DROP_BATCHES, (forget_before_ms,))
            is_new = connection.execute(_ADD_BATCH, (pairing.id, batch, now_ms)).rowcount > 0
            if is_new:
                add_spans(connection, spans)
                connection.execute(_REPORTED, (pairing.id, pairing.browser, now_ms, pairing.until_ms))
            return is_new

        return await self._database.write(write)


def _growth_of(
    visits: Iterable[CountedVisit], known: dict[tuple[int, str], int], hourly_rates: Mapping[str, float]
) -> Iterator[tuple[tuple[int, str], ActivitySpan]]:
    """Yield what is new of each visit, by what it is known by; ``known`` milliseconds become what is counted then."""
    for at_us, span in visits:
        key = (at_us, span.subject)
        counted_ms = known.get(key, 0)
        growth_ms = max(0, span.duration_ms - counted_ms)
        is_new = key not in known
        if is_new or growth_ms:
            known[key] = counted_ms + growth_ms
            start_ms, count = span.start_ms + counted_ms, int(is_new)
            cost = estimate_nano(growth_ms, hourly_rates[span.subject])
            yield (
                key,
                ActivitySpan(span.kind, span.subject, span.category, start_ms, growth_ms, count, span.place, cost),
            )
