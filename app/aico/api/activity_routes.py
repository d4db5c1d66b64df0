"""The use of apps, commands and sites, and the switches of what is seen of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from fastapi import APIRouter, Path, Request
from pydantic import Field, StrictBool, StrictInt, model_validator

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import MOMENT_MAX_MS, ONLY_KNOWN_PARAMETERS, From, Service, To, Zone
from aico.core.activity import ACTIVITY, KINDS
from aico.core.db.upkeep.activity_forgetting import GoingUse
from aico.core.errors import RequestInvalid, SourceUnknown
from aico.core.units import SLOT_MS
from aico.features.usage.periods import find_zone, midnight_slot
from aico.services.activity_shapes import ActivityKindOut, ActivityOut, get_activity
from aico.services.forgetting import forget_use
from aico.services.overview import local_now
from aico.services.shapes import Schema

router = APIRouter(prefix="/api", tags=["activity"], dependencies=ONLY_KNOWN_PARAMETERS)
_FIXED: problems.Responses = {409: problems.refusal("The configuration decides it.")}


class KindSwitch(Schema):
    """The switch of a kind."""

    enabled: StrictBool


class ForgottenUse(Schema):
    """The use that is to go."""

    kinds: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=len(KINDS))
    from_: Annotated[StrictInt, Field(alias="from", ge=0, le=MOMENT_MAX_MS, description="Rounded out to slots.")]
    to: Annotated[StrictInt, Field(ge=0, le=MOMENT_MAX_MS)]

    @model_validator(mode="after")
    def refuse_backwards(self) -> Self:
        """Refuse a period that ends before it begins."""
        if self.to < self.from_:
            raise ValueError("`to` must not be before `from`")
        return self


class ForgottenSubject(Schema):
    """The part of a subject's use that was removed."""

    kind: str
    subject: str
    seconds: float
    count: int


class ForgottenUseOut(Schema):
    """The use that was removed."""

    subjects: list[ForgottenSubject] = Field(description="The longest use first.")

    @classmethod
    def of(cls, going: Iterable[GoingUse]) -> Self:
        """Return the shape of ``going``."""
        return cls(
            subjects=[
                ForgottenSubject(
                    kind=each.kind, subject=each.subject, seconds=each.duration_ms / 1000, count=each.count
                )
                for each in going
            ]
        )


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
    "/activity/forgotten",
    responses=problems.READING | problems.unknown("kind"),
    openapi_extra=describe_body(ForgottenUse, is_required=True),
)
async def put_forgotten_use(request: Request, service: Service) -> ForgottenUseOut:
    """Remove the use in a period for good, from the daily backups, too; nothing brings it back."""
    wanted = await read_body(request, ForgottenUse)
    if unknown := [kind for kind in wanted.kinds if kind not in KINDS]:
        raise SourceUnknown(f"{ACTIVITY}.{unknown[0]}")
    return ForgottenUseOut.of(await forget_use(service, wanted.kinds, wanted.from_, wanted.to))


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
