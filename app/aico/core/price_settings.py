"""The parts of the configuration file about money: ``[[prices]]`` and ``[currency]``. No I/O, no clock, no logging."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from aico.core.own_prices import KINDS, OwnPrice, price_of


def _no_boolean(value: object) -> object:
    if not isinstance(value, bool):
        return value
    raise ValueError("must be a number")  # what pydantic turns into its own error


Amount = Annotated[Decimal, BeforeValidator(_no_boolean)]


class OwnPriceSettings(BaseModel):
    """One of the user's own prices: US dollars a million tokens, for each kind of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str
    """A model's name, or the beginning of names with ``*`` behind it."""
    valid_from: date | None = None
    """Day of UTC; None: always."""
    input: Amount
    output: Amount
    cache_read: Amount | None = None
    """None: the price of input; likewise for writes."""
    cache_write_5m: Amount | None = None
    cache_write_1h: Amount | None = None
    """None: the price of a write of five minutes."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.to_price()
        return self

    def to_price(self) -> OwnPrice:
        """Return it as it is counted with; raise ValueError with place and reason."""
        return price_of(self.model, self.valid_from, {kind: getattr(self, kind) for kind in KINDS})

    def __str__(self) -> str:
        return self.model if self.valid_from is None else f"{self.model} from {self.valid_from}"


def _check_once(prices: tuple[OwnPriceSettings, ...]) -> tuple[OwnPriceSettings, ...]:
    """Return ``prices`` when no two of them are of the same name and day; raise ValueError otherwise."""
    seen: set[tuple[str, int]] = set()
    for each in prices:
        key = each.to_price().key
        if key in seen:
            raise ValueError(f"{each} is there twice; upper and lower case are the same")
        seen.add(key)
    return prices


OwnPricesSettings = Annotated[tuple[OwnPriceSettings, ...], AfterValidator(_check_once)]
"""All prices of ``[[prices]]``."""
