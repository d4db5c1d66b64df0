"""The currency that the page and the commands show amounts in."""

from __future__ import annotations

from fastapi import APIRouter, Request

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Service
from aico.api.price_routes import FIXED
from aico.core.currency import currency_of
from aico.core.errors import RequestInvalid
from aico.services.currency import CurrencyOut, CurrencyRequest

router = APIRouter(prefix="/api", tags=["prices"], dependencies=ONLY_KNOWN_PARAMETERS)


@router.get("/currency", responses=problems.READING)
async def get_currency(service: Service) -> CurrencyOut | None:
    """Return the currency that amounts are shown in; null: US dollars, in which the interface tells all of them."""
    return CurrencyOut.of(await service.currencies.find())


@router.put(
    "/currency",
    responses=problems.READING | FIXED,
    openapi_extra=describe_body(CurrencyRequest, is_required=True),
)
async def set_currency(request: Request, service: Service) -> CurrencyOut | None:
    """Show amounts in a currency, at a rate that the user states, with its day."""
    wanted = await read_body(request, CurrencyRequest)
    try:
        currency = currency_of(wanted.code, wanted.per_usd, wanted.as_of)
    except ValueError as error:
        field, _, reason = str(error).partition(": ")
    else:
        await service.currencies.set(currency)
        return await get_currency(service)
    raise RequestInvalid(field, reason)


@router.delete("/currency", responses=problems.READING | FIXED)
async def remove_currency(service: Service) -> CurrencyOut | None:
    """Show amounts in US dollars again."""
    await service.currencies.set(None)
    return await get_currency(service)
