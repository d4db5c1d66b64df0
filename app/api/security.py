"""Who may call: one ASGI middleware in front of HTTP and WebSocket alike.

Host against DNS rebinding, Origin and ``Sec-Fetch-Site`` against web pages of others, a token where one is set, a
bound on request bodies, and the headers that keep our own page to itself. FastAPI's defaults accept a cross-site POST
without a body and a socket of any origin; middleware of ``@app.middleware("http")`` never sees sockets.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import EXTRA_HEADERS, problem
from app.core.errors import BodyTooLarge, HostRefused, OriginRefused, RequestRefused, TokenRequired
from app.core.settings import Settings

BODY_MAX_BYTES = 64 * 1024
LOGIN_PATH = "/login"
COOKIE = "aico_token"
_OPEN_PATHS = {"/healthz", LOGIN_PATH}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_SAME_SITE = {None, "same-origin", "none"}
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  # no name of a machine
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data:; "
    "connect-src 'self'; "
    "font-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SIGN_IN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>AI Cost Observer</title>
<h1>AI Cost Observer</h1>
<p>This service asks for its token. Open the link that <code>aico serve</code> printed when it started.</p>
<p lang="fr">Ce service demande son jeton. Ouvrez le lien que <code>aico serve</code> a affiché à son démarrage.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The names we answer to and the origins that may call, from the settings; never from a request."""

    hosts: frozenset[str]
    own_origins: frozenset[str]
    listed_origins: frozenset[str]
    token: str | None

    @classmethod
    def of(cls, settings: Settings) -> AccessRules:
        """Return the rules for ``settings``, whose port is the one really listened on.

        The address that the operator chose to listen on is a name of ours, too; it is no name of a foreign machine.
        """
        own = [] if settings.host in _EVERYWHERE else [f"[{settings.host}]" if ":" in settings.host else settings.host]
        listed = [_authority(host) for host in settings.allowed_hosts]
        names = [*_LOOPBACK_HOSTS, *map(_authority, own), *listed]
        hosts = {f"{name}:{settings.port}" for name in names} | set(listed)
        if settings.port == 80:
            hosts |= set(names)
        token = settings.token.get_secret_value() if settings.token else None
        return cls(
            hosts=frozenset(hosts),
            own_origins=frozenset(f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts),
            listed_origins=frozenset(origin.rstrip("/").lower() for origin in settings.allowed_origins),
            token=token,
        )

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raise the RequestRefused that applies to a request, if one does."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            raise HostRefused
        if scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS:
            self._check_origin(headers)
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS"
        if self.token is not None and not preflight and scope["path"] not in _OPEN_PATHS:
            self._check_token(self.token, headers)

    def is_listed(self, origin: str | None) -> bool:
        """Return whether a page of ``origin`` may read our answers."""
        return origin is not None and origin.lower() in self.listed_origins

    def _check_origin(self, headers: Headers) -> None:
        origins = headers.getlist("origin")
        if not origins:
            if headers.get("sec-fetch-site") not in _SAME_SITE:
                raise OriginRefused
        elif len(origins) != 1 or origins[0].lower() not in self.own_origins | self.listed_origins:
            raise OriginRefused

    def _check_token(self, token: str, headers: Headers) -> None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        bearer = scheme.lower() == "bearer" and _equal(shown.strip(), token)
        cookie = _read_cookie(headers.get("cookie", ""))
        if not bearer and not (cookie and _equal(cookie, cookie_value(token))):
            raise TokenRequired


class LoginLinks:
    """The one-time key by which a browser gets its cookie."""

    def __init__(self) -> None:
        self._key: str | None = None

    def issue(self) -> str:
        """Return a new key; the one before is void."""
        self._key = secrets.token_urlsafe(24)
        return self._key

    def redeem(self, key: str) -> bool:
        """Return whether ``key`` is the one that was issued last; it is void from then on."""
        known = self._key
        if known is None or not _equal(key, known):
            return False
        self._key = None
        return True


def cookie_value(token: str) -> str:
    """Return what the cookie holds: it proves the token, lasts across restarts, and does not tell the token."""
    return hmac.new(token.encode(), b"ai-cost-observer cookie", hashlib.sha256).hexdigest()


class SecurityMiddleware:
    """Refuses before anything else is done, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, rules: AccessRules, links: LoginLinks) -> None:
        self._app = app
        self._rules = rules
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Also for the answer to a bug, which is made outside of this middleware.
        scope[EXTRA_HEADERS] = extra = self._extra_headers(headers.get("origin"))
        decorated = _decorate(send, extra)
        try:
            self._rules.check(scope, headers)
            if scope["type"] == "http":
                receive = await _bounded(receive, headers, scope["method"])
        except RequestRefused as refused:
            await refuse(refused, scope, receive, decorated)
            return
        except ClientDisconnect:
            return  # nobody is left to be answered
        answer = self._answer(scope, headers) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, decorated)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to what is decided here: a preflight, the exchange of a one-time link."""
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            listed = self._rules.is_listed(headers.get("origin"))
            return Response(status_code=204) if listed else problem(OriginRefused())
        if scope["path"] == LOGIN_PATH and scope["method"] == "GET" and self._rules.token is not None:
            key = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
            if not self._links.redeem(key):
                return problem(TokenRequired())
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(COOKIE, cookie_value(self._rules.token), httponly=True, samesite="strict", path="/")
            return response
        return None

    def _extra_headers(self, origin: str | None) -> Mapping[str, str]:
        return {**_HEADERS, **(_cors(origin) if origin is not None and self._rules.is_listed(origin) else {})}


def _decorate(send: Send, extra: Mapping[str, str]) -> Send:
    async def decorated(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            headers = MutableHeaders(scope=message)
            headers.update(extra)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return decorated


async def refuse(error: RequestRefused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem document of ``error``, also instead of a socket's handshake."""
    response = problem(error)
    if scope["type"] == "http":
        if isinstance(error, TokenRequired) and "text/html" in Headers(scope=scope).get("accept", ""):
            # A person looks, not a program.
            response = Response(_SIGN_IN_PAGE, response.status_code, media_type="text/html; charset=utf-8")
        await response(scope, receive, send)
        return
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    start = {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})


async def _bounded(receive: Receive, headers: Headers, method: str) -> Receive:
    """Return a ``receive`` that hands out a body known to be short enough; raise BodyTooLarge."""
    length = headers.get("content-length")
    if method in {"GET", "HEAD"} and length is None and "transfer-encoding" not in headers:
        return receive
    if length is not None and (not length.isdecimal() or int(length) > BODY_MAX_BYTES):
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


def _cors(origin: str) -> Mapping[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Expose-Headers": "Retry-After",
        "Access-Control-Max-Age": "600",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }


def _authority(name: str) -> str:
    return name.lower().rstrip("/")


def _equal(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _read_cookie(header: str) -> str | None:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None
