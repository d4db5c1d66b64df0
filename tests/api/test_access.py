"""The callers that are let in: the whole table of hosts, origins, fetch sites, methods and transports."""

from __future__ import annotations

import json
from contextlib import nullcontext
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette import datastructures
from starlette.types import Receive, Scope, Send

from aico.api.login import LoginLinks
from aico.api.security import SecurityMiddleware
from aico.core.errors import HostRefused, TokenRequired
from tests.api.answer_checks import SECURITY_HEADERS
from tests.api.conftest import AUTHORITY, Serve
from tests.api.guarded_stand_in import PAGE, TOKEN, call, caller, guarded, make_rules
from tests.api.raw_asgi_client import Headers, handshake, request
from tests.hypothesis_profiles import examples
from tests.quick_variants import first_is_quick

BEARER = ("authorization", f"Bearer {TOKEN}")
HOSTS = {
    "127.0.0.1:8611": True,
    "localhost:8611": True,
    "LocalHost:8611": True,
    "[::1]:8611": True,
    "127.0.0.1": True,
    "127.0.0.1:80": True,
    "127.0.0.1:8612": True,
    "localhost": True,
    "localhost:1": True,
    "localhost:9000": True,
    "localhost:65535": True,
    "[::1]": True,
    "[::1]:9000": True,
    "listed.example": True,
    "listed.example:8611": True,
    "listed.example:9000": False,
    "127.0.0.1:8611:8611": False,
    "127.0.0.1:": False,
    "localhost:": False,
    "localhost:0": False,
    "localhost:08611": False,
    "localhost:65536": False,
    "localhost:99999": False,
    "localhost:+8611": False,
    "localhost:8_611": False,
    "localhost:abc": False,
    "localhost:\xb2": False,
    "localhost: 8611": False,
    " localhost": False,
    "localhost ": False,
    "localhost\n": False,
    "localhost:8611\n": False,
    "localhost.": False,
    "localhost.:8611": False,
    "localhost/": False,
    "a@localhost": False,
    "a:b@localhost:8611": False,
    "localhost:8611@evil.example": False,
    "localhost.evil.example:9000": False,
    "evil.localhost:9000": False,
    "127.1": False,
    "127.0.0.2:8611": False,
    "0177.0.0.1:8611": False,
    "2130706433:8611": False,
    "0.0.0.0:8611": False,
    "::1": False,
    "::1:8611": False,
    "[::1": False,
    "[::1]8611": False,
    "[::1]::8611": False,
    "[::1%lo]:8611": False,
    "[0:0:0:0:0:0:0:1]:8611": False,
    "[::ffff:127.0.0.1]:8611": False,
    "evil.example": False,
    "evil.example:8611": False,
    "127.0.0.1.evil.example:8611": False,
    "evil.example#localhost:8611": False,
    "127.0.0.1:8611, evil.example": False,
    "localhost, localhost": False,
    "": False,
}
OWN = {
    "http://127.0.0.1:8611": {"127.0.0.1:8611"},
    "https://127.0.0.1:8611": {"127.0.0.1:8611"},
    "http://localhost:8611": {"localhost:8611", "LocalHost:8611"},
    "HTTP://LOCALHOST:8611": {"localhost:8611", "LocalHost:8611"},
    "http://[::1]:8611": {"[::1]:8611"},
    "http://127.0.0.1": {"127.0.0.1"},
    "http://127.0.0.1:80": {"127.0.0.1:80"},
    "http://127.0.0.1:8612": {"127.0.0.1:8612"},
    "http://localhost:9000": {"localhost:9000"},
    "https://localhost:9000": {"localhost:9000"},
    "https://localhost": {"localhost"},
    "http://listed.example": {"listed.example"},
    "https://listed.example:8611": {"listed.example:8611"},
}
"""The hosts whose own page each origin is: no other name of ours, and no other port."""
ORIGINS = (
    None,
    *OWN,
    PAGE,
    "null",
    "",
    "http://evil.example",
    "http://evil.example:8611",
    "http://localhost:3000",
    "http://127.0.0.1:8611.evil.example",
    "http://127.0.0.1:8611/",
    "http://127.0.0.1:8611 http://evil.example",
    "http://a@127.0.0.1:8611",
    "127.0.0.1:8611",
    "//127.0.0.1:8611",
    "ftp://127.0.0.1:8611",
    "ws://127.0.0.1:8611",
    "http://kimi.example",
    "https://kimi.example:8000",
    "file://",
)
SITES = {None: True, "same-origin": True, "none": True, "same-site": False, "cross-site": False, "": False}
PORTS = frozenset(map(str, range(1, 65_536)))
TRANSPORTS = ("POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "socket")


def expect(transport: str, host: str, origin: str | None, site: str | None) -> int:
    """Return the status that the contract asks for."""
    if not HOSTS[host]:
        return 421
    is_safe = transport in {"GET", "HEAD"}
    is_listed = origin == PAGE and transport in {"POST", "socket"}
    is_allowed = SITES[site] if origin is None else is_listed or host in OWN.get(origin, ())
    if not is_safe and not is_allowed:
        return 403
    return 101 if transport == "socket" else 200


@pytest.mark.parametrize("transport", first_is_quick(*TRANSPORTS))
@pytest.mark.parametrize("host", HOSTS)
async def test_middleware_decides_exactly_as_the_table_says(host: str, transport: str) -> None:
    """Of 78,120 combinations each one is allowed or refused with the code that the contract gives it."""
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
    assert len(HOSTS) * len(ORIGINS) * len(SITES) * len(TRANSPORTS) == 78_120


@pytest.mark.parametrize("transport", ["GET", "POST", "socket"])
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "is missing"),
        ([("host", AUTHORITY), ("host", AUTHORITY)], "is given more than once"),
        ([("host", AUTHORITY), ("host", "evil.example")], "is given more than once"),
        ([("host", "localhost"), ("host", "")], "is given more than once"),
        ([("x-forwarded-host", AUTHORITY), ("host", "evil.example")], "names neither this machine nor a listed name"),
        (
            [("forwarded", f"host={AUTHORITY}"), ("host", "evil.example")],
            "names neither this machine nor a listed name",
        ),
        ([("host", "listed.example:9000")], "names neither this machine nor a listed name"),
        ([("host", "localhost:99999")], "has a port that is no number from 1 to 65535"),
        ([("host", "localhost:<script>")], "has a port that is no number from 1 to 65535"),
    ],
)
async def test_refused_host_is_told_by_its_fault(transport: str, headers: Headers, reason: str) -> None:
    """The answer says what is wrong and which setting helps, and never repeats the header."""
    answer = await call(guarded(), transport, headers)
    problem = json.loads(answer.body)
    assert (answer.status, problem["detail"]) == (421, f"The Host header {reason}.")
    assert "AICO_ALLOWED_HOSTS" in problem["hint"]
    assert not any(word in answer.body for word in (b"evil", b"script", b"9000", b"99999"))


@pytest.mark.parametrize("transport", ["POST", "socket"])
@pytest.mark.parametrize("host", ["127.0.0.1:8611", "localhost:8611", "[::1]:8611"])
@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "http://localhost", "http://127.0.0.1:80"],
)
async def test_page_of_another_port_of_this_machine_is_refused(transport: str, host: str, origin: str) -> None:
    """The browser puts our Host beside the origin of that page, so the two differ."""
    assert (await call(guarded(), transport, caller(host, origin, "same-site"))).status == 403


@settings(max_examples=examples(20))
@given(
    st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=24),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "listed.example", "evil.example"]),
            st.sampled_from(["", ":", ".", "@", " ", ":8611"]),
            st.text(st.sampled_from("0123456789:.@ []\t\xa0\xb2x"), max_size=6),
        ),
    )
)
def test_host_passes_only_as_a_loopback_name_with_a_port(host: str) -> None:
    """Every text either is one of our names, alone or with a port, or is refused; nothing else is ever raised."""
    name, _, port = host.lower().rpartition(":")
    is_plain = host.lower() in {"127.0.0.1", "localhost", "[::1]", "listed.example", "listed.example:8611"}
    is_ours = is_plain or (name in {"127.0.0.1", "localhost", "[::1]"} and port in PORTS)
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "client": None}
    with nullcontext() if is_ours else pytest.raises(HostRefused):
        make_rules().check(scope, datastructures.Headers(raw=[(b"host", host.encode("latin-1"))]))


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
    """A scope that is neither HTTP nor a socket is not its business."""
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
    [
        (80, "192.0.2.7", True),
        (80, "192.0.2.7:80", True),
        (8611, "192.0.2.7", False),
        (80, "192.0.2.7:8611", False),
        (80, "listed.example:80", True),
        (8611, "listed.example:80", False),
    ],
)
async def test_default_port_may_be_left_out(port: int, host: str, *, is_answered: bool) -> None:
    """On port 80 clients name no port; on every other one a name in the network needs ours."""
    answer = await call(guarded(port=port, host="192.0.2.7", token=TOKEN), "GET", [("host", host), BEARER])
    assert (answer.status == 200) is is_answered


@pytest.mark.parametrize("host", ["localhost:9000", "localhost", "[::1]:443"])
async def test_sign_in_works_through_a_tunnel(host: str) -> None:
    """The link, the cookie and a page of the tunnel's own origin work at whatever port the tunnel has."""
    links = LoginLinks()
    app = guarded(links, token=TOKEN)
    link = f"/login?key={links.issue()}"
    answer = await request(app, "GET", link, [("host", host), ("x-forwarded-for", "203.0.113.7")])
    assert (answer.status, answer.headers["location"]) == (303, "./")
    cookie = ("cookie", answer.headers["set-cookie"].split(";")[0])
    for transport, status in (("GET", 200), ("POST", 200), ("socket", 101)):
        own = [*caller(host, f"https://{host}", "same-origin"), cookie]
        assert (await call(app, transport, own)).status == status
    assert (await call(app, "POST", [*caller(host, f"https://{AUTHORITY}", "same-site"), cookie])).status == 403


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
