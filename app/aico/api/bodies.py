"""JSON bodies, whatever type they are declared to be: command lines send forms unless they are told otherwise."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from aico.api.reasons import reason_of
from aico.core.errors import RequestInvalid

S = TypeVar("S", bound=BaseModel)


async def read_body(request: Request, shape: type[S]) -> S:
    """Return the body of ``request``, which may be absent, as ``shape``. Raises RequestInvalid."""
    body = await request.body()
    try:
        return shape.model_validate_json(body if body.strip() else b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and part in shape.model_fields)
    raise RequestInvalid(where or "body", reason_of(first, shape.model_fields))


def describe_body(shape: type[BaseModel], *, is_required: bool) -> dict[str, object]:
    """Return what the description of the interface says of such a body."""
    content = {"application/json": {"schema": shape.model_json_schema()}}
    return {"requestBody": {"required": is_required, "content": content}}
