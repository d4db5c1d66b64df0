"""Fakes a price list: one dollar a million tokens of any kind for the models that it knows, times a factor."""

from __future__ import annotations

from collections.abc import Sequence

from aico.core.pricing import ListPrice, PriceRef
from aico.core.usage import Tokens


class FakePriceList:
    """A list with a name; it notes what it was asked for."""

    def __init__(self, name: str, models: set[str], nano_per_token: int = 1_000) -> None:
        self.name = name
        self.models = models
        self.nano_per_token = nano_per_token
        self.asked: list[str] = []

    def price(self, model: str, ts: int, context: str, tokens: Tokens) -> ListPrice | None:
        """Return what ``tokens`` cost, if the model is known."""
        self.asked.append(model)
        if model not in self.models:
            return None
        count = sum(number or 0 for number in tokens[:5])
        return ListPrice(count * self.nano_per_token, PriceRef(self.name, f"fake/{model}"))

    def price_many(
        self, model: str, context: str, moments: Sequence[int], many: Sequence[Tokens]
    ) -> tuple[PriceRef | None, list[int | None]]:
        """Return what :meth:`price` says of each."""
        prices = [self.price(model, ts, context, tokens) for ts, tokens in zip(moments, many, strict=True)]
        return PriceRef(self.name, f"fake/{model}"), [None if price is None else price.nano for price in prices]

    def let_go(self) -> None:
        """Do nothing: it is small."""
