"""Budgets, plans and what was told of them, as they are stored. Nothing is imported that a prompt would wait for."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from aico.core.db.sums_reader import Ask
from aico.core.terms import Budget, BudgetPeriod, Plan

_BUDGETS = "SELECT name, period, amount_nano, source, model, project, fixed_by FROM budget ORDER BY name"
_PLANS = """
    SELECT source, price_nano, currency, renews_on, five_hours_nano, week_nano, fixed_by FROM plan ORDER BY source
"""
_WINDOWS = """
    SELECT s.name, p.plan, p.name, p.used_hundredths, p.minutes, p.resets_at, p.at
    FROM plan_state AS p JOIN source AS s ON s.id = p.source ORDER BY s.id, p.plan, p.name
"""
_USED_SLOTS = """
    SELECT DISTINCT slot FROM usage_slot WHERE source = (SELECT id FROM source WHERE name = ?)
    AND slot BETWEEN ? AND ? AND (requests > 0 OR input + cache_read + cache_write_5m + cache_write_1h + output > 0)
    ORDER BY slot
"""
_FIRED = """
    SELECT budget, terms, since, threshold, period, amount_nano, spent_nano, is_at_least, at, delivery, tries
    FROM budget_fired WHERE since >= ? ORDER BY at, budget, threshold
"""


class Delivery(IntEnum):
    """How the call of the webhook for a fired budget stands; the numbers are stored."""

    NOT_WANTED = 0
    PENDING = 1
    DONE = 2
    FAILED = 3


class FiredKey(NamedTuple):
    """The key of a notice that is told once for ever: a threshold of a budget, as it was set, in one period."""

    budget: str
    terms: str
    since: str
    """The first local day of the period, ``YYYY-MM-DD``."""
    threshold: int
    """Per cent."""


class Fired(NamedTuple):
    """A threshold that was reached."""

    key: FiredKey
    period: BudgetPeriod
    amount_nano: int
    spent_nano: int
    is_at_least: bool
    at: int
    """When that was seen, epoch milliseconds."""
    delivery: Delivery
    tries: int


class StoredPlanWindow(NamedTuple):
    """The last statement of a tool about a window of its plan."""

    source: str
    plan: str
    name: str
    used_hundredths: int
    minutes: int | None
    resets_at: int | None
    at: int


async def list_budgets(ask: Ask) -> list[Budget]:
    """Return every stored budget by its name."""
    return [Budget(name, BudgetPeriod(period), *rest) for name, period, *rest in await ask(_BUDGETS)]


async def list_plans(ask: Ask) -> list[Plan]:
    """Return every stored plan by its source."""
    return [Plan(*row) for row in await ask(_PLANS)]


async def list_fired(ask: Ask, since: str) -> list[Fired]:
    """Return what was told of periods that began on ``since``, a day, or later; the oldest first."""
    return [
        Fired(
            FiredKey(budget, terms, day, threshold),
            BudgetPeriod(period),
            amount,
            spent,
            bool(is_at_least),
            at,
            Delivery(delivery),
            tries,
        )
        for budget, terms, day, threshold, period, amount, spent, is_at_least, at, delivery, tries in await ask(
            _FIRED, (since,)
        )
    ]


async def list_plan_windows(ask: Ask) -> list[StoredPlanWindow]:
    """Return what tools said last of the limits of their plans."""
    return [StoredPlanWindow(*row) for row in await ask(_WINDOWS)]


async def list_used_slots(ask: Ask, source: str, first: int, last: int) -> list[int]:
    """Return the slots between the two, both included, in which ``source`` was used; ascending."""
    return [int(slot) for (slot,) in await ask(_USED_SLOTS, (source, first, last))]
