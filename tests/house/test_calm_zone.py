"""Tests of today may run at any hour: the zone that they are given is not near a midnight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.calm_zone import calm_zone

NEAR = timedelta(hours=2)


def test_no_midnight_is_near_at_any_quarter_of_an_hour_of_a_year() -> None:
    """Also where one of the two zones has changed its clocks already and the other one has not."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for quarter in range(366 * 96):
        now = begin + timedelta(minutes=15 * quarter)
        local = now.astimezone(ZoneInfo(calm_zone(now)))
        days = {(at.astimezone(local.tzinfo)).date() for at in (now - NEAR, now + NEAR - timedelta(seconds=1))}
        assert days == {local.date()}, (now, local)
    assert {calm_zone(begin + timedelta(hours=hour)) for hour in (12, 23)} == {"Europe/Paris", "America/New_York"}
