"""The first readings of many new sessions, stored at once: a first import is made of them.

For each of them :class:`aico.core.booking.Books` would come to the same: a session, a meter at its first totals, and
one event of all that it says. Here their values are bound once, into a table of this connection, and every other table
is filled from there by one statement, in which Python has no part: a fifth of the time. A property test holds both ways
together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import count

from aico.core.booking import cost_of, slot_of
from aico.core.db import cline_rows
from aico.core.db.driver import Value
from aico.core.db.keys import growth_keys
from aico.core.db.statements import add
from aico.core.metering import advance, is_unmeasured, is_unpriced
from aico.core.money import NANO, nano_usd, nanos_usd
from aico.core.receipts import FreshSession
from aico.core.sums import GROWTH, SUM_COLUMNS, Costs, Sums, measure
from aico.core.usage import (
    DAY_SLOTS,
    SLOT_MS,
    TOKENS,
    UNKNOWN_MODEL,
    MeterReading,
    Record,
    RequestState,
    Tokens,
)

MANY = 200
"""From so many on it is worth while."""
_NUMBERS = (*TOKENS, "nano")
_STAGED = (
    *("id", "key", "ts", "first_ts", "model", *TOKENS, "cost_usd"),
    *("state", "parent", "unknown", "nano", "key_high", "key_low"),
)
_STAGE = f"CREATE TEMP TABLE IF NOT EXISTS first_reading (id INTEGER PRIMARY KEY, {', '.join(_STAGED[1:])})"
_FILL = f"INSERT INTO first_reading ({', '.join(_STAGED)}) VALUES ({', '.join('?' * len(_STAGED))})"
_CLEAR = "DELETE FROM first_reading"
_ADD_SESSIONS = """
    INSERT INTO session (id, source, key, parent_key, first_ts, last_ts, model, state, seen_at)
    SELECT id, ?, key, parent, first_ts, ts, model, state, ? FROM first_reading ORDER BY id
"""
_ADD_METERS = f"""
    INSERT INTO meter (session, origin, {", ".join(f"{at}_{name}" for at in ("last", "high") for name in _NUMBERS)},
        unknown, is_joint, stated_by)
    SELECT id, ?, {", ".join(_NUMBERS * 2)}, unknown, ?, ? FROM first_reading ORDER BY id
"""
_SPENT = " + ".join(f"IFNULL({name}, 0)" for name in TOKENS[:5])
_IS_UNMEASURED = f"COALESCE({', '.join(TOKENS)}) IS NULL"
# As booking.cost_of says it: tokens without a cost above 0 are unpriced, and of nothing no price is known.
_ADD_EVENTS = f"""
    INSERT INTO usage_event (source, kind, key_high, key_low, origin, session, ts, model, {", ".join(TOKENS)},
        recorded_nano, state, unknown, context)
    SELECT ?, {GROWTH.code}, key_high, key_low, ?, id, ts, model, {", ".join(TOKENS)},
        CASE WHEN nano > 0 OR ({_SPENT} = 0 AND reasoning > 0) THEN nano END,
        IIF({_IS_UNMEASURED}, {RequestState.UNMEASURED.value}, {RequestState.FINAL.value}), unknown, ''
    FROM first_reading ORDER BY id
"""
# As sums.measure says it of a growth.
_SUMS = {
    **dict.fromkeys(SUM_COLUMNS, "0"),
    **{name: f"IFNULL({name}, 0)" for name in TOKENS},
    "unpriced": f"IFNULL(nano, 0) = 0 AND {_SPENT} > 0",
    "unmeasured": _IS_UNMEASURED,
    "lacking_cache": "cache_read IS NULL",
    "partial": "unknown <> ''",
    "recorded_usd": f"IFNULL(nano, 0) / {NANO}",
    "recorded_nano": f"IFNULL(nano, 0) % {NANO}",
}


def _adding(table: str, key: Mapping[str, str], rows: str) -> str:
    """Return the statement that adds ``rows`` of what is staged to a table of sums; takes the source first."""
    width = len(key) + 1 + len(SUM_COLUMNS)
    return add(table, ("source", *key), SUM_COLUMNS).replace(f"VALUES ({', '.join('?' * width)})", rows)


def _single(table: str, key: Mapping[str, str]) -> str:
    """Return such a statement that takes row after row: many keys, and the oldest come first."""
    columns = ", ".join((*key.values(), *_SUMS.values()))
    # "WHERE TRUE" tells the conflict's ON from that of a join.
    return _adding(table, key, f"SELECT ?, {columns} FROM first_reading WHERE TRUE ORDER BY id")


_ADD_DAYS = _single("usage_session_day", {"day": f"ts / {DAY_SLOTS * SLOT_MS}", "session": "id", "model": "model"})
_ADD_SLOTS = _single("usage_slot", {"slot": f"ts / {SLOT_MS}", "model": "model"})
_ADD_MODEL_DAYS = _single("usage_day", {"day": f"ts / {DAY_SLOTS * SLOT_MS}", "model": "model"})
_SUMMED = ", ".join(value if value == "0" else f"SUM({value})" for value in _SUMS.values())
# Few keys: summed first.
_ADD_TOTALS = _adding(
    "usage_total",
    {"model": "model"},
    f"SELECT ?, model, {_SUMMED} FROM first_reading WHERE TRUE GROUP BY model",  # our own names
)


class FirstReadings:
    """Readings of sessions that are neither stored nor named twice."""

    def __init__(self, readings: Sequence[MeterReading], first_id: int, now_ms: int) -> None:
        timed = [reading if reading.ts is not None else reading._replace(ts=now_ms) for reading in readings]
        # The oldest first, so that the trees grow at their end.
        self._readings = sorted(timed[::-1], key=_moment)  # noqa: C415  # of equals the last one first
        self._first_id = first_id
        self._now_ms = now_ms

    def __len__(self) -> int:
        return len(self._readings)

    @property
    def newest(self) -> int:
        """The greatest moment of them; 0 of none."""
        return self._readings[-1].ts or 0 if self._readings else 0

    def store(
        self,
        connection: sqlite3.Connection,
        model_ids: Mapping[str, int],
        source: int,
        origin: int,
        meter: int,
        *,
        is_joint: bool,
        has_task_rows: bool,
    ) -> None:
        """Write everything but the models: part of a transaction that has written those.

        ``origin`` is what is read, ``meter`` the origin under whose name the totals are kept.
        """
        connection.execute(_STAGE)
        connection.executemany(_FILL, self._rows(model_ids))
        connection.execute(_ADD_SESSIONS, (source, self._now_ms))
        connection.execute(_ADD_METERS, (meter, is_joint, origin))
        connection.execute(_ADD_EVENTS, (source, origin))
        for statement in (_ADD_DAYS, _ADD_MODEL_DAYS, _ADD_SLOTS, _ADD_TOTALS):
            connection.execute(statement, (source,))
        if has_task_rows:
            connection.execute(cline_rows.ADD_FIRST, (self._now_ms, self._now_ms))
        connection.execute(_CLEAR)

    def models(self) -> list[str]:
        """Return the names of their models, those of the newest first."""
        return list(dict.fromkeys(reading.model or UNKNOWN_MODEL for reading in reversed(self._readings)))

    def fresh_rows(self, limit: int, source: str, origin: str, *, is_joint: bool) -> list[FreshSession]:
        """Return at most ``limit`` of them as they are told, the newest first."""
        return [self._fresh_row(reading, source, origin, is_joint) for reading in self._readings[: -limit - 1 : -1]]

    def _fresh_row(self, reading: MeterReading, source: str, origin: str, is_joint: bool) -> FreshSession:
        meter, amounts = advance(None, reading, is_joint=is_joint)
        tokens, nano = Tokens(*amounts[:6]), amounts[6]
        cost, state = cost_of(
            amounts,
            is_unpriced=is_unpriced((meter,)),
            is_unmeasured=is_unmeasured((meter,)),
            is_cost_stated=nano is not None,
        )
        spent = Sums(tuple(measure(GROWTH, tokens, Costs(cost), state, is_partial=bool(reading.unknown))))
        ts = reading.ts or 0
        return FreshSession(
            source=source,
            session=reading.session,
            parent=reading.parent,
            model=reading.model or UNKNOWN_MODEL,
            first_ts=_first_ts(reading),
            last_ts=ts,
            state=reading.state,
            label=None,
            project=None,
            seen_at=self._now_ms,
            origin=origin,
            stated=tokens,
            stated_nano=nano,
            stated_usd=reading.cost_usd,
            has_fallen=False,
            unknown=reading.unknown,
            spent=spent,
            total=spent,
        )

    def _rows(self, model_ids: Mapping[str, int]) -> Iterable[tuple[Value, ...]]:
        """Return the values to be staged, made column by column: a line of Python for each takes as long as SQLite."""
        readings = self._readings
        sessions = [reading.session for reading in readings]
        names = [reading.model or UNKNOWN_MODEL for reading in readings]
        moments = [reading.ts or 0 for reading in readings]
        keys = growth_keys(sessions, map(slot_of, moments), names)
        return zip(
            count(self._first_id),
            sessions,
            moments,
            map(_first_ts, readings),
            [model_ids[name] for name in names],
            [reading.input for reading in readings],
            [reading.cache_read for reading in readings],
            [reading.cache_write_5m for reading in readings],
            [reading.cache_write_1h for reading in readings],
            [reading.output for reading in readings],
            [reading.reasoning for reading in readings],
            [reading.cost_usd for reading in readings],
            [int(reading.state) for reading in readings],
            [reading.parent for reading in readings],
            [" ".join(reading.unknown) for reading in readings],
            _nanos([reading.cost_usd for reading in readings]),
            [high for high, _low in keys],
            [low for _high, low in keys],
            strict=False,  # the first one never ends
        )


def choose(records: Sequence[Record], known: Container[str], shared: Container[str]) -> list[MeterReading]:
    """Return the readings that may be taken this way: if there are many, and no session is named twice.

    Sessions that are ``known``, or ``shared`` with another place of the origin, are taken one by one.
    """
    if len(records) < MANY:
        return []
    readings = [
        record
        for record in records
        if isinstance(record, MeterReading) and record.session not in known and record.session not in shared
    ]
    is_plain = len(readings) >= MANY and len({record.session for record in records}) == len(records)
    return readings if is_plain else []


def _nanos(costs: Sequence[float | None]) -> Sequence[int | None]:
    known = [cost for cost in costs if cost is not None]
    if len(known) == len(costs):
        return nanos_usd(known)
    return [None if cost is None else nano_usd(cost) for cost in costs]


def _moment(reading: MeterReading) -> int:
    return reading.ts or 0


def _first_ts(reading: MeterReading) -> int:
    ts, start = reading.ts or 0, reading.started_ts
    return ts if start is None or start > ts else start
