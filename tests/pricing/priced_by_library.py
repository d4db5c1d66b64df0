"""Asks genai-prices itself what a request costs, with decimals of 28 digits."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import cache

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import Usage

from aico.core.usage import Tokens
from aico.features.pricing.names import Entry, find_entry
from aico.features.pricing.price_list import CONTEXTS


@cache
def entry_of(model: str) -> Entry:
    """Return the entry that our rules match ``model`` with."""
    entry = find_entry(get_snapshot(), model)
    assert entry is not None
    return entry


def usage_of(tokens: Tokens) -> Usage:
    """Return ``tokens``, which are disjoint, as the library counts them: cached input is input."""
    sent, read, short, long, output, reasoning = (number or 0 for number in tokens)
    return Usage(
        input_tokens=sent + read + short + long,
        cache_read_tokens=read,
        cache_write_tokens=short + long,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=output,
        output_reasoning_tokens=min(reasoning, output),
    )


def library_nano(entry: Entry, ts: int, context: str, tokens: Tokens, factor: str = "1") -> int:
    """Return ``factor`` times what the library computes for one call, rounded to the nano-dollar half to even."""
    with localcontext(Context(prec=28)):
        calculation = get_snapshot().calc(
            usage_of(tokens),
            entry.name,
            entry.seller.id,
            None,
            datetime.fromtimestamp(ts / 1000, UTC),
            CONTEXTS[context] if context else None,
        )
        assert (calculation.provider, calculation.model) == (entry.seller, entry.model)
        return int((calculation.total_price * Decimal(factor) * 10**9).to_integral_value(ROUND_HALF_EVEN))
