"""The terms that the user has set: budgets, and plans that are paid by subscription. No I/O, no clock, no logging."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

NAME_MAX = 64
"""Characters of a budget's name."""
AMOUNT_MAX_USD = 10**9
THRESHOLDS = (80, 100)
"""Per cent of a budget that are told, once each per period."""
_NAME = r"[^\s/\x00-\x1f\x7f](?:[^/\x00-\x1f\x7f]*[^\s/\x00-\x1f\x7f])?"
_CURRENCY = r"[A-Z]{3}"


class BudgetPeriod(StrEnum):
    """How long a budget lasts; each begins at a local midnight, a week on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Budget(NamedTuple):
    """The amount that the user means to spend in each period, on everything or on a part of it."""

    name: str
    period: BudgetPeriod
    amount_nano: int
    """Nano-dollars."""
    source: str | None = None
    """None is every one; so it is below."""
    model: str | None = None
    project: str | None = None
    fixed_by: str | None = None
    """The setting that decides; None where page and command do."""

    @property
    def is_whole(self) -> bool:
        """Return whether it is of everything that is spent."""
        return self.source is None and self.model is None and self.project is None

    @property
    def terms(self) -> str:
        """Return what is told once per period: with another amount it is another budget, in 32 hexadecimal digits."""
        from aico.core.usage import digest  # noqa: PLC0415  # which a prompt does not wait for

        return digest(self.period.value, self.amount_nano, self.source, self.model, self.project).hex()


class Plan(NamedTuple):
    """A source that is paid by subscription: its usage has a value, and costs nothing by itself."""

    source: str
    price_nano: int
    """Billionths of the currency's unit, for one billing period."""
    currency: str
    """Three capital letters."""
    renews_on: int
    """Day of the month, 1 to 31; a shorter month renews on its last day."""
    five_hours_nano: int | None = None
    """The user's own word for the plan's limit: nano-dollars at list prices within five hours. None: not stated."""
    week_nano: int | None = None
    fixed_by: str | None = None


def check_name(text: str) -> str:
    """Return ``text`` when it can be a budget's name; raise ValueError with the reason otherwise."""
    if len(text) > NAME_MAX:
        raise ValueError(f"must have at most {NAME_MAX} characters")
    if re.fullmatch(_NAME, text) is None or not text.isprintable():
        raise ValueError("must be text without slashes, control characters and outer blanks")
    if text in {".", ".."}:
        raise ValueError("must not be dots alone, which no address can name")
    return text


def check_currency(text: str) -> str:
    """Return ``text`` when it is like a code of ISO 4217; raise ValueError otherwise."""
    if re.fullmatch(_CURRENCY, text) is None:
        raise ValueError("must be three capital letters, such as USD or EUR")
    return text
