"""US dollars as integer nano-dollars, so that sums are exact: no I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import repeat
from operator import mul, sub

from aico.core.units import NANO

__all__ = ["NANO", "exact_usd", "nano_usd", "nanos_usd", "usd"]

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_FAST_LIMIT = 1e12
_FAST_MARGIN = 0.49


def nano_usd(cost_usd: float) -> int:
    """Return the nano-dollars of ``cost_usd``: ``round_half_even(Decimal(repr(x)) * 10**9)``.

    ``cost_usd`` is finite. The decimal text is what the ledger's author sees, so it is what is rounded, not the binary
    value behind it. A float product that is nowhere near a tie rounds to the same integer: below 1,000 dollars its
    error is under 0.0005 nano-dollars, and that way costs a tenth.
    Any exception is a bug.
    """
    scaled = cost_usd * NANO
    if -_FAST_LIMIT < scaled < _FAST_LIMIT:
        nearest = round(scaled)
        if -_FAST_MARGIN < scaled - nearest < _FAST_MARGIN:
            return nearest
    return int(_EXACT.multiply(Decimal(repr(cost_usd)), NANO).to_integral_value(ROUND_HALF_EVEN))


def nanos_usd(costs_usd: Sequence[float]) -> list[int]:
    """Return :func:`nano_usd` of each of ``costs_usd``: column by column it costs a third.

    ``float.__round__`` is what ``round`` looks up anew for each number, and that takes longer than the rounding.
    """
    scaled = list(map(mul, costs_usd, repeat(float(NANO))))
    if scaled and min(scaled) > -_FAST_LIMIT and max(scaled) < _FAST_LIMIT:
        nearest = list(map(float.__round__, scaled))
        if max(map(abs, map(sub, scaled, nearest))) < _FAST_MARGIN:
            return nearest
    return list(map(nano_usd, costs_usd))


def usd(nano: int) -> float:
    """Return the US dollars of ``nano`` nano-dollars, correctly rounded. Sums are made before, as integers."""
    return nano / NANO


def exact_usd(nano: int) -> Decimal:
    """Return the US dollars of ``nano`` nano-dollars without any rounding; ``f"{...:f}"`` is its shortest text."""
    dollars = _EXACT.multiply(Decimal(nano), Decimal("1e-9"))
    return dollars.quantize(Decimal(1)) if dollars == dollars.to_integral_value() else dollars.normalize(_EXACT)
