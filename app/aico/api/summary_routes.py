"""Sums of all sources."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from aico.api import problems
from aico.api.deps import ONLY_KNOWN_PARAMETERS, BucketName, Filter, Service, Zone
from aico.core.db.sums_reader import Group
from aico.core.errors import RequestInvalid
from aico.features.usage.periods import Bucket, find_zone
from aico.services.glance_shapes import HeatOut, OverviewOut
from aico.services.shapes import SummaryOut
from aico.services.summary import DAY

Brief = Annotated[
    bool, Query(description="Leave out what takes longest: `previous`, sessions of groups, and unpriced sessions.")
]
router = APIRouter(prefix="/api", tags=["usage"], dependencies=ONLY_KNOWN_PARAMETERS)
_BY = (*(group.value for group in Group), DAY)
_BY_DEFAULT = "source,model"


@router.get("/summary", responses=problems.READING | problems.unknown("source"), response_model_exclude_unset=True)
async def get_usage_summary(
    service: Service,
    wanted: Filter,
    by: Annotated[str, Query(max_length=64, description=f"Any of {', '.join(_BY)}, with commas.")] = _BY_DEFAULT,
    bucket: BucketName = "auto",
    tz: Zone = "UTC",
    split: Annotated[
        Literal["source", "model", "project"] | None,
        Query(description="What `parts` tell the series apart by; without it, none."),
    ] = None,
    brief: Brief = False,
) -> SummaryOut:
    """Return the sums inside the filter: in total, by groups, and in gapless buckets of local time.

    A group has the fields that `by` names; sessions are told apart by source, too.
    """
    zone = find_zone(tz)
    size = None if bucket == "auto" else Bucket(bucket)
    summary = await service.queries.get_summary(wanted, size, zone, _groups(by), split and Group(split), is_brief=brief)
    return await asyncio.to_thread(SummaryOut.of, summary, tz)  # a thousand groups are a tenth of a second


@router.get("/overview", responses=problems.READING)
async def get_overview(service: Service, tz: Zone = "UTC") -> OverviewOut:
    """Return today beside a usual day, and this month with what it will probably come to; of everything, unfiltered."""
    return OverviewOut.of(await service.queries.get_glance(find_zone(tz)), tz)


@router.get("/heatmap", responses=problems.READING | problems.unknown("source"))
async def get_heatmap(
    service: Service,
    wanted: Filter,
    by: Annotated[Literal["hour", "day"], Query(description="Hours of the week, or days of the calendar.")] = "hour",
    tz: Zone = "UTC",
) -> HeatOut:
    """Return when what is inside the filter was spent."""
    return HeatOut.of(await service.queries.get_heat(wanted, find_zone(tz), by_day=by == "day"), tz)


def _groups(by: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in (by.strip() or _BY_DEFAULT).split(",")))
    if not set(names) <= set(_BY):
        raise RequestInvalid("by", f"must be some of {', '.join(_BY)}, with commas between them")
    return names
