"""Buckets are gapless, follow local midnight in every zone, and are never too many."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.errors import RequestInvalid
from aico.core.filters import automatic_end, latest_credible, slot_ceiling, slot_floor
from aico.core.usage import TS_MAX
from aico.features.usage.periods import BUCKETS_MAX, Bucket, choose_bucket, find_zone, list_bucket_starts
from tests.hypothesis_profiles import examples

SLOT_S = 900
DAY = 96
ZONES = (
    "UTC",
    "Europe/Paris",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Pacific/Apia",
    "America/St_Johns",
    "Pacific/Chatham",
    "Antarctica/Troll",
)
SLOTS = st.integers(0, 4_000_000)
"""From 1970 to 2084."""


def slot(local: str, zone: str) -> int:
    """Return the slot that begins at the ``local`` time."""
    moment_s = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).timestamp()
    assert moment_s % SLOT_S == 0
    return int(moment_s) // SLOT_S


def clock(start: int, zone: str) -> datetime:
    """Return what a clock in ``zone`` shows when the slot begins."""
    return datetime.fromtimestamp(start * SLOT_S, UTC).astimezone(ZoneInfo(zone))


def list_clocks(first: str, end: str, bucket: Bucket, zone: str, form: str = "%m-%d %H:%M") -> list[str]:
    """Return what the clock shows at the start of each bucket between two local times."""
    starts = list_bucket_starts(slot(first, zone), slot(end, zone), bucket, ZoneInfo(zone))
    return [f"{clock(start, zone):{form}}" for start in starts]


@pytest.mark.parametrize(
    ("zone", "first", "end", "clocks", "lengths"),
    [
        ("Europe/Paris", "2026-03-28", "2026-03-31", ["28 00:00", "29 00:00", "30 00:00"], [96, 92, 96]),
        ("Europe/Paris", "2026-10-24", "2026-10-27", ["24 00:00", "25 00:00", "26 00:00"], [96, 100, 96]),
        ("Asia/Kathmandu", "2026-01-01", "2026-01-03", ["01 00:00", "02 00:00"], [96, 96]),
        ("Australia/Lord_Howe", "2024-10-05", "2024-10-08", ["05 00:00", "06 00:00", "07 00:00"], [96, 94, 96]),
        ("Australia/Lord_Howe", "2024-04-06", "2024-04-09", ["06 00:00", "07 00:00", "08 00:00"], [96, 98, 96]),
        ("America/Sao_Paulo", "2018-11-03", "2018-11-06", ["03 00:00", "04 01:00", "05 00:00"], [96, 92, 96]),
        ("Africa/Cairo", "2023-04-27", "2023-04-30", ["27 00:00", "28 01:00", "29 00:00"], [96, 92, 96]),
        ("Pacific/Apia", "2011-12-28", "2012-01-01", ["28 00:00", "29 00:00", "31 00:00"], [96, 96, 96]),
    ],
)
def test_days_begin_at_local_midnight(zone: str, first: str, end: str, clocks: list[str], lengths: list[int]) -> None:
    """Also where the clock changes: a day has 23, 24 or 25 hours, and one without midnight begins when it can."""
    starts = list_bucket_starts(slot(first, zone), slot(end, zone), Bucket.DAY, ZoneInfo(zone))
    assert [f"{clock(start, zone):%d %H:%M}" for start in starts] == clocks
    assert [after - start for start, after in pairwise([*starts, slot(end, zone)])] == lengths


@pytest.mark.parametrize(
    ("zone", "first", "end", "clocks"),
    [
        ("Europe/Paris", "2026-03-29T01:00", "2026-03-29T05:00", ["01:00", "03:00", "04:00"]),
        ("Europe/Paris", "2026-10-25T01:00", "2026-10-25T04:00", ["01:00", "02:00", "02:00", "03:00"]),
        ("Asia/Kathmandu", "2026-01-01T00:45", "2026-01-01T03:00", ["00:45", "01:00", "02:00"]),
        ("Australia/Lord_Howe", "2024-10-06T00:00", "2024-10-06T05:00", ["00:00", "01:00", "02:30", "03:00", "04:00"]),
        ("Australia/Lord_Howe", "2024-04-07T00:00", "2024-04-07T04:00", ["00:00", "01:00", "02:00", "03:00"]),
    ],
)
def test_hours_begin_when_the_clock_strikes(zone: str, first: str, end: str, clocks: list[str]) -> None:
    """Also where the clock is set by half an hour, or the zone's offset is no whole hour."""
    assert list_clocks(first, end, Bucket.HOUR, zone, "%H:%M") == clocks


def test_weeks_begin_on_monday() -> None:
    """The first bucket begins where the stretch does, the others on Mondays."""
    assert list_clocks("2026-03-25", "2026-04-08", Bucket.WEEK, "Europe/Paris") == [
        "03-25 00:00",
        "03-30 00:00",
        "04-06 00:00",
    ]


def test_months_begin_on_the_first() -> None:
    """Also across the end of a year."""
    assert list_clocks("2025-11-15", "2026-03-02", Bucket.MONTH, "Europe/Paris") == [
        "11-15 00:00",
        "12-01 00:00",
        "01-01 00:00",
        "02-01 00:00",
        "03-01 00:00",
    ]


def test_months_end_with_the_last_year() -> None:
    """The last moment that can be asked for has a bucket."""
    end = slot("9999-01-01", "UTC")
    assert list_bucket_starts(end - DAY, end, Bucket.MONTH, ZoneInfo("Pacific/Kiritimati"))[0] == end - DAY


@pytest.mark.parametrize("bucket", Bucket)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_last_slot_of_the_calendar_has_a_bucket_in_every_zone(zone: str, bucket: Bucket) -> None:
    """If a local day would begin beyond the year 9999, the bucket goes on to its end."""
    end = (TS_MAX + 1) // (SLOT_S * 1000)
    assert list_bucket_starts(end - 1, end, bucket, ZoneInfo(zone)) == [end - 1]
    assert list_bucket_starts(end - 2, end, bucket, ZoneInfo(zone))[0] == end - 2


@settings(max_examples=examples(2))
@given(SLOTS, st.integers(1, 900), st.sampled_from(ZONES), st.sampled_from(Bucket))
def test_buckets_are_gapless_and_divide_only_where_the_clock_does(
    first: int, length: int, zone: str, bucket: Bucket
) -> None:
    """From the first slot on, each start is later than the one before and lies on a natural boundary."""
    starts = list_bucket_starts(first, first + length, bucket, ZoneInfo(zone))
    assert starts[0] == first
    assert all(before < after for before, after in pairwise(starts))
    assert starts[-1] < first + length
    for start in starts[1:]:
        now, before = clock(start, zone), clock(start - 1, zone)
        assert (
            bucket is Bucket.SLOT
            or (bucket is Bucket.HOUR and (now.minute == 0 or now.hour != before.hour))
            or (bucket is not Bucket.HOUR and now.date() != before.date())
        )


@given(SLOTS, st.integers(1, 900), st.sampled_from(["UTC", "Europe/Paris", "Asia/Kathmandu"]))
def test_day_buckets_miss_no_midnight(first: int, length: int, zone: str) -> None:
    """Every slot in which the date changes is a start."""
    starts = list_bucket_starts(first, first + length, Bucket.DAY, ZoneInfo(zone))
    changes = [q for q in range(first + 1, first + length) if clock(q, zone).date() != clock(q - 1, zone).date()]
    assert starts == [first, *changes]


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (1 / DAY, Bucket.SLOT),
        (1.25, Bucket.SLOT),
        (1.26, Bucket.HOUR),
        (5, Bucket.HOUR),
        (5.01, Bucket.DAY),
        (115, Bucket.DAY),
        (116, Bucket.WEEK),
        (835, Bucket.WEEK),
        (836, Bucket.MONTH),
        (30_000, Bucket.MONTH),
        (3_000_000, Bucket.MONTH),
    ],
)
def test_automatic_bucket_grows_with_the_stretch(days: float, bucket: Bucket) -> None:
    """The finest size whose buckets a chart can still show apart."""
    assert choose_bucket(0, round(days * DAY)) is bucket


@given(SLOTS, st.one_of(st.integers(1, 80 * 365 * DAY), st.integers(1, 7_900 * 365 * DAY)), st.sampled_from(ZONES))
def test_automatic_bucket_is_never_refused(first: int, length: int, zone: str) -> None:
    """Of any stretch, ``auto`` gives at most the allowed number; of thousands of years several months at once."""
    bucket = choose_bucket(first, first + length)
    starts = list_bucket_starts(first, first + length, bucket, ZoneInfo(zone), is_automatic=True)
    assert starts[0] == first
    assert len(starts) <= BUCKETS_MAX
    assert all(before < after < first + length for before, after in pairwise(starts))
    if length > 100 * 365 * DAY:
        assert len(starts) > BUCKETS_MAX / 3


@pytest.mark.parametrize(
    ("bucket", "slots"), [(Bucket.SLOT, 1), (Bucket.HOUR, 4), (Bucket.DAY, DAY), (Bucket.WEEK, 7 * DAY)]
)
def test_explicit_bucket_beyond_the_limit_is_refused(bucket: Bucket, slots: int) -> None:
    """A thousand buckets pass, one more does not, and a million are refused without being counted."""
    monday = slot("2024-01-01", "UTC")
    end = monday + BUCKETS_MAX * slots
    assert len(list_bucket_starts(monday, end, bucket, ZoneInfo("UTC"))) == BUCKETS_MAX
    for too_far in (end + 1, end + 10**6 * slots):
        with pytest.raises(RequestInvalid) as caught:
            list_bucket_starts(monday, too_far, bucket, ZoneInfo("UTC"))
        assert caught.value.field == "bucket"


@pytest.mark.parametrize("name", ["Europe/Paris", "UTC", "Asia/Kathmandu"])
def test_zone_is_found_by_its_name(name: str) -> None:
    """Names of the IANA database."""
    assert find_zone(name).key == name


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "/etc/passwd", "../../etc/passwd", "Europe", "Europe/Paris\0", "Europe/Paris/", "x" * 999],
)
def test_unknown_zone_is_refused(name: str) -> None:
    """Anything else, a path above all, is a bad request."""
    with pytest.raises(RequestInvalid) as caught:
        find_zone(name)
    assert caught.value.field == "tz"


@pytest.mark.parametrize(
    ("moment_ms", "floor", "ceiling"), [(0, 0, 0), (1, 0, 1), (899_999, 0, 1), (900_000, 1, 1), (900_001, 1, 2)]
)
def test_moment_is_rounded_out_to_slots(moment_ms: int, floor: int, ceiling: int) -> None:
    """A stretch never loses a slot that it touches."""
    assert (slot_floor(moment_ms), slot_ceiling(moment_ms)) == (floor, ceiling)


@pytest.mark.parametrize(("latest", "end"), [(None, 101), (5, 101), (100, 101), (101, 102), (196, 197)])
def test_automatic_period_ends_behind_now_and_the_latest_credible_delta(latest: int | None, end: int) -> None:
    """Clocks differ: a delta up to a day ahead belongs to now."""
    now_ms = 100 * 900_000 + 5
    assert automatic_end(now_ms, latest) == end
    assert latest_credible(now_ms) == 196
