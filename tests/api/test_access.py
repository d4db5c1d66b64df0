"""Who may call: the whole table of hosts, origins, fetch sites, methods and transports."""

from __future__ import annotations

import json
from contextlib import nullcontext
from itertools import product

import pytest
from starlette import datastructures
from starlette.types import Receive, Scope, Send

from aico.api.login import LoginLinks
from aico.api.security import SecurityMiddleware
from aico.core.errors import TokenRequired
from tests.api.answer_checks import SECURITY_HEADERS
from tests.api.conftest import AUTHORITY, Serve
from tests.api.guarded_stand_in import PAGE, TOKEN, call, caller, guarded, make_rules
from tests.api.raw_asgi_client import Headers, handshake, request

BEARER = ("authorization", f"Bearer {TOKEN}")
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


@pytest.mark.parametrize(
    ("client", "is_answered"),
    [
        (None, True),
        (("127.0.0.1", 5), True),
        (("127.8.8.8", 5), True),
        (("::1", 5), True),
        (("::ffff:127.0.0.1", 5), True),
        (("", 0), True),
        (("192.168.7.9", 5), False),
        (("::ffff:192.168.7.9", 5), False),
        (("fe80::1", 5), False),
    ],
)
@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_other_machines_need_a_token(transport: str, client: tuple[str, int] | None, *, is_answered: bool) -> None:
    """An application that mounts the service may listen further than this machine; then a token is needed."""
    scope = {"type": transport, "method": "GET", "path": "/", "client": client}
    headers = datastructures.Headers({"host": AUTHORITY})
    with nullcontext() if is_answered else pytest.raises(TokenRequired):
        make_rules().check(scope, headers)
    with pytest.raises(TokenRequired):
        make_rules(token=TOKEN).check(scope, headers)
