"""Medians with bootstrap intervals. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import TypeVar

S = TypeVar("S")

_RESAMPLES = 2_000
_SEED = 20_260
_TAIL = 0.025
WIDE = 0.30
"""An interval wider than this part of its median says too little."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and its 95 % interval."""

    median: float
    low: float
    high: float

    @property
    def is_wide(self) -> bool:
        """True if the interval is too wide to say much."""
        return self.high - self.low > WIDE * self.median


def median_interval(samples: Sequence[float]) -> Interval:
    """Return the median of ``samples`` (at least one) and its percentile-bootstrap 95 % interval.

    The same samples give the same interval.
    """
    return _interval(samples, median)


def percentile_interval(samples: Sequence[float], percent: int) -> Interval:
    """Return the same of another percentile: the smallest sample that ``percent`` of all do not exceed."""

    def percentile(part: Sequence[float]) -> float:
        return sorted(part)[max(0, -(-len(part) * percent // 100) - 1)]

    return _interval(samples, percentile)


def ratio_interval(pairs: Sequence[tuple[float, float]], percent: int) -> Interval:
    """Return the same for the percentile of the first ones beside that of the second ones: pairs stay together."""

    def ratio(part: Sequence[tuple[float, float]]) -> float:
        place = max(0, -(-len(part) * percent // 100) - 1)
        first, second = (sorted(pair[side] for pair in part)[place] for side in (0, 1))
        return first / second

    return _interval(pairs, ratio)


def _interval(samples: Sequence[S], middle: Callable[[Sequence[S]], float]) -> Interval:
    rng = Random(_SEED)  # noqa: S311 - reproducible on purpose
    size = len(samples)
    middles = sorted(middle(rng.choices(samples, k=size)) for _ in range(_RESAMPLES))
    cut = int(_TAIL * _RESAMPLES)
    return Interval(middle(samples), middles[cut], middles[-1 - cut])
