"""From the error tree to RFC 9457 problem documents: the only table of codes and HTTP statuses."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from aico.api.access import route_of
from aico.api.dead_ends import make_page, wants_page
from aico.api.reasons import reason_of
from aico.core import errors
from aico.core.errors import ObserverError

STATUSES: dict[type[ObserverError], HTTPStatus] = {
    errors.SourcePathRefused: HTTPStatus.BAD_REQUEST,
    errors.SourceNotFound: HTTPStatus.NOT_FOUND,
    errors.SourceTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.SourceFormat: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceUnstable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SourceUnreadable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.RequestMalformed: HTTPStatus.BAD_REQUEST,
    errors.RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.RequestInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TokenRequired: HTTPStatus.UNAUTHORIZED,
    errors.OriginRefused: HTTPStatus.FORBIDDEN,
    errors.CallerRefused: HTTPStatus.FORBIDDEN,
    errors.HostRefused: HTTPStatus.MISDIRECTED_REQUEST,
    errors.HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.TooManyConnections: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SourceUnknown: HTTPStatus.NOT_FOUND,
    errors.SourceFixed: HTTPStatus.CONFLICT,
    errors.SourceOff: HTTPStatus.CONFLICT,
    errors.PairingRequired: HTTPStatus.UNAUTHORIZED,
    errors.PairingUnknown: HTTPStatus.NOT_FOUND,
    errors.ReportsTooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.SettingFixed: HTTPStatus.CONFLICT,
    errors.BudgetUnknown: HTTPStatus.NOT_FOUND,
    errors.PlanUnknown: HTTPStatus.NOT_FOUND,
    errors.WebhookMissing: HTTPStatus.CONFLICT,
    errors.SessionUnknown: HTTPStatus.NOT_FOUND,
    errors.PriceUnknown: HTTPStatus.NOT_FOUND,
    errors.PriceFixed: HTTPStatus.CONFLICT,
    errors.RouteNotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
}
_RETRY_AFTER_S = {
    errors.SourceUnstable: "1",
    errors.StorageBusy: "2",
    errors.TooManyConnections: "5",
    errors.ReportsTooMany: "30",
}

EXTRA_HEADERS = "app.extra_headers"
"""The key, in a request's scope, of the headers that its answer must have, whichever part makes it."""

_log = logging.getLogger(__name__)


def status_of(error: ObserverError) -> HTTPStatus:
    """Return the HTTP status of ``error``."""
    return status_of_kind(type(error))


def status_of_kind(kind: type[ObserverError]) -> HTTPStatus:
    """Return the HTTP status of a class of errors: its own or that of the nearest class above it."""
    for each in kind.__mro__:
        if each in STATUSES:
            return STATUSES[each]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(error: ObserverError) -> Response:
    """Return the problem document of ``error``."""
    status = status_of(error)
    content = {
        "type": f"urn:ai-cost-observer:error:{error.code}",
        "title": status.phrase,
        "status": status.value,
        "detail": str(error) or status.phrase,
        "code": error.code,
        "hint": error.hint,
    }
    headers = {}
    for kind, seconds in _RETRY_AFTER_S.items():
        if isinstance(error, kind):
            headers["Retry-After"] = seconds
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(content), status.value, headers, "application/problem+json")


def answer(error: ObserverError, scope: Scope) -> Response:
    """Return what is answered for ``error``: a page where a person looks, else its problem document."""
    return make_page(error, status_of(error).value, scope) if wants_page(scope) else problem(error)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of ``app`` leave as a problem document."""
    app.add_exception_handler(ObserverError, _on_observer_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_observer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ObserverError):
        raise error
    if status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request failed: %s [%s]", error, error.code)
    return answer(error, request.scope)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = next((str(part) for part in first["loc"][1:]), "request")  # the rest is of the library's own types
    return answer(errors.RequestInvalid(where, reason_of(first)), request.scope)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response = answer(errors.MethodNotAllowed(), request.scope)
        response.headers["Allow"] = ", ".join(_list_methods(request, error))
        return response
    return answer(errors.RouteNotFound(), request.scope)


def _list_methods(request: Request, error: HTTPException) -> list[str]:
    """Return the methods that an address takes: the framework names those of the first route that has it, only.

    If routes have just this address, a route that takes any name in its place does not count.
    """
    path = route_of(request.scope)
    routes = [each for each in request.app.routes if isinstance(each, Route) and each.path_regex.fullmatch(path)]
    own = [route for route in routes if route.path == path]
    if own:
        return sorted({method for route in own for method in route.methods or ()})
    methods = {name.strip() for name in (error.headers or {}).get("Allow", "").split(",") if name.strip()}
    return sorted(methods.union(*(route.methods or () for route in routes)))
