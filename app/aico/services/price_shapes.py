"""The shapes of prices in answers and commands: US dollars a million tokens."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field

from aico.core.own_prices import KINDS, OwnPrice, day_of, usd_of
from aico.features.pricing.price_list import Quote, Unpriced
from aico.services.prices import ListedPrice, PriceAnswer
from aico.services.shapes import Schema

_QUOTED = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class PriceOut(Schema):
    """One of the user's own prices."""

    model: str = Field(description="A model's name, or the beginning of names with `*` behind it.")
    valid_from: date | None = Field(description="Day of UTC; null: always.")
    input: float
    output: float
    cache_read: float | None = Field(description="Null: what input costs; likewise for writes of five minutes.")
    cache_write_5m: float | None
    cache_write_1h: float | None = Field(description="Null: what a write of five minutes costs.")
    fixed: bool = Field(description="The configuration file says it.")

    @classmethod
    def of(cls, listed: ListedPrice) -> Self:
        """Return the shape of an own price."""
        price: OwnPrice = listed.price
        usd = {kind: usd_of(getattr(price, kind)) for kind in KINDS}
        return cls.model_validate(
            {"model": price.model, "valid_from": day_of(price.valid_from), **usd, "fixed": listed.is_fixed}
        )


class TierOut(Schema):
    """What a request costs whose input is greater than ``above``: all of it, output as well."""

    above: int
    input: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    output: float


class QuoteOut(Schema):
    """What the price list says of a model now."""

    price_list: str = Field(description="The list and its version.")
    listed_as: str = Field(description="Its entry, as `seller/model`.")
    input: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    output: float
    tiers: list[TierOut]

    @classmethod
    def of(cls, quote: Quote) -> Self:
        """Return the shape of what the list says."""
        tiers = [
            {"above": start, **dict(zip(_QUOTED, prices, strict=True))}
            for start, prices in zip(quote.starts, quote.tiers, strict=True)
        ]
        prices = dict(zip(_QUOTED, quote.prices, strict=True))
        names = {"price_list": quote.ref.list, "listed_as": quote.ref.model}
        return cls.model_validate({**names, **prices, "tiers": tiers})


class PriceTestOut(Schema):
    """What a request of now would be priced at, if its tool states no cost."""

    model: str
    basis: Literal["own", "listed", "none"]
    own: PriceOut | None = Field(description="The own price that counts.")
    listed: QuoteOut | None = Field(description="What the list says, whether or not an own price counts.")
    reason: Literal["ambiguous", "seller", "name", "entry"] | None = Field(
        description="Why the list says nothing: several sell it under this name at different prices; nobody knows the "
        "prices of who is named before the slash; no entry names exactly that; the entry has no price."
    )

    @classmethod
    def of(cls, answer: PriceAnswer) -> Self:
        """Return the shape of ``answer``."""
        quote = answer.quote
        return cls(
            model=answer.model,
            basis="own" if answer.own else "none" if isinstance(quote, Unpriced) else "listed",
            own=None if answer.own is None else PriceOut.of(answer.own),
            listed=None if isinstance(quote, Unpriced) else QuoteOut.of(quote),
            reason=quote.value if isinstance(quote, Unpriced) else None,
        )


class PricingOut(Schema):
    """How far the present prices were brought to what is stored: so much of so much."""

    done: int
    total: int
