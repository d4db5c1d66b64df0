"""The nearest limit in a few words, for a prompt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.cli.amounts import AT_LEAST
from aico.cli.screen import ALARM, YELLOW, money
from aico.cli.terminal import tokens
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.db.terms import list_budgets, list_plans
from aico.core.terms import BudgetPeriod
from aico.features.sources.titles import TITLES
from aico.services.budget_standings import BudgetStanding, take_budgets
from aico.services.limit_windows import FIVE_HOURS, WEEK, LimitWindow, find_nearest, take_limits

_WINDOWS = {FIVE_HOURS: "5 hours", WEEK: "week"}
_LENGTHS = {300: "5 hours", 1_440: "day", 10_080: "week"}
_HOUR = 60
_CLOSE, _REACHED = 0.8, 1.0
_MONTH = BudgetPeriod.MONTH


class ShortLimit(NamedTuple):
    """A window, or a budget, in a few words."""

    text: str
    share: float | None
    resets_at: int | None
    """Epoch milliseconds."""
    budget_nano: int | None = None
    """The amount of a budget; None where it is a window of a plan."""

    @property
    def is_reached(self) -> bool:
        """Return whether all of it is used."""
        return (self.share or 0) >= _REACHED

    @property
    def style(self) -> str:
        """The colour of one that is close to its end, or beyond it; empty for any other."""
        return ALARM if self.is_reached else YELLOW if (self.share or 0) >= _CLOSE else ""

    def describe(self, now: datetime) -> str:
        """Return a line of it, as it is said at ``now``: ``Codex week 81 % used, resets Mon 09:00``."""
        if self.budget_nano is not None:
            share = self.share or 0
            over = ", over" if share > _REACHED else ", reached" if share == _REACHED else ""
            return f"your {self.text} of {money(self.budget_nano)}{over}"
        used = f"{self.text} {'used' if self.share is not None else 'so far'}"
        if self.resets_at is None:
            return used
        moment = datetime.fromtimestamp(self.resets_at / 1000, UTC).astimezone(now.tzinfo)
        days = (moment.date() - now.date()).days
        day = "" if not days else f"{moment:%a} " if 0 < days < 7 else f"{moment:%b %d} "
        return f"{used}, resets {day}{moment:%H:%M}"


async def find_short_limits(snapshot: SumsSnapshot, now_ms: int, zone: ZoneInfo) -> list[ShortLimit]:
    """Return the limit that is nearest to its end: a plan's window, such as ``Codex week 81 %``, or a budget.

    Of a budget that is close to its end, and of a window, both. Without any window of which a share is known, the usage
    of the open block stands for it: ``Claude Code 5 hours $3.20``. The month's budget for everything is told elsewhere.
    """
    plans = await list_plans(snapshot.ask)
    nearest = find_nearest(await take_limits(snapshot, now_ms, plans))
    window = [] if nearest is None else [ShortLimit(describe_limit(nearest), nearest.used_share, nearest.resets_at)]
    budgets = [each for each in await list_budgets(snapshot.ask) if not (each.is_whole and each.period is _MONTH)]
    standings = await take_budgets(snapshot, now_ms, zone, budgets, {plan.source for plan in plans})
    shown = sorted([*map(_of_budget, standings)], key=_share_of, reverse=True)[:1]
    found = sorted([*shown, *window], key=_share_of, reverse=True)
    return found if shown and _share_of(shown[0]) >= _CLOSE else found[:1]


def _share_of(limit: ShortLimit) -> float:
    return limit.share or 0


def _of_budget(standing: BudgetStanding) -> ShortLimit:
    budget = standing.budget
    part = " ".join(
        each for each in (TITLES.get(budget.source or "", budget.source), budget.model, budget.project) if each
    )
    share = standing.spent_nano / budget.amount_nano
    least = AT_LEAST if standing.is_at_least else ""
    text = f"budget a {budget.period.value}{part and f' for {part}'} {round(100 * share)} %{least}"
    return ShortLimit(text, share, standing.resets_at, budget.amount_nano)


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
