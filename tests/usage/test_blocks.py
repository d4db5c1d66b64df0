"""Blocks of five hours, and when a limit is reached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.units import SLOT_MS
from aico.features.limits.blocks import BLOCK_MS, HOUR_MS, WEEK_MS, find_block, reached_at

HOUR, BLOCK = 4, 20


def blocks_of(moments: list[int]) -> list[tuple[int, int]]:
    """Return beginning and end of every block, request by request: what viewers of the logs do."""
    found: list[tuple[int, int]] = []
    last = 0
    for at in sorted(moments):
        if not found or at - found[-1][0] >= BLOCK_MS or at - last >= BLOCK_MS:
            start = at - at % HOUR_MS
            found.append((start, start + BLOCK_MS))
        last = at
    return found


@pytest.mark.parametrize(
    ("slots", "now", "expected"),
    [
        ([], 100, None),
        ([101], 101, 100),
        ([101], 119, 100),
        ([101], 120, None),
        ([101, 120], 120, 120),
        ([101, 119, 123], 139, 120),
        ([101, 119, 123], 140, None),
        ([101, 130], 110, 100),
    ],
)
def test_block_begins_at_the_full_hour_of_its_first_request(slots: list[int], now: int, expected: int | None) -> None:
    """It ends five hours later, whatever is used in it; what follows begins another one."""
    assert find_block(slots, now) == expected


@given(st.lists(st.integers(0, 14 * 24 * HOUR_MS), max_size=60), st.integers(0, 14 * 24 * HOUR_MS))
def test_blocks_of_slots_are_those_of_single_requests(moments: list[int], now: int) -> None:
    """Blocks begin and end at full hours, so that sums of 15 minutes know them exactly."""
    slots = sorted({at // SLOT_MS for at in moments})
    until = (now // SLOT_MS + 1) * SLOT_MS
    own = [start for start, end in blocks_of([at for at in moments if at < until]) if start <= now < end]
    found = find_block(slots, now // SLOT_MS)
    assert ([] if found is None else [found * SLOT_MS]) == own


def test_limit_is_reached_at_the_rate_of_the_last_hour() -> None:
    """Now where it is reached already; never at a rate of 0, behind the end of the window, or a week without one."""
    assert reached_at(5, 10, 10, 0, None) == HOUR_MS // 2
    assert reached_at(10, 10, 0, 7, 8) == 7
    assert reached_at(9, 10, 0, 7, None) is None
    assert reached_at(5, 10, 5, 0, HOUR_MS) is None
    assert reached_at(5, 10, 5, 0, HOUR_MS + 1) == HOUR_MS
    assert reached_at(0, 168, 1, 0, None) == WEEK_MS
    assert reached_at(0, 169, 1, 0, None) is None
