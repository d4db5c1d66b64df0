"""One connection to an ASGI application, header by header, as no well-behaved client would send it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """The answer to a request; of a socket, 101 is an accepted handshake."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    close_code: int | None = None


def _raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]


async def request(app: ASGIApp, method: str, target: str, headers: Headers, chunks: Iterable[bytes] = (b"",)) -> Answer:
    """Send one request with its body in ``chunks`` and return the answer."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": _raw(headers),
    }
    parts = list(chunks)
    answer = Answer()

    async def receive() -> Message:
        if not parts:
            return {"type": "http.disconnect"}
        body = parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        _take(answer, message, "http")

    await app(scope, receive, send)
    return answer


async def handshake(app: ASGIApp, target: str, headers: Headers, *, can_answer: bool = True) -> Answer:
    """Ask for a socket, hang up when it is accepted, and return what happened."""
    path, _, query = target.partition("?")
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": _raw(headers),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if can_answer else {},
    }
    incoming: list[Message] = [{"type": "websocket.connect"}]
    answer = Answer()

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        _take(answer, message, "websocket.http")

    await app(scope, receive, send)
    return answer


def _take(answer: Answer, message: Message, kind: str) -> None:
    if message["type"] == f"{kind}.response.start":
        answer.status = message["status"]
        answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
    elif message["type"] == f"{kind}.response.body":
        answer.body += message.get("body", b"")
    elif message["type"] == "websocket.accept":
        answer.status = 101
    elif message["type"] == "websocket.close" and not answer.status:
        answer.close_code = message["code"]
