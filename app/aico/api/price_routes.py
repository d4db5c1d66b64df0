"""The user's own prices, and the price that a model would have."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, Strict

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Filter, Service
from aico.core.errors import RequestInvalid
from aico.core.own_prices import KINDS, OwnPrice, check_pattern, day_number, price_of
from aico.core.price_settings import Amount
from aico.core.usage import MODEL_LENGTH_MAX
from aico.services.price_shapes import PriceOut, PriceTestOut, ReviewOut
from aico.services.service import ObserverService
from aico.services.shapes import ComparedOut, Schema

router = APIRouter(prefix="/api", tags=["prices"], dependencies=ONLY_KNOWN_PARAMETERS)
FIXED: problems.Responses = {409: problems.refusal("The configuration file decides it.")}
Name = Annotated[str, Query(max_length=MODEL_LENGTH_MAX, description="Exact name, or with `*` at its end.")]
Pattern = Annotated[str, Query(max_length=MODEL_LENGTH_MAX), AfterValidator(check_pattern)]
Day = Annotated[str | None, Query(max_length=10, description="Day of UTC; empty: the price without a day.")]


class PriceRequest(Schema):
    """The prices of a million tokens, in US dollars."""

    valid_from: Annotated[date, Strict()] | None = None
    """Day of UTC; null: always."""
    input: Amount
    output: Amount
    cache_read: Amount | None = None
    cache_write_5m: Amount | None = None
    cache_write_1h: Amount | None = None

    def to_price(self, model: str) -> OwnPrice:
        """Return it as it is counted with. Raises RequestInvalid."""
        try:
            return price_of(model, self.valid_from, {kind: getattr(self, kind) for kind in KINDS})
        except ValueError as error:
            field, _, reason = str(error).partition(": ")
        raise RequestInvalid(*((field, reason) if reason else ("valid_from", field)))


@router.get("/prices", responses=problems.READING)
async def list_prices(service: Service) -> list[PriceOut]:
    """Return the user's own prices, those of the configuration file included."""
    return await _list(service)


@router.put("/prices", responses=problems.READING | FIXED, openapi_extra=describe_body(PriceRequest, is_required=True))
async def set_price(request: Request, service: Service, model: Pattern) -> list[PriceOut]:
    """Set an own price, in the place of one of the same name and day, and return all of them.

    Stored requests get their prices after the answer: `pricing` in `GET /api/status` says how far it is.
    """
    price = (await read_body(request, PriceRequest)).to_price(model)
    await service.prices.set(price)
    service.prices.start()
    return await _list(service)


@router.delete("/prices", responses=problems.READING | problems.unknown("price") | FIXED)
async def remove_price(service: Service, model: Name, valid_from: Day = None) -> list[PriceOut]:
    """Remove the own price of a name from a day on, or without `valid_from` all of that name; return the others."""
    try:
        day = date.fromisoformat(valid_from) if valid_from else None
        day_number(day)
    except ValueError:
        raise RequestInvalid("valid_from", "must be a day from 1970 on, such as 2026-03-01") from None
    await service.prices.remove(model, day, is_any_day=valid_from is None)
    service.prices.start()
    return await _list(service)


@router.get("/prices/test", responses=problems.READING)
async def try_price(service: Service, model: Annotated[str, Query(max_length=MODEL_LENGTH_MAX)]) -> PriceTestOut:
    """Return what a request of now to this model would be priced at, if its tool states no cost, and why."""
    return PriceTestOut.of(await service.prices.test(model))


@router.get("/prices/compared", responses=problems.READING | problems.unknown("source"))
async def compare_prices(service: Service, wanted: Filter) -> list[ComparedOut]:
    """Return what tools state beside the list, by source and model, of the requests that have both."""
    return [ComparedOut.of(each) for each in await service.queries.compare(wanted)]


@router.get("/prices/review", responses=problems.READING)
async def review_prices(service: Service) -> ReviewOut:
    """Return what the present list would change of requests that an older one has priced; nothing is changed."""
    return ReviewOut.of(await service.prices.review())


@router.put("/prices/review", responses=problems.READING)
async def apply_review(service: Service) -> ReviewOut:
    """Let the present list replace the prices of older ones behind the answer, which says what that changes."""
    review = await service.prices.review()
    await service.prices.begin_review()
    service.prices.start()
    return ReviewOut.of(review)


async def _list(service: ObserverService) -> list[PriceOut]:
    return [PriceOut.of(each) for each in await service.prices.list_all()]
