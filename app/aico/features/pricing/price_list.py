"""The price list that comes with ``genai-prices``: what a single request costs at its own time and in its own context.

The library is imported when the first request is priced: a service that reads only running totals does without. Its
data is embedded, and read for as long as names are looked up that are new; what would fetch newer data is never
started. Only single requests are priced, because tiers are cliffs on one request's input: a sum would be priced as if
it had been sent at once.

A request's price is exactly what the library says of it, rounded once to the nano-dollar; the library itself is asked
for the prices of each model, period and context once, and everything else is integers (:mod:`.rates`). Only what
inference in the US alone costs more is not the library's (:mod:`.residency`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from aico.core.pricing import ListPrice, PriceRef
from aico.core.usage import REGION, Tokens

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

    from aico.features.pricing.tariff import Tariff

LIBRARY = "genai-prices"
CONTEXTS: dict[str, dict[str, str]] = {
    "fast": {"speed": "fast", "service_tier": "fast"},
    "priority": {"service_tier": "priority"},
    "flex": {"service_tier": "flex"},
    "batch": {"processing": "batch"},
}
"""Words of a request's context, and how the list writes them. Each seller knows one spelling and ignores the others."""


class Unpriced(StrEnum):
    """Why the list has no price for a name."""

    AMBIGUOUS = "ambiguous"
    """Several sell it under this name, at different prices."""
    SELLER = "seller"
    """The part before the slash is no seller with known prices."""
    NAME = "name"
    """No entry names exactly that."""
    ENTRY = "entry"
    """The entry has no price, or none for now."""


class Quote(NamedTuple):
    """The list's prices for a name: US dollars a million tokens of input, cache reads, both writes, output."""

    ref: PriceRef
    prices: tuple[float, ...]
    starts: tuple[int, ...]
    """Above so much input of one request, all of it costs the next of ``tiers``."""
    tiers: tuple[tuple[float, ...], ...]


class GenaiPriceList:
    """List prices by ``genai-prices``. Its answers are kept for as long as it lives: the data never changes."""

    def __init__(self) -> None:
        self._name = f"{LIBRARY} {version(LIBRARY)}"
        self._tariffs: dict[tuple[str, str], Tariff | None] = {}
        self._list: DataSnapshot | None = None

    @property
    def name(self) -> str:
        """The list and its version: its data has no date of its own."""
        return self._name

    def price(self, model: str, ts: int, context: str, tokens: Tokens) -> ListPrice | None:
        """See :class:`aico.core.pricing.Pricer`."""
        tariff = self._tariff(model, context)
        if tariff is None:
            return None
        nano = tariff.cost_of(ts, tokens)
        return None if nano is None else ListPrice(nano, tariff.ref)

    def price_many(
        self, model: str, context: str, moments: Sequence[int], many: Sequence[Tokens]
    ) -> tuple[PriceRef | None, list[int | None]]:
        """See :class:`aico.core.pricing.Pricer`."""
        tariff = self._tariff(model, context)
        return (None, [None] * len(many)) if tariff is None else (tariff.ref, tariff.costs_of(moments, many))

    def let_go(self) -> None:
        """See :class:`aico.core.pricing.Pricer`."""
        self._list = None

    def quote(self, model: str, ts: int) -> Quote | Unpriced:
        """Return what an ordinary request of ``ts``, epoch milliseconds, would be priced at, or why it is not."""
        # Not kept: anybody may ask for any name.
        tariff = self._tariffs.get((model, "")) or self._find_tariff(model, "")
        self.let_go()
        if tariff is None:
            from aico.features.pricing.names import is_ambiguous, split_name

            seller = split_name(model)[0]
            return Unpriced.AMBIGUOUS if is_ambiguous(model) else Unpriced.SELLER if seller == "" else Unpriced.NAME
        rates = tariff.rates_at(ts)
        if rates is None:
            return Unpriced.ENTRY
        brackets = [tuple(price * 1_000 / rates.divisor / 10**6 for price in bracket[:5]) for bracket in rates.brackets]
        return Quote(tariff.ref, brackets[0], rates.starts, tuple(brackets[1:]))

    def _tariff(self, model: str, context: str) -> Tariff | None:
        key = model, context
        if key not in self._tariffs:
            self._tariffs[key] = self._find_tariff(model, context)
        return self._tariffs[key]

    def _find_tariff(self, model: str, context: str) -> Tariff | None:
        regions = [word for word in context.split() if word.startswith(REGION)]
        words = [word for word in context.split() if word not in regions]
        # No list says what two of them cost together.
        if not model or len(words) > 1 or not all(word in CONTEXTS for word in words):
            return None
        from aico.features.pricing.library import read_list
        from aico.features.pricing.names import find_entry
        from aico.features.pricing.residency import US, find_us_factor
        from aico.features.pricing.tariff import tariff_of

        # Another thread may let go of it meanwhile.
        self._list = known = self._list or read_list()
        entry = find_entry(known, model)
        factor = find_us_factor(entry) if entry is not None and regions == [US] else None
        if entry is None or (regions and factor is None):
            return None
        ref = PriceRef(self.name, f"{entry.seller.id}/{entry.model.id}")
        tariff = tariff_of(entry, ref, CONTEXTS[words[0]] if words else None)
        return tariff if factor is None else tariff.multiplied(factor, "inference_geo us")
