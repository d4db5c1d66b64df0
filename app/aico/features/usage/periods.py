"""Buckets of time that follow a zone's local midnight, also across clock changes. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aico.core.errors import RequestInvalid
from aico.core.units import SLOT_MS

BUCKETS_MAX = 1_000
"""Buckets of one answer; ``auto`` coarsens to stay below, an explicit size beyond it is refused."""
_AUTO_COMFORT = 120
"""Buckets that a chart of ordinary width can still show apart."""


class Bucket(StrEnum):
    """Sizes of a bucket, finest first."""

    SLOT = "15m"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_SHORTEST_SLOTS = {Bucket.SLOT: 1, Bucket.HOUR: 4, Bucket.DAY: 92, Bucket.WEEK: 668, Bucket.MONTH: 2_684}
"""No bucket has fewer slots, except the first and last of a stretch: the clock goes forward by an hour at most."""


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone called ``name``, or raise RequestInvalid."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RequestInvalid("tz", "is no time zone of the IANA database") from None


def choose_bucket(first_slot: int, end_slot: int) -> Bucket:
    """Return the finest size that gives a readable number of buckets between the two slots."""
    slots = end_slot - first_slot
    for bucket in Bucket:
        if slots / _SHORTEST_SLOTS[bucket] <= _AUTO_COMFORT:
            return bucket
    return Bucket.MONTH


def list_bucket_starts(
    first_slot: int, end_slot: int, bucket: Bucket, zone: ZoneInfo, *, is_automatic: bool = False
) -> list[int]:
    """Return the first slot of each bucket between the two slots, gapless and ascending.

    The first bucket begins at ``first_slot`` itself, the others at local midnights, Mondays, firsts of a month or
    full local hours. Raises RequestInvalid for more than ``BUCKETS_MAX`` of them, unless the size is the one that was
    chosen (``is_automatic``): then several months are one. Any other exception is a bug.
    """
    months = 1
    if is_automatic and bucket is Bucket.MONTH:
        months = max(1, math.ceil((end_slot - first_slot) / _SHORTEST_SLOTS[bucket] / (BUCKETS_MAX - 1)))
    if (end_slot - first_slot) / (months * _SHORTEST_SLOTS[bucket]) > 2 * BUCKETS_MAX:
        raise _too_many()
    later = islice(_list_later_starts(first_slot, bucket, zone, months), BUCKETS_MAX)
    starts = [first_slot, *takewhile(lambda start: start < end_slot, later)]
    if len(starts) > BUCKETS_MAX:
        raise _too_many()
    return starts


def _too_many() -> RequestInvalid:
    return RequestInvalid(
        "bucket", f"would give more than {BUCKETS_MAX} buckets; choose a coarser one, or a shorter time"
    )


def _list_later_starts(first_slot: int, bucket: Bucket, zone: ZoneInfo, months: int) -> Iterator[int]:
    """Yield the natural beginnings after ``first_slot``, to the end of the calendar: the last local day of 9999."""
    try:
        yield from _list_natural_starts(first_slot, bucket, zone, months)
    except (OverflowError, ValueError):
        # Python's errors for a moment beyond; which of the two depends on the way there.
        return


def _list_natural_starts(first_slot: int, bucket: Bucket, zone: ZoneInfo, months: int) -> Iterator[int]:
    """Yield the natural beginnings after ``first_slot``. Raises OverflowError or ValueError beyond the year 9999."""
    if bucket is Bucket.SLOT:
        slot = first_slot
        while True:
            slot += 1
            yield slot
    if bucket is Bucket.HOUR:
        yield from _list_hours(first_slot, zone)
    day, latest = _local(first_slot, zone).date(), first_slot
    while True:
        day = _next_day(day, bucket, months)
        start = midnight_slot(day, zone)
        # A day that a zone left out (Samoa, 2011-12-30) begins and ends with the next one.
        if start > latest:
            yield start
            latest = start


def _list_hours(first_slot: int, zone: ZoneInfo) -> Iterator[int]:
    """Yield where the clock strikes, or jumps into, an hour; set by half an hour, one has two slots or six."""
    slot, hour = first_slot, _local(first_slot, zone).hour
    while True:
        slot += 1
        moment = _local(slot, zone)
        if moment.minute < 15 or moment.hour != hour:
            yield slot
        hour = moment.hour


def _next_day(day: date, bucket: Bucket, months: int) -> date:
    if bucket is Bucket.DAY:
        return day + timedelta(days=1)
    if bucket is Bucket.WEEK:
        return day + timedelta(days=7 - day.weekday())
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _local(slot: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(slot * SLOT_MS / 1000, UTC).astimezone(zone)


def local_moment(slot: int, zone: ZoneInfo) -> datetime:
    """Return when ``slot`` begins in ``zone``: east of Greenwich the last slots of the year 9999 at its last moment."""
    try:
        return _local(slot, zone)
    except OverflowError:
        return datetime.max.replace(tzinfo=zone)


def midnight_slot(day: date, zone: ZoneInfo) -> int:
    """Return the first slot of the local ``day``; where the clock skips midnight, the first that exists."""
    return int(datetime.combine(day, time.min, zone).timestamp() * 1000) // SLOT_MS
