"""The worth of plans in their billing periods, from one snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import SumsSnapshot
from aico.core.filters import UsageFilter
from aico.core.sums import NOTHING
from aico.core.terms import Plan
from aico.features.budgets.periods import Stretch, local_day, stretch_of
from aico.features.plans.billing import billing_period
from aico.features.usage.fields import sum_fields


class PlanValue(NamedTuple):
    """The usage of a plan in its present billing period."""

    plan: Plan
    stretch: Stretch
    value_nano: int | None
    """At list prices; None: something was used, and nobody knows a price."""
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
        fields = sum_fields(sums.get((), NOTHING))
        found.append(PlanValue(plan, stretch, fields.list_cost_nano, fields.is_at_least))
    return found
