"""Runs two sides in turn, so that other work of the machine falls on both."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

Timed: TypeAlias = Callable[[], Awaitable[None]]
"""The part that is measured."""


class Side(NamedTuple):
    """One side of a comparison."""

    name: str
    prepare: Callable[[], Awaitable[Timed]]
    """Makes everything fresh, unmeasured, and returns what is measured."""
    clear: Callable[[], Awaitable[None]]
    """Checks the result and takes everything away, unmeasured."""


class Sample(NamedTuple):
    """Seconds of one execution."""

    wall_s: float
    cpu_s: float
    """Of all threads of the process."""


class Pair(NamedTuple):
    """One execution of each side, one right after the other."""

    subject: Sample
    yardstick: Sample

    @property
    def ratio(self) -> float:
        """How many times the yardstick's time the subject took."""
        return self.subject.wall_s / self.yardstick.wall_s

    @property
    def cpu_ratio(self) -> float:
        """The same for processor time, on which other programs weigh less."""
        return self.subject.cpu_s / self.yardstick.cpu_s


async def measure_pairs(subject: Side, yardstick: Side, count: int) -> list[Pair]:
    """Return ``count`` pairs after one that only warms up; who goes first alternates."""
    pairs = []
    for index in range(count + 1):
        if index % 2:
            mine, theirs = await _measure(subject), await _measure(yardstick)
        else:
            theirs, mine = await _measure(yardstick), await _measure(subject)
        pairs.append(Pair(mine, theirs))
    return pairs[1:]


async def _measure(side: Side) -> Sample:
    timed = await side.prepare()
    gc.collect()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await timed()
    sample = Sample(time.perf_counter() - wall_s, time.process_time() - cpu_s)
    await side.clear()
    return sample
