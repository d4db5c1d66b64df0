"""A zone in which no day is about to end: there, tests of today may run on the real clock, at any hour."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_USUAL, _IN_THE_EVENING = "Europe/Paris", "America/New_York"
_FIRST_HOUR, _LAST_HOUR = 2, 21


def calm_zone(now: datetime | None = None) -> str:
    """Return Paris; around its midnight New York, where it is afternoon then.

    The next midnight is two hours away at least, and so is the one before, with the borders of weeks and months.
    """
    hour = (now or datetime.now(UTC)).astimezone(ZoneInfo(_USUAL)).hour
    return _USUAL if _FIRST_HOUR <= hour <= _LAST_HOUR else _IN_THE_EVENING
