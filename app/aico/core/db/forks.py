"""Sessions that were forked: their running totals begin with those of the session that they were forked from.

The other session has spent the total that a fork begins with. It is kept under the fork's name when the fork is seen
for the first time, and taken off every total that the tool states of it from then on, by any origin: so all accounts
hold the spending of the fork itself.

Source: the real command line of Cline 3.0.65, ``/fork``: a row of the new session with the totals of the old one stands
there at once, and goes on from these.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from aico.core.db.json_values import json_of
from aico.core.db.statements import insert
from aico.core.metering import Amounts, amounts_of
from aico.core.money import NANO, nano_usd
from aico.core.usage import TOKENS, MeterReading, Record

UNKNOWN_PARENT = "fork"
"""Stands among the unknown fields of a fork of which nobody knows what it began with."""
_NUMBERS = (*TOKENS, "nano")
_NOTHING: Amounts = (None,) * len(_NUMBERS)
_ANY = "SELECT EXISTS (SELECT 1 FROM inherited)"
_INHERITED = f"""
    SELECT key, {", ".join(_NUMBERS)} FROM inherited WHERE source = ? AND key IN (SELECT value FROM json_each(?))
"""  # noqa: S608  # our own names
_STORED = f"""
    SELECT s.key, {", ".join(f"MAX(m.high_{name})" for name in _NUMBERS)}
    FROM session AS s LEFT JOIN meter AS m ON m.session = s.id
    WHERE s.source = ? AND s.key IN (SELECT value FROM json_each(?)) GROUP BY s.id
"""  # noqa: S608  # our own names
_FORGOTTEN = "SELECT key FROM forgotten WHERE source = ? AND key IN (SELECT value FROM json_each(?))"
_ADD = insert("inherited", ("source", "key", *_NUMBERS))


def take_off_inherited(connection: sqlite3.Connection, source: int, records: Sequence[Record]) -> Sequence[Record]:
    """Return ``records`` with every running total less what its session has inherited; note that of new forks.

    A part of the caller's transaction. Any exception but the driver's is a bug.
    """
    readings = [record for record in records if isinstance(record, MeterReading)]
    forks = [reading for reading in readings if reading.forked_from]
    if not forks and not (readings and connection.execute(_ANY).fetchone()[0]):
        return records
    parents = {str(fork.forked_from) for fork in forks}
    inherited = _by_key(connection, _INHERITED, source, {reading.session for reading in readings} | parents)
    unknown: set[str] = set()
    if forks:
        names = {fork.session for fork in forks} | parents
        stored = _by_key(connection, _STORED, source, names)
        forgotten = {key for (key,) in connection.execute(_FORGOTTEN, (source, json_of(parents)))}
        totals = {key: _plus(high, inherited.get(key, _NOTHING)) for key, high in stored.items()}
        rows: list[tuple[int | str | None, ...]] = []
        for reading in readings:
            now, parent = amounts_of(reading), reading.forked_from
            if parent is not None and reading.session not in stored and reading.session not in inherited:
                # Of what was forgotten nothing comes back: all that is there by now counts as inherited.
                base = now if parent in forgotten else totals.get(parent)
                if base is not None:
                    inherited[reading.session] = share = _least(base, now)
                    rows.append((source, reading.session, *share))
            if parent is not None and parent not in totals and parent not in forgotten:
                unknown.add(reading.session)
            totals[reading.session] = _greatest(totals.get(reading.session, _NOTHING), now)
        connection.executemany(_ADD, rows)
    return [_own_of(record, inherited, unknown) if isinstance(record, MeterReading) else record for record in records]


def _own_of(reading: MeterReading, inherited: Mapping[str, Amounts], unknown: Collection[str]) -> MeterReading:
    """Return ``reading`` less what its session has inherited."""
    base = inherited.get(reading.session)
    if base is None:
        return reading._replace(unknown=(*reading.unknown, UNKNOWN_PARENT)) if reading.session in unknown else reading
    tokens = [None if now is None else max(0, now - (had or 0)) for now, had in zip(reading.tokens, base, strict=False)]
    cost = reading.cost_usd
    own = None if cost is None else max(0, nano_usd(cost) - (base[-1] or 0)) / NANO
    return reading._replace(
        input=tokens[0],
        cache_read=tokens[1],
        cache_write_5m=tokens[2],
        cache_write_1h=tokens[3],
        output=tokens[4],
        reasoning=tokens[5],
        cost_usd=own,
    )


def _by_key(connection: sqlite3.Connection, statement: str, source: int, keys: Collection[str]) -> dict[str, Amounts]:
    return {key: tuple(amounts) for key, *amounts in connection.execute(statement, (source, json_of(keys)))}


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return tuple(
        None if first is None and second is None else (first or 0) + (second or 0)
        for first, second in zip(one, other, strict=True)
    )


def _least(base: Amounts, now: Amounts) -> Amounts:
    return tuple(
        None if had is None or number is None else min(had, number) for had, number in zip(base, now, strict=True)
    )


def _greatest(one: Amounts, other: Amounts) -> Amounts:
    return tuple(
        second if first is None else first if second is None else max(first, second)
        for first, second in zip(one, other, strict=True)
    )
