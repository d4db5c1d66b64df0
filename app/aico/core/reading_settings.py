"""The few settings that a command needs which only looks at stored numbers, without the library that checks values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aico.core.currency import Currency, read_currency
from aico.core.plain_path import absolute_path
from aico.core.setting_names import SETTING_NAMES
from aico.core.settings_layers import default_database_path, read_layers

_AMOUNT = r"[0-9]{1,9}(\.[0-9]{1,9})?"


class ReadingSettings(NamedTuple):
    """The settings of such a command: what it reads, what it compares with, and how it asks a running service."""

    database_path: Path
    budget_monthly_usd: float | None
    token: str | None
    currency: Currency | None = None
    """The currency that amounts are shown in, if the file states one."""


def find_reading_settings(
    flags: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> ReadingSettings | None:
    """Return the same values as :func:`aico.core.settings.load_settings`, or None where that has to judge one of them.

    Other settings are not judged: they change no number. Raises SettingsError for an unknown name and for a
    file that cannot be read; nothing was opened but the configuration file.
    """
    values: dict[str, object] = {}
    for layer in read_layers(SETTING_NAMES, flags, os.environ if environment is None else environment):
        values |= layer.values
    path, amount, token = (values.get(name) for name in ("database_path", "budget_monthly_usd", "token"))
    if not (isinstance(path, str | None) and isinstance(token, str | None)):
        return None
    budget = _as_amount(amount)
    if amount is not None and budget is None:
        return None
    try:
        currency = read_currency(values.get("currency"))
        database_path = default_database_path() if path is None else absolute_path(path)
        return ReadingSettings(database_path, budget, token, currency)
    except ValueError:
        return None


def _as_amount(value: object) -> float | None:
    """Return a positive amount of dollars that is written plainly, None for anything else."""
    plain = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return (float(plain) or None) if plain and re.fullmatch(_AMOUNT, plain) else None
