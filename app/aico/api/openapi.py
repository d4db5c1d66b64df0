"""The interface in OpenAPI 3.1, with the refusals that every route shares; tests hold the service against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict, cast

from fastapi import FastAPI

from aico.api.errors import status_of_kind
from aico.core import errors
from aico.core.errors import ObserverError

PROBLEM_TYPE = "application/problem+json"
_PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
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
"""What any request may meet, whatever it asks: without a token, a caller on another machine also at /healthz."""


class _Answer(TypedDict, total=False):
    description: str
    content: dict[str, object]


class _Operation(TypedDict):
    responses: dict[str, _Answer]


class _Document(TypedDict):
    paths: dict[str, dict[str, _Operation]]


def install_openapi(app: FastAPI) -> None:
    """Make ``app`` describe itself truly: FastAPI knows neither problem documents nor what is refused before it."""
    describe = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            _complete(cast("_Document", describe()))
        return cast("dict[str, object]", app.openapi_schema)

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _complete(document: _Document) -> None:
    for operations in document["paths"].values():
        for method, operation in operations.items():
            answers = operation["responses"]
            for answer in answers.values():
                content = answer.get("content", {})
                if content.get("application/json") == _PROBLEM:
                    answer["content"] = {PROBLEM_TYPE: _PROBLEM}
            for kind in _shared(method):
                _add(answers, kind)


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
    answer.setdefault("content", {})[PROBLEM_TYPE] = _PROBLEM
