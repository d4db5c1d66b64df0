"""``aico plan``: tools that are paid by subscription, and the value of their usage."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from pydantic import ValidationError

from aico.api.reasons import reason_of
from aico.cli import EXIT_OK, EXIT_USAGE
from aico.cli.names import are_known
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.cli.terms import change, look
from aico.core.clock import now_ms
from aico.core.command_name import as_typed
from aico.core.settings import Settings
from aico.features.sources.registry import KNOWN
from aico.proxy.running_service import RunningService
from aico.services.budget_shapes import PlanLimits, PlanOut, PlanRequest
from aico.services.plan_values import take_plan_values
from aico.services.service import ObserverService

Fields = dict[str, object]


def tend(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says; exit with 2 for a plan that cannot be."""
    settings = load(options).settings
    if options.action == "list":
        return _list(settings, as_json=bool(options.json))
    if not are_known([options.source], KNOWN):
        return EXIT_USAGE
    route = f"/api/plans/{options.source}"
    if options.action == "remove":
        change(
            settings,
            lambda service: service.change("DELETE", route),
            lambda service: service.budgets.remove_plan(options.source),
        )
        say(f"{options.source} is no longer marked as paid by subscription.")
        return EXIT_OK
    try:
        wanted = PlanRequest(
            price=options.price,
            currency=options.currency,
            renews_on=options.renews,
            limits=PlanLimits(five_hours_usd=options.five_hours, week_usd=options.week),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        complain(f"aico plan: {first['loc'][-1]} {reason_of(first)}")
        return EXIT_USAGE
    change(
        settings,
        lambda service: service.change("PUT", route, wanted.model_dump(mode="json")),
        lambda service: service.budgets.put_plan(wanted.as_plan(options.source)),
    )
    code = _list(settings, as_json=False)
    say("Usage at list prices costs nothing more. A cost that the tool records stays one.")
    return code


def _list(settings: Settings, *, as_json: bool) -> int:
    plans = look(settings, _ask, _value)
    if as_json:
        say(json.dumps(plans or []))
    elif plans:
        say(*map(_line, plans))
    else:
        hint = "`aico plan set claude-code --price 200 --renews 15` marks one."
        say(as_typed(f"No tool is marked as paid by subscription. {hint}"))
    return EXIT_OK


async def _ask(service: RunningService) -> list[Fields]:
    return await service.list_objects("/api/plans")


async def _value(service: ObserverService) -> list[Fields]:
    zone = await service.budgets.find_zone()
    async with service.reader.snapshot() as snapshot:
        values = await take_plan_values(snapshot, now_ms(), zone, service.budgets.plans)
    return [PlanOut.of(each).model_dump(mode="json") for each in values]


def _line(plan: Mapping[str, object]) -> str:
    value, least = plan.get("value_usd"), "at least " if plan["at_least"] else ""
    worth = f"{least}${value:,.2f} at list price" if isinstance(value, (int, float)) else "unpriced"
    price = float(str(plan["price"]))
    fixed = f"  fixed by {plan['fixed_by']}" if plan.get("fixed_by") else ""
    return f"{plan['source']}  {worth} since {plan['since']}, of a plan of {price:,.2f} {plan['currency']}{fixed}"
