"""Sums of any stretch of time are put together from days and slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aico.core.db.questions import pieces_of
from aico.core.units import DAY_SLOTS

SLOTS = st.integers(0, 40 * DAY_SLOTS)
STRETCHES = st.tuples(SLOTS, SLOTS).map(sorted).filter(lambda ends: ends[0] < ends[1])


@given(STRETCHES)
def test_pieces_hold_each_slot_of_a_stretch_once(ends: list[int]) -> None:
    """Days and slots, less those that are taken off, are the slots of the stretch, and not many are read twice."""
    first, end = ends
    days, slots, taken_off = pieces_of([(first, end)])
    counts: dict[int, int] = {}
    for sign, width, pieces in ((1, DAY_SLOTS, days), (1, 1, slots), (-1, 1, taken_off)):
        for place, low, high in pieces:
            assert place == 0
            for slot in range(low * width, high * width):
                counts[slot] = counts.get(slot, 0) + sign
    assert {slot for slot, count in counts.items() if count} == set(range(first, end))
    assert set(counts.values()) <= {0, 1}
    assert sum(high - low for pieces in (slots, taken_off) for _, low, high in pieces) <= DAY_SLOTS
