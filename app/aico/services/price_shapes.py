"""The shapes of prices in answers and commands: US dollars a million tokens."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field

from aico.core.money import usd
from aico.core.own_prices import KINDS, OwnPrice, day_of, usd_of
from aico.features.pricing.price_list import Quote, Unpriced
from aico.services.prices import ListedPrice, PriceAnswer, PriceReview, ReviewLine
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
        amounts = {kind: usd_of(getattr(price, kind)) for kind in KINDS}
        return cls.model_validate(
            {"model": price.model, "valid_from": day_of(price.valid_from), **amounts, "fixed": listed.is_fixed}
        )


class TierOut(Schema):
    """The price of a request whose input is greater than ``above``: of all of it, output as well."""

    above: int
    input: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    output: float


class QuoteOut(Schema):
    """The present entry of the price list for a model."""

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
    """The price of a request of now, if its tool states no cost."""

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


class ReviewLineOut(Schema):
    """Requests of a model that the present list prices otherwise."""

    model: str | None
    requests: int
    before_usd: float = Field(description="Their list value as it is stored.")
    after_usd: float
    cost_change_usd: float = Field(
        description="What that changes in the cost: nothing where the tool or an own price says another."
    )

    @classmethod
    def of(cls, line: ReviewLine) -> Self:
        """Return the shape of ``line``."""
        return cls(
            model=line.model or None,
            requests=line.requests,
            before_usd=usd(line.before_nano),
            after_usd=usd(line.after_nano),
            cost_change_usd=usd(line.cost_nano),
        )


class AppliedReviewOut(Schema):
    """A newer list that replaced the prices of older ones."""

    at: int = Field(description="Epoch milliseconds.")
    price_list: str
    requests: int
    before_usd: float
    after_usd: float


class ReviewOut(Schema):
    """The present list's prices for requests that an older one has priced. They change none of them by themselves."""

    price_list: str = Field(description="The present list and its version.")
    requests: int
    before_usd: float
    after_usd: float
    cost_change_usd: float
    models: list[ReviewLineOut]
    applied: list[AppliedReviewOut] = Field(description="The last one first.")

    @classmethod
    def of(cls, review: PriceReview) -> Self:
        """Return the shape of ``review``."""
        lines = review.lines
        return cls(
            price_list=review.price_list,
            requests=sum(line.requests for line in lines),
            before_usd=usd(sum(line.before_nano for line in lines)),
            after_usd=usd(sum(line.after_nano for line in lines)),
            cost_change_usd=usd(sum(line.cost_nano for line in lines)),
            models=[ReviewLineOut.of(line) for line in lines],
            applied=[
                AppliedReviewOut(
                    at=each.at_ms,
                    price_list=each.list,
                    requests=each.requests,
                    before_usd=usd(each.before_nano),
                    after_usd=usd(each.after_nano),
                )
                for each in review.applied
            ],
        )


class PricingOut(Schema):
    """How far the present prices were brought to what is stored: so much of so much."""

    done: int
    total: int
