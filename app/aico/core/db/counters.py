"""The values of counters: they grow with the spending, and never fall. The totals they stand on may.

Something that is forgotten leaves the totals, and its sum goes on being shown. A restored backup knows less than what
was shown before, and so do totals of a model from which a request moves, or whose list price the tool's own replaces:
until they have caught up with that, nothing is growth. Of an event whose price the user changes, counters go on showing
what they have shown of it (:mod:`aico.core.db.counted`), so that what is spent next is growth at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from aico.core.sums import COST_PARTS, LISTED, NOTHING, SUM_COLUMNS, Sums, Vector, row_of
from aico.core.units import NANO, TOKENS

K = TypeVar("K")
_COLUMNS = ", ".join(SUM_COLUMNS)
# Of each source and model first what was spent, then what has been shown already.
_PARTS = f"""
    SELECT 0 AS is_floor, source, model, {_COLUMNS} FROM usage_total
    UNION ALL SELECT 0, source, model, {_COLUMNS} FROM forgotten_total
    UNION ALL SELECT 0, source, model, {_COLUMNS} FROM counter_shift
    UNION ALL SELECT 1, source, model, {_COLUMNS} FROM counter_floor
"""  # noqa: S608  # our own names
_PARTS_OF = f"""
    SELECT source, model, is_floor, {_COLUMNS} FROM ({_PARTS}) WHERE source = ? AND model = ? ORDER BY is_floor
"""  # noqa: S608  # our own names
_PUT_FLOOR = f"""
    INSERT OR REPLACE INTO counter_floor (source, model, {_COLUMNS}) VALUES (?, ?{", ?" * len(SUM_COLUMNS)})
"""  # noqa: S608  # our own names
COUNTERS = f"""
    SELECT s.name, m.name, is_floor, {_COLUMNS} FROM ({_PARTS}) AS t
    JOIN source AS s ON s.id = t.source JOIN model AS m ON m.id = t.model ORDER BY s.id, m.id, is_floor
"""  # noqa: S608  # our own names
"""Rows for :func:`counters_of`, in the order in which sources and models were first seen."""


def counters_of(rows: Iterable[sqlite3.Row]) -> dict[tuple[str, str], Sums]:
    """Return the answer to :data:`COUNTERS` by source and model."""
    return _add_up(((source, model), is_floor, columns) for source, model, is_floor, *columns in rows)


def higher(one: Sums, other: Sums) -> Sums:
    """Return the greater of each number; the parts of the cost stay together, and those of the greater cost count."""
    numbers = list(map(max, one.vector, other.vector))
    dearer = max(one, other, key=lambda sums: sums.cost_nano)
    for place in COST_PARTS:
        numbers[place] = dearer.vector[place]
    return Sums(tuple(numbers))


def hold_counters(connection: sqlite3.Connection, source: int, changes: Mapping[int, Vector]) -> None:
    """Keep what counters of ``source`` show before ``changes`` of totals, by model, if these make any of it smaller."""
    for model, more in changes.items():
        if min(more[: len(TOKENS)]) < 0 or sum(more[place] for place in COST_PARTS) < 0:
            rows = connection.execute(_PARTS_OF, (source, model)).fetchall()
            shown = _add_up(((number, name), is_floor, columns) for number, name, is_floor, *columns in rows)
            connection.executemany(_PUT_FLOOR, [(*key, *row_of(sums.vector)) for key, sums in shown.items()])


def _add_up(parts: Iterable[tuple[K, int, Sequence[int]]]) -> dict[K, Sums]:
    counters: dict[K, Sums] = {}
    for key, is_floor, columns in parts:
        known, more = counters.get(key, NOTHING), Sums.of(columns)
        counters[key] = higher(known, more) if is_floor else Sums.total([known, more])
    return counters


PLAN_VALUES = """
    SELECT s.name, m.name, v.start_usd, v.start_nano, v.done_usd, v.done_nano
    FROM plan_value AS v JOIN source AS s ON s.id = v.source JOIN model AS m ON m.id = v.model
"""
PLAN_SOURCES = "SELECT source FROM plan"
_PUT_VALUE = """
    INSERT INTO plan_value (source, model, start_usd, start_nano, done_usd, done_nano) VALUES (
        (SELECT id FROM source WHERE name = ?), (SELECT id FROM model WHERE name = ?), ?, ?, ?, ?)
    ON CONFLICT (source, model) DO UPDATE SET start_usd = excluded.start_usd, start_nano = excluded.start_nano,
        done_usd = excluded.done_usd, done_nano = excluded.done_nano
"""


def plan_values_of(
    counters: Mapping[tuple[str, str], Sums], rows: Iterable[sqlite3.Row], plans: Collection[str]
) -> dict[tuple[str, str], int]:
    """Return what of the cost of each of ``counters`` plans have paid for, in nano-dollars: a value, and no money.

    ``rows`` answer :data:`PLAN_VALUES`; ``plans`` are the sources under a plan now.
    """
    marks = {
        (source, model): (start * NANO + start_nano, done * NANO + done_nano)
        for source, model, start, start_nano, done, done_nano in rows
    }
    found: dict[tuple[str, str], int] = {}
    for (source, model), sums in counters.items():
        start, done = marks.get((source, model), (0, 0))
        value = done + (max(0, sums.vector[LISTED] - start) if source in plans else 0)
        if value:
            found[source, model] = min(value, sums.cost_nano)
    return found


def keep_plan_values(connection: sqlite3.Connection, begun: Collection[str], ended: Collection[str]) -> None:
    """Let counters of money go on from what they show when plans of sources begin and end: before it is stored."""
    if not begun and not ended:
        return
    counters, values = counters_of(connection.execute(COUNTERS)), get_plan_values(connection)
    rows = [
        (
            source,
            model,
            *divmod(sums.vector[LISTED] if source in begun else 0, NANO),
            *divmod(values.get((source, model), 0), NANO),
        )
        for (source, model), sums in counters.items()
        if source in begun or source in ended
    ]
    connection.executemany(_PUT_VALUE, rows)


def get_plan_values(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return what of the counters plans have paid for, by source and model, in nano-dollars."""
    counters = counters_of(connection.execute(COUNTERS))
    plans = {str(source) for (source,) in connection.execute(PLAN_SOURCES)}
    return plan_values_of(counters, connection.execute(PLAN_VALUES).fetchall(), plans)


def hold_plan_values(connection: sqlite3.Connection, shown: Mapping[tuple[str, str], int]) -> None:
    """Let the amounts that plans have paid for go on from ``shown``, for all plans that this database knows or not."""
    counters = counters_of(connection.execute(COUNTERS))
    connection.executemany(
        _PUT_VALUE,
        [
            (*key, *divmod(sums.vector[LISTED], NANO), *divmod(shown[key], NANO))
            for key, sums in counters.items()
            if key in shown
        ],
    )
