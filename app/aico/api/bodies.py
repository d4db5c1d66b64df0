"""JSON bodies, whatever type they are declared to be: command lines send forms unless they are told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from aico.api.reasons import reason_of
from aico.core.errors import RequestInvalid

_TAKEN = "taken:"
_taken: dict[str, type[BaseModel]] = {}
"""The shapes of all bodies, by what stands for them until the description is asked for."""
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
    """Return what the description of the interface says of such a body; its shape only by a name.

    :func:`find_schema` tells what that stands for, once somebody asks for the description.
    """
    name = f"{_TAKEN}{shape.__module__}.{shape.__qualname__}"
    _taken[name] = shape
    return {"requestBody": {"required": is_required, "content": {"application/json": {"schema": {"$ref": name}}}}}


def find_schema(name: str) -> object:
    """Return the schema of the body that :func:`describe_body` calls ``name``. Raises KeyError."""
    schema = _taken[name].model_json_schema()
    return _resolved(schema, schema.get("$defs", {}))


def _resolved(part: object, known: Mapping[str, object]) -> object:
    """Return a part of a schema with each shape that it refers to in its place.

    A reference to ``$defs`` is one to the whole document, where there is no such thing.
    """
    if isinstance(part, list):
        return [_resolved(each, known) for each in part]
    if not isinstance(part, dict):
        return part
    own = {name: _resolved(each, known) for name, each in part.items() if name not in {"$defs", "$ref"}}
    if "$ref" not in part:
        return own
    shape = _resolved(known[str(part["$ref"]).removeprefix("#/$defs/")], known)
    return {**shape, **own} if isinstance(shape, dict) else shape
