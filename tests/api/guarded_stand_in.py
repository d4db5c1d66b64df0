"""The middleware in front of a stand-in for the application, and the ways to call it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aico.api.access import AccessRules
from aico.api.login import LoginLinks
from aico.api.security import SecurityMiddleware
from aico.core.clock import now_ms
from aico.core.settings import Settings
from tests.api.raw_asgi_client import Answer, Headers, handshake, request

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
PAGE = "http://kimi.example:8000"


def make_rules(now_ms: Callable[[], int] = now_ms, **values: object) -> AccessRules:
    """Return the rules of a service with one listed host and one listed origin."""
    values = {"allowed_hosts": "Listed.example", "allowed_origins": f"{PAGE}/", **values}
    return AccessRules.of(Settings.model_validate({"ledger_path": "/cline/taskHistory.json", **values}), now_ms)


async def accept_everything(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for the application behind the middleware."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await PlainTextResponse(f"served {len(body)}")(scope, receive, send)


def guarded(links: LoginLinks | None = None, *, now_ms: Callable[[], int] = now_ms, **values: object) -> ASGIApp:
    """Return the stand-in behind the middleware."""
    return SecurityMiddleware(accept_everything, make_rules(now_ms, **values), links or LoginLinks())


async def call(app: ASGIApp, transport: str, headers: Headers, target: str = "/anything") -> Answer:
    """Call by a method, or ask for a socket."""
    if transport == "socket":
        return await handshake(app, target, headers)
    return await request(app, transport, target, headers)


def caller(host: str, origin: str | None, site: str | None) -> list[tuple[str, str]]:
    """Return the headers of a caller."""
    given = (("host", host), ("origin", origin), ("sec-fetch-site", site))
    return [(name, value) for name, value in given if value is not None]
