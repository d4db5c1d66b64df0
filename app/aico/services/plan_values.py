"""The worth of plans in their billing periods, from one snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import SumsSnapshot
from aico.core.filters import UsageFilter
from aico.core.sums import NOTHING, Sums
from aico.core.terms import Plan
from aico.features.budgets.periods import Stretch, local_day, stretch_of
from aico.features.plans.billing import billing_period
from aico.features.usage.fields import sum_fields


class PlanValue(NamedTuple):
    """The usage of a plan in its present billing period."""

    plan: Plan
    stretch: Stretch
    value_nano: int | None
    """The list prices of what the plan pays for, as in all sums; None: something was used, and nobody knows a price."""
    is_at_least: bool


async def take_plan_values(
    snapshot: SumsSnapshot, now_ms: int, zone: ZoneInfo, plans: Iterable[Plan]
) -> list[PlanValue]:
    """Return what ``plans`` were worth so far at ``now_ms``."""
    found: list[PlanValue] = []
    for plan in plans:
        stretch = stretch_of(*billing_period(plan.renews_on, local_day(now_ms, zone)), zone)
        wanted = UsageFilter(sources=(plan.source,))
        [sums] = await snapshot.list_stretch_sums(wanted, [(stretch.first_slot, stretch.end_slot)])
        found.append(_value_of(plan, stretch, sums.get((), NOTHING)))
    return found


def _value_of(plan: Plan, stretch: Stretch, sums: Sums) -> PlanValue:
    """Return the value of ``sums``; usage with a recorded or an own cost has none, for the plan does not pay it."""
    is_unknown = sums.get("unpriced") or sums.get("unmeasured")
    value = sums.planned_nano or (None if is_unknown else 0)
    return PlanValue(plan, stretch, value, sum_fields(sums).is_at_least)
