"""The accounts' knowledge of list prices: which requests may have one, and the shape of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aico.core.usage import RequestState, Tokens

_FINAL = RequestState.FINAL
_WITHOUT_TOKENS = {RequestState.OPEN, RequestState.UNMEASURED}


class PriceRef(NamedTuple):
    """The source of a list price."""

    list: str
    """The list and its version."""
    model: str
    """The entry of the list, as ``seller/model``: it may be called otherwise than what was asked for.

    Where its prices were multiplied, it says by what, and why.
    """


class ListPrice(NamedTuple):
    """The price of a request by a list."""

    nano: int
    """Nano-dollars, rounded once, half to even."""
    ref: PriceRef


class Pricer(Protocol):
    """Says what a request costs by a list."""

    @property
    def name(self) -> str:
        """The list and its version."""

    def price(self, model: str, ts: int, context: str, tokens: Tokens) -> ListPrice | None:
        """Return the price of one request at its own time and in its own context; None is unknown, never 0.

        ``ts`` is in epoch milliseconds, ``context`` as in :class:`aico.core.usage.UsageEvent`. An unknown number of
        ``tokens`` costs nothing: :func:`may_be_priced` says where that may be told.
        """

    def price_many(
        self, model: str, context: str, moments: Sequence[int], many: Sequence[Tokens]
    ) -> tuple[PriceRef | None, list[int | None]]:
        """Return the entry of ``model`` and the nano-dollars of requests, given as their moments and their tokens.

        The same as :meth:`price` says of each, in a third of the time.
        """

    def let_go(self) -> None:
        """Give back the memory that questions about new models have taken. Asked for after each transaction."""


def may_be_priced(tokens: Tokens, state: RequestState, *, is_partial: bool) -> bool:
    """Return True if a list price may be told of a request: it is exact, or its sum says "at least" anyway.

    The price of what is known is a lower bound of the price of all. A sum says "at least" of interrupted requests and
    of those whose output is a lower bound, so theirs is told. It does not say so of a final request, so one that lacks
    input or output is unpriced, which makes the sum say it. A tool that never tells its cache is no such case: its
    input is all it has. If a field could not be used (``is_partial``), the number that is missing may be that
    field. A request that is open or unmeasured has no price: nobody knows yet, or ever, what it took.
    """
    if state is _FINAL:
        return None not in tokens[:5] if is_partial else tokens[0] is not None and tokens[4] is not None
    if state in _WITHOUT_TOKENS:
        return False
    return any(number is not None for number in tokens[:5])
