"""The currency that amounts are shown in: stored, or said by the configuration file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Self

from pydantic import Field

from aico.core.currency import Currency
from aico.core.db.database import Database
from aico.core.db.rate import DROP_RATE, PUT_RATE, RATE, rate_of, rate_row
from aico.core.errors import PriceFixed
from aico.services.shapes import Schema


class ShownCurrency(NamedTuple):
    """A currency, and the side that states it."""

    currency: Currency
    is_fixed: bool
    """The configuration file does."""


class CurrencyOut(Schema):
    """The currency that amounts are shown in. All amounts of the interface are US dollars."""

    code: str
    per_usd: float = Field(description="How many of its units a US dollar is.")
    as_of: date = Field(description="The day of the rate.")
    fixed: bool = Field(description="The configuration file says it.")

    @classmethod
    def of(cls, shown: ShownCurrency | None) -> Self | None:
        """Return the shape of a currency; None of dollars."""
        if shown is None:
            return None
        code, per_usd, as_of = shown.currency
        return cls(code=code, per_usd=float(per_usd), as_of=as_of, fixed=shown.is_fixed)


class CurrencyRequest(Schema):
    """A currency and its rate."""

    code: str = Field(max_length=3)
    per_usd: Decimal
    as_of: date


class Currencies:
    """The currency of one database; the settings' say comes first."""

    def __init__(self, database: Database, fixed: Currency | None, tell: Callable[[], None]) -> None:
        """``tell`` tells every page that it is another one."""
        self._database = database
        self._fixed = fixed
        self._tell = tell

    async def find(self) -> ShownCurrency | None:
        """Return the currency; None where amounts are shown in dollars. Raises StorageBusy, StorageError."""
        if self._fixed is not None:
            return ShownCurrency(self._fixed, is_fixed=True)
        async with self._database.asking() as ask:
            found = rate_of(await ask(RATE))
        return None if found is None else ShownCurrency(found, is_fixed=False)

    async def set(self, currency: Currency | None) -> None:
        """Show amounts in ``currency``, None of which are dollars. Raises PriceFixed, StorageBusy, StorageError."""
        if self._fixed is not None:
            raise PriceFixed("the currency")

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(DROP_RATE)
            if currency is not None:
                connection.execute(PUT_RATE, rate_row(currency))

        await self._database.write(write)
        self._tell()
