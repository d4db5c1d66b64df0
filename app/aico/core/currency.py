"""The currency that amounts are shown in, at a rate that the user states. Amounts are kept in US dollars. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, NoReturn

FIELDS = ("code", "per_usd", "as_of")
_CODE = re.compile(r"[A-Z]{3}")
_DOLLAR = "USD"
_RATE_MAX = 1_000_000
_DIGITS_MAX = 12
"""Digits behind the point."""
_EPOCH = date(1970, 1, 1)


class Currency(NamedTuple):
    """A currency and its rate on a day."""

    code: str
    """Three capital letters, as ISO 4217 has them."""
    per_usd: Decimal
    """How many of its units a US dollar is."""
    as_of: date

    def of_nano(self, nano: int) -> int:
        """Return nano-dollars as billionths of its unit, rounded half to even."""
        return round(nano * self.per_usd)


def currency_of(code: str, per_usd: Decimal, as_of: date) -> Currency:
    """Return a currency; raise ValueError with the place and the reason for one that cannot be."""
    if not _CODE.fullmatch(code) or code == _DOLLAR:
        raise ValueError("code: must be three capital letters, such as EUR, and not USD, which amounts are kept in")
    if not per_usd.is_finite() or not 0 < per_usd <= _RATE_MAX:
        raise ValueError(f"per_usd: must be a number above 0, and at most {_RATE_MAX:,}")
    exponent = per_usd.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_DIGITS_MAX:
        raise ValueError(f"per_usd: must have at most {_DIGITS_MAX} digits behind the point")
    if as_of < _EPOCH:
        raise ValueError("as_of: must not lie before 1970")
    return Currency(code, per_usd, as_of)


def read_currency(table: object) -> Currency | None:
    """Return the currency that a table of the configuration file says, None for no table.

    Raises ValueError with the place and the reason.
    """
    if table is None or isinstance(table, Currency):
        return table
    if not isinstance(table, Mapping):
        _refuse("must be a table")
    for name in table:
        if name not in FIELDS:
            raise ValueError(f"{name}: is not known; known are {', '.join(FIELDS)}")
    code, per_usd, as_of = (table.get(name) for name in FIELDS)
    if not isinstance(code, str):
        _refuse("code: must be a text")
    if isinstance(per_usd, bool) or not isinstance(per_usd, int | float | str | Decimal):
        _refuse("per_usd: must be a number")
    try:
        rate = Decimal(str(per_usd))
        day = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    except InvalidOperation:
        raise ValueError("per_usd: must be a number") from None
    except ValueError:
        raise ValueError("as_of: must be a day, such as 2026-03-01") from None
    if type(day) is not date:
        _refuse("as_of: must be a day, such as 2026-03-01")
    return currency_of(code, rate, day)


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)
