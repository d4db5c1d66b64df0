"""Money is exact: the decimal text of a number is what is rounded, half to even."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.money import NANO, nano_usd, nanos_usd, usd
from tests.hypothesis_profiles import examples

_WIDE = Context(prec=1_200, rounding=ROUND_HALF_EVEN)


def exact(cost_usd: float) -> int:
    """Return what the contract says, in arithmetic wide enough for every float."""
    return int(_WIDE.multiply(Decimal(repr(cost_usd)), NANO).to_integral_value(ROUND_HALF_EVEN, context=_WIDE))


@pytest.mark.parametrize(
    ("cost_usd", "nano"),
    [
        (0.0, 0),
        (-0.0, 0),
        (0.1, 100_000_000),
        (0.1 + 0.2, 300_000_000),
        (1e-9, 1),
        (5e-10, 0),
        (1.5e-9, 2),
        (2.5e-9, 2),
        (3.5e-9, 4),
        (2.5000000001e-9, 3),
        (4.999999999e-10, 0),
        (0.0000000125, 12),
        (0.0000000135, 14),
        (1.0000000005, 1_000_000_000),
        (1.0000000015, 1_000_000_002),
        (999.9999999985, 999_999_999_998),
        (1_000.0000000005, 1_000_000_000_000),
        (123_456.7890123455, 123_456_789_012_346),
        (999_999.999999999, 999_999_999_999_999),
        (1_000_000.0, 10**15),
        (5e-324, 0),
        (2.2250738585072014e-308, 0),
    ],
)
def test_nano_usd_rounds_the_decimal_text_half_to_even(cost_usd: float, nano: int) -> None:
    """Each amount becomes the nearest nano-dollar of what is written; a tie goes to the even one."""
    assert nano_usd(cost_usd) == nano


@settings(max_examples=examples(8))
@given(st.floats(min_value=0, max_value=1e6))
def test_nano_usd_agrees_with_wide_arithmetic_for_every_float(cost_usd: float) -> None:
    """The short way through floats never gives another integer than the long one."""
    assert nano_usd(cost_usd) == exact(cost_usd)


@settings(max_examples=examples(8))
@given(st.integers(0, 10**15), st.integers(-3, 3))
def test_nano_usd_agrees_with_wide_arithmetic_at_ties(nano: int, neighbour: int) -> None:
    """The halves between two nano-dollars, and the floats next to them, round as their text says."""
    tie = float(f"{nano}.5e-9")
    near = tie + neighbour * 2.0**-52 * max(tie, 2.0**-1022)
    assert nano_usd(near) == exact(near)


@settings(max_examples=examples(2))
@given(st.lists(st.one_of(st.floats(min_value=0, max_value=1e6), st.sampled_from([5e-10, 1.5e-9, -0.0, 1e6]))))
def test_nanos_usd_agrees_with_nano_usd_for_every_list(costs_usd: list[float]) -> None:
    """A column is rounded as each of its numbers is, whether or not a tie or a large one is among them."""
    assert nanos_usd(costs_usd) == [nano_usd(cost) for cost in costs_usd]


@given(st.integers(-(10**15), 10**15))
def test_usd_returns_the_float_nearest_to_the_integer(nano: int) -> None:
    """Up to a million dollars, no nano-dollar is lost on the way out."""
    assert nano_usd(usd(nano)) == nano
