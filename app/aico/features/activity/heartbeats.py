"""Counts a report of the extension: no time twice, none that did not pass, none from outside its bounds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aico.features.activity.browsers.exclusion import Stretch, left_of

BEATS_MAX = 200
"""In a report; a longer wait for an answer makes further reports."""
BEAT_MAX_MS = 60_000
"""A longer beat was not a heartbeat: the extension sends one every 30 seconds."""
VISITS_MAX = 10
"""In a beat."""
AGE_MAX_MS = 7 * 86_400_000
"""A beat that waited longer for an answer is not taken any more."""
AHEAD_MAX_MS = 5_000
"""The extension is on this machine; a clock that is set between its look and ours makes more."""


class Beat(NamedTuple):
    """A stretch in which a listed site was in front and somebody there."""

    name: str
    start_ms: int
    duration_ms: int
    visits: int


class Taken(NamedTuple):
    """The part of a report that counts."""

    beats: tuple[Beat, ...]
    until_ms: int
    """Up to when the time of this browser is counted then."""


def take(beats: Iterable[Beat], until_ms: int, since_ms: int, now_ms: int) -> Taken:
    """Return the part of ``beats`` that counts: one browser has one page in front, so its time goes only forward.

    ``until_ms`` is up to when it is counted. Nothing before ``since_ms`` or a week ago counts, nothing beyond now. A
    clock that was set back would hide all beats until it is there again: then ``until_ms`` is taken for now.
    """
    until_ms = min(until_ms, now_ms)
    earliest_ms = max(since_ms, now_ms - AGE_MAX_MS)
    taken: list[Beat] = []
    for beat in sorted(beats, key=lambda beat: beat.start_ms):
        start_ms = max(beat.start_ms, until_ms, earliest_ms)
        end_ms = min(beat.start_ms + min(beat.duration_ms, BEAT_MAX_MS), now_ms)
        is_known = beat.start_ms + beat.duration_ms < max(until_ms, earliest_ms)
        if is_known or beat.start_ms > now_ms + AHEAD_MAX_MS or (end_ms <= start_ms and not beat.visits):
            continue
        duration_ms = max(0, end_ms - start_ms)
        taken.append(Beat(beat.name, min(start_ms, now_ms), duration_ms, min(beat.visits, VISITS_MAX)))
        until_ms = max(until_ms, start_ms + duration_ms) if duration_ms else until_ms
    return Taken(tuple(taken), until_ms)


def without_forgotten(beats: Iterable[Beat], forgotten: Sequence[tuple[int, int]]) -> list[Beat]:
    """Return ``beats`` without the times that were ``forgotten``, each from a moment to another."""
    stretches = [Stretch(*each) for each in forgotten]
    parts = ((beat, left_of(beat.start_ms, beat.duration_ms, stretches)) for beat in beats)
    return [beat._replace(duration_ms=left) for beat, left in parts if left is not None]


class Allowance:
    """How many reports may come: a stock that fills up again. Times are those of a monotonic clock, seconds."""

    def __init__(self, stock: float, per_s: float) -> None:
        self._most = self._stock = stock
        self._per_s = per_s
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Return whether one more may come."""
        if self._at is not None:
            self._stock = min(self._most, self._stock + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._stock < 1:
            return False
        self._stock -= 1
        return True
