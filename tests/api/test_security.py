"""Who may call: the whole table of hosts, origins, fetch sites, methods and transports; tokens, bodies, headers."""

from __future__ import annotations

import hmac
import json
from itertools import product

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.security import BODY_MAX_BYTES, COOKIE, AccessRules, LoginLinks, SecurityMiddleware, cookie_value
from app.core import errors
from app.core.errors import ObserverError
from app.core.settings import Settings
from tests.api.answers import SECURITY_HEADERS, check_problem
from tests.api.asgi import Answer, Headers, handshake, request
from tests.api.conftest import AUTHORITY, Api, Serve

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
PAGE = "http://kimi.example:8000"

HOSTS = {
    "127.0.0.1:8611": True,
    "localhost:8611": True,
    "LocalHost:8611": True,
    "[::1]:8611": True,
    "listed.example": True,
    "listed.example:8611": True,
    "127.0.0.1": False,
    "127.0.0.1:80": False,
    "127.0.0.1:8612": False,
    "127.0.0.1:8611:8611": False,
    "localhost.:8611": False,
    "[::1]": False,
    "[::ffff:127.0.0.1]:8611": False,
    "2130706433:8611": False,
    "0.0.0.0:8611": False,
    "evil.example": False,
    "evil.example:8611": False,
    "127.0.0.1.evil.example:8611": False,
    "localhost:8611@evil.example": False,
    "evil.example#localhost:8611": False,
    "127.0.0.1:8611, evil.example": False,
    "": False,
}
ORIGINS = {
    None: None,
    "http://127.0.0.1:8611": True,
    "http://localhost:8611": True,
    "HTTP://LOCALHOST:8611": True,
    "http://[::1]:8611": True,
    "http://listed.example": True,
    PAGE: True,
    "null": False,
    "": False,
    "http://evil.example": False,
    "http://evil.example:8611": False,
    "http://127.0.0.1": False,
    "http://127.0.0.1:8612": False,
    "http://127.0.0.1:8611.evil.example": False,
    "http://127.0.0.1:8611/": False,
    "http://127.0.0.1:8611 http://evil.example": False,
    "ftp://127.0.0.1:8611": False,
    "http://kimi.example": False,
    "https://kimi.example:8000": False,
    "file://": False,
}
SITES = {None: True, "same-origin": True, "none": True, "same-site": False, "cross-site": False, "": False}
TRANSPORTS = ("GET", "HEAD", "POST", "PUT", "DELETE", "socket")


def make_rules(**values: object) -> AccessRules:
    """Return the rules of a service with one listed host and one listed origin."""
    values = {"allowed_hosts": "Listed.example", "allowed_origins": f"{PAGE}/", **values}
    return AccessRules.of(Settings.model_validate({"ledger_path": "/cline/taskHistory.json", **values}))


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


def guarded(links: LoginLinks | None = None, **values: object) -> ASGIApp:
    """Return the stand-in behind the middleware."""
    return SecurityMiddleware(accept_everything, make_rules(**values), links or LoginLinks())


async def call(app: ASGIApp, transport: str, headers: Headers, target: str = "/anything") -> Answer:
    """Call by a method, or ask for a socket."""
    if transport == "socket":
        return await handshake(app, target, headers)
    return await request(app, transport, target, headers)


def caller(host: str, origin: str | None, site: str | None) -> list[tuple[str, str]]:
    """Return the headers of a caller."""
    given = (("host", host), ("origin", origin), ("sec-fetch-site", site))
    return [(name, value) for name, value in given if value is not None]


def expect(transport: str, host: str, origin: str | None, site: str | None) -> int:
    """Return the status that the contract asks for."""
    if not HOSTS[host]:
        return 421
    allowed_origin = ORIGINS[origin]
    is_safe = transport in {"GET", "HEAD"}
    if not is_safe and not (SITES[site] if allowed_origin is None else allowed_origin):
        return 403
    return 101 if transport == "socket" else 200


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("host", HOSTS)
async def test_middleware_decides_exactly_as_the_table_says(host: str, transport: str) -> None:
    """Of 15,840 combinations each one is allowed or refused with the code that the contract gives it."""
    app = guarded()
    wrong = []
    for origin, site in product(ORIGINS, SITES):
        answer = await call(app, transport, caller(host, origin, site))
        wanted = expect(transport, host, origin, site)
        shares = answer.headers.get("access-control-allow-origin")
        if answer.status != wanted or (shares is not None) != (origin == PAGE and wanted != 101):
            wrong.append((origin, site, answer.status, wanted, shares))
        if wanted in {403, 421} and transport != "HEAD":
            assert json.loads(answer.body)["code"] == ("origin_refused" if wanted == 403 else "host_refused")
        if wanted != 101:
            assert {name: answer.headers.get(name) for name in ("content-security-policy", "x-frame-options")} == {
                name: SECURITY_HEADERS[name] for name in ("content-security-policy", "x-frame-options")
            }
    assert not wrong


def test_table_is_large_enough() -> None:
    """The table really holds the combinations that it speaks of."""
    assert len(HOSTS) * len(ORIGINS) * len(SITES) * len(TRANSPORTS) == 15_840


@pytest.mark.parametrize("transport", ["GET", "POST", "socket"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 421),
        ([("host", AUTHORITY), ("host", AUTHORITY)], 421),
        ([("host", AUTHORITY), ("host", "evil.example")], 421),
        ([("x-forwarded-host", AUTHORITY), ("host", "evil.example")], 421),
    ],
)
async def test_middleware_refuses_a_doubtful_host(transport: str, headers: Headers, status: int) -> None:
    """No Host, or two of them, is no name of ours, whatever a proxy header says."""
    assert (await call(guarded(), transport, headers)).status == status


@pytest.mark.parametrize("transport", ["POST", "socket"])
async def test_middleware_refuses_two_origins(transport: str) -> None:
    """A second Origin beside our own is no origin of ours."""
    own, evil = ("origin", f"http://{AUTHORITY}"), ("origin", "http://evil.example")
    for headers in ([own, evil], [evil, own], [own, own]):
        assert (await call(guarded(), transport, [("host", AUTHORITY), *headers])).status == 403


async def test_middleware_refuses_a_socket_where_it_cannot_answer() -> None:
    """A server that cannot answer a handshake closes it instead."""
    answer = await handshake(guarded(), "/ws", [("host", "evil.example")], can_answer=False)
    assert (answer.status, answer.close_code) == (0, 1008)


async def test_middleware_lets_the_lifespan_pass() -> None:
    """What is neither HTTP nor a socket is not its business."""
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing() -> dict[str, object]:
        return {}

    async def ignore(_message: object) -> None:
        return

    await SecurityMiddleware(app, make_rules(), LoginLinks())({"type": "lifespan"}, nothing, ignore)
    assert seen == ["lifespan"]


async def test_middleware_asks_the_real_application_of_both_transports(serve: Serve) -> None:
    """The application as it is served stands behind the middleware, sockets included."""
    async with serve(allowed_origins=PAGE) as api:
        app = api.client._transport.app  # type: ignore[attr-defined]  # of the ASGI transport
        for transport, target, host, origin in (
            *(("POST", "/api/cline/import", AUTHORITY, "http://evil.example"),) * 2,
            ("socket", "/ws", AUTHORITY, "http://evil.example"),
            ("socket", "/ws", "evil.example", None),
            ("GET", "/", "evil.example", None),
        ):
            answer = await call(app, transport, caller(host, origin, None), target)
            assert answer.status == (421 if host != AUTHORITY else 403)
        assert (await call(app, "socket", caller(AUTHORITY, PAGE, "cross-site"), "/ws")).status == 101


async def test_preflight_is_answered_for_listed_origins_only() -> None:
    """A listed page learns what it may do; another one is refused; neither reaches the application."""
    asks = [("host", AUTHORITY), ("access-control-request-method", "POST")]
    for token in (None, TOKEN):
        app = guarded(token=token)
        listed = await request(app, "OPTIONS", "/api/cline/import", [*asks, ("origin", PAGE)])
        assert (listed.status, listed.body) == (204, b"")
        assert listed.headers["access-control-allow-origin"] == PAGE
        assert "POST" in listed.headers["access-control-allow-methods"]
        assert "authorization" in listed.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in listed.headers
        assert listed.headers["vary"] == "Origin"
        for origin in ("http://evil.example", "null", f"http://{AUTHORITY}"):
            refused = await request(app, "OPTIONS", "/api/cline/import", [*asks, ("origin", origin)])
            assert refused.status == 403
            assert "access-control-allow-origin" not in refused.headers
    wrong_host = await request(guarded(), "OPTIONS", "/", [("host", "evil.example"), *asks[1:], ("origin", PAGE)])
    assert wrong_host.status == 421


async def test_errors_reach_a_listed_page_with_their_code(serve: Serve) -> None:
    """A page that may read answers may read refusals, too, and when to try again."""
    async with serve(allowed_origins=PAGE) as api:
        response = await api.client.post("/api/cline/import", headers={"origin": PAGE})
        assert response.status_code == 404
        assert response.headers["access-control-allow-origin"] == PAGE
        assert "Retry-After" in response.headers["access-control-expose-headers"]
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"


BEARER = ("authorization", f"Bearer {TOKEN}")
SHOWN = ("cookie", f"{COOKIE}={cookie_value(TOKEN)}")


@pytest.mark.parametrize("transport", ["GET", "HEAD", "POST", "socket"])
@pytest.mark.parametrize(
    ("shown", "is_enough"),
    [
        ([], False),
        ([BEARER], True),
        ([("authorization", f"bearer  {TOKEN} ")], True),
        ([("authorization", TOKEN)], False),
        ([("authorization", f"Basic {TOKEN}")], False),
        ([("authorization", f"Bearer {TOKEN}x")], False),
        ([("authorization", f"Bearer {TOKEN[:-1]}")], False),
        ([("authorization", "Bearer ")], False),
        ([("authorization", "Bearer \xe9\xff")], False),
        ([SHOWN], True),
        ([("cookie", f"other=1; {COOKIE}={cookie_value(TOKEN)}; more=2")], True),
        ([("cookie", f"{COOKIE}={TOKEN}")], False),
        ([("cookie", f"{COOKIE}=")], False),
        ([("cookie", f"{COOKIE}")], False),
        ([("cookie", f"x{COOKIE}={cookie_value(TOKEN)}")], False),
        ([("cookie", f"{COOKIE}={cookie_value('another-token-of-somebody')}")], False),
        ([("authorization", "Bearer wrong"), SHOWN], True),
    ],
)
async def test_token_is_asked_of_every_caller(transport: str, shown: Headers, *, is_enough: bool) -> None:
    """With a token set, only its bearer or the cookie that proves it passes, on every transport."""
    answer = await call(guarded(token=TOKEN), transport, [("host", AUTHORITY), *shown])
    assert answer.status == ((101 if transport == "socket" else 200) if is_enough else 401)
    if not is_enough:
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_token_in_the_address_is_not_enough() -> None:
    """A query lasts in histories and logs, so it is no place for a token."""
    for target in (f"/api?token={TOKEN}", f"/ws?token={TOKEN}", f"/?{COOKIE}={cookie_value(TOKEN)}", f"/?key={TOKEN}"):
        assert (await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY)], target)).status == 401
        assert (await call(guarded(token=TOKEN), "socket", [("host", AUTHORITY)], target)).status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/healthz/", 401), ("/healthz/..", 401), ("/HEALTHZ", 401), ("/readyz", 401)],
)
async def test_healthz_alone_is_open(path: str, status: int) -> None:
    """A machine may ask whether the process is up; nothing that looks like it is open as well."""
    assert (await call(guarded(token=TOKEN), "GET", [("host", AUTHORITY)], path)).status == status


async def test_token_does_not_replace_host_and_origin() -> None:
    """A caller with the token is still refused from a foreign page or by a foreign name."""
    app = guarded(token=TOKEN)
    assert (await call(app, "POST", [*caller(AUTHORITY, "http://evil.example", None), BEARER])).status == 403
    assert (await call(app, "socket", [*caller(AUTHORITY, "null", None), SHOWN])).status == 403
    assert (await call(app, "GET", [*caller("evil.example", None, None), BEARER])).status == 421


async def test_login_link_gives_the_cookie_once() -> None:
    """The printed link is exchanged for a cookie out of reach of scripts and other sites; then it is void."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    key = links.issue()
    first = await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])
    assert (first.status, first.headers["location"]) == (303, "/")
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["referrer-policy"] == "no-referrer"
    name_value, *flags = first.headers["set-cookie"].split("; ")
    assert {flag.lower() for flag in flags} >= {"httponly", "samesite=strict", "path=/"}
    assert TOKEN not in first.headers["set-cookie"]
    for transport in ("GET", "POST", "socket"):
        assert (await call(app, transport, [("host", AUTHORITY), ("cookie", name_value)])).status in {101, 200}
    second = await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])
    assert second.status == 401
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize("query", ["", "?", "?key=", "?key=wrong", "?key=\u00e9", "?other=1", "?key[]=x"])
async def test_login_refuses_every_other_key(query: str) -> None:
    """Only the key that was issued last is a key, and a wrong one does not make it void."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    old, new = links.issue(), links.issue()
    for wrong in (query, f"?key={old}"):
        assert (await request(app, "GET", f"/login{wrong}", [("host", AUTHORITY)])).status == 401
    assert (await request(app, "GET", f"/login?key={new}", [("host", AUTHORITY)])).status == 303


async def test_login_is_closed_before_a_key_is_issued_and_by_other_methods() -> None:
    """Without a link there is nothing to exchange; only GET exchanges; a foreign name exchanges nothing."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    assert (await request(app, "GET", "/login?key=", [("host", AUTHORITY)])).status == 401
    key = links.issue()
    for method in ("HEAD", "POST"):
        answer = await request(app, method, f"/login?key={key}", [("host", AUTHORITY)])
        assert "set-cookie" not in answer.headers
    assert (await request(app, "GET", f"/login?key={key}", [("host", "evil.example")])).status == 421
    assert (await request(app, "GET", f"/login?key={key}", [("host", AUTHORITY)])).status == 303


async def test_login_without_a_token_is_nothing(api: Api) -> None:
    """A service that asks for no token has no link to exchange."""
    check_problem(await api.get(f"/login?key={api.links.issue()}"), errors.RouteNotFound)


async def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token, cookie and key each go through ``hmac.compare_digest``, also when they are wrong."""
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    links = LoginLinks()
    links.issue()
    app = guarded(links, token=TOKEN)
    await request(app, "GET", "/", [("host", AUTHORITY), ("authorization", "Bearer guess-of-token")])
    await request(app, "GET", "/", [("host", AUTHORITY), ("cookie", f"{COOKIE}=guess-of-cookie")])
    await request(app, "GET", "/login?key=guess-of-key", [("host", AUTHORITY)])
    assert {b"guess-of-token", b"guess-of-cookie", b"guess-of-key"} <= set(compared)


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("declared", "sent", "status"),
    [
        ("0", [b""], 200),
        (str(BODY_MAX_BYTES), [b"x" * BODY_MAX_BYTES], 200),
        (str(BODY_MAX_BYTES + 1), [b"x" * (BODY_MAX_BYTES + 1)], 413),
        (str(10**30), [b""], 413),
        ("-1", [b""], 413),
        ("1e3", [b""], 413),
        (None, [b"x" * 1_000] * 65, 200),
        (None, [b"x" * 1_000] * 66, 413),
        (None, [b"x" * (BODY_MAX_BYTES + 1)], 413),
    ],
)
async def test_body_is_bounded_however_it_is_sent(
    method: str, declared: str | None, sent: list[bytes], status: int
) -> None:
    """64 KiB pass and one byte more is 413, by its declared length or, in chunks, as soon as it is too long."""
    length = [("transfer-encoding", "chunked")] if declared is None else [("content-length", declared)]
    answer = await request(guarded(), method, "/", [("host", AUTHORITY), *length], sent)
    assert answer.status == status
    if status == 200:
        assert answer.body == f"served {sum(map(len, sent))}".encode()
    else:
        assert json.loads(answer.body)["code"] == "body_too_large"


async def test_body_that_breaks_off_reaches_no_application() -> None:
    """A caller that hangs up in the middle is nobody's request, and not one with a shorter body."""
    seen: list[str] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append((await receive())["type"])

    await request(SecurityMiddleware(app, make_rules(), LoginLinks()), "POST", "/", [("host", AUTHORITY)], [])
    assert seen == []


@pytest.mark.parametrize(
    ("method", "route", "headers", "kind"),
    [
        ("GET", "/", {"host": "evil.example"}, errors.HostRefused),
        ("POST", "/api/cline/import", {"origin": "null"}, errors.OriginRefused),
        ("POST", "/api/cline/import", {"sec-fetch-site": "cross-site"}, errors.OriginRefused),
        ("POST", "/api/cline/import", {"content-length": "65537"}, errors.BodyTooLarge),
        ("GET", "/nothing", {}, errors.RouteNotFound),
        ("PUT", "/healthz", {}, errors.MethodNotAllowed),
        ("GET", "/api/cline/usage?limit=0", {}, errors.RequestInvalid),
    ],
)
async def test_every_refusal_is_a_problem_with_security_headers(
    api: Api, method: str, route: str, headers: dict[str, str], kind: type[ObserverError]
) -> None:
    """Whoever refuses, middleware, router or route, answers in the same shape and with the same headers."""
    check_problem(await api.client.request(method, route, headers=headers), kind)


async def test_token_is_refused_as_a_problem(serve: Serve) -> None:
    """A missing token is said as an error of the interface, and the page itself is behind it, too."""
    async with serve(token=TOKEN) as api:
        for route in (
            "/",
            "/assets/index.html",
            "/api/cline/status",
            "/metrics",
            "/openapi.json",
            "/readyz",
            "/nothing",
        ):
            check_problem(await api.get(route), errors.TokenRequired)
        assert (await api.get("/healthz")).status_code == 200
        assert (await api.get("/api/cline/status", authorization=f"Bearer {TOKEN}")).status_code == 200


async def test_token_is_asked_of_a_person_in_words(serve: Serve) -> None:
    """A browser without its cookie shows a sentence in both languages, with the status and headers of any refusal."""
    async with serve(token=TOKEN) as api:
        answer = await api.get("/", accept="text/html,application/xhtml+xml")
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "aico serve" in answer.text
    assert "jeton" in answer.text
    assert TOKEN not in answer.text


async def test_no_get_changes_anything(api: Api) -> None:
    """Every address that is read leaves revision and position as they were."""
    before = await api.service.repository.get_state()
    for route in api.client._transport.app.openapi()["paths"]:  # type: ignore[attr-defined]  # of the ASGI transport
        await api.get(route)
    assert await api.service.repository.get_state() == before


@pytest.mark.parametrize(
    ("port", "host", "is_answered"),
    [(80, "127.0.0.1", True), (80, "localhost:80", True), (8611, "localhost", False), (80, "localhost:8611", False)],
)
async def test_default_port_may_be_left_out(port: int, host: str, *, is_answered: bool) -> None:
    """On port 80 clients name no port; on every other one they do."""
    answer = await call(guarded(port=port), "GET", [("host", host)])
    assert (answer.status == 200) is is_answered


@pytest.mark.parametrize(
    ("listening", "host", "is_answered"),
    [
        ("127.0.0.2", "127.0.0.2:8611", True),
        ("192.0.2.7", "192.0.2.7:8611", True),
        ("2001:db8::7", "[2001:db8::7]:8611", True),
        ("192.0.2.7", "192.0.2.7", False),
        ("192.0.2.7", "192.0.2.8:8611", False),
        ("0.0.0.0", "0.0.0.0:8611", False),  # noqa: S104  # a name of no machine
        ("::", "[::]:8611", False),
    ],
)
async def test_address_that_is_listened_on_is_a_name_of_ours(listening: str, host: str, *, is_answered: bool) -> None:
    """The operator's own address answers; that of every interface is no name."""
    app = guarded(host=listening, token=TOKEN)
    answer = await call(app, "POST", [*caller(host, f"http://{host}" if is_answered else None, None), BEARER])
    assert answer.status == (200 if is_answered else 421)
