"""The interface in OpenAPI 3.1, with the refusals that every route shares; tests hold the service against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NotRequired, TypedDict, cast

from fastapi import FastAPI

from aico.api.bodies import find_schema
from aico.api.errors import status_of_kind
from aico.api.problems import PROBLEM, PROBLEM_TYPE
from aico.api.schemas import ProblemOut
from aico.core import errors
from aico.core.errors import ObserverError

_EVERYWHERE: tuple[type[ObserverError], ...] = (
    errors.RequestMalformed,
    errors.RequestTimeout,
    errors.TokenRequired,
    errors.HostRefused,
    errors.HeadTooLarge,
    errors.BodyTooLarge,
    errors.TooManyConnections,
    ObserverError,
)
"""The errors that any request may meet: without a token, a caller on another machine also at /healthz."""


class _Answer(TypedDict, total=False):
    description: str
    content: dict[str, object]


class _Body(TypedDict):
    content: dict[str, dict[str, object]]


class _Operation(TypedDict):
    requestBody: NotRequired[_Body]
    responses: dict[str, _Answer]


class _Components(TypedDict):
    schemas: dict[str, object]


class _Document(TypedDict):
    paths: dict[str, dict[str, _Operation]]
    components: _Components


def install_openapi(app: FastAPI) -> None:
    """Make ``app`` describe itself truly: FastAPI knows neither problem documents nor what is refused before it."""
    describe = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            _complete(cast("_Document", describe()))
        return cast("dict[str, object]", app.openapi_schema)

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _complete(document: _Document) -> None:
    shapes = document["components"]["schemas"]
    shapes[ProblemOut.__name__] = ProblemOut.model_json_schema()
    document["components"]["schemas"] = dict(sorted(shapes.items()))
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if "requestBody" in operation:
                for content in operation["requestBody"]["content"].values():
                    _resolve(content)
            answers = operation["responses"]
            for kind in _shared(method):
                _add(answers, kind)


def _resolve(content: dict[str, object]) -> None:
    """Put the shape of a body in the place of its name."""
    match content:
        case {"schema": {"$ref": str(name)}}:
            content["schema"] = find_schema(name)


def _shared(method: str) -> Iterator[type[ObserverError]]:
    yield from _EVERYWHERE
    if method != "get":
        yield errors.OriginRefused
    if method not in {"get", "post"}:
        yield errors.CallerRefused


def _add(answers: dict[str, _Answer], kind: type[ObserverError]) -> None:
    """Declare that ``kind`` may be answered."""
    status = str(status_of_kind(kind).value)
    answer = answers.setdefault(status, {"description": ""})
    answer["description"] = f"{answer['description']} `{kind.code}`.".lstrip()
    answer.setdefault("content", {})[PROBLEM_TYPE] = PROBLEM
