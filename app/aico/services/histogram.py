"""Counts observations by size, in the way of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Durations in seconds since the start of this process. The library's own would add a series per histogram."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.documentation = documentation
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self.sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration; a clock that stepped back makes it none."""
        duration_s = max(0.0, duration_s)
        self._counts[bisect_left(self._bounds, duration_s)] += 1
        self.sum_s += duration_s

    def list_buckets(self) -> list[tuple[float, int]]:
        """Return how many durations were counted up to each bound, the last of which is infinite."""
        return list(zip(self._bounds, accumulate(self._counts), strict=True))
