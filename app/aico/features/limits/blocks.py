"""Blocks of five hours as Claude's plans count them, and when a limit is reached at a rate. Pure: no I/O, no clock.

Nobody documents exactly how a plan counts. Blocks begin at the full hour of the first request and end five hours
later; the next request begins another one. Source: Claude's help pages on usage limits ("resets every five hours");
the full hour is what viewers of its logs agree on. No subscription could be tried: what follows is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable

from aico.core.units import SLOT_MS

CLAUDE_CODE = "claude-code"
"""The tool whose plans count in blocks and state nothing."""
HOUR_MS = 3_600_000
BLOCK_MS = 5 * HOUR_MS
WEEK_MS = 7 * 24 * HOUR_MS
_HOUR_SLOTS = HOUR_MS // SLOT_MS
BLOCK_SLOTS = BLOCK_MS // SLOT_MS
WEEK_SLOTS = WEEK_MS // SLOT_MS


def find_block(slots: Iterable[int], now_slot: int) -> int | None:
    """Return the first slot of the block that ``now_slot`` lies in, or None when none is open.

    ``slots`` are those with any request, ascending; full hours are those of UTC. The first of them is taken for the
    beginning of a block, so they must reach back behind a pause, or as far as nothing depends on it any more.
    """
    start: int | None = None
    for slot in slots:
        if slot > now_slot:
            break
        if start is None or slot >= start + BLOCK_SLOTS:
            start = slot - slot % _HOUR_SLOTS
    return start if start is not None and now_slot < start + BLOCK_SLOTS else None


def reached_at(used: float, limit: float, per_hour: float, now_ms: int, until_ms: int | None) -> int | None:
    """Return when ``limit`` is reached if use goes on ``per_hour``, epoch milliseconds.

    ``now_ms`` where it is reached already. None if it is not before ``until_ms``, when everything begins anew.
    """
    if used >= limit:
        return now_ms
    if per_hour <= 0:
        return None
    left_ms = (limit - used) / per_hour * HOUR_MS
    if until_ms is None:
        return now_ms + round(left_ms) if left_ms <= WEEK_MS else None
    return now_ms + round(left_ms) if now_ms + left_ms < until_ms else None
