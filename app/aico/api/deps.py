"""The arguments that routes get: the running service and the parsed filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AfterValidator, Field
from starlette.requests import HTTPConnection

from aico.core.errors import RequestInvalid, SourceUnknown
from aico.core.filters import UsageFilter
from aico.core.usage import UNKNOWN_MODEL
from aico.services.queries import filter_between
from aico.services.service import ObserverService
from aico.services.task_queries import Store, task_filter

MOMENT_MAX_MS = 253_370_764_800_000
"""Year 9999: beyond it local calendars have no tomorrow."""
Moment = Annotated[int, Field(ge=0, le=MOMENT_MAX_MS)]
From = Annotated[Moment | Literal[""] | None, Query(alias="from", description="Epoch milliseconds.")]
To = Annotated[Moment | Literal[""] | None, Query(description="Epoch milliseconds, exclusive.")]
_TEXT_MAX = 200
_NAMES_MAX = 100
_CONTRADICTION = ("unknown_model", "contradicts `model`")


def _refuse_nul(text: str) -> str:
    """Return ``text``, which holds no NUL: no name does, and a lone one was taken for the unknown model."""
    if "\0" in text:
        raise ValueError("must hold no NUL")
    return text


_Name = Annotated[str, Field(max_length=_TEXT_MAX), AfterValidator(_refuse_nul)]
_Names = Annotated[list[_Name], Field(max_length=_NAMES_MAX)]
_ANY: list[str] = []
"""The default of what may be named several times; never changed."""
UnknownModel = Annotated[bool, Query(description="Only usage whose model is unknown.")]
Zone = Annotated[str, Query(max_length=64, description="IANA time zone whose midnights divide the days.")]
BucketName = Literal["auto", "15m", "hour", "day", "week", "month"]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Offset = Annotated[int, Query(ge=0, le=10**9)]
Order = Literal["asc", "desc"]


# Coroutines, though they wait for nothing: FastAPI runs functions in a thread, which takes longer than all they do.
async def get_service(connection: HTTPConnection) -> ObserverService:
    """Return the service behind this application."""
    service = connection.app.state.service
    if not isinstance(service, ObserverService):
        raise TypeError("the application was not made by create_app")
    return service


Service = Annotated[ObserverService, Depends(get_service)]


async def check_parameters(request: Request) -> None:
    """Raise RequestInvalid for a parameter that the route does not know: a slip would get the sums of everything."""
    route = request.scope["route"]
    known = list(dict.fromkeys(_names_of(route.dependant))) if isinstance(route, APIRoute) else []
    if not set(request.query_params) <= set(known):
        names = f"; known are {', '.join(known)}" if known else "; this address takes none"
        raise RequestInvalid("query", f"has a parameter that is not known{names}")


def _names_of(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for below in dependant.dependencies:
        yield from _names_of(below)


ONLY_KNOWN_PARAMETERS = (Depends(check_parameters),)
"""The dependency of every router of ours that takes parameters, or could."""


async def get_filter(
    service: Service,
    source: Annotated[_Names, Query(description="Id of a source; may be given several times.")] = _ANY,
    model: Annotated[_Names, Query(description="Exact model; may be given several times. Empty: every model.")] = _ANY,
    unknown_model: UnknownModel = False,
    project: Annotated[_Names, Query(description="Exact name; may be given several times.")] = _ANY,
    from_: From = None,
    to: To = None,
    q: Annotated[_Name | None, Query(description="Text in the model, the session's id or its label.")] = None,
) -> UsageFilter:
    """Return the filter that the query parameters describe; times are rounded out to quarters of an hour."""
    sources = _named(source)
    if sources:
        await _check_sources(service, sources)
    models = _named(model)
    if models and unknown_model:
        raise RequestInvalid(*_CONTRADICTION)
    wanted = UsageFilter(
        sources=sources,
        models=(UNKNOWN_MODEL,) if unknown_model else models,
        projects=_named(project),
        text=q or None,
    )
    return filter_between(wanted, _moment(from_), _moment(to))


async def get_task_filter(
    model: Annotated[_Name | None, Query(description="Exact model. Empty: every model.")] = None,
    unknown_model: UnknownModel = False,
    from_: From = None,
    to: To = None,
    q: Annotated[_Name | None, Query(description="Text in the model or the task's id.")] = None,
    store: Annotated[Store | None, Query(description="Only tasks whose numbers were read there.")] = None,
) -> UsageFilter:
    """Return the filter for Cline's tasks that the query parameters describe."""
    if model and unknown_model:
        raise RequestInvalid(*_CONTRADICTION)
    return task_filter(
        model=model, is_model_unknown=unknown_model, text=q, store=store, from_ms=_moment(from_), to_ms=_moment(to)
    )


def _moment(given: int | Literal[""] | None) -> int | None:
    return None if given is None or given == "" else given


def _named(given: list[str]) -> tuple[str, ...]:
    """Return what was really named: an empty field of a form is every one."""
    return tuple(dict.fromkeys(name for name in given if name))


async def _check_sources(service: ObserverService, sources: tuple[str, ...]) -> None:
    """Raise SourceUnknown for a source that is neither known nor stored: sums of a slip of the pen would be 0."""
    missing = set(sources) - set(service.sources.list_ids())
    if missing:
        # One that an older or newer version knew.
        async with service.reader.snapshot() as snapshot:
            missing -= set(await snapshot.list_exact_since())
    if missing:
        raise SourceUnknown(min(missing))


Filter = Annotated[UsageFilter, Depends(get_filter)]
TaskFilter = Annotated[UsageFilter, Depends(get_task_filter)]
