"""What routes get handed: the running service and the parsed filter."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import Field
from starlette.requests import HTTPConnection

from aico.core.domain import UNKNOWN_MODEL, Store
from aico.core.errors import RequestInvalid
from aico.core.filters import UsageFilter, quarter_ceiling, quarter_floor
from aico.services.service import ObserverService

MOMENT_MAX_MS = 253_370_764_800_000
"""Year 9999: beyond it local calendars have no tomorrow."""
Moment = Annotated[int, Field(ge=0, le=MOMENT_MAX_MS)]
_TEXT_MAX = 200


# Coroutines, though they wait for nothing: FastAPI runs functions in a thread, which takes longer than all they do.
async def get_service(connection: HTTPConnection) -> ObserverService:
    """Return the service behind this application."""
    service = connection.app.state.service
    if not isinstance(service, ObserverService):
        raise TypeError("the application was not made by create_app")
    return service


async def get_filter(
    model: Annotated[str | None, Query(max_length=_TEXT_MAX, description="Exact model. Empty: every model.")] = None,
    unknown_model: Annotated[bool, Query(description="Only usage whose model is unknown.")] = False,
    from_: Annotated[Moment | Literal[""] | None, Query(alias="from", description="Epoch milliseconds.")] = None,
    to: Annotated[Moment | Literal[""] | None, Query(description="Epoch milliseconds, exclusive.")] = None,
    q: Annotated[str | None, Query(max_length=_TEXT_MAX, description="Text in the model or the task's id.")] = None,
    store: Annotated[Store | None, Query(description="Only tasks whose numbers were read there.")] = None,
) -> UsageFilter:
    """Return the filter that the query parameters describe; times are rounded out to quarters of an hour."""
    if model and unknown_model:
        raise RequestInvalid("unknown_model", "contradicts `model`")
    return UsageFilter(
        first_quarter=None if from_ is None or from_ == "" else quarter_floor(from_),
        end_quarter=None if to is None or to == "" else quarter_ceiling(to),
        model=UNKNOWN_MODEL if unknown_model else model or None,
        text=q or None,
        store=store,
    )


Service = Annotated[ObserverService, Depends(get_service)]
Filter = Annotated[UsageFilter, Depends(get_filter)]
