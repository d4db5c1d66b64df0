"""How a task spends: request after request with a growing context, the costs added up as floats, like Cline does.

No I/O, no clock, no logging.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from aico.features.demo.prices import PER_TOKEN, DemoModel

SYSTEM_PROMPT_TOKENS = 11_000
"""Cline's own instructions, sent with the first request."""
_CONTEXT_LIMIT_TOKENS = 180_000
"""Beyond it Cline cuts the conversation."""
_BYTES_PER_TOKEN = 4
_TURN_OVERHEAD_BYTES = 600


class Spending(NamedTuple):
    """Cumulative totals of a task."""

    tokens_in: int = 0
    tokens_out: int = 0
    cache_writes: int = 0
    cache_reads: int = 0
    cost_usd: float = 0.0
    size_bytes: int = 0
    context_tokens: int = 0
    """Tokens that the next request sends again; 0 before the first."""


def spend_turn(rng: Random, spending: Spending, model: DemoModel) -> Spending:
    """Return the totals after one more request to ``model``."""
    fresh = int(math.exp(rng.gauss(6.6, 1.0))) + (0 if spending.context_tokens else SYSTEM_PROMPT_TOKENS)
    answer = int(math.exp(rng.gauss(5.6, 0.9))) + 1
    again = spending.context_tokens
    tokens_in, reads, writes = _sent(fresh, again, model)
    cost_usd = (
        tokens_in / PER_TOKEN * model.price_in
        + answer / PER_TOKEN * model.price_out
        + writes / PER_TOKEN * model.price_cache_write
        + reads / PER_TOKEN * model.price_cache_read
    )
    context = again + fresh + answer
    return Spending(
        tokens_in=spending.tokens_in + tokens_in,
        tokens_out=spending.tokens_out + answer,
        cache_writes=spending.cache_writes + writes,
        cache_reads=spending.cache_reads + reads,
        cost_usd=spending.cost_usd + cost_usd,
        size_bytes=spending.size_bytes + (fresh + answer) * _BYTES_PER_TOKEN + _TURN_OVERHEAD_BYTES,
        context_tokens=context if context < _CONTEXT_LIMIT_TOKENS else context // 2,
    )


def spend_task(rng: Random, model: DemoModel) -> Spending:
    """Return the totals of a whole task: a handful of requests mostly, hundreds sometimes."""
    turns = min(int(math.exp(rng.gauss(2.0, 1.0))) + 1, 250)
    spending = Spending()
    for _ in range(turns):
        spending = spend_turn(rng, spending, model)
    return spending


def _sent(fresh: int, again: int, model: DemoModel) -> tuple[int, int, int]:
    """Return tokens in, cache reads and cache writes of one request, as the provider reports them."""
    if not model.caches:
        return fresh + again, 0, 0
    if model.price_cache_write:
        return 4, again, fresh
    return fresh, again, 0
