"""Buckets of time that follow a zone's local midnight, also across clock changes. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aico.core.domain import QUARTER_MS
from aico.core.errors import RequestInvalid

BUCKETS_MAX = 1_000
"""Buckets of one answer; ``auto`` coarsens to stay below, an explicit size beyond it is refused."""
_AUTO_COMFORT = 120
"""Buckets that a chart of ordinary width can still show apart."""


class Bucket(StrEnum):
    """Sizes of a bucket, finest first."""

    QUARTER = "15m"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_SHORTEST_QUARTERS = {Bucket.QUARTER: 1, Bucket.HOUR: 4, Bucket.DAY: 92, Bucket.WEEK: 668, Bucket.MONTH: 2_684}
"""No bucket has fewer quarters, except the first and last of a stretch: the clock goes forward by an hour at most."""


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone called ``name``, or raise RequestInvalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RequestInvalid("tz", "is no time zone of the IANA database") from None


def choose_bucket(first_quarter: int, end_quarter: int) -> Bucket:
    """Return the finest size that gives a readable number of buckets between the two quarters."""
    quarters = end_quarter - first_quarter
    for bucket in Bucket:
        if quarters / _SHORTEST_QUARTERS[bucket] <= _AUTO_COMFORT:
            return bucket
    return Bucket.MONTH


def list_bucket_starts(first_quarter: int, end_quarter: int, bucket: Bucket, zone: ZoneInfo) -> list[int]:
    """Return the first quarter of each bucket between the two quarters, gapless and ascending.

    The first bucket begins at ``first_quarter`` itself, the others at local midnights, Mondays, firsts of a month or
    full local hours. Raises RequestInvalid for more than ``BUCKETS_MAX`` of them; any other exception is a bug.
    """
    if (end_quarter - first_quarter) / _SHORTEST_QUARTERS[bucket] > 2 * BUCKETS_MAX:
        raise _too_many()
    later = islice(_list_later_starts(first_quarter, bucket, zone), BUCKETS_MAX)
    starts = [first_quarter, *takewhile(lambda start: start < end_quarter, later)]
    if len(starts) > BUCKETS_MAX:
        raise _too_many()
    return starts


def _too_many() -> RequestInvalid:
    return RequestInvalid(
        "bucket", f"would give more than {BUCKETS_MAX} buckets; choose a coarser one, or a shorter time"
    )


def _list_later_starts(first_quarter: int, bucket: Bucket, zone: ZoneInfo) -> Iterator[int]:
    """Yield the natural beginnings after ``first_quarter``, without end."""
    if bucket is Bucket.QUARTER:
        quarter = first_quarter
        while True:
            quarter += 1
            yield quarter
    if bucket is Bucket.HOUR:
        yield from _list_hours(first_quarter, zone)
    day, latest = _local(first_quarter, zone).date(), first_quarter
    while True:
        day = _next_day(day, bucket)
        start = _midnight(day, zone)
        # A day that a zone left out (Samoa, 2011-12-30) begins and ends with the next one.
        if start > latest:
            yield start
            latest = start


def _list_hours(first_quarter: int, zone: ZoneInfo) -> Iterator[int]:
    """Yield where the clock strikes, or jumps into, an hour; set by half an hour, one has two quarters or six."""
    quarter, hour = first_quarter, _local(first_quarter, zone).hour
    while True:
        quarter += 1
        moment = _local(quarter, zone)
        if moment.minute < 15 or moment.hour != hour:
            yield quarter
        hour = moment.hour


def _next_day(day: date, bucket: Bucket) -> date:
    if bucket is Bucket.DAY:
        return day + timedelta(days=1)
    if bucket is Bucket.WEEK:
        return day + timedelta(days=7 - day.weekday())
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _local(quarter: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC).astimezone(zone)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first quarter of the local ``day``; where the clock skips midnight, the first that exists."""
    return int(datetime.combine(day, time.min, zone).timestamp() * 1000) // QUARTER_MS
