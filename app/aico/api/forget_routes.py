"""Forgetting sessions: for the service's own page and for programs of its machine."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Request
from pydantic import Field, StrictInt, model_validator

from aico.api import problems
from aico.api.bodies import describe_body, read_body
from aico.api.deps import ONLY_KNOWN_PARAMETERS, Service
from aico.services.forgetting import forget_sessions
from aico.services.shapes import Schema

router = APIRouter(prefix="/api", tags=["sources"], dependencies=ONLY_KNOWN_PARAMETERS)
_ID_MAX = 64
_SESSION_MAX = 256
_SESSIONS_MAX = 200
"""So that as many names of that length fit into a body."""


class ForgetRequest(Schema):
    """Which sessions are to go: those that are named, or all whose last activity is earlier."""

    source: str = Field(max_length=_ID_MAX)
    sessions: list[Annotated[str, Field(max_length=_SESSION_MAX)]] | None = Field(
        default=None, min_length=1, max_length=_SESSIONS_MAX
    )
    before: StrictInt | None = Field(default=None, description="Epoch milliseconds.")

    @model_validator(mode="after")
    def name_one(self) -> Self:
        """Refuse a request that says both or nothing."""
        if (self.sessions is None) == (self.before is None):
            raise ValueError("must hold either `sessions` or `before`")
        return self


class ForgottenOut(Schema):
    """The sessions that were removed."""

    sessions: list[str] = Field(description="With what they had started.")
    unknown: list[str] = Field(description="Named, and not stored.")


@router.put(
    "/forgotten",
    responses=problems.READING | problems.unknown("source"),
    openapi_extra=describe_body(ForgetRequest, is_required=True),
)
async def put_forgotten(request: Request, service: Service) -> ForgottenOut:
    """Remove sessions for good, from the daily backups, too; no import and no restore brings them back."""
    wanted = await read_body(request, ForgetRequest)
    going = await forget_sessions(service, wanted.source, wanted.sessions or [], wanted.before)
    return ForgottenOut(sessions=list(going.sessions), unknown=list(going.unknown))
