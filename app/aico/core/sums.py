"""Sums over usage as plain integers, in one order for tables, writer and reader. No I/O, no clock, no logging."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from aico.core.units import NANO, TOKENS, RequestState, Tokens

COUNTS = (
    "requests",
    "prompts",
    "unpriced",
    "unmeasured",
    "interrupted",
    "at_least",
    "lacking_cache",
    "partial",
)
"""Numbers of events of a kind.

``requests`` are single requests; the growth of a running total is none. ``unpriced`` events have tokens and nobody who
says what they cost. ``lacking_cache`` ones are of a tool that does not tell its cache. The others see RequestState.
"""
MONEY = ("recorded", "own", "listed", "list")
"""Nano-dollars: the tool's own cost; if it states none, the user's own price; else a list price.

``list`` is the value of everything at list prices, even if another side states the cost.
"""
WIDTH = len(TOKENS) + len(COUNTS) + len(MONEY)
SUM_COLUMNS = (*TOKENS, *COUNTS, *(f"{money}_{unit}" for money in MONEY for unit in ("usd", "nano")))
"""The columns of a table of sums. One column of nano-dollars would overflow 64 bits at nine billion dollars."""

Vector: TypeAlias = list[int]
"""One number for each of :data:`TOKENS`, :data:`COUNTS` and :data:`MONEY`, in their order."""

_COUNTS_AT = len(TOKENS)
_MONEY_AT = _COUNTS_AT + len(COUNTS)
_AT = {name: place for place, name in enumerate((*TOKENS, *COUNTS, *MONEY))}
REQUESTS, PROMPTS, UNPRICED = _AT["requests"], _AT["prompts"], _AT["unpriced"]
UNMEASURED, LACKING_CACHE, PARTIAL = _AT["unmeasured"], _AT["lacking_cache"], _AT["partial"]
RECORDED, OWN, LISTED, LIST = (_AT[name] for name in MONEY)
READ_COLUMNS = (*SUM_COLUMNS, "planned_usd", "planned_nano")
"""The columns of sums as they are read: the last two are list prices of usage that a plan has paid for."""
COST_PARTS = (RECORDED, OWN, LISTED)
"""The parts that add up to the cost."""
_STATE_AT = {
    RequestState.UNMEASURED: UNMEASURED,
    RequestState.INTERRUPTED: _AT["interrupted"],
    RequestState.AT_LEAST: _AT["at_least"],
}


class EventKind(NamedTuple):
    """A kind of events, as it is stored."""

    code: int
    requests: int
    prompts: int


REQUEST, GROWTH, PROMPT = EventKind(0, 1, 0), EventKind(1, 0, 0), EventKind(2, 0, 1)


class Costs(NamedTuple):
    """The costs of an event, in nano-dollars, by the side that states them; None is unknown, never 0."""

    recorded: int | None = None
    own: int | None = None
    list: int | None = None


def measure(kind: EventKind, tokens: Tokens, costs: Costs, state: RequestState, *, is_partial: bool = False) -> Vector:
    """Return what one event adds to the sums."""
    vector = [number or 0 for number in tokens]
    spent = vector[0] + vector[1] + vector[2] + vector[3] + vector[4]
    vector += (kind.requests, kind.prompts, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    if kind is PROMPT:
        return vector
    if costs.recorded is not None:
        vector[RECORDED] = costs.recorded
    elif costs.own is not None:
        vector[OWN] = costs.own
    elif costs.list is not None:
        vector[LISTED] = costs.list
    elif spent:
        vector[UNPRICED] = 1
    vector[LIST] = costs.list or 0
    if state in _STATE_AT:
        vector[_STATE_AT[state]] = 1
    if tokens.cache_read is None:
        vector[LACKING_CACHE] = 1
    if is_partial:
        vector[PARTIAL] = 1
    return vector


def measure_all(
    kind: EventKind,
    tokens: Sequence[Tokens],
    costs: Sequence[Costs],
    states: Sequence[RequestState],
    *,
    partial_count: int,
) -> Vector:
    """Return the sum of what :func:`measure` says of each event, column by column."""
    columns = list(zip(*tokens, strict=True))
    vector = [sum(filter(None, column)) for column in columns]
    vector += (kind.requests * len(tokens), kind.prompts * len(tokens), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    if kind is PROMPT:
        return vector
    for (recorded, own, listed), those in zip(costs, tokens, strict=True):
        if recorded is not None:
            vector[RECORDED] += recorded
        elif own is not None:
            vector[OWN] += own
        elif listed is not None:
            vector[LISTED] += listed
        elif any(those[:5]):
            vector[UNPRICED] += 1
        vector[LIST] += listed or 0
    for state, at in _STATE_AT.items():
        vector[at] = states.count(state)
    vector[LACKING_CACHE] = columns[1].count(None)
    vector[PARTIAL] = partial_count
    return vector


def row_of(vector: Sequence[int]) -> tuple[int, ...]:
    """Return ``vector`` as the columns of a table of sums."""
    *numbers, recorded, own, listed, list_value = vector
    return (*numbers, *divmod(recorded, NANO), *divmod(own, NANO), *divmod(listed, NANO), *divmod(list_value, NANO))


def vector_of(row: Sequence[int | None]) -> Vector:
    """Return the columns of a table of sums, or of sums over it, as a vector; None, a sum over nothing, is 0."""
    numbers = [number or 0 for number in row]
    split = numbers[_MONEY_AT:]
    return numbers[:_MONEY_AT] + [usd * NANO + nano for usd, nano in zip(split[::2], split[1::2], strict=True)]


def add(into: Vector, more: Iterable[int]) -> None:
    """Add ``more`` to ``into``."""
    into[:] = map(operator.add, into, more)


class Sums(NamedTuple):
    """A vector by name."""

    vector: tuple[int, ...] = (0,) * WIDTH
    planned_nano: int = 0
    """The list prices of usage that a plan has paid for: a value, and in no part of the cost."""

    @classmethod
    def of(cls, row: Sequence[int | None]) -> Sums:
        """Return the sums of the columns of a table, or of :data:`READ_COLUMNS`."""
        usd, nano = row[len(SUM_COLUMNS) :] or (0, 0)
        return cls(tuple(vector_of(row[: len(SUM_COLUMNS)])), (usd or 0) * NANO + (nano or 0))

    @classmethod
    def total(cls, many: Iterable[Sums]) -> Sums:
        """Return the sum of ``many``."""
        total, planned = [0] * WIDTH, 0
        for each in many:
            add(total, each.vector)
            planned += each.planned_nano
        return cls(tuple(total), planned)

    @property
    def tokens(self) -> Tokens:
        """Tokens by kind; here every number is known."""
        return Tokens(*self.vector[:_COUNTS_AT])

    def get(self, name: str) -> int:
        """Return one number by its name in TOKENS, COUNTS or MONEY."""
        return self.vector[_AT[name]]

    @property
    def cost_nano(self) -> int:
        """The cost of all of it: as recorded, else at the user's own price, else at a list price."""
        return self.vector[RECORDED] + self.vector[OWN] + self.vector[LISTED]

    def without_list(self) -> Sums:
        """Return the same without the part of the cost that a list says: of what a plan has paid for."""
        numbers = list(self.vector)
        numbers[LISTED] = 0
        return Sums(tuple(numbers), self.planned_nano + self.vector[LISTED])

    @property
    def token_count(self) -> int:
        """All tokens; reasoning is a part of output."""
        return sum(self.vector[: _COUNTS_AT - 1])


NOTHING = Sums()
