"""Budgets, plans and the webhook as the configuration file names them. No I/O, no clock, no logging."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from aico.core.money import nano_usd
from aico.core.terms import AMOUNT_MAX_USD, Budget, BudgetPeriod, Plan, check_currency, check_name

SECRET_LENGTH_MIN = 16
NAME_LENGTH_MAX = 200
"""Characters of what a budget is of."""
_ADDRESS = re.compile(r"[!-~]{1,2000}")


def _check_nano(amount: float) -> float:
    """Return ``amount`` when it is any nano-dollar: nothing is a share of 0."""
    if nano_usd(amount) < 1:
        raise ValueError("must be at least a billionth of a dollar")
    return amount


BudgetName = Annotated[str, AfterValidator(check_name)]
Amount = Annotated[float, Field(gt=0, le=AMOUNT_MAX_USD, allow_inf_nan=False), AfterValidator(_check_nano)]
Currency = Annotated[str, AfterValidator(check_currency)]
Part = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX)]
RenewalDay = Annotated[int, Field(ge=1, le=31, strict=True)]


class BudgetSettings(BaseModel):
    """A table ``[budgets.NAME]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    amount: Amount
    """US dollars in each period."""
    period: BudgetPeriod
    source: Part | None = None
    model: Part | None = None
    project: Part | None = None

    def as_budget(self, name: str, fixed_by: str | None) -> Budget:
        """Return the budget called ``name``."""
        amount = nano_usd(self.amount)
        return Budget(name, self.period, amount, self.source, self.model, self.project, fixed_by)


class PlanSettings(BaseModel):
    """A table ``[plans.SOURCE]``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    price: Annotated[float, Field(ge=0, le=AMOUNT_MAX_USD, allow_inf_nan=False)]
    """For one billing period."""
    currency: Currency = "USD"
    renews_on: RenewalDay
    five_hours_usd: Amount | None = None
    """The user's own word for the plan's limit, at list prices."""
    week_usd: Amount | None = None

    def as_plan(self, source: str, fixed_by: str | None) -> Plan:
        """Return the plan of ``source``."""
        five_hours = None if self.five_hours_usd is None else nano_usd(self.five_hours_usd)
        week = None if self.week_usd is None else nano_usd(self.week_usd)
        return Plan(source, nano_usd(self.price), self.currency, self.renews_on, five_hours, week, fixed_by)


def check_webhook_url(text: str) -> str:
    """Return ``text`` when a webhook may have that address: HTTPS, or HTTP on this machine. Raises ValueError.

    The reason never repeats the address: it may hold a secret.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("must be an address in ASCII without blanks")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no address") from None  # what pydantic turns into its own error
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or "#" in text or "\\" in text:
        raise ValueError("must hold no user, password or fragment")
    if parts.scheme == "http" and not is_this_machine(host):
        raise ValueError("must begin with https://, unless it is on this machine (http://127.0.0.1 or localhost)")
    return text


def is_this_machine(host: str) -> bool:
    """Return whether ``host`` is ``localhost`` or a loopback address that no name service decides about."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_secret(secret: SecretStr) -> SecretStr:
    """Return ``secret`` when it is long enough to sign with; raise ValueError otherwise, never with the secret."""
    if len(secret.get_secret_value()) < SECRET_LENGTH_MIN:
        raise ValueError(f"must have at least {SECRET_LENGTH_MIN} characters")
    return secret


def shown_address(url: str) -> str:
    """Return what anybody may see of a webhook's address: its path may be what gives access to it."""
    parts = urlsplit(url)
    rest = "/…" if parts.path not in {"", "/"} or parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{rest}"
