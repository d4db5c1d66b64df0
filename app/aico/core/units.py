"""The units of usage: slots of time, kinds of tokens, states of requests. Pure.

Apart from :mod:`aico.core.usage`, because a command at a prompt needs these few alone.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""
SLOT_MS = 900_000
"""A slot is 15 minutes. Every time zone's midnight falls on one, so it is the grain of all accounting in time."""
DAY_SLOTS = 96
"""Slots in a day of UTC."""
TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
"""The kinds of tokens, in the order in which every table, row and sum holds them.

They are disjoint, except that ``reasoning`` is a part of ``output``.
"""


class Tokens(NamedTuple):
    """Tokens by kind; None is unknown, never 0. See :data:`TOKENS`."""

    input: int | None = None
    """Uncached input."""
    cache_read: int | None = None
    cache_write_5m: int | None = None
    """Cache writes with a life of five minutes, or of an unknown one."""
    cache_write_1h: int | None = None
    output: int | None = None
    """Everything billed as output, reasoning included."""
    reasoning: int | None = None
    """The part of ``output`` that was reasoning; None where the tool does not split it."""


class RequestState(IntEnum):
    """How much is known of a request; the numbers are stored."""

    FINAL = 0
    OPEN = 1
    """It was sent, and no answer is known yet."""
    INTERRUPTED = 2
    """It was cut: its input is known, its output is not."""
    AT_LEAST = 3
    """Its output is a lower bound; of a growth, its cost."""
    UNMEASURED = 4
    """The tool knows no tokens of it."""
