"""The known limits, from one snapshot: as tools state them, as we estimate them, and the user's own budgets.

Nothing here is imported that a prompt would wait for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from aico.core.db.sums_reader import SumsSnapshot
from aico.core.db.terms import StoredPlanWindow, list_plan_windows, list_used_slots
from aico.core.filters import UsageFilter, slot_floor
from aico.core.sums import NOTHING, Sums
from aico.core.terms import Plan
from aico.core.units import SLOT_MS
from aico.features.limits.blocks import (
    BLOCK_MS,
    BLOCK_SLOTS,
    CLAUDE_CODE,
    HOUR_MS,
    WEEK_MS,
    WEEK_SLOTS,
    find_block,
    reached_at,
)
from aico.features.usage.fields import sum_fields
from aico.services.budget_standings import BudgetStanding

FIVE_HOURS, WEEK = "five_hours", "week"
LimitOrigin: TypeAlias = Literal["tool", "estimate", "budget"]
_MINUTE_MS = 60_000


class LimitWindow(NamedTuple):
    """How much of a limit is used within a window of time."""

    source: str | None
    """None: a budget of every source."""
    plan: str
    """The tool's own name of the limit, or that of a budget; empty where there is none."""
    window: str
    """The tool's own name, ``five_hours``, ``week``; or the period of a budget."""
    window_minutes: int | None
    used_share: float | None
    """1 is all of it. None: not known, or no limit is stated."""
    used_nano: int | None
    """The value at list prices, or the cost of a tool that has no such value; of a budget, money.

    None: the tool states a share only, or no price is known.
    """
    limit_nano: int | None
    """The user's own word."""
    tokens: int | None
    is_at_least: bool
    started_at: int | None
    """Epoch milliseconds, as are all moments."""
    resets_at: int | None
    origin: LimitOrigin
    as_of: int
    per_hour_nano: int | None
    """The usage of the last 60 minutes, likewise. None: nothing is known of it."""
    reached_at: int | None
    """When all of it is used at that rate; None: not before it begins anew, or not known."""


async def take_limits(
    snapshot: SumsSnapshot, now_ms: int, plans: Iterable[Plan], budgets: Iterable[BudgetStanding] = ()
) -> list[LimitWindow]:
    """Return every window that is known at ``now_ms``: those of tools, our estimates, then ``budgets``."""
    by_source = {plan.source: plan for plan in plans}
    stated = [await _as_told(snapshot, now_ms, each) for each in await list_plan_windows(snapshot.ask)]
    estimated: list[LimitWindow] = []
    for source in dict.fromkeys([CLAUDE_CODE, *by_source]):
        plan = by_source.get(source)
        has_limit = plan is not None and (plan.five_hours_nano or plan.week_nano)
        if source == CLAUDE_CODE or has_limit:
            estimated += await _estimate(snapshot, now_ms, source, plan)
    return [*stated, *estimated, *map(_of_budget, budgets)]


def find_nearest(limits: Iterable[LimitWindow]) -> LimitWindow | None:
    """Return the plan's window of which the greatest share is used; else an open block of which no limit is known."""
    of_plans = [each for each in limits if each.origin != "budget"]
    known = [each for each in of_plans if each.used_share is not None]
    if known:
        return max(known, key=lambda each: each.used_share or 0)
    return next((each for each in of_plans if each.window == FIVE_HOURS and each.tokens), None)


async def _as_told(snapshot: SumsSnapshot, now_ms: int, told: StoredPlanWindow) -> LimitWindow:
    """Return the word of a tool, and how long what is left lasts: its share per dollar, at the dollars of an hour."""
    is_over = told.resets_at is not None and told.resets_at <= now_ms
    share = told.used_hundredths / 10_000
    started_at = None
    if told.resets_at is not None and told.minutes is not None:
        # A log may claim any length, and a moment of minus infinity is no number of the database's.
        started_at = max(0, told.resets_at - told.minutes * _MINUTE_MS)
    wanted = UsageFilter(sources=(told.source,))
    per_hour = (await _burned(snapshot, now_ms, wanted)).get("list")
    until = None
    if not is_over and started_at is not None and share > 0 and per_hour:
        value = (await snapshot.get_sums_between(wanted, started_at, told.at + 1)).get("list")
        if value:
            until = reached_at(share, 1, share * per_hour / value, now_ms, told.resets_at)
    return LimitWindow(
        told.source,
        told.plan,
        told.name,
        told.minutes,
        None if is_over else share,
        None,
        None,
        None,
        is_at_least=False,
        started_at=started_at,
        resets_at=told.resets_at,
        origin="tool",
        as_of=told.at,
        per_hour_nano=per_hour,
        reached_at=now_ms if share >= 1 and not is_over else until,
    )


async def _estimate(snapshot: SumsSnapshot, now_ms: int, source: str, plan: Plan | None) -> list[LimitWindow]:
    """Return the open block and the last seven days of a source; nothing of one that was not used in that time."""
    now_slot = slot_floor(now_ms)
    # Twice as far as anything counts: wherever a pause of five hours lies in between, blocks are the real ones.
    slots = await list_used_slots(snapshot.ask, source, now_slot - 2 * WEEK_SLOTS, now_slot)
    if not any(slot > now_slot - WEEK_SLOTS for slot in slots):
        return []
    wanted = UsageFilter(sources=(source,))
    per_hour = _use_of(await _burned(snapshot, now_ms, wanted))
    found: list[LimitWindow] = []
    block = find_block(slots, now_slot)
    five_hours = None if plan is None else plan.five_hours_nano
    if block is not None or five_hours:
        sums, resets_at = NOTHING, None
        if block is not None:
            [groups] = await snapshot.list_stretch_sums(wanted, [(block, block + BLOCK_SLOTS)])
            sums, resets_at = groups.get((), NOTHING), (block + BLOCK_SLOTS) * SLOT_MS
        started_at = None if block is None else block * SLOT_MS
        found.append(_window(source, FIVE_HOURS, BLOCK_MS, sums, five_hours, started_at, resets_at, now_ms, per_hour))
    week = await snapshot.get_sums_between(wanted, now_ms - WEEK_MS + 1, now_ms + 1)
    week_limit = None if plan is None else plan.week_nano
    return [*found, _window(source, WEEK, WEEK_MS, week, week_limit, now_ms - WEEK_MS, None, now_ms, per_hour)]


def _use_of(sums: Sums) -> int | None:
    """Return the value of ``sums`` at list prices. Running totals have none: then it is the cost that the tool records.

    None: neither is known.
    """
    fields = sum_fields(sums)
    return fields.cost_nano if fields.list_cost_nano is None else fields.list_cost_nano


def _window(
    source: str,
    name: str,
    length_ms: int,
    sums: Sums,
    limit: int | None,
    started_at: int | None,
    resets_at: int | None,
    now_ms: int,
    per_hour: int | None,
) -> LimitWindow:
    fields = sum_fields(sums)
    used = _use_of(sums)
    return LimitWindow(
        source,
        "",
        name,
        length_ms // _MINUTE_MS,
        used / limit if limit and used is not None else None,
        used,
        limit,
        sums.token_count,
        is_at_least=fields.is_at_least,
        started_at=started_at,
        resets_at=resets_at,
        origin="estimate",
        as_of=now_ms,
        per_hour_nano=per_hour,
        # A rate that is not known says nothing of a limit that is reached already.
        reached_at=reached_at(used, limit, per_hour or 0, now_ms, resets_at) if limit and used is not None else None,
    )


def _of_budget(standing: BudgetStanding) -> LimitWindow:
    budget, stretch = standing.budget, standing.stretch
    return LimitWindow(
        budget.source,
        budget.name,
        budget.period.value,
        (stretch.end_slot - stretch.first_slot) * SLOT_MS // _MINUTE_MS,
        standing.spent_nano / budget.amount_nano,
        standing.spent_nano,
        budget.amount_nano,
        None,
        is_at_least=standing.is_at_least,
        started_at=stretch.first_slot * SLOT_MS,
        resets_at=stretch.end_slot * SLOT_MS,
        origin="budget",
        as_of=standing.now_ms,
        per_hour_nano=standing.per_hour_nano,
        reached_at=standing.reached_at,
    )


async def _burned(snapshot: SumsSnapshot, now_ms: int, wanted: UsageFilter) -> Sums:
    return await snapshot.get_sums_between(wanted, now_ms - HOUR_MS + 1, now_ms + 1)
