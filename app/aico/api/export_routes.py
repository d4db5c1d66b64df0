"""Sessions of all sources as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from aico.api import problems
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Filter, Order, Service
from aico.core.db.reader import Sort
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter, SessionLayout
from aico.features.usage.periods import find_zone

router = APIRouter(prefix="/api", tags=["usage"], dependencies=ONLY_KNOWN_PARAMETERS)
MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSON: "application/json",
    ExportFormat.NDJSON: "application/x-ndjson",
}
FILES: problems.Responses = {
    200: {
        "description": "The file.",
        "content": {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()},
    }
}


def file_of(pieces: Sequence[str], name: str, export_format: ExportFormat) -> StreamingResponse:
    """Return ``pieces`` as a file to be saved."""
    disposition = f'attachment; filename="{name}.{export_format.value}"'
    headers = {"Content-Disposition": disposition}
    return StreamingResponse(iter(pieces), media_type=MEDIA_TYPES[export_format], headers=headers)


LocalZone = Annotated[
    str | None, Query(max_length=64, description="IANA time zone of the local times; without it, the machine's.")
]


@router.get(
    "/export",
    responses=problems.READING | problems.unknown("source") | FILES,
    response_class=StreamingResponse,
)
async def export_sessions(
    service: Service,
    wanted: Filter,
    format: ExportFormat = ExportFormat.CSV,  # noqa: A002  # the contract's name
    dialect: Annotated[Dialect, Query(description="Of a CSV.")] = Dialect.STANDARD,
    tz: LocalZone = None,
    sort: Sort = Sort.LAST,
    order: Order = "desc",
) -> StreamingResponse:
    """Return every session with usage inside the filter, with what it spent there."""
    layout = SessionLayout(None if tz is None else find_zone(tz))
    writer = ExportWriter(format, dialect)
    pieces = await service.queries.export_sessions(wanted, writer, layout, sort, descending=order == "desc")
    return file_of(pieces, "ai-usage", format)
