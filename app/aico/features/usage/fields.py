"""Sums in the words of the interface, as exact integers: one meaning for answers, messages and exports. Pure."""

from __future__ import annotations

from typing import NamedTuple

from aico.core.sums import Sums


class SumFields(NamedTuple):
    """A sum by the names of the interface; money in nano-dollars.

    None is unknown: nothing of this kind was told, and something may be missing.
    """

    input_tokens: int
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int
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
            self.unpriced_requests or self.unmeasured_requests or self.interrupted_requests or self.at_least_requests
        )


def sum_fields(sums: Sums) -> SumFields:
    """Return ``sums`` by the names of the interface.

    A number that is 0 is unknown if something in the sum lacks it: 0 is said only of what is known to be 0.
    """
    tokens = sums.tokens
    lacks_cache, is_unpriced = bool(sums.get("lacking_cache")), bool(sums.get("unpriced"))
    has_other_price = bool(sums.get("own") or sums.get("listed"))
    return SumFields(
        input_tokens=tokens.input or 0,
        cache_read_tokens=_known(tokens.cache_read, lacking=lacks_cache),
        cache_write_5m_tokens=_known(tokens.cache_write_5m, lacking=lacks_cache),
        cache_write_1h_tokens=_known(tokens.cache_write_1h, lacking=lacks_cache),
        output_tokens=tokens.output or 0,
        reasoning_tokens=_known(tokens.reasoning, lacking=True),
        requests=sums.get("requests"),
        prompts=_known(sums.get("prompts"), lacking=True),
        unpriced_requests=sums.get("unpriced"),
        unmeasured_requests=sums.get("unmeasured"),
        interrupted_requests=sums.get("interrupted"),
        at_least_requests=sums.get("at_least"),
        lacking_cache_requests=sums.get("lacking_cache"),
        partial_requests=sums.get("partial"),
        recorded_cost_nano=_known(sums.get("recorded"), lacking=is_unpriced or has_other_price),
        list_cost_nano=_known(sums.get("list"), lacking=bool(sums.token_count)),
        cost_nano=_known(sums.cost_nano, lacking=is_unpriced),
    )


def _known(number: int | None, *, lacking: bool) -> int | None:
    return None if not number and lacking else number
