"""Moments as a person writes them."""

from __future__ import annotations

import argparse
import re
from datetime import date, datetime

_LAST_MS = 253_370_764_800_000
"""Year 9999: beyond it local calendars have no tomorrow."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1970, 9999)


def parse_moment(text: str) -> int:
    """Return the epoch milliseconds that ``text`` means, from 0 to the year 9999.

    A date is its midnight here; a date and time without a zone is local time; a number is epoch milliseconds. Raises
    ArgumentTypeError, which argparse turns into wrong usage.
    """
    if text.isascii() and text.isdigit():
        moment_ms = int(text[:20])
    else:
        try:
            moment_ms = round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-03-01 or 2026-03-01T12:30") from None
    if not 0 <= moment_ms <= _LAST_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 1970 and 9999")
    return moment_ms


def parse_day(text: str) -> date:
    """Return the day ``YYYY-MM-DD``. Raises ArgumentTypeError, which argparse turns into wrong usage."""
    try:
        if _DAY.fullmatch(text) and (day := date.fromisoformat(text)).year in _YEARS:
            return day
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-03-01")
