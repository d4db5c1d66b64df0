"""Sums in the words of the interface, as exact integers: one meaning for answers, messages and exports. Pure."""

from __future__ import annotations

from typing import NamedTuple

from aico.core.sums import COUNTS, Sums
from aico.core.units import TOKENS, Tokens

_COUNTS = len(TOKENS)
_MONEY = _COUNTS + len(COUNTS)


class SumFields(NamedTuple):
    """A sum by the names of the interface; money in nano-dollars.

    None is unknown: nothing of this kind was told, and something may be missing.
    """

    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    requests: int
    prompts: int | None
    unpriced_requests: int
    unmeasured_requests: int
    interrupted_requests: int
    at_least_requests: int
    lacking_cache_requests: int
    partial_requests: int
    recorded_cost_nano: int | None
    list_cost_nano: int | None
    cost_nano: int | None

    @property
    def is_at_least(self) -> bool:
        """Return whether something of the sum is not known, so that there may be more."""
        return bool(
            self.unpriced_requests
            or self.unmeasured_requests
            or self.interrupted_requests
            or self.at_least_requests
            or self.partial_requests
        )


def sum_fields(sums: Sums, stated: Tokens | None = None) -> SumFields:
    """Return ``sums`` by the names of the interface.

    A number that is 0 is unknown if something in the sum lacks it: 0 is said only of a number known to be 0. ``stated``
    is the running total of the session of the sums: which of its numbers are known, and which were never told.
    """
    tokens, counts, money = sums.vector[:_COUNTS], sums.vector[_COUNTS:_MONEY], sums.vector[_MONEY:]
    input_tokens, cache_read, cache_write_5m, cache_write_1h, output_tokens, reasoning = tokens
    requests, prompts, unpriced, unmeasured, interrupted, at_least, lacking_cache, partial = counts
    recorded, own, listed, list_value = money
    none = None if unmeasured or (partial and stated is None) else 0
    no_input = none if stated is None or stated.input is not None else None
    no_output = none if not interrupted and (stated is None or stated.output is not None) else None
    no_cache = None if lacking_cache else none
    no_cost = None if unpriced or unmeasured or partial else 0
    # In their order: by name it would take twice as long, and a message has 500 rows.
    return SumFields(
        input_tokens or no_input,
        cache_read or no_cache,
        cache_write_5m or no_cache,
        cache_write_1h or no_cache,
        output_tokens or no_output,
        reasoning or None,
        requests,
        prompts or None,
        unpriced,
        unmeasured,
        interrupted,
        at_least,
        lacking_cache,
        partial,
        recorded or (None if own or listed else no_cost),
        list_value or (None if any(tokens[:-1]) else no_cost),
        recorded + own + listed or no_cost,
    )


def tells_only_totals(sums: Sums) -> bool:
    """Return whether something was spent without one request: its tools write totals of sessions, and no requests."""
    return not sums.get("requests") and bool(sums.token_count or sums.cost_nano)
