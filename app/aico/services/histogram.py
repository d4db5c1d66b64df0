"""Counts observations by size, in the way of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString


class Histogram:
    """Durations in seconds since the start of this process. The library's own would add a series per histogram."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration; a clock that stepped back makes it none."""
        duration_s = max(0.0, duration_s)
        self._counts[bisect_left(self._bounds, duration_s)] += 1
        self._sum_s += duration_s

    def family(self) -> HistogramMetricFamily:
        """Return what was counted so far."""
        family = HistogramMetricFamily(self._name, self._documentation)
        buckets = zip(map(floatToGoString, self._bounds), accumulate(self._counts), strict=True)
        family.add_metric([], [(bound, float(count)) for bound, count in buckets], self._sum_s)
        return family
