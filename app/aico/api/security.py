"""One ASGI middleware in front of HTTP and WebSocket alike: it asks the rules, and bounds what a request may be.

Host against DNS rebinding, Origin and ``Sec-Fetch-Site`` against web pages of others, a token where one is set, a
bound on heads and bodies, and the headers that keep our own page to itself. FastAPI's defaults accept a cross-site POST
without a body and a socket of any origin; middleware of ``@app.middleware("http")`` never sees sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aico.api.access import LOGIN_PATH, AccessRules, is_form, route_of
from aico.api.answer_headers import SECURITY_HEADERS, framed_headers, put_headers, sharing_headers
from aico.api.dead_ends import Shown, make_page, wants_page
from aico.api.errors import EXTRA_HEADERS, problem, status_of
from aico.api.login import COOKIE, COOKIE_LIFE_S, LoginLinks, cookie_value, equal
from aico.api.refusals import refuse
from aico.core.errors import BodyTooLarge, HeadTooLarge, OriginRefused, RequestRefused, TokenRequired

BODY_MAX_BYTES = 64 * 1024
HEAD_MAX_BYTES = 32 * 1024
"""Address and headers together. Browsers send every cookie of this machine's other local pages along."""
EMBED_PATH = "/embed"
"""The only page that may stand in a frame, and only in one of a listed origin."""


class SecurityMiddleware:
    """Refuses before anything else is done, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, rules: AccessRules, links: LoginLinks) -> None:
        self._app = app
        self._rules = rules
        self._links = links
        self._framed_headers = framed_headers(rules.listed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        self._set_prefix_apart(scope)
        headers = Headers(scope=scope)
        # Also for the answer to a bug, which is made outside of this middleware.
        scope[EXTRA_HEADERS] = extra = self._extra_headers(scope, headers.get("origin"))
        decorated = _decorate(send, extra)
        try:
            _check_head(scope)
            self._rules.check(scope, headers)
            if scope["type"] == "http":
                receive = await _bounded(receive, headers, scope["method"])
        except RequestRefused as refused:
            await refuse(refused, scope, receive, decorated)
            return
        except ClientDisconnect:
            return  # nobody is left to be answered
        answer = await self._answer(scope, headers, receive) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, decorated)

    def _set_prefix_apart(self, scope: Scope) -> None:
        """Tell the routes where the prefix of the public address ends, if a proxy has left it in the path."""
        if self._rules.prefix and not scope.get("root_path") and scope["path"].startswith(f"{self._rules.prefix}/"):
            scope["root_path"] = self._rules.prefix

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        """Return the answer to what is decided here: a preflight, a one-time link, its exchange."""
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            listed = self._rules.is_listed(headers.get("origin"))
            return Response(status_code=204) if listed else problem(OriginRefused())
        if route_of(scope) == LOGIN_PATH and self._rules.token is not None:
            if scope["method"] == "GET":
                return self._take_link(scope, self._rules.token)
            if scope["method"] == "POST":
                return await self._take_token(scope, headers, receive, self._rules.token)
        return None

    def _take_link(self, scope: Scope, token: str) -> Response:
        fields = parse_qs(scope["query_string"].decode("latin-1"))
        if self._links.redeem(fields.get("key", [""])[0]):
            return self._sign_in(token)
        return _ask_again(scope, Shown.LINK if "key" in fields else Shown.NOTHING)

    async def _take_token(self, scope: Scope, headers: Headers, receive: Receive, token: str) -> Response:
        """Answer a program with a fresh link, and sign in the browser whose form holds the token."""
        if self._rules.shows_token(headers):
            return JSONResponse({"path": f"{LOGIN_PATH}?key={self._links.issue()}"})
        if not is_form(headers):
            return problem(TokenRequired())
        fields = parse_qs((await Request(scope, receive).body()).decode("latin-1"))
        if equal(fields.get("token", [""])[0].strip(), token):
            return self._sign_in(token)
        return _ask_again(scope, Shown.TOKEN)

    def _sign_in(self, token: str) -> Response:
        """Return the way to the page, with the cookie that opens it.

        Both are told from where the browser is: the page lies beside this address, and a cookie without a path holds
        for the folder that it was set in. So neither knows the prefix that a proxy may have put before it.
        """
        response = Response(status_code=303, headers={"Location": "./"})
        value = cookie_value(token, self._rules.now_ms() // 1000 + COOKIE_LIFE_S)
        response.set_cookie(
            COOKIE,
            value,
            max_age=COOKIE_LIFE_S,
            path=None,
            httponly=True,
            samesite="strict",
            secure=self._rules.public_origin is not None and self._rules.public_origin.startswith("https:"),
        )
        return response

    def _extra_headers(self, scope: Scope, origin: str | None) -> Mapping[str, str]:
        own = self._framed_headers if route_of(scope) == EMBED_PATH else SECURITY_HEADERS
        return {**own, **(sharing_headers(origin) if origin is not None and self._rules.is_listed(origin) else {})}


def _ask_again(scope: Scope, shown: Shown) -> Response:
    error = TokenRequired()
    return make_page(error, status_of(error).value, scope, shown) if wants_page(scope) else problem(error)


def _decorate(send: Send, extra: Mapping[str, str]) -> Send:
    async def decorated(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            put_headers(message, extra)
            MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
        await send(message)

    return decorated


def _check_head(scope: Scope) -> None:
    """Raise HeadTooLarge. A server bounds heads only while they come in pieces."""
    size = len(scope["path"]) + len(scope.get("query_string", b""))
    if size + sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_MAX_BYTES:
        raise HeadTooLarge(HEAD_MAX_BYTES)


async def _bounded(receive: Receive, headers: Headers, method: str) -> Receive:
    """Return a ``receive`` that hands out a body known to be short enough; raise BodyTooLarge."""
    length = headers.get("content-length")
    if method in {"GET", "HEAD"} and length is None and "transfer-encoding" not in headers:
        return receive
    if length is not None and (not length.isdecimal() or len(length) > 20 or int(length) > BODY_MAX_BYTES):
        raise BodyTooLarge(BODY_MAX_BYTES)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_MAX_BYTES:
            raise BodyTooLarge(BODY_MAX_BYTES)
    return _replaying({"type": "http.request", "body": bytes(body), "more_body": False}, receive)


def _replaying(first: Message, receive: Receive) -> Receive:
    pending = [first]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
