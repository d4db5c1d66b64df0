"""The questions of an export to the database, in one snapshot, the same for every caller."""

from __future__ import annotations

from collections.abc import Mapping

from aico.core.db.counters import COUNTERS, PLAN_SOURCES, PLAN_VALUES, counters_of, plan_values_of
from aico.core.db.sums_reader import Ask
from aico.core.exported import Usage
from aico.core.sums import LISTED, PROMPT, Sums
from aico.core.units import SLOT_MS, TOKENS

Pair = tuple[str, str]
"""Source and model."""
_TOTALS = """
    SELECT s.name, m.name, t.unpriced FROM usage_total AS t
    JOIN source AS s ON s.id = t.source JOIN model AS m ON m.id = t.model
    WHERE t.unpriced > 0 AND s.exact_since IS NOT NULL
"""
_COMPLETE = "SELECT name FROM source WHERE exact_since IS NOT NULL"
_FIRST_SEEN = "SELECT MIN(seen_at) FROM session"
_SPENT = " + ".join(f"IFNULL(e.{name}, 0)" for name in TOKENS[:5])
# Every event from the first slot on that has one without a price: no index knows them.
_UNPRICED_TOKENS = f"""
    SELECT s.name, m.name, SUM({_SPENT}) FROM usage_event AS e
    JOIN source AS s ON s.id = e.source JOIN model AS m ON m.id = e.model
    WHERE e.ts >= (SELECT MIN(slot) FROM usage_slot WHERE unpriced > 0) * {SLOT_MS} AND e.kind <> {PROMPT.code}
        AND COALESCE(e.recorded_nano, e.own_nano, e.list_nano) IS NULL
    GROUP BY e.source, e.model
"""  # noqa: S608  # our own names


async def read_usage(ask: Ask, unpriced_before: Mapping[Pair, int]) -> tuple[Usage, dict[Pair, int]]:
    """Return what counters show, and how many events of each source and model have no price.

    The events are those of sources whose first reading has ended: before that, nothing of a source is exported.

    ``unpriced_before`` is the second part of the last answer: tokens without a price are asked for only if it differs.
    Raises sqlite3.Error.
    """
    counts = {(source, model): int(count) for source, model, count in await ask(_TOTALS)}
    tokens = (
        {}
        if counts == dict(unpriced_before)
        else {(source, model): int(count) for source, model, count in await ask(_UNPRICED_TOKENS)}
    )
    [(first_seen,)] = await ask(_FIRST_SEEN)
    counters = counters_of(await ask(COUNTERS))
    plans = {str(source) for (source,) in await ask(PLAN_SOURCES)}
    values = plan_values_of(counters, await ask(PLAN_VALUES), plans)
    usage = Usage(
        {key: _money_of(sums, values.get(key, 0)) for key, sums in counters.items()},
        tokens,
        {str(name) for (name,) in await ask(_COMPLETE)},
        None if first_seen is None else int(first_seen),
        values,
    )
    return usage, counts


def _money_of(sums: Sums, plan_value: int) -> Sums:
    """Return ``sums`` without what a plan has paid for, which is a part of what a list says."""
    if not plan_value:
        return sums
    vector = list(sums.vector)
    vector[LISTED] = max(0, vector[LISTED] - plan_value)
    return Sums(tuple(vector))
