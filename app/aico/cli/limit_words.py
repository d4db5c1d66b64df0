"""The nearest limit in a few words, for a prompt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from aico.cli.screen import ALARM, YELLOW, money
from aico.cli.terminal import tokens
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.db.terms import list_plans
from aico.features.sources.titles import TITLES
from aico.services.limit_windows import FIVE_HOURS, WEEK, LimitWindow, find_nearest, take_limits

_WINDOWS = {FIVE_HOURS: "5 hours", WEEK: "week"}
_LENGTHS = {300: "5 hours", 1_440: "day", 10_080: "week"}
_HOUR = 60
_CLOSE, _REACHED = 0.8, 1.0


class ShortLimit(NamedTuple):
    """A window in a few words."""

    text: str
    share: float | None
    resets_at: int | None
    """Epoch milliseconds."""

    @property
    def style(self) -> str:
        """The colour of one that is close to its end, or beyond it; empty for any other."""
        share = self.share or 0
        return ALARM if share >= _REACHED else YELLOW if share >= _CLOSE else ""

    def describe(self, now: datetime) -> str:
        """Return a line of it, as it is said at ``now``: ``Codex week 81 % used, resets Mon 09:00``."""
        used = f"{self.text} {'used' if self.share is not None else 'so far'}"
        if self.resets_at is None:
            return used
        moment = datetime.fromtimestamp(self.resets_at / 1000, UTC).astimezone(now.tzinfo)
        days = (moment.date() - now.date()).days
        day = "" if not days else f"{moment:%a} " if 0 < days < 7 else f"{moment:%b %d} "
        return f"{used}, resets {day}{moment:%H:%M}"


async def find_short_limit(snapshot: SumsSnapshot, now_ms: int) -> ShortLimit | None:
    """Return the plan's window that is nearest to its end, such as ``Codex week 81 %``.

    Without any of which a share is known, the usage of the open block: ``Claude Code 5 hours $3.20``.
    """
    found = find_nearest(await take_limits(snapshot, now_ms, await list_plans(snapshot.ask)))
    return None if found is None else ShortLimit(describe_limit(found), found.used_share, found.resets_at)


def describe_limit(limit: LimitWindow) -> str:
    """Return a window in a few words."""
    name = f"{TITLES.get(limit.source or '', limit.source or '')} {_name_of(limit)}"
    if limit.used_share is not None:
        return f"{name} {round(100 * limit.used_share)} %"
    return f"{name} {money(limit.used_nano) if limit.used_nano else f'{tokens(limit.tokens or 0)} tokens'}"


def _name_of(limit: LimitWindow) -> str:
    if limit.window_minutes is None:
        return _WINDOWS.get(limit.window, limit.window)
    known = _LENGTHS.get(limit.window_minutes)
    return known or f"{round(limit.window_minutes / _HOUR)} hours"
