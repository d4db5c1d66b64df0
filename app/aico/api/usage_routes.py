"""Tasks, sums and exports: every answer is about the same filter."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from aico.api.deps import Filter, Service
from aico.api.schemas import ProblemOut, SummaryOut, UsageOut
from aico.core.usage_reader import Sort
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter
from aico.features.usage.periods import Bucket, find_zone

router = APIRouter(prefix="/api/cline", tags=["usage"])
_PROBLEMS: dict[int | str, dict[str, object]] = {
    422: {"model": ProblemOut, "description": "A parameter is malformed or out of bounds."},
    500: {"model": ProblemOut, "description": "The database failed."},
    503: {"model": ProblemOut, "description": "The database is busy."},
}
_MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSON: "application/json",
    ExportFormat.NDJSON: "application/x-ndjson",
}
_FILES: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The file.",
        "content": {media_type.partition(";")[0]: {} for media_type in _MEDIA_TYPES.values()},
    }
}


@router.get("/usage", responses=_PROBLEMS)
async def list_usage(
    service: Service,
    wanted: Filter,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    sort: Sort = Sort.TS,
    order: Literal["asc", "desc"] = "desc",
) -> UsageOut:
    """Return the tasks with usage inside the filter. Numbers are sorted by what was spent inside it."""
    page = await service.queries.list_usage(wanted, sort, descending=order == "desc", limit=limit, offset=offset)
    return UsageOut.of(page, limit, offset)


@router.get("/summary", responses=_PROBLEMS)
async def get_summary(
    service: Service,
    wanted: Filter,
    bucket: Literal["auto", "15m", "hour", "day", "week", "month"] = "auto",
    tz: Annotated[str, Query(max_length=64, description="IANA time zone whose midnights divide the days.")] = "UTC",
) -> SummaryOut:
    """Return the sums inside the filter: in total, by model, and in gapless buckets of local time."""
    zone = find_zone(tz)
    summary = await service.queries.get_summary(wanted, None if bucket == "auto" else Bucket(bucket), zone)
    state = await service.repository.get_state()
    return SummaryOut.of(summary, tz, state.exact_since)


@router.get("/export", responses=_PROBLEMS | _FILES, response_class=StreamingResponse)
async def export_usage(
    service: Service,
    wanted: Filter,
    format: ExportFormat = ExportFormat.CSV,  # noqa: A002  # the contract's name
    dialect: Annotated[Dialect, Query(description="Of a CSV.")] = Dialect.STANDARD,
) -> StreamingResponse:
    """Stream every task with usage inside the filter, newest first."""
    pieces = await service.queries.export(wanted, ExportWriter(format, dialect))
    disposition = f'attachment; filename="cline-usage.{format.value}"'
    return StreamingResponse(
        iter(pieces), media_type=_MEDIA_TYPES[format], headers={"Content-Disposition": disposition}
    )
