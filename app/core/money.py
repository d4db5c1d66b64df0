"""US dollars as integer nano-dollars, so that sums are exact: no I/O, no clock, no logging."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

NANO = 1_000_000_000
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


def usd(nano: int) -> float:
    """Return the US dollars of ``nano`` nano-dollars, correctly rounded. Sums are made before, as integers."""
    return nano / NANO
