"""Figures, and the rule that says when a goal is missed. No I/O, no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bench.intervals import Interval


class Unmeasurable(Exception):
    """A figure needs a thing that is not on this machine; the message names it."""


class Verdict(StrEnum):
    """How a figure stands to its goal."""

    MET = "met"
    CLOSE = "close"
    """The median lies beyond the goal, but the goal lies within the interval."""
    INCONCLUSIVE = "inconclusive"
    """The interval is wide, twice."""
    MISSED = "MISSED"
    """The whole interval lies beyond the goal."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How much is measured, and where."""

    folder: Path
    """Empty, on the file system that is measured; its path holds no link."""
    pair_count: int
    """At least 15 for a figure that counts."""
    base: Path | None = None
    """The virtual environment of an earlier build, for the figures that compare."""
    home_bytes: int = 1_000_000_000
    """The size of a large home."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure as measured."""

    interval: Interval
    sample_count: int
    details: Mapping[str, float] = field(default_factory=dict)
    """Further values that explain it, by a name that ends in the unit."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One sentence about speed with a number in it. Later figures are one module each, listed in ``__main__``."""

    name: str
    sentence: str
    unit: str
    goal: float
    """Not to be exceeded."""
    measure: Callable[[Setup], Coroutine[None, None, Measurement]]


def blocking(measure: Callable[[Setup], Measurement]) -> Callable[[Setup], Coroutine[None, None, Measurement]]:
    """Return ``measure``, which waits for other processes, as a figure wants it."""

    async def run(setup: Setup) -> Measurement:
        return await asyncio.to_thread(measure, setup)

    return run


def judge(interval: Interval, goal: float) -> Verdict:
    """Return how ``interval`` stands to ``goal``. Wide or not, one that lies wholly beyond it is a miss."""
    if interval.low > goal:
        return Verdict.MISSED
    if interval.is_wide:
        return Verdict.INCONCLUSIVE
    return Verdict.MET if interval.median <= goal else Verdict.CLOSE
