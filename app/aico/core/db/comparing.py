"""Prices held against each other: the tools' own beside the list, and older lists beside the present one."""

from __future__ import annotations

from typing import NamedTuple

from aico.core.db.json_values import json_of
from aico.core.db.questions import Values, events_where
from aico.core.db.repricing import OLD_REFS, REVIEWS, Review, review_of
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.filters import UsageFilter
from aico.core.sums import REQUEST
from aico.core.units import NANO, TOKENS, Tokens

_WINDOW = 50_000
"""Events that one statement goes through."""
_COMPARED = f"""
    SELECT (SELECT name FROM source WHERE id = source), (SELECT name FROM model WHERE id = model), COUNT(list_nano),
        SUM(IIF(list_nano IS NULL, 0, recorded_nano) / {NANO}), SUM(IIF(list_nano IS NULL, 0, recorded_nano) % {NANO}),
        IFNULL(SUM(list_nano / {NANO}), 0), IFNULL(SUM(list_nano % {NANO}), 0), COUNT(*) - COUNT(list_nano)
    FROM usage_event WHERE recorded_nano IS NOT NULL AND kind = {REQUEST.code} AND {{where}}
    GROUP BY source, model ORDER BY source, model
"""  # noqa: S608  # our own names
_OLD = f"""
    SELECT (SELECT name FROM model WHERE id = model), context, ts, list_nano,
        recorded_nano IS NULL AND own_nano IS NULL, {", ".join(TOKENS)}
    FROM usage_event WHERE id > ? AND id <= ? AND list_nano IS NOT NULL
        AND price_ref IN (SELECT value FROM json_each(?))
"""  # noqa: S608  # our own names
_LAST = "SELECT IFNULL(MAX(id), 0) FROM usage_event"


class Compared(NamedTuple):
    """Requests of one source and model whose tool states a cost, and which have a list value as well."""

    source: str
    model: str
    requests: int
    recorded_nano: int
    list_nano: int
    without_list: int
    """Requests with a cost of the tool's that no list values: in neither sum."""


class OldPrice(NamedTuple):
    """A request that an older list has priced."""

    model: str
    context: str
    ts: int
    nano: int
    counts: bool
    """True if the list value is its cost."""
    tokens: Tokens


async def list_compared(snapshot: SumsSnapshot, wanted: UsageFilter) -> list[Compared]:
    """Return what tools state beside the list, of each source and model inside ``wanted``."""
    where, values = events_where(wanted)
    return [
        Compared(source, model, count, usd * NANO + nano, list_usd * NANO + list_nano, without)
        for source, model, count, usd, nano, list_usd, list_nano, without in await snapshot.ask(
            _COMPARED.format(where=where), values
        )
    ]


async def find_old_prices(snapshot: SumsSnapshot, name: str, after: int) -> tuple[list[OldPrice], int | None]:
    """Return prices of other lists than the one called ``name``, of events behind ``after``.

    With it the last event that was looked at; None behind the last one of all.
    """
    [(last,)] = await snapshot.ask(_LAST)
    old = [int(number) for (number,) in await snapshot.ask(OLD_REFS, (name,))]
    if not old:
        return [], None
    upto = min(last, after + _WINDOW)
    values: Values = (after, upto, json_of(old))
    rows = await snapshot.ask(_OLD, values)
    found = [
        OldPrice(model, context, ts, nano, bool(counts), Tokens(*tokens))
        for model, context, ts, nano, counts, *tokens in rows
    ]
    return found, None if upto == last else upto


async def list_reviews(snapshot: SumsSnapshot) -> list[Review]:
    """Return the reviews that changed something, the last one first."""
    return [review_of(row) for row in await snapshot.ask(REVIEWS)]
