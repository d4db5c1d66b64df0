"""Periods of budgets and plans: local midnights across changes of the clock, short months, leap years."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.terms import Budget, BudgetPeriod
from aico.core.units import SLOT_MS
from aico.features.budgets.periods import list_reached, local_day, period_around
from aico.features.plans.billing import billing_period

PARIS, SAMOA = ZoneInfo("Europe/Paris"), ZoneInfo("Pacific/Apia")
HOUR_SLOTS = 4


def moment(text: str, zone: ZoneInfo = PARIS) -> int:
    """Return a local moment in epoch milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "at", "first", "end", "hours"),
    [
        (BudgetPeriod.DAY, "2026-03-29T12:00", "2026-03-29", "2026-03-30", 23),
        (BudgetPeriod.DAY, "2026-10-25T02:30", "2026-10-25", "2026-10-26", 25),
        (BudgetPeriod.DAY, "2026-11-29T00:00", "2026-11-29", "2026-11-30", 24),
        (BudgetPeriod.DAY, "2026-11-28T23:59:59.999", "2026-11-28", "2026-11-29", 24),
        (BudgetPeriod.WEEK, "2026-11-29T23:59", "2026-11-23", "2026-11-30", 168),
        (BudgetPeriod.WEEK, "2026-03-29T23:59", "2026-03-23", "2026-03-30", 167),
        (BudgetPeriod.MONTH, "2028-02-29T12:00", "2028-02-01", "2028-03-01", 29 * 24),
        (BudgetPeriod.MONTH, "2026-10-31T12:00", "2026-10-01", "2026-11-01", 31 * 24 + 1),
        (BudgetPeriod.MONTH, "2026-12-31T23:59", "2026-12-01", "2027-01-01", 31 * 24),
    ],
)
def test_budget_lasts_from_local_midnight_to_local_midnight(
    period: BudgetPeriod, at: str, first: str, end: str, hours: int
) -> None:
    """Days of 23 and 25 hours, weeks from Monday, months of a leap year."""
    found = period_around(period, moment(at), PARIS)
    assert (str(found.first_day), str(found.end_day)) == (first, end)
    assert (found.end_slot - found.first_slot) / HOUR_SLOTS == hours
    assert found.first_slot * SLOT_MS == moment(f"{first}T00:00")


def test_day_that_a_zone_left_out_has_no_length() -> None:
    """Samoa went from the 29th to the 31st of December 2011: the month has a day less."""
    found = period_around(BudgetPeriod.MONTH, moment("2011-12-31T12:00", SAMOA), SAMOA)
    assert (found.end_slot - found.first_slot) / HOUR_SLOTS == 30 * 24


@pytest.mark.parametrize(
    ("renews_on", "today", "first", "end"),
    [
        (15, "2026-11-15", "2026-11-15", "2026-12-15"),
        (15, "2026-11-14", "2026-10-15", "2026-11-15"),
        (31, "2026-11-30", "2026-11-30", "2026-12-31"),
        (31, "2026-12-30", "2026-11-30", "2026-12-31"),
        (31, "2027-01-01", "2026-12-31", "2027-01-31"),
        (30, "2027-02-27", "2027-01-30", "2027-02-28"),
        (29, "2028-02-28", "2028-01-29", "2028-02-29"),
        (29, "2027-03-01", "2027-02-28", "2027-03-29"),
        (1, "2026-12-31", "2026-12-01", "2027-01-01"),
    ],
)
def test_plan_renews_on_its_day_or_the_last_of_a_shorter_month(
    renews_on: int, today: str, first: str, end: str
) -> None:
    """Days 29 to 31 in months without them, and in a leap year."""
    assert tuple(map(str, billing_period(renews_on, date.fromisoformat(today)))) == (first, end)


@given(st.integers(1, 31), st.dates(date(1971, 1, 1), date(9990, 1, 1)))
def test_billing_periods_meet_and_hold_their_day(renews_on: int, today: date) -> None:
    """Each day lies in exactly one period, which the next one follows without a gap."""
    first, end = billing_period(renews_on, today)
    assert first <= today < end
    assert billing_period(renews_on, end)[0] == end
    assert billing_period(renews_on, end - timedelta(days=1)) == (first, end)
    assert timedelta(days=28) <= end - first <= timedelta(days=31)


def test_thresholds_are_reached_to_the_nano_dollar() -> None:
    """80 and 100 per cent, exactly: what is one nano-dollar short is not reached."""
    amount = 3_333_333_333
    edge = -(-80 * amount // 100)
    assert [list_reached(spent, amount) for spent in (0, edge - 1, edge, amount - 1, amount, 10 * amount)] == [
        [],
        [],
        [80],
        [80],
        [80, 100],
        [80, 100],
    ]
    assert local_day(moment("2026-11-29T00:00"), PARIS) == date(2026, 11, 29)


def test_terms_of_a_budget_change_with_what_it_allows_and_nothing_else() -> None:
    """Another amount or part is another budget; another name or source of the setting is not."""
    budget = Budget("a", BudgetPeriod.DAY, 5, "codex")
    assert budget._replace(name="b", fixed_by="budgets.b").terms == budget.terms
    others = [
        budget._replace(period=BudgetPeriod.WEEK),
        budget._replace(amount_nano=6),
        budget._replace(source=None),
        budget._replace(model="codex", source=None),
        budget._replace(project="codex", source=None),
    ]
    assert len({each.terms for each in (budget, *others)}) == 6
