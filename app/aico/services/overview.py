"""Today and this month at a glance, from one snapshot. Nothing here is imported that a prompt would wait for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import Group, LaterUse, SumsSnapshot
from aico.core.filters import UsageFilter, latest_credible, slot_ceiling
from aico.core.sums import NOTHING, Sums
from aico.core.units import SLOT_MS
from aico.features.sources.titles import UNWRITTEN, UNWRITTEN_BY
from aico.features.usage.periods import local_moment, midnight_slot
from aico.features.usage.usual import DAYS_COMPARED, Range, Usual, find_usual, project

_DAY_MS = 86_400_000
_BY = (Group.SOURCE, Group.MODEL)
_UNNAMED = ("", "")


class Unwritten(NamedTuple):
    """Calls that a tool bills and writes nowhere, as far as they are known, over all time."""

    source: str
    requests: int
    tokens: int


class Lacking(NamedTuple):
    """The things that sums do not hold, as far as that is known."""

    unpriced_models: int
    unpriced_tokens: int
    unmeasured: int
    """Requests without token counts."""
    cut: int
    """Requests of whose output a part or all is unknown."""
    partial: int
    """Records of which a field could not be used."""
    unwritten: tuple[Unwritten, ...]
    """Of the tools that were used; empty where nobody asked for it."""
    later: Mapping[str, LaterUse]
    """By source: the usage that came to forgotten sessions later, over all time."""
    only_totals: tuple[str, ...] = ()
    """Tools that were used and write no single requests; empty where no requests are told."""


class Overview(NamedTuple):
    """Today and this month of all sources."""

    now: datetime
    """Local."""
    today: Mapping[tuple[str, str], Sums]
    """By source and model."""
    month: Mapping[tuple[str, str], Sums]
    usual: Usual
    projected: Range | None
    """The probable cost of the month."""
    month_end: date
    """Its last day."""
    lacking: Lacking
    """Of the month."""
    last_use_ms: int | None
    """When a model was last used."""
    last_read_ms: int | None
    """When the last recorded reading ended."""
    budget_nano: int | None = None
    """The budget of a month for everything, as far as one is stored."""


def local_now(now_ms: int, zone: ZoneInfo) -> datetime:
    """Return the moment in ``zone``."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)


def stretch_of_days(first: date, last: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first slot of ``first`` and the slot behind ``last``, both local days."""
    return midnight_slot(first, zone), midnight_slot(last + timedelta(days=1), zone)


async def take_overview(snapshot: SumsSnapshot, now_ms: int, zone: ZoneInfo, *, is_short: bool = False) -> Overview:
    """Return how today and this month are at ``now_ms`` in ``zone``.

    A short one lacks what the month will cost and what is written nowhere, and tells no sources and models apart: its
    sums stand under two empty names, which takes a third less of the questions' time.
    """
    everything = UsageFilter()
    now = local_now(now_ms, zone)
    day = now.date()
    month = day.replace(day=1)
    month_end = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    span = await snapshot.find_span(everything, latest_credible(now_ms))
    known_from = day if span is None else min(day, local_moment(span.first, zone).date())
    alike = [same for week in range(1, DAYS_COMPARED + 1) if (same := day - timedelta(days=7 * week)) >= known_from]
    upto = [(midnight_slot(same, zone), slot_ceiling(_at_same_time(same, now))) for same in alike]
    first = max(month, known_from)
    days = [first + timedelta(number) for number in range(0 if is_short else (day - first).days)]
    whole = [stretch_of_days(each, each, zone) for each in days]
    this_day, so_far = stretch_of_days(day, day, zone), stretch_of_days(month, day, zone)
    if is_short:
        todays, *others = await snapshot.list_stretch_sums(everything, [this_day, *upto])
        months = await snapshot.list_sums(everything.between(*so_far), ())
    else:
        todays, months = await snapshot.list_stretch_sums(everything, [this_day, so_far], _BY)
        others = await snapshot.list_stretch_sums(everything, [*upto, *whole])
    costs = [sums.get((), NOTHING).cost_nano for sums in others]
    total = Sums.total(months.values())
    month_ends_ms = midnight_slot(month_end + timedelta(days=1), zone) * SLOT_MS
    return Overview(
        now=now,
        today=_pairs(todays),
        month=_pairs(months),
        usual=find_usual(costs[: len(upto)], (day - known_from).days),
        projected=project(total.cost_nano, costs[len(upto) :], (month_ends_ms - now_ms) / _DAY_MS),
        month_end=month_end,
        lacking=await find_lacking(
            snapshot, everything.between(*so_far), total, () if is_short else (names[0] for names in months)
        ),
        last_use_ms=await snapshot.find_last_use(now_ms),
        last_read_ms=await snapshot.find_last_read(),
        budget_nano=await snapshot.find_month_budget(),
    )


async def find_lacking(snapshot: SumsSnapshot, wanted: UsageFilter, total: Sums, sources: Iterable[str]) -> Lacking:
    """Return what ``total``, the sum of ``wanted``, does not hold; ``sources`` are those in it."""
    models, tokens = await snapshot.count_unpriced(wanted) if total.get("unpriced") else (0, 0)
    later = await snapshot.list_later_uses()
    return Lacking(
        models,
        tokens,
        total.get("unmeasured"),
        total.get("interrupted") + total.get("at_least"),
        total.get("partial"),
        tuple(
            [await _find_unwritten(snapshot, each) for each in dict.fromkeys(sources) if await _lacks(snapshot, each)]
        ),
        {source: use for source, use in later.items() if not wanted.sources or source in wanted.sources},
    )


async def _lacks(snapshot: SumsSnapshot, source: str) -> bool:
    """Return whether calls of ``source`` are billed and written nowhere, or not where it was read."""
    origin = UNWRITTEN_BY.get(source)
    return source in UNWRITTEN or (origin is not None and await snapshot.has_meters(source, origin))


async def _find_unwritten(snapshot: SumsSnapshot, source: str) -> Unwritten:
    gaps = (await snapshot.list_gaps(source)).values()
    tokens = sum(number or 0 for _requests, known in gaps for number in known._replace(reasoning=0))
    return Unwritten(source, sum(requests or 0 for requests, _known in gaps), tokens)


def _at_same_time(day: date, now: datetime) -> int:
    """Return the moment of ``day`` at which the clock shows what it shows now, epoch milliseconds."""
    return int(datetime.combine(day, now.timetz().replace(fold=0)).timestamp() * 1000)


def _pairs(sums: Mapping[tuple[str, ...], Sums]) -> dict[tuple[str, str], Sums]:
    return {(names[0], names[1]) if names else _UNNAMED: each for names, each in sums.items()}
