"""Sessions of all sources: pages, one of them with its requests, and its label."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import field_validator

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, BucketName, Filter, Limit, Offset, Order, Service, Zone
from aico.core.db.reader import Sort
from aico.features.usage.periods import Bucket, find_zone
from aico.services.labels import clean_label, set_label
from aico.services.shapes import Schema, SessionOut, SessionsOut

router = APIRouter(prefix="/api", tags=["usage"], dependencies=ONLY_KNOWN_PARAMETERS)
_REQUESTS = 100
_KEY_MAX = 200
SourceId = Annotated[str, Query(max_length=_KEY_MAX, description="Id of the source.")]
SessionId = Annotated[str, Query(max_length=_KEY_MAX, description="Its id, as the tool calls it.")]


Fold = Annotated[
    bool, Query(description="Sessions stand under the one that began them: its `spent` and `last_at` are theirs, too.")
]
Brief = Annotated[bool, Query(description="Count no unpriced sessions in `totals`: that takes longest.")]


class LabelRequest(Schema):
    """The new name of a session."""

    label: str | None
    """Null or blank takes the label away."""

    @field_validator("label")
    @classmethod
    def clean(cls, text: str | None) -> str | None:
        """Return the label without blanks around it; at most 200 characters, no control characters."""
        return clean_label(text)


@router.get("/sessions", responses=problems.READING | problems.unknown("source"))
async def list_sessions(
    service: Service,
    wanted: Filter,
    limit: Limit = 100,
    offset: Offset = 0,
    sort: Sort = Sort.LAST,
    order: Order = "desc",
    fold: Fold = False,
    brief: Brief = False,
) -> SessionsOut:
    """Return the sessions with usage inside the filter. Numbers are sorted by what was spent inside it."""
    page = await service.queries.list_sessions(
        wanted, sort, descending=order == "desc", limit=limit, offset=offset, is_folded=fold, is_brief=brief
    )
    return await asyncio.to_thread(SessionsOut.of, page, limit, offset)


@router.get("/session", responses=problems.READING | problems.unknown("session"))
async def get_session(
    service: Service,
    source: SourceId,
    session_id: SessionId,
    limit: Limit = _REQUESTS,
    offset: Offset = 0,
    bucket: BucketName = "auto",
    tz: Zone = "UTC",
) -> SessionOut:
    """Return one session with a page of its requests, newest first, and its series."""
    size = None if bucket == "auto" else Bucket(bucket)
    detail = await service.queries.get_session(
        source, session_id, limit=limit, offset=offset, bucket=size, zone=find_zone(tz)
    )
    is_under_plan = source in service.budgets.sources_under_plan
    return SessionOut.of(detail, limit, offset, tz, is_under_plan=is_under_plan)


@router.patch(
    "/session",
    responses=problems.READING | problems.unknown("session"),
    openapi_extra=describe_body(LabelRequest, is_required=True),
)
async def label_session(request: Request, service: Service, source: SourceId, session_id: SessionId) -> SessionOut:
    """Give one session the user's own name, or take it away, and return the session."""
    body = await read_body(request, LabelRequest)
    await set_label(service.writer, service.publish_commit, source, session_id, body.label)
    return await get_session(service, source, session_id)
