"""The counted costs of events whose price changes afterwards: every cost is counted once, and stays counted.

An event is counted at what it costs as soon as that is known, and follows it as long as more of it is read. From the
first change of its price on, what it was counted at is kept beside it; the differences, added up by source and model,
are what counters show besides the totals.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aico.core.booking import EventEntry
from aico.core.db.json_values import json_of
from aico.core.db.questions import COUNTED_SHIFTS
from aico.core.db.statements import add, put
from aico.core.sums import COST_PARTS, SUM_COLUMNS, WIDTH, Costs, Vector, row_of
from aico.core.sums import add as add_up

_IS_ANY = "SELECT 1 FROM counted_cost LIMIT 1"
_COUNTED = "SELECT event, basis, nano FROM counted_cost WHERE event IN (SELECT value FROM json_each(?))"
_BEFORE = """
    SELECT id, model, recorded_nano, own_nano, list_nano FROM usage_event
    WHERE id IN (SELECT value FROM json_each(?))
"""
_PUT = put("counted_cost", ("event",), ("basis", "nano"))
_DROP = "DELETE FROM counted_cost WHERE event = ?"
_ADD_SHIFT = add("counter_shift", ("source", "model"), SUM_COLUMNS)
_MAKE_SHIFTS = f"INSERT INTO counter_shift (source, model, {', '.join(SUM_COLUMNS)}) {COUNTED_SHIFTS}"  # our own names


class _Cost(NamedTuple):
    """A part of the cost, by its place in ``COST_PARTS``."""

    basis: int
    nano: int


def keep_counted(
    connection: sqlite3.Connection, changed: Sequence[EventEntry], *, is_repricing: bool
) -> dict[int, Vector]:
    """Keep what counters have counted of stored events that are about to change.

    ``is_repricing`` says that only their prices change. Return, by model, the sums for :func:`shift_counters`.
    """
    if not changed or not (is_repricing or connection.execute(_IS_ANY).fetchone()):
        return {}
    ids = json_of(event.id for event in changed)
    counted = {event: _Cost(basis, nano) for event, basis, nano in connection.execute(_COUNTED, (ids,))}
    if not (counted or is_repricing):
        return {}
    before = {
        number: (model, _cost_of(Costs(recorded, own, listed)))
        for number, model, recorded, own, listed in connection.execute(_BEFORE, (ids,))
    }
    shifts: dict[int, Vector] = {}
    kept: list[tuple[int, int, int]] = []
    gone: list[tuple[int]] = []
    for event in changed:
        if event.id is None:
            continue
        (model, was), now = before[event.id], _cost_of(event.costs)
        old = counted.get(event.id)
        new = old or (was if is_repricing else None)
        if new == now or (new is not None and not is_repricing and now is not None and now.nano >= new.nano):
            new = None
        if old is not None:
            _shift(shifts, model, old, -1)
            _shift(shifts, model, was, 1)
        if new is not None:
            _shift(shifts, event.model, new, 1)
            _shift(shifts, event.model, now, -1)
            kept.append((event.id, *new))
        elif old is not None:
            gone.append((event.id,))
    connection.executemany(_PUT, kept)
    connection.executemany(_DROP, gone)
    return shifts


def shift_counters(connection: sqlite3.Connection, source: int, shifts: Mapping[int, Vector]) -> None:
    """Add ``shifts``, by model, to what counters show besides the totals."""
    connection.executemany(_ADD_SHIFT, [(source, model, *row_of(vector)) for model, vector in shifts.items()])


def rebuild_shifts(connection: sqlite3.Connection) -> None:
    """Make the differences anew, from the events that are left."""
    connection.execute("DELETE FROM counted_cost WHERE event NOT IN (SELECT id FROM usage_event)")
    connection.execute("DELETE FROM counter_shift")
    connection.execute(_MAKE_SHIFTS)


def plus(changes: dict[int, Vector], more: dict[int, Vector]) -> dict[int, Vector]:
    """Return the sums of two changes, by model."""
    total = {model: list(vector) for model, vector in changes.items()}
    for model, vector in more.items():
        add_up(total.setdefault(model, [0] * WIDTH), vector)
    return total


def _cost_of(costs: Costs) -> _Cost | None:
    """Return what counts of ``costs``, as :func:`aico.core.sums.measure` says it."""
    parts: Iterable[int | None] = costs
    return next((_Cost(basis, nano) for basis, nano in enumerate(parts) if nano is not None), None)


def _shift(shifts: dict[int, Vector], model: int, cost: _Cost | None, sign: int) -> None:
    if cost is not None:
        shifts.setdefault(model, [0] * WIDTH)[COST_PARTS[cost.basis]] += sign * cost.nano
