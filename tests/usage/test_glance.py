"""Today, this month, and when something was spent: local days and hours, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aico.core.filters import UsageFilter
from aico.core.sums import Sums
from aico.core.usage import SLOT_MS, TS_MAX, Tokens, UsageEvent, digest
from aico.services.glance import HOURS_OF_WEEK
from aico.services.glance_shapes import HeatOut, OverviewOut
from aico.services.queries import UsageQueries
from tests.core.repository_on_file import Store

PARIS = ZoneInfo("Europe/Paris")
DOLLAR = 10**9


def at(moment: datetime) -> int:
    """Return a moment in epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def spent(number: int, moment: datetime, nano: int = DOLLAR, session: str = "s") -> UsageEvent:
    """Return a request of 100 tokens."""
    return UsageEvent(digest(number), session, at(moment), "m", Tokens(100, 0, 0, 0, 0), nano)


def queries_at(store: Store, now: datetime) -> UsageQueries:
    """Return the questions of a program whose clock shows ``now``."""
    return UsageQueries(store.reader, lambda: at(now))


async def test_today_stands_beside_a_usual_day_and_the_month_has_one_projection(store: Store) -> None:
    """The numbers are those of `aico`: the same look at the same snapshot, each hour where it belongs."""
    now = datetime(2026, 11, 28, 16, 10, tzinfo=PARIS)
    weeks = [spent(n, now - timedelta(days=7 * n, hours=2), 2 * DOLLAR) for n in range(1, 9)]
    later = [spent(100 + n, now - timedelta(days=7 * n, hours=-2), 50 * DOLLAR) for n in range(1, 9)]
    await store.take_in_of("tool", [*weeks, *later, spent(200, now - timedelta(hours=3), 5 * DOLLAR)])
    await store.take_in_of("other", [spent(300, now - timedelta(minutes=1), DOLLAR // 4)])
    glance = await queries_at(store, now).get_glance(PARIS)
    told = OverviewOut.of(glance, "Europe/Paris")
    assert (told.today.day, told.month.first, told.month.last) == (
        date(2026, 11, 28),
        date(2026, 11, 1),
        date(2026, 11, 30),
    )
    assert told.today.totals.cost_usd == 5.25
    assert {hour: cost for hour, cost in enumerate(told.today.hours) if cost} == {13: 5.0, 16: 0.25}
    assert len(told.today.hours) == 24
    assert told.today.usual.model_dump() == {"cost_usd": 2.0, "days_needed": 0}
    assert told.month.totals.cost_usd == 5.25 + 3 * 52
    assert told.month.projected is not None
    assert told.month.projected.low_usd >= 5.25 + 3 * 52
    assert told.last_use is not None
    assert (told.last_use.at, told.last_use.source) == (at(now - timedelta(minutes=1)), "other")


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (30, 24)])
async def test_day_has_as_many_hours_as_the_clock_gives_it(store: Store, day: int, hours: int) -> None:
    """In the night in which clocks go forward an hour is missing."""
    glance = await queries_at(store, datetime(2026, 3, day, 12, tzinfo=PARIS)).get_glance(PARIS)
    assert len(glance.hours) == hours


async def test_nothing_is_no_use_and_no_projection(store: Store) -> None:
    """An empty database has a today, too."""
    told = OverviewOut.of(await queries_at(store, datetime(2026, 3, 3, tzinfo=UTC)).get_glance(PARIS), "Europe/Paris")
    assert (told.last_use, told.month.projected, told.today.usual.cost_usd) == (None, None, None)
    assert set(told.today.hours) == {0.0}


async def test_heat_lies_in_the_local_hour_of_the_week(store: Store) -> None:
    """Summer and winter share a cell: the clock on the wall counts. Both ways to ask say the same."""
    summer, winter = datetime(2026, 7, 6, 9, 30, tzinfo=PARIS), datetime(2026, 11, 2, 9, 59, tzinfo=PARIS)
    sunday = datetime(2026, 11, 8, 23, 59, tzinfo=PARIS)
    await store.take_in_of("tool", [spent(1, summer), spent(2, winter, 2 * DOLLAR), spent(3, sunday, session="t")])
    queries = queries_at(store, datetime(2026, 11, 9, tzinfo=PARIS))
    heat = await queries.get_heat(UsageFilter(), PARIS, by_day=False)
    assert len(heat.cost_nano) == HOURS_OF_WEEK
    assert {cell: nano for cell, nano in enumerate(heat.cost_nano) if nano} == {9: 3 * DOLLAR, 167: DOLLAR}
    assert {cell: count for cell, count in enumerate(heat.tokens) if count} == {9: 200, 167: 100}
    named = await queries.get_heat(UsageFilter(text="s"), PARIS, by_day=False)
    assert sum(filter(None, named.cost_nano)) == 3 * DOLLAR
    part = UsageFilter(at(winter) // SLOT_MS, at(sunday) // SLOT_MS)
    assert sum(filter(None, (await queries.get_heat(part, PARIS, by_day=False)).cost_nano)) == 2 * DOLLAR


async def test_heat_by_day_begins_with_the_first_and_holds_ten_years(store: Store) -> None:
    """Days are local; what is older than ten years is not told by day."""
    now = datetime(2026, 11, 9, 12, tzinfo=PARIS)
    await store.take_in_of("tool", [spent(1, datetime(2026, 11, 7, 0, 5, tzinfo=PARIS)), spent(2, now, 3 * DOLLAR)])
    told = HeatOut.of(await queries_at(store, now).get_heat(UsageFilter(), PARIS, by_day=True), "Europe/Paris")
    assert (told.first, told.cost_usd) == (date(2026, 11, 7), [1.0, 0.0, 3.0])
    await store.take_in_of("tool", [spent(3, datetime(2010, 1, 1, tzinfo=PARIS))])
    told = HeatOut.of(await queries_at(store, now).get_heat(UsageFilter(), PARIS, by_day=True), "Europe/Paris")
    assert (len(told.cost_usd), sum(filter(None, told.cost_usd))) == (3_660, 4.0)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
async def test_what_is_dated_at_the_end_of_the_calendar_hides_no_day(store: Store, zone: str) -> None:
    """East of Greenwich that moment lies beyond the calendar: overview, heat and days tell all else as ever."""
    here, now = ZoneInfo(zone), datetime(2026, 11, 9, 12, tzinfo=ZoneInfo(zone))
    last = spent(1, now)._replace(ts=TS_MAX)
    queries = queries_at(store, now)
    await store.take_in_of("tool", [last])
    assert (await queries.get_glance(here)).overview.usual.days_needed > 0
    await store.take_in_of("tool", [spent(2, now), spent(3, now - timedelta(days=1), 3 * DOLLAR)])
    days = await queries.get_heat(UsageFilter(), here, by_day=True)
    assert (days.first, days.cost_nano) == (date(2026, 11, 8), [3 * DOLLAR, DOLLAR])
    hours = await queries.get_heat(UsageFilter(), here, by_day=False)
    assert sum(filter(None, hours.cost_nano)) == 5 * DOLLAR
    by_day = await queries.get_summary(UsageFilter(), None, here, ("day",))
    assert list(by_day.groups) == [("2026-11-08",), ("2026-11-09",), ("9999-12-31",)]


async def test_what_nobody_says_the_cost_of_is_not_zero(store: Store) -> None:
    """An hour and a cell with tokens alone are unknown; one that is known in part is told; an unused one is 0."""
    now = datetime(2026, 11, 9, 12, 30, tzinfo=PARIS)
    unknown = [
        spent(1, now)._replace(recorded_nano=None),
        spent(2, now - timedelta(hours=1))._replace(recorded_nano=None),
    ]
    await store.take_in_of("tool", [*unknown, spent(3, now - timedelta(hours=1))])
    queries = queries_at(store, now)
    told = OverviewOut.of(await queries.get_glance(PARIS), "Europe/Paris")
    assert told.today.hours[10:13] == [0.0, 1.0, None]
    for by_day, cells in ((False, [0.0, 1.0, None]), (True, [1.0])):
        heat = HeatOut.of(await queries.get_heat(UsageFilter(), PARIS, by_day=by_day), "Europe/Paris")
        assert heat.cost_usd[slice(None) if by_day else slice(10, 13)] == cells


async def test_glance_and_command_look_at_the_same(store: Store) -> None:
    """The sums of the hours are those of today."""
    now = datetime(2026, 11, 9, 23, 50, tzinfo=PARIS)
    await store.take_in_of("tool", [spent(n, now - timedelta(minutes=40 * n)) for n in range(50)])
    glance = await queries_at(store, now).get_glance(PARIS)
    assert sum(point.sums.cost_nano for point in glance.hours) == Sums.total(glance.overview.today.values()).cost_nano
