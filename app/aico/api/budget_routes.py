"""Budgets, plans, limits and the webhook: as the user has set them, and how they stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Service
from aico.core.errors import RequestInvalid
from aico.core.terms import check_name
from aico.services.budget_shapes import (
    BudgetRequest,
    BudgetStandingOut,
    LastCallOut,
    PlanOut,
    PlanRequest,
    WebhookOut,
)
from aico.services.limits import LimitOut
from aico.services.plan_values import take_plan_values
from aico.services.service import ObserverService
from aico.services.webhook import LastCall

router = APIRouter(prefix="/api", tags=["budgets"], dependencies=ONLY_KNOWN_PARAMETERS)
_NAME_MAX = 200
_FIXED: problems.Responses = {409: problems.refusal("The configuration decides it.")}
_MISSING: problems.Responses = {409: problems.refusal("No webhook is set.")}
Name = Annotated[str, Path(max_length=_NAME_MAX)]


@router.get("/budgets", responses=problems.READING)
async def list_budgets(service: Service) -> list[BudgetStandingOut]:
    """Return every budget, and how it stands in the period that it is now where the service runs."""
    budgets = service.budgets
    async with service.reader.snapshot() as snapshot:
        standings = await budgets.take_standings(snapshot)
    return [BudgetStandingOut.of(each, budgets.list_told(each)) for each in standings]


@router.put(
    "/budgets/{name}",
    responses=problems.READING | problems.unknown("source") | _FIXED,
    openapi_extra=describe_body(BudgetRequest, is_required=True),
)
async def put_budget(request: Request, service: Service, name: Name) -> BudgetStandingOut:
    """Set a budget, or set it anew, and return it. With another amount it is another one, and told anew."""
    wanted = await read_body(request, BudgetRequest)
    try:
        budget = wanted.as_budget(check_name(name))
    except ValueError as error:
        raise RequestInvalid("name", str(error)) from None
    if budget.source is not None:
        service.sources.get_source(budget.source)
    await service.budgets.put_budget(budget)
    return next(each for each in await list_budgets(service) if each.name == name)


@router.delete("/budgets/{name}", status_code=204, responses=problems.READING | problems.unknown("budget") | _FIXED)
async def remove_budget(service: Service, name: Name) -> Response:
    """Remove a budget."""
    await service.budgets.remove_budget(name)
    return Response(status_code=204)


@router.get("/plans", responses=problems.READING)
async def list_plans(service: Service) -> list[PlanOut]:
    """Return every source that is paid by subscription, with what it used in this billing period."""
    return await _list_plans(service)


async def _list_plans(service: ObserverService) -> list[PlanOut]:
    zone = await service.budgets.find_zone()
    async with service.reader.snapshot() as snapshot:
        values = await take_plan_values(snapshot, service.now_ms(), zone, service.budgets.plans)
    return [PlanOut.of(each) for each in values]


@router.put(
    "/plans/{source}",
    responses=problems.READING | problems.unknown("source") | _FIXED,
    openapi_extra=describe_body(PlanRequest, is_required=True),
)
async def put_plan(request: Request, service: Service, source: Name) -> PlanOut:
    """Mark a source as paid by subscription, and return it: list prices of what it uses are no cost from now on."""
    wanted = await read_body(request, PlanRequest)
    service.sources.get_source(source)
    await service.budgets.put_plan(wanted.as_plan(source))
    return next(each for each in await _list_plans(service) if each.source == source)


@router.delete("/plans/{source}", status_code=204, responses=problems.READING | problems.unknown("plan") | _FIXED)
async def remove_plan(service: Service, source: Name) -> Response:
    """Take the mark back: list prices of what the source uses are a cost again."""
    await service.budgets.remove_plan(source)
    return Response(status_code=204)


@router.get("/limits", responses=problems.READING)
async def list_limits(service: Service) -> list[LimitOut]:
    """Return the windows of limits: as tools state them, as we estimate them, and budgets. No sum follows from them."""
    return [LimitOut.of(each) for each in await service.budgets.take_limits()]


@router.get("/webhook", responses=problems.READING)
async def read_webhook(service: Service) -> WebhookOut:
    """Return whether a webhook is set, and where. No request can set one."""
    webhook = service.budgets.webhook
    return WebhookOut.of(await webhook.find_target(), webhook.last)


@router.put("/webhook/test", responses=problems.READING | _MISSING)
async def test_webhook(service: Service) -> LastCallOut:
    """Call the webhook once, with a body that says that it is a test, and return what came of it."""
    answer = await service.budgets.webhook.test()
    return LastCallOut.of(LastCall(service.now_ms(), answer))
