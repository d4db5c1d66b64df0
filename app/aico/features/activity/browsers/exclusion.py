"""Which part of a visit counts where an extension reports too, or where a time was forgotten. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Stretch(NamedTuple):
    """A time of which nothing counts: a browser's extension reports then, or it was forgotten."""

    from_ms: int
    to_ms: int | None
    """None: still."""


def left_of(start_ms: int, duration_ms: int, stretches: Iterable[Stretch]) -> int | None:
    """Return how much of a visit's time counts; None where not even the visit."""
    for stretch in stretches:
        if start_ms >= stretch.from_ms and (stretch.to_ms is None or start_ms < stretch.to_ms):
            return None
        if start_ms < stretch.from_ms:
            duration_ms = min(duration_ms, stretch.from_ms - start_ms)
    return duration_ms
