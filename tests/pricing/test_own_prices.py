"""Own prices as values: which one a request has, and what it costs then."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.own_prices import OwnPrice, OwnPrices, check_pattern, day_number, day_of, micro_usd, price_of
from aico.core.usage import Tokens
from tests.hypothesis_profiles import examples

DAY_MS = 86_400_000
MICRO = 10**6


def price(model: str, day: int = 0, usd: int = 1) -> OwnPrice:
    """Return a price of so many dollars for input, and twice as many for output."""
    return OwnPrice(model, day, usd * MICRO, 2 * usd * MICRO)


@pytest.mark.parametrize(
    ("model", "day", "expected"),
    [
        ("glm-5-air", 5, 1),  # the name itself, not the longer reach of a pattern
        ("GLM-5-AIR", 5, 1),
        ("glm-5-flash", 5, 3),  # the longer of two patterns
        ("glm-4", 5, 4),
        ("glm", 5, 4),  # a pattern names its own beginning, too
        ("gpt-9", 5, 9),
        ("", 5, 9),  # the unknown model
        ("glm-5-air", 20, 2),  # the later of two days
        ("glm-5-air", 19, 1),
        ("glm-5-flash", 2, 4),  # a price that has not begun is as if it were not there
    ],
)
def test_request_has_the_price_that_names_it_best(model: str, day: int, expected: int) -> None:
    """The name before patterns, the longer pattern before the shorter, the latest day that has begun."""
    own = OwnPrices(
        [
            *(price("*", 0, 9), price("glm*", 0, 4), price("GLM-5-*", 3, 3)),
            *(price("glm-5-air", 0, 1), price("glm-5-air", 20, 2), price("glm-5-air", 90, 7)),
        ]
    )
    found = own.find(model, day * DAY_MS)
    assert found is not None
    assert found.input == expected * MICRO
    assert OwnPrices([price("glm-5", 1)]).find("glm-5", DAY_MS - 1) is None
    assert not OwnPrices().covers("glm-5")


def test_missing_prices_of_the_cache_are_those_of_input_and_of_shorter_writes() -> None:
    """Cached input costs what input costs, writes too, and writes of an hour what writes cost."""
    tokens = Tokens(1, 10, 100, 1_000, 10_000, 5_000)
    assert OwnPrice("m", 0, 1_000, 2_000).cost_of(tokens) == 1_111 + 20_000
    assert OwnPrice("m", 0, 1_000, 2_000, 0, 3_000).cost_of(tokens) == 1 + 3_300 + 20_000
    assert OwnPrice("m", 0, 1_000, 2_000, 0, 3_000, 4_000).cost_of(tokens) == 1 + 300 + 4_000 + 20_000
    assert OwnPrice("m", 0, 0, 0).cost_of(tokens) == 0
    assert OwnPrice("m", 0, 1_000, 2_000).cost_of(Tokens(None, None, None, None, 3)) == 6


NUMBER = st.one_of(st.none(), st.integers(0, 10**12))
PRICE = st.integers(0, 10**12)


@settings(max_examples=examples(0.3))
@given(st.builds(Tokens, *[NUMBER] * 6), PRICE, PRICE, st.one_of(st.none(), PRICE))
def test_cost_is_exact_and_rounded_once(tokens: Tokens, sent: int, output: int, read: int | None) -> None:
    """To the nano-dollar, half to even; what would cost a billion dollars has no price."""
    of_read = sent if read is None else read
    counts = [number or 0 for number in tokens]
    exact = Fraction(counts[0] * sent + counts[1] * of_read + (counts[2] + counts[3]) * sent + counts[4] * output, 1000)
    assert OwnPrice("m", 0, sent, output, read).cost_of(tokens) == (round(exact) if round(exact) <= 10**18 else None)


@pytest.mark.parametrize("text", ["-0.1", "NaN", "Infinity", "-Infinity", "1000001", "0.0000001", "1e7"])
def test_what_is_no_price_is_refused(text: str) -> None:
    """Negative, not finite, beyond a dollar a token, or finer than can be counted."""
    with pytest.raises(ValueError, match="must"):
        micro_usd(Decimal(text))


def test_prices_keep_their_digits() -> None:
    """The typed price is the one that is counted with."""
    assert [micro_usd(Decimal(text)) for text in ("0", "0.075", "3", "1000000", "0.000001", "1e-6")] == [
        *(0, 75_000, 3_000_000),
        *(10**12, 1, 1),
    ]


@pytest.mark.parametrize("name", ["", "  ", "a*b", "**", "a\nb", "a\0", "x" * 201, "\ud800"])
def test_what_names_no_model_is_refused(name: str) -> None:
    """Blank, too long, control characters, a star that is not at the end."""
    with pytest.raises(ValueError, match=r"must|may"):
        check_pattern(name)


def test_days_and_places_of_mistakes_are_told() -> None:
    """A day before 1970 is refused, the first one is always; what is wrong with an amount names it."""
    assert (day_number(None), day_number(date(2026, 3, 1)), day_of(20_513), day_of(0)) == (
        *(0, 20_513),
        *(date(2026, 3, 1), None),
    )
    with pytest.raises(ValueError, match="1970"):
        day_number(date(1969, 12, 31))
    with pytest.raises(ValueError, match=r"^cache_read: must"):
        price_of("m", None, {"input": Decimal(1), "output": Decimal(1), "cache_read": Decimal(-1)})
    with pytest.raises(ValueError, match=r"^output: is missing"):
        price_of("m", None, {"input": Decimal(1)})
