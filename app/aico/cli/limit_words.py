"""The nearest limit in a few words, for a prompt."""

from __future__ import annotations

from aico.cli.screen import money
from aico.cli.terminal import tokens
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.db.terms import list_plans
from aico.features.sources.titles import TITLES
from aico.services.limit_windows import FIVE_HOURS, WEEK, LimitWindow, find_nearest, take_limits

_WINDOWS = {FIVE_HOURS: "5 hours", WEEK: "week"}
_LENGTHS = {300: "5 hours", 1_440: "day", 10_080: "week"}
_HOUR = 60


async def find_short_limit(snapshot: SumsSnapshot, now_ms: int) -> str | None:
    """Return the plan's window that is nearest to its end, such as ``Codex week 81 %``.

    Without any of which a share is known, what was used in the open block: ``Claude Code 5 hours $3.20``.
    """
    found = find_nearest(await take_limits(snapshot, now_ms, await list_plans(snapshot.ask)))
    return None if found is None else describe_limit(found)


def describe_limit(limit: LimitWindow) -> str:
    """Return a window in a few words."""
    name = f"{TITLES.get(limit.source or '', limit.source or '')} {_name_of(limit)}"
    if limit.used_share is not None:
        return f"{name} {int(100 * limit.used_share)} %"
    return f"{name} {money(limit.used_nano) if limit.used_nano else f'{tokens(limit.tokens or 0)} tokens'}"


def _name_of(limit: LimitWindow) -> str:
    if limit.window_minutes is None:
        return _WINDOWS.get(limit.window, limit.window)
    known = _LENGTHS.get(limit.window_minutes)
    return known or f"{round(limit.window_minutes / _HOUR)} hours"
