"""What counters show: they grow with what is spent, and never fall. The totals they stand on may.

Something that is forgotten leaves the totals, and its sum goes on being shown. A restored backup knows less than what
was shown before: until its totals have caught up with that, nothing is growth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from aico.core.sums import NOTHING, SUM_COLUMNS, Sums

_COLUMNS = ", ".join(SUM_COLUMNS)
# Of each source and model first what was spent, then what has been shown already.
COUNTERS = f"""
    SELECT s.name, m.name, is_floor, {_COLUMNS} FROM (
        SELECT 0 AS is_floor, source, model, {_COLUMNS} FROM usage_total
        UNION ALL SELECT 0, source, model, {_COLUMNS} FROM forgotten_total
        UNION ALL SELECT 1, source, model, {_COLUMNS} FROM counter_floor
    ) AS t JOIN source AS s ON s.id = t.source JOIN model AS m ON m.id = t.model ORDER BY s.id, m.id, is_floor
"""  # noqa: S608  # our own names
"""Rows for :func:`counters_of`, in the order in which sources and models were first seen."""


def counters_of(rows: Iterable[sqlite3.Row]) -> dict[tuple[str, str], Sums]:
    """Return the answer to :data:`COUNTERS` by source and model."""
    counters: dict[tuple[str, str], Sums] = {}
    for source, model, is_floor, *columns in rows:
        known, more = counters.get((source, model), NOTHING), Sums.of(columns)
        shown = Sums(tuple(map(max, known.vector, more.vector))) if is_floor else Sums.total([known, more])
        counters[source, model] = shown
    return counters
