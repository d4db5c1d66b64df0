"""Running totals become growth: above the high water, never below it, whatever the tool's numbers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.metering import Amounts, Meter, advance, amounts_of, is_unmeasured, is_unpriced
from aico.core.usage import MeterReading
from tests.core.random_entries import readings
from tests.core.repository_on_file import usage

UNKNOWN: Amounts = (None,) * 7


def amounts(tokens_in: int | None, tokens_out: int | None, nano: int | None) -> Amounts:
    """Return the numbers of a meter of Cline's ledger."""
    return (tokens_in, None, None, None, tokens_out, None, nano)


def drive(*steps: MeterReading, is_joint: bool = False) -> tuple[Meter, list[Amounts]]:
    """Return a meter after ``steps``, and the growth of each."""
    meter, grown = None, []
    for step in steps:
        meter, growth = advance(meter, step, is_joint=is_joint)
        grown.append(growth)
    assert meter is not None
    return meter, grown


def test_meter_books_the_first_reading_in_full() -> None:
    """The total at the first sight was spent."""
    meter, grown = drive(usage(tokens_in=7, tokens_out=3, total_cost=0.5))
    assert grown == [amounts(7, 3, 500_000_000)]
    assert meter.last == meter.high == grown[0]


def test_meter_books_nothing_for_a_fall_nor_for_the_way_back() -> None:
    """Each number for itself: one may fall while another grows."""
    meter, grown = drive(
        usage(tokens_in=100, tokens_out=10, total_cost=1.0),
        usage(tokens_in=40, tokens_out=12, total_cost=0.5),
        usage(tokens_in=90, tokens_out=12, total_cost=1.0),
        usage(tokens_in=130, tokens_out=5, total_cost=1.25),
    )
    assert grown[1:] == [amounts(0, 2, 0), amounts(0, 0, 0), amounts(30, 0, 250_000_000)]
    assert meter.last == amounts(130, 5, 1_250_000_000)
    assert meter.high == amounts(130, 12, 1_250_000_000)
    assert meter.has_fallen


def test_meter_of_two_windows_counts_the_higher_one() -> None:
    """Two windows that write their own totals by turns: only the front runner grows."""
    _meter, grown = drive(*(usage(tokens_in=tokens) for tokens in (10, 8, 11, 9, 12)))
    assert [growth[0] for growth in grown] == [10, 0, 1, 0, 1]


def test_meter_keeps_a_good_number_when_the_next_one_is_unknown() -> None:
    """Unknown is not 0: the last good number stays, and nothing is booked; when it is known again it grows on."""
    meter, grown = drive(
        usage(tokens_in=10, total_cost=None), usage(tokens_in=None, total_cost=None), usage(tokens_in=12)
    )
    assert [growth[0] for growth in grown] == [10, 0, 2]
    assert [growth[6] for growth in grown] == [None, None, 250_000_000]
    assert meter.last[0] == 12


def test_meter_that_two_origins_read_follows_the_higher_number() -> None:
    """Two files of one meter are never written at the same moment: the lower one is the older, and no fall."""
    meter, grown = drive(usage(tokens_in=10), usage(tokens_in=8, tokens_out=30), is_joint=True)
    assert meter.last[0] == 10
    assert grown[1][0] == 0
    assert grown[1][4] == 20
    assert not meter.has_fallen


def test_meter_stays_joint() -> None:
    """The first origin reads on after the second one has joined it."""
    first, _ = advance(None, usage(tokens_in=10))
    both, _ = advance(first, usage(tokens_in=12), is_joint=True)
    again, _ = advance(both, usage(tokens_in=11))
    assert again.is_joint
    assert again.last[0] == 12


def test_further_meter_books_what_exceeds_what_was_booked() -> None:
    """Its own growth counts from then on."""
    booked = amounts_of(usage(tokens_in=100, tokens_out=50, total_cost=1.0))
    known = tuple(number or 0 for number in booked)
    meter, growth = advance(None, usage(tokens_in=70, tokens_out=60, total_cost=1.5), known)
    assert growth == amounts(0, 10, 500_000_000)
    _meter, growth = advance(meter, usage(tokens_in=71, tokens_out=60, total_cost=1.5))
    assert growth == amounts(1, 0, 0)


def test_silent_meter_says_nothing() -> None:
    """No number was ever stated; one that states zeros is not silent."""
    silent, [growth] = drive(usage(tokens_in=None, tokens_out=None, total_cost=None))
    zeros, _ = drive(usage(tokens_in=0, tokens_out=0, total_cost=0.0))
    assert growth == UNKNOWN
    assert (silent.is_silent, zeros.is_silent) == (True, False)
    priced, _ = drive(usage(tokens_in=None, tokens_out=None, total_cost=0.5))
    assert is_unmeasured([silent, priced])
    assert not is_unmeasured([silent, zeros])


@pytest.mark.parametrize(
    ("costs", "expected"), [([None], True), ([0.0], True), ([0.25], False), ([0.0, 0.25], False), ([None, 0.0], True)]
)
def test_session_is_unpriced_while_none_of_its_meters_has_a_cost(costs: list[float | None], expected: bool) -> None:
    """A cost of 0 may mean that the price is unknown."""
    assert is_unpriced(drive(usage(total_cost=cost))[0] for cost in costs) is expected


def test_session_without_tokens_is_not_unpriced() -> None:
    """There is nothing that could have a price."""
    assert not is_unpriced([drive(usage(tokens_in=0, tokens_out=None, total_cost=0.0))[0]])


@given(st.lists(readings(("a",), is_partial=True), min_size=1, max_size=8), st.booleans())
def test_growth_of_a_meter_adds_up_to_its_high_water(steps: list[MeterReading], is_joint: bool) -> None:
    """For any readings no growth is negative, and the sum is the highest number of all, unknown only if all were."""
    meter, grown = drive(*steps, is_joint=is_joint)
    for place in range(7):
        stated = [number for step in steps if (number := amounts_of(step)[place]) is not None]
        booked = [growth[place] for growth in grown if growth[place] is not None]
        assert meter.high[place] == max(stated, default=None)
        assert all(number >= 0 for number in booked if number is not None)
        assert sum(number for number in booked if number is not None) == max(stated, default=0)
        assert meter.last[place] == (meter.high[place] if is_joint else (stated[-1] if stated else None))
