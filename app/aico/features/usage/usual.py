"""Compares the cost of a day with that of usual days, and projects the cost of a month. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from aico.core.units import NANO

DAYS_COMPARED = 8
"""As many of the last same weekdays are looked at."""
DAYS_LEAST = 4
"""With fewer of them nothing is usual yet."""
_WEEK = 7
_ALIKE_SHARE, _ALIKE_NANO = 0.25, NANO
"""Within a quarter, or a dollar, a day is as usual."""
_NOTHING_NANO = NANO // 200
"""Below half a cent a usual day costs nothing: no amount is like it, or times as much."""
_PROJECTED_FROM = 5
"""Whole days that a month must have had before anything is said about its end."""


class Usual(NamedTuple):
    """How today compares with the same weekday in other weeks, up to the same time of day."""

    nano: int | None
    """The median, in nano-dollars; None before there are enough such days."""
    days_needed: int
    """Days until there are."""


class Range(NamedTuple):
    """Two amounts in nano-dollars between which something will probably be."""

    low: int
    high: int


def find_usual(costs_nano: Sequence[int], day_count: int) -> Usual:
    """Return what is usual, by the costs of up to eight same weekdays; ``day_count`` days are known before today."""
    if len(costs_nano) < DAYS_LEAST:
        return Usual(None, max(1, DAYS_LEAST * _WEEK - day_count))
    ordered = sorted(costs_nano)
    middle = len(ordered) // 2
    return Usual(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2, 0)


def is_nothing(usual_nano: int) -> bool:
    """Return whether a usual day has no cost worth a comparison."""
    return usual_nano < _NOTHING_NANO


def is_as_usual(today_nano: int, usual_nano: int) -> bool:
    """Return whether the two are so near that nobody needs to know the difference."""
    return abs(today_nano - usual_nano) <= max(_ALIKE_NANO, _ALIKE_SHARE * usual_nano)


def project(spent_nano: int, days_nano: Sequence[int], days_left: float) -> Range | None:
    """Return what a month will probably come to, by its whole days so far; None if those are too few.

    Each day that is left costs what a day has cost on average; the range is one standard deviation of their sum.
    """
    if len(days_nano) < _PROJECTED_FROM:
        return None
    mean = sum(days_nano) / len(days_nano)
    deviation = math.sqrt(sum((day - mean) ** 2 for day in days_nano) / len(days_nano) * days_left)
    middle = spent_nano + mean * days_left
    return Range(max(spent_nano, round(middle - deviation)), round(middle + deviation))
