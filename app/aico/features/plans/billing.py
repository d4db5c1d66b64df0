"""Billing periods of a subscription. Pure: no I/O, no clock."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta


def billing_period(renews_on: int, today: date) -> tuple[date, date]:
    """Return the first day of the billing period that ``today`` lies in, and that of the next one.

    It begins on the day ``renews_on`` (1 to 31) of a month; a month that has no such day begins it on its last one, as
    the sellers of subscriptions do.
    """
    first = _renewal(renews_on, today.year, today.month)
    if first <= today:
        return first, _after(renews_on, first)
    before = today.replace(day=1) - timedelta(days=1)
    return _renewal(renews_on, before.year, before.month), first


def _after(renews_on: int, first: date) -> date:
    following = first.replace(day=1) + timedelta(days=31)
    return _renewal(renews_on, following.year, following.month)


def _renewal(renews_on: int, year: int, month: int) -> date:
    return date(year, month, min(renews_on, monthrange(year, month)[1]))
