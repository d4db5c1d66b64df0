"""How budgets stand, from one snapshot. Nothing here is imported that a prompt would wait for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import Group, SumsSnapshot
from aico.core.filters import UsageFilter
from aico.core.sums import Sums
from aico.core.terms import Budget
from aico.core.units import SLOT_MS
from aico.features.budgets.periods import Stretch, list_reached, period_around
from aico.features.limits.blocks import HOUR_MS, reached_at
from aico.features.usage.fields import sum_fields


class BudgetStanding(NamedTuple):
    """A budget in the period that it is now."""

    budget: Budget
    now_ms: int
    """The moment at which it is looked at, epoch milliseconds."""
    stretch: Stretch
    spent_nano: int
    is_at_least: bool
    """Something inside has no price or no tokens, so that there may be more."""
    per_hour_nano: int
    """The spending of the last 60 minutes."""
    reached_at: int | None
    """When all of it will be spent at that rate, epoch milliseconds; None if not within the period."""

    @property
    def reached(self) -> list[int]:
        """The thresholds, in per cent, that are reached now."""
        return list_reached(self.spent_nano, self.budget.amount_nano)

    @property
    def resets_at(self) -> int:
        """The end of the period, epoch milliseconds."""
        return self.stretch.end_slot * SLOT_MS


async def take_budgets(
    snapshot: SumsSnapshot, now_ms: int, zone: ZoneInfo, budgets: Iterable[Budget], plans: Collection[str]
) -> list[BudgetStanding]:
    """Return how ``budgets`` stand at ``now_ms``. Usage of the sources of ``plans`` is paid for, at whatever price."""
    return [await _take(snapshot, now_ms, zone, each, plans) for each in budgets]


async def _take(
    snapshot: SumsSnapshot, now_ms: int, zone: ZoneInfo, budget: Budget, plans: Collection[str]
) -> BudgetStanding:
    stretch = period_around(budget.period, now_ms, zone)
    wanted = filter_of(budget)
    [sums] = await snapshot.list_stretch_sums(wanted, [(stretch.first_slot, stretch.end_slot)], [Group.SOURCE])
    spent = Sums.total(sums.values()).cost_nano
    burned = await snapshot.get_sums_between(wanted, now_ms - HOUR_MS + 1, now_ms + 1)
    return BudgetStanding(
        budget,
        now_ms,
        stretch,
        spent,
        any(sum_fields(each).is_at_least for (source,), each in sums.items() if source not in plans),
        burned.cost_nano,
        reached_at(spent, budget.amount_nano, burned.cost_nano, now_ms, stretch.end_slot * SLOT_MS),
    )


def filter_of(budget: Budget) -> UsageFilter:
    """Return what a budget is of, at any time."""
    return UsageFilter(
        sources=() if budget.source is None else (budget.source,),
        models=() if budget.model is None else (budget.model,),
        projects=() if budget.project is None else (budget.project,),
    )
