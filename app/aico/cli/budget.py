"""``aico budget``: the intended limits of spending, and their state."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from pydantic import ValidationError

from aico.api.reasons import reason_of
from aico.cli import EXIT_OK, EXIT_USAGE
from aico.cli.names import are_known
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.cli.terms import change, look
from aico.core.command_name import as_typed
from aico.core.settings import Settings
from aico.core.terms import NAME_MAX, check_name
from aico.features.sources.registry import KNOWN
from aico.proxy.running_service import RunningService
from aico.services.budget_shapes import BudgetRequest, BudgetStandingOut
from aico.services.service import ObserverService

Fields = dict[str, object]
_NAMES = {"day": "daily", "week": "weekly", "month": "monthly"}


def tend(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says; exit with 2 for a budget that cannot be."""
    settings = load(options).settings
    if options.action == "list":
        return _list(settings, as_json=bool(options.json))
    if options.action == "remove":
        route = f"/api/budgets/{quote(options.name, safe='')}"
        change(
            settings,
            lambda service: service.change("DELETE", route),
            lambda service: service.budgets.remove_budget(options.name),
        )
        say(f"The budget {options.name} is removed.")
        return EXIT_OK
    name = options.name or default_name(options.period, [options.source, options.model, options.project])
    route = f"/api/budgets/{quote(name, safe='')}"
    if options.source is not None and not are_known([options.source], KNOWN):
        return EXIT_USAGE
    try:
        wanted = BudgetRequest(
            period=options.period,
            amount_usd=options.amount,
            source=options.source,
            model=options.model,
            project=options.project,
        )
        budget = wanted.as_budget(check_name(name))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        complain(f"aico budget: {first['loc'][0]} {reason_of(first)}")
        return EXIT_USAGE
    except ValueError as error:
        complain(f"aico budget: the name {error}")
        return EXIT_USAGE
    change(
        settings,
        lambda service: service.change("PUT", route, wanted.model_dump(mode="json")),
        lambda service: service.budgets.put_budget(budget),
    )
    return _list(settings, as_json=False)


def default_name(period: str, parts: Iterable[str | None]) -> str:
    """Return the name of a budget that was given none: ``monthly``, ``daily-codex``."""
    words = [_NAMES[period], *(part.replace("/", "-") for part in parts if part)]
    return "-".join(words)[:NAME_MAX].rstrip()


def _list(settings: Settings, *, as_json: bool) -> int:
    budgets = look(settings, _ask, _stand)
    if as_json:
        say(json.dumps(budgets or []))
    elif budgets:
        width = max(len(str(each["name"])) for each in budgets)
        say(*(_line(each, width) for each in budgets))
    else:
        say(as_typed("No budget is set. `aico budget set --amount 5 --period day` sets one."))
    return EXIT_OK


async def _ask(service: RunningService) -> list[Fields]:
    return await service.list_objects("/api/budgets")


async def _stand(service: ObserverService) -> list[Fields]:
    async with service.reader.snapshot() as snapshot:
        standings = await service.budgets.take_standings(snapshot)
    return [BudgetStandingOut.of(each, service.budgets.list_told(each)).model_dump(mode="json") for each in standings]


def _line(budget: Mapping[str, object], width: int) -> str:
    spent, amount = float(str(budget["spent_usd"])), float(str(budget["amount_usd"]))
    least = "at least " if budget["at_least"] else ""
    parts = [str(budget[part]) for part in ("source", "model", "project") if budget.get(part)]
    of = f" of {', '.join(parts)}" if parts else ""
    mark = ", reached" if spent >= amount else ""
    fixed = f"  fixed by {budget['fixed_by']}" if budget.get("fixed_by") else ""
    return (
        f"{budget['name']!s:<{width}}  {least}${spent:,.2f} of ${amount:,.2f} a {budget['period']}{of}, "
        f"{round(100 * spent / amount)} %{mark}{fixed}"
    )
