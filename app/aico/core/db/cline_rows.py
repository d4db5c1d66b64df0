"""The table of Cline's tasks, whose columns are fixed: Cline's present numbers, beside the booked ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from aico.core.booking import Books
from aico.core.db.statements import put
from aico.core.metering import Meter
from aico.core.money import nano_usd, usd
from aico.core.usage import MeterReading

_KEPT = ("ts", "model_id", "tokens_in", "tokens_out", "total_cost")
_UPSERT = (
    put("cline_task_usage", ("task_id",), (*_KEPT, "imported_at", "updated_at")).replace(
        "imported_at = excluded.imported_at, ", ""
    )
    + f" WHERE {' OR '.join(f'{name} IS NOT excluded.{name}' for name in _KEPT)}"
)
ADD_FIRST = _UPSERT.replace(
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    """
    SELECT f.key, f.ts, NULLIF(m.name, ''), IFNULL(f.input, 0), IFNULL(f.output, 0), IFNULL(f.cost_usd, 0.0), ?, ?
    FROM first_reading AS f CROSS JOIN model AS m ON m.id = f.model WHERE TRUE ORDER BY f.id
    """,
)
"""The same for what ``aico.core.db.first_readings`` has staged; takes the moment twice."""


def upsert(
    connection: sqlite3.Connection,
    books: Books,
    readings: Mapping[str, MeterReading],
    model_name: Callable[[int], str],
    now_ms: int,
) -> None:
    """Write the rows of the tasks whose own numbers ``books`` has changed: part of its transaction.

    ``readings`` are those of the batch, by task.
    """
    rows = []
    for session in books.sessions.values():
        reading = readings.get(session.key)
        if reading is None or not session.is_touched or session.is_outranked:
            continue
        meter = books.meters.get(session.id)
        if meter is None:
            continue  # an origin that states no number told of its state
        tokens_in, tokens_out, stated = meter.last[0] or 0, meter.last[4] or 0, stated_usd(meter, reading) or 0.0
        model = model_name(session.model) or None
        rows.append((session.key, session.last_ts, model, tokens_in, tokens_out, stated, session.seen_at, now_ms))
    if rows:
        connection.executemany(_UPSERT, rows)


def stated_usd(meter: Meter, reading: MeterReading | None) -> float | None:
    """Return the cost that ``meter`` states now, in US dollars; None where none was ever stated.

    As the tool wrote it, noise of floating point included, if ``reading`` is where the number comes from.
    """
    nano = meter.last[6]
    cost = None if reading is None else reading.cost_usd
    if nano is None or (cost is not None and nano_usd(cost) == nano):
        return cost
    return usd(nano)
