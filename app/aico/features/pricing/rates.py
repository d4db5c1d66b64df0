"""A set of prices as integers, so that pricing a request is a few multiplications. Pure.

``genai-prices`` computes in decimals of 28 digits. Its prices have few digits, so everything that it computes is exact,
and integers that are fine enough say the same: pico-dollars for a token, and finer ones for the few prices that need
more digits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from genai_prices.types import ModelPrice, TieredPrices

from aico.core.usage import Tokens

PICO_DIGITS = 12
_NANO_DIGITS = 9
_MILLION_DIGITS = 6
_THOUSAND_DIGITS = 3
_EXACT = Context(prec=60)

Price = Decimal | TieredPrices


class Bracket(NamedTuple):
    """The price of each kind of token in a tier of the input, in the units of :class:`Rates`."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    """The extra price (or discount) of a token of output that is reasoning; mostly 0."""
    request: int
    """The price of a request besides its tokens; mostly 0."""


class Rates(NamedTuple):
    """The prices of a model in one period and context."""

    divisor: int
    """Units in a nano-dollar: 1,000 of pico-dollars."""
    starts: tuple[int, ...]
    """Tiers are cliffs: an input above ``starts[i]`` takes all of a request, output as well, to ``brackets[i + 1]``."""
    brackets: tuple[Bracket, ...]


def rates_of(prices: ModelPrice) -> Rates | None:
    """Return ``prices`` as integers; None if input or output has no price, for that is no price of 0.

    Only the kinds of tokens that tools tell are looked at. A kind without a price of its own gets one here once, as the
    library does it: cached input costs as much as input, and writes of an hour as much as writes.
    """
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    writes = _first(prices.cache_write_mtok, prices.input_mtok)
    kinds = (
        prices.input_mtok,
        _first(prices.cache_read_mtok, prices.input_mtok),
        _first(prices.cache_write_5m_mtok, writes),
        _first(prices.cache_write_1h_mtok, writes),
        prices.output_mtok,
        _first(prices.output_reasoning_mtok, prices.output_mtok),
    )
    request = _first(prices.requests_kcount, Decimal(0))
    starts = sorted({tier.start for each in (*kinds, request) if isinstance(each, TieredPrices) for tier in each.tiers})
    rows = [([_at(kind, above) for kind in kinds], _at(request, above)) for above in (-1, *starts)]
    digits = max(
        PICO_DIGITS,
        *(_MILLION_DIGITS + _decimals(price) for row, _ in rows for price in row),
        *(_THOUSAND_DIGITS + _decimals(price) for _, price in rows),
    )
    brackets = []
    for row, price in rows:
        sent, read, short, long, output, reasoning = (_scaled(each, digits - _MILLION_DIGITS) for each in row)
        extra = _scaled(price, digits - _THOUSAND_DIGITS)
        brackets.append(Bracket(sent, read, short, long, output, reasoning - output, extra))
    return Rates(10 ** (digits - _NANO_DIGITS), tuple(starts), tuple(brackets))


def multiply(rates: Rates, factor: Fraction) -> Rates:
    """Return ``rates`` with ``factor`` times the price of all tokens, exactly; a request itself costs the same."""
    up, down = factor.as_integer_ratio()
    brackets = (Bracket._make([*(price * up for price in tokens), extra * down]) for *tokens, extra in rates.brackets)
    return Rates(rates.divisor * down, rates.starts, tuple(brackets))


def cost_of(rates: Rates, tokens: Tokens) -> int:
    """Return the nano-dollars of ``tokens``, rounded once, half to even.

    An unknown number counts as 0. More reasoning than output counts as all of it.
    """
    sent, read, short, long, output, reasoning = tokens
    sent, read, short, long, output, reasoning = (
        sent or 0,
        read or 0,
        short or 0,
        long or 0,
        output or 0,
        reasoning or 0,
    )
    divisor, starts, brackets = rates
    bracket = brackets[bisect_left(starts, sent + read + short + long)]
    units = (
        sent * bracket.input
        + read * bracket.cache_read
        + short * bracket.cache_write_5m
        + long * bracket.cache_write_1h
        + output * bracket.output
        + min(reasoning, output) * bracket.reasoning
        + bracket.request
    )
    nano, rest = divmod(units, divisor)
    return nano + (rest * 2 > divisor or (rest * 2 == divisor and nano & 1))


def costs_of(rates: Rates, many: Sequence[Tokens]) -> list[int]:
    """Return :func:`cost_of` of each of ``many``: in one expression for each it takes a third of the time."""
    divisor, starts, brackets = rates
    if len(starts) > 1 or any(bracket.reasoning or bracket.request for bracket in brackets):
        return [cost_of(rates, tokens) for tokens in many]
    # With half a unit added, the middle between an even and an odd number ends at the odd one, which is 1 too much.
    half, two = divisor // 2, 2 * divisor
    of_sent, of_read, of_short, of_long, of_output, _, _ = brackets[0]
    try:
        if not starts:
            return [
                above // divisor - (above % two == divisor)
                for s, r, w, h, o, _ in many
                for above in [s * of_sent + r * of_read + w * of_short + h * of_long + o * of_output + half]  # type: ignore[operator]
            ]
        [start], (to_sent, to_read, to_short, to_long, to_output, _, _) = starts, brackets[1]
        return [
            above // divisor - (above % two == divisor)
            for s, r, w, h, o, _ in many
            for above in [
                s * to_sent + r * to_read + w * to_short + h * to_long + o * to_output + half  # type: ignore[operator]
                if s + r + w + h > start  # type: ignore[operator]
                else s * of_sent + r * of_read + w * of_short + h * of_long + o * of_output + half  # type: ignore[operator]
            ]
        ]
    except TypeError:
        # Some number is None. To look at each would double what it takes.
        return [cost_of(rates, tokens) for tokens in many]


def _first(price: Price | None, other: Price) -> Price:
    return other if price is None else price


def _at(price: Price, above: int) -> Decimal:
    """Return the price that holds for an input above ``above``, a start of some price's tier; -1 is below all tiers."""
    if not isinstance(price, TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)


def _decimals(price: Decimal) -> int:
    return max(0, -int(price.normalize(_EXACT).as_tuple().exponent))


def _scaled(price: Decimal, digits: int) -> int:
    return int(price.scaleb(digits, _EXACT))
