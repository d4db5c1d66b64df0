"""The stored currency. Imports nothing that a command at a prompt would have to wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from aico.core.currency import Currency

RATE = "SELECT code, per_usd, as_of FROM rate"
DROP_RATE = "DELETE FROM rate"
PUT_RATE = "INSERT INTO rate (code, per_usd, as_of) VALUES (?, ?, ?)"
_EPOCH = date(1970, 1, 1).toordinal()


def rate_of(rows: Sequence[sqlite3.Row]) -> Currency | None:
    """Return the answer to :data:`RATE`; None where amounts are shown in dollars."""
    for code, per_usd, as_of in rows:
        return Currency(code, Decimal(per_usd), date.fromordinal(_EPOCH + as_of))
    return None


def rate_row(currency: Currency) -> tuple[str, str, int]:
    """Return the values of :data:`PUT_RATE`."""
    return currency.code, f"{currency.per_usd:f}", currency.as_of.toordinal() - _EPOCH
