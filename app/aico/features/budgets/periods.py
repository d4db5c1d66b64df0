"""The periods of budgets, and the thresholds of a budget that are reached in one. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.terms import THRESHOLDS, BudgetPeriod
from aico.features.usage.periods import midnight_slot


class Stretch(NamedTuple):
    """Local days, and the slots that they are."""

    first_day: date
    end_day: date
    """Exclusive."""
    first_slot: int
    end_slot: int
    """Exclusive."""


def stretch_of(first_day: date, end_day: date, zone: ZoneInfo) -> Stretch:
    """Return the slots from the midnight of ``first_day`` to that of ``end_day`` in ``zone``."""
    return Stretch(first_day, end_day, midnight_slot(first_day, zone), midnight_slot(end_day, zone))


def local_day(now_ms: int, zone: ZoneInfo) -> date:
    """Return the day that it is in ``zone`` at ``now_ms``."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()


def period_around(period: BudgetPeriod, now_ms: int, zone: ZoneInfo) -> Stretch:
    """Return the ``period`` that ``now_ms`` lies in: a local day, a week from Monday, a month from its first."""
    today = local_day(now_ms, zone)
    if period is BudgetPeriod.DAY:
        first, end = today, today + timedelta(days=1)
    elif period is BudgetPeriod.WEEK:
        first = today - timedelta(days=today.weekday())
        end = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        end = (first + timedelta(days=31)).replace(day=1)
    return stretch_of(first, end, zone)


def list_reached(spent_nano: int, amount_nano: int) -> list[int]:
    """Return the thresholds of a budget, in per cent, that ``spent_nano`` has reached."""
    return [each for each in THRESHOLDS if 100 * spent_nano >= each * amount_nano]
