"""The first figures of the page: today beside a usual day, the month and its probable cost, and the hours.

Independent of the filter and the period that are chosen below them, but for the heat map, which follows the filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import SumsSnapshot
from aico.core.filters import UsageFilter
from aico.core.units import SLOT_MS
from aico.features.usage.periods import Bucket, list_bucket_starts, local_moment
from aico.services.overview import Overview, stretch_of_days, take_overview
from aico.services.summary import SeriesPoint, Stretch, list_series, resolve

HOURS_OF_WEEK = 7 * 24
_DAYS_MAX = 3_660
"""Days of a heat map: ten years."""


class Glance(NamedTuple):
    """Today and this month, whatever is filtered."""

    epoch: str
    revision: int
    overview: Overview
    hours: list[SeriesPoint]
    """Of the whole local day, those to come included."""
    last_source: str | None
    """The source whose model was used last."""


class Heat(NamedTuple):
    """Costs and tokens by hour of the week, or by day."""

    epoch: str
    revision: int
    from_ms: int
    to_ms: int
    first: date | None
    """Of days: the first one. None: the cells are the hours of a week, from Monday, 00:00."""
    cost_nano: list[int | None]
    """None: something was used, and nobody says what it cost."""
    tokens: list[int]


async def take_glance(snapshot: SumsSnapshot, now_ms: int, zone: ZoneInfo) -> Glance:
    """Return how today and this month are."""
    overview = await take_overview(snapshot, now_ms, zone)
    today = overview.now.date()
    first, end = stretch_of_days(today, today, zone)
    starts = list_bucket_starts(first, end, Bucket.HOUR, zone)
    hours = list_series(await snapshot.list_bucket_sums(UsageFilter(), starts, end), starts)
    last = overview.last_use_ms
    source = None if last is None else await snapshot.find_source_of(last)
    return Glance(snapshot.epoch, snapshot.revision, overview, hours, source)


async def take_heat(snapshot: SumsSnapshot, now_ms: int, wanted: UsageFilter, zone: ZoneInfo, *, by_day: bool) -> Heat:
    """Return when what is inside ``wanted`` was spent. The last ten years at most are told by day."""
    stretch = await resolve(snapshot, now_ms, wanted)
    slots = await snapshot.list_by_slot(stretch.wanted.between(stretch.first, stretch.end))
    first, cost, tokens = _fold(slots, stretch, zone, by_day)
    return Heat(snapshot.epoch, snapshot.revision, stretch.first * SLOT_MS, stretch.end * SLOT_MS, first, cost, tokens)


def _fold(
    slots: Sequence[tuple[int, int, int, int]], stretch: Stretch, zone: ZoneInfo, by_day: bool
) -> tuple[date | None, list[int | None], list[int]]:
    """Return the day of the first cell, if cells are days, and cost and usage of each cell."""
    first, count = None, HOURS_OF_WEEK
    if by_day:
        last, last_credible = (local_moment(slot - 1, zone).date() for slot in (stretch.end, stretch.drawn_end))
        if (last - last_credible).days >= _DAYS_MAX:
            last = last_credible  # what is dated so far ahead would leave no day of ours
        first = max(local_moment(stretch.first, zone).date(), last - timedelta(days=_DAYS_MAX - 1))
        count = (last - first).days + 1
    cost, tokens, lacks = [0] * count, [0] * count, [0] * count
    for slot, nano, used, lacking in slots:
        moment = local_moment(slot, zone)
        place = moment.weekday() * 24 + moment.hour if first is None else (moment.date() - first).days
        if 0 <= place < count:
            cost[place] += nano
            tokens[place] += used
            lacks[place] += lacking
    return first, [nano if nano or not lacking else None for nano, lacking in zip(cost, lacks, strict=True)], tokens
