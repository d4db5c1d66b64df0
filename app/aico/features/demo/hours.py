"""When the made-up person works: office hours on weekdays, a little in the evening. No I/O, no clock, no logging."""

from __future__ import annotations

from random import Random

_HOUR_MS = 3_600_000
DAY_MS = 24 * _HOUR_MS
_EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday; Monday is 0."""
_WEEKEND_SHARE = 0.15
"""How much of a weekday's work a day of the weekend sees."""
_HOUR_WEIGHTS = (1, 1, 0, 0, 0, 0, 1, 3, 8, 14, 16, 14, 6, 9, 15, 16, 14, 10, 5, 3, 4, 5, 4, 2)


def draw_start_ms(rng: Random, now_ms: int, *, days: int) -> int:
    """Return a moment of the last ``days`` days before ``now_ms`` at which the person may have begun a task.

    Hours are those of UTC. When nothing fits (the middle of the night, one day asked for) any moment of the period
    will do, so the answer always lies within it.
    """
    today = now_ms // DAY_MS
    for _ in range(20):
        day = today - rng.randrange(days + 1)
        if (day + _EPOCH_WEEKDAY) % 7 >= 5 and rng.random() > _WEEKEND_SHARE:
            continue
        hour = rng.choices(range(24), _HOUR_WEIGHTS)[0]
        start_ms = day * DAY_MS + hour * _HOUR_MS + rng.randrange(_HOUR_MS)
        if now_ms - days * DAY_MS <= start_ms < now_ms:
            return start_ms
    return now_ms - rng.randrange(1, days * DAY_MS)
