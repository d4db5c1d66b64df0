"""The time that a report adds: it goes only forward, never beyond now, and counts once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.features.activity.heartbeats import AGE_MAX_MS, Allowance, Beat, Taken, take

NOW = 1_795_000_000_000
ANY = st.builds(
    Beat, st.just("x"), st.integers(NOW - 2 * AGE_MAX_MS, NOW + 10**9), st.integers(0, 60_000), st.integers(0, 10)
)


@pytest.mark.parametrize(
    ("start", "ms", "until", "since", "taken"),
    [
        (-30_000, 30_000, 0, 0, (-30_000, 30_000)),
        (-30_000, 30_000, NOW - 20_000, 0, (-20_000, 20_000)),
        (-30_000, 30_000, NOW, 0, None),
        (-30_000, 60_000, 0, 0, (-30_000, 30_000)),
        (-70_000, 99_000, 0, 0, (-70_000, 60_000)),
        (1_000, 30_000, 0, 0, None),
        (10**7, 30_000, 0, 0, None),
        (-AGE_MAX_MS - 90_000, 30_000, 0, 0, None),
        (-30_000, 30_000, 0, NOW - 10_000, (-10_000, 10_000)),
        (-60_000, 30_000, 0, NOW - 10_000, None),
    ],
)
def test_beat_counts_what_is_new_and_has_passed(
    start: int, ms: int, until: int, since: int, taken: tuple[int, int] | None
) -> None:
    """From what is counted already, the switch or a week ago, up to now, a minute at most."""
    found = take([Beat("x", NOW + start, ms, 0)], until, since, NOW).beats
    assert [(beat.start_ms - NOW, beat.duration_ms) for beat in found] == ([] if taken is None else [taken])


def test_clock_that_is_set_back_costs_one_beat() -> None:
    """Time counted up to a moment that is yet to come is counted up to now: the next beat counts in full."""
    first = take([Beat("x", NOW - 30_000, 30_000, 0)], NOW + 3_600_000, 0, NOW)
    assert first == Taken((), NOW)
    assert take([Beat("x", NOW, 30_000, 0)], first.until_ms, 0, NOW + 30_000).beats == (Beat("x", NOW, 30_000, 0),)


@given(reports=st.lists(st.tuples(st.lists(ANY, max_size=5), st.integers(0, 120_000)), max_size=5))
def test_time_never_overlaps_nor_exceeds_what_passed(reports: list[tuple[list[Beat], int]]) -> None:
    """For any reports, sent any number of times, stretches of one browser follow each other, and end at now."""
    until, now, found = 0, NOW, list[Beat]()
    for beats, passed in reports:
        now += passed
        for _ in range(2):
            taken = take(beats, until, NOW - 10**8, now)
            assert taken.until_ms >= until
            until = taken.until_ms
            found += [beat for beat in taken.beats if beat.duration_ms]
    ends = [beat.start_ms + beat.duration_ms for beat in found]
    assert all(end <= beat.start_ms for end, beat in zip(ends, found[1:], strict=False))
    assert all(beat.start_ms >= NOW - 10**8 for beat in found)
    assert max(ends, default=0) <= now


def test_allowance_fills_up_again() -> None:
    """A stock at once, then as many as its rate, whatever a clock says."""
    allowance = Allowance(3, 2)
    assert [allowance.take(0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(0.5), allowance.take(0.5), allowance.take(0.1)] == [True, False, False]
    assert [allowance.take(100) for _ in range(4)] == [True, True, True, False]
