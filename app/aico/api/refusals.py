"""How a caller is refused: as an answer, instead of a handshake, or as bytes where no application was asked yet."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from aico.api.answer_headers import SECURITY_HEADERS
from aico.api.errors import answer, problem
from aico.core.errors import ObserverError


async def refuse(error: ObserverError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem document of ``error``, also instead of a socket's handshake."""
    if scope["type"] == "http":
        await answer(error, scope)(scope, receive, send)
        return
    response = problem(error)
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    start = {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})


def answer_parts(error: ObserverError) -> tuple[HTTPStatus, list[tuple[str, str]], bytes]:
    """Return status, headers and body of the last answer of a connection, for where no application was asked."""
    response = problem(error)
    response.headers.update({**SECURITY_HEADERS, "Cache-Control": "no-store", "Connection": "close"})
    return HTTPStatus(response.status_code), response.headers.items(), bytes(response.body)


def answer_bytes(error: ObserverError) -> bytes:
    """Return the same as HTTP/1.1."""
    status, headers, body = answer_parts(error)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode("latin-1") + body
