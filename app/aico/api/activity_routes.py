"""The use of apps, commands and sites, and the switches of what is seen of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import StrictBool

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, From, Service, To, Zone
from aico.api.schemas import ProblemOut
from aico.core.errors import RequestInvalid
from aico.core.units import SLOT_MS
from aico.features.usage.periods import find_zone, midnight_slot
from aico.services.activity_shapes import ActivityKindOut, ActivityOut, get_activity
from aico.services.overview import local_now
from aico.services.shapes import Schema

router = APIRouter(prefix="/api", tags=["activity"], dependencies=ONLY_KNOWN_PARAMETERS)
_FIXED: problems.Responses = {409: {"model": ProblemOut, "description": "The configuration decides it."}}


class KindSwitch(Schema):
    """Whether a kind is to be seen."""

    enabled: StrictBool


@router.get("/activity", responses=problems.READING)
async def read_activity(service: Service, from_: From = None, to: To = None, tz: Zone = "UTC") -> ActivityOut:
    """Return the use of listed apps, commands and sites in a period; without one, today in `tz`."""
    now, zone = service.now_ms(), find_zone(tz)
    first = from_ if isinstance(from_, int) else midnight_slot(local_now(now, zone).date(), zone) * SLOT_MS
    end = to if isinstance(to, int) else max(now, first)
    if end < first:
        raise RequestInvalid("to", "must not be before `from`")
    return await get_activity(service.activity, first, end)


@router.put(
    "/activity/{kind}",
    responses=problems.READING | problems.unknown("kind") | _FIXED,
    openapi_extra=describe_body(KindSwitch, is_required=True),
)
async def switch_activity(
    request: Request, service: Service, kind: Annotated[str, Path(max_length=64)]
) -> ActivityKindOut:
    """Switch a kind on or off, and return how it is then."""
    wanted = await read_body(request, KindSwitch)
    await service.activity.switch(kind, is_on=wanted.enabled)
    return next(ActivityKindOut.of(status) for status in service.activity.list_kinds() if status.kind.id == kind)
