"""Amounts and moments in words, for the lines of a person and the one line of a prompt. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aico.cli.screen import YELLOW, Screen, money, plural, shown_plans
from aico.core.money import nano_usd, usd
from aico.core.reading_settings import ReadingSettings
from aico.core.sums import Sums
from aico.features.usage.fields import sum_fields
from aico.features.usage.usual import is_as_usual, is_nothing
from aico.services.overview import Overview

AT_LEAST = "*"
TIMES_FROM = 10
"""From ten times a usual day on, per cent say nothing any more."""


def describe_short(
    overview: Overview,
    budget_usd: float | None,
    standstill: str | None,
    width: int,
    screen: Screen,
    limits: Sequence[str] = (),
) -> str:
    """Return today, this month and limits in one line of at most ``width`` columns; parts go from the right.

    The first part, and numbers inside a part, are never cut.
    """
    today, month = Sums.total(overview.today.values()), Sums.total(overview.month.values())
    change = change_text(today.cost_nano, overview.usual.nano)
    budget = "" if budget_usd is None else money(nano_usd(budget_usd))
    is_of_plan = plan_value(month) > 0
    of = f" of {budget}" if budget and not is_of_plan else f" in {overview.now:%B}"
    models = overview.lacking.unpriced_models
    lacking = f"no price for {plural(models, 'model')}; " if models else ""
    this_day = f"{lacking}{head_cost(today)} today{f' ({change})' if change else ''}"
    parts = [this_day, f"{head_cost(month)}{of}"]
    # A budget is of money alone.
    parts += [f"budget {money(month.cost_nano)} of {budget}"] if budget and is_of_plan else []
    parts += [*([] if standstill is None else [standstill]), *limits]
    while len(parts) > 1 and len(", ".join(parts)) > width:
        parts.pop()
    line = screen.mark(", ".join(parts), lacking.rstrip("; "), YELLOW)
    return line if standstill is None else screen.mark(line, standstill, YELLOW)


def find_budget(settings: ReadingSettings, overview: Overview) -> float | None:
    """Return the budget of a month, in US dollars: as the configuration says, else as it is stored."""
    if settings.budget_monthly_usd is not None:
        return settings.budget_monthly_usd
    return None if overview.budget_nano is None else usd(overview.budget_nano)


def cost_of(sums: Sums) -> str:
    """Return the cost of ``sums``, ``unpriced`` for tokens without a known price, ``-`` for no usage.

    It is ``no count`` where the tool wrote none, so that no price would help.

    A star behind it says that it is the least: something of it is not known. Brackets say that it is no cost: a plan
    pays, and it is the value at list prices; it stands in the place of a cost, or beside one: ``$0.04 + ($0.77)``.
    """
    fields = sum_fields(sums)
    value = plan_value(sums)
    if fields.cost_nano is None and not value:
        return "unpriced" if fields.unpriced_requests else "no count"
    if not any(sums.vector):
        return "-"
    parts = [money(fields.cost_nano or 0)] if fields.cost_nano or not value else []
    parts += [f"({money(value)})"] if value else []
    return f"{' + '.join(parts)}{AT_LEAST if fields.is_at_least else ''}"


def plan_value(sums: Sums) -> int:
    """Return the part of ``sums`` that a plan pays for, in nano-dollars at list prices."""
    return sums.planned_nano if shown_plans() else 0


def head_cost(sums: Sums) -> str:
    """Return the same where nothing is ``$0.00``."""
    cost = cost_of(sums)
    return money(0) if cost == "-" else cost


def moment_text(moment_ms: int, now: datetime) -> str:
    """Return a moment as it is told at ``now``: ``14:02``, ``yesterday 18:40``, ``Fri 18:40``, ``Nov 03 18:40``."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(now.tzinfo)
    days = (now.date() - moment.date()).days
    if days <= 0:
        return f"{moment:%H:%M}"
    day = "yesterday" if days == 1 else f"{moment:%a}" if days < 7 else f"{moment:%b %d}"
    return f"{day} {moment:%H:%M}"


def change_text(today_nano: int, usual_nano: int | None) -> str:
    """Return ``+62 %``; empty where nothing is usual, or today is as usual."""
    if usual_nano is None or is_nothing(usual_nano) or is_as_usual(today_nano, usual_nano):
        return ""
    if today_nano >= TIMES_FROM * usual_nano:
        return f"{today_nano // usual_nano} times"
    return f"{round(100 * (today_nano - usual_nano) / usual_nano):+} %"
