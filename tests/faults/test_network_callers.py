"""Tunnels, proxies and pages of other ports, byte for byte, before the real server: which of them are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.faults.raw_tcp_client import ask_for_socket, get, until, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS, IMPORT = "/api/cline/usage", "/api/cline/import"
STRANGERS = [
    ("X-Forwarded-For: 203.0.113.7",),
    ("x-forwarded-FOR:203.0.113.7",),
    ("X-Forwarded-For: 127.0.0.1, 203.0.113.7",),
    ("X-Forwarded-For: 203.0.113.7, 127.0.0.1",),
    ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.7"),
    ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 127.0.0.1"),
    ("X-Forwarded-For: 127.0.0.1,", " 203.0.113.7"),
    ("X-Forwarded-For: 127.0.0.1", "\t203.0.113.7"),
    ("X-Forwarded-For:",),
    ("X-Forwarded-For: unknown",),
    ("X-Forwarded-For: 0177.0.0.1",),
    ("X-Forwarded-For: \xb9\xb2\xb7.0.0.1",),
    ("X-Real-IP: 2001:db8::7",),
    ("CF-Connecting-IP: 203.0.113.7",),
    ("Forwarded: for=203.0.113.7",),
    ("Forwarded: for=_hidden;proto=https",),
    ("Forwarded: proto=https",),
    ('Forwarded: for=127.0.0.1;host="\\", for=203.0.113.7;x="',),
    ("Forwarded: for=127.0.0.1.evil.com",),
    ("Forwarded: for=127.0.0.1", "Forwarded: for=203.0.113.7"),
    ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=203.0.113.7"),
    ("Connection: X-Forwarded-For", "X-Forwarded-For: 203.0.113.7"),
]
LOCALS = [
    (),
    ("X-Forwarded-For: 127.0.0.1, ::1",),
    ("X-Forwarded-For: 127.0.0.1,", " ::1"),
    ("X-Real-IP: ::ffff:127.0.0.1", "X-Forwarded-Proto: https", "Via: 1.1 proxy"),
    ('Forwarded: for="[::1]:1234";proto=http',),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """Serve a ledger to all tests here, by the real server and without a token."""
    ledger = LedgerFile(tmp_path_factory.mktemp("callers").resolve() / "cline" / "taskHistory.json")
    ledger.write(entry("1"))
    async with live(ledger) as served:
        await until(lambda: served.service.hub.revision == 1)
        yield served


async def answers(served: Live, host: str, *lines: str) -> list[tuple[int, str | None]]:
    """Return status and code of what a reading, an import and a handshake are answered."""
    found = []
    for request in (get(ROWS, host, *lines), get(IMPORT, host, *lines, method="POST"), ask_for_socket(host, *lines)):
        async with wire(served.port) as caller:
            caller.send(request)
            answer = await caller.read_answer()
            found.append((answer.status, answer.code if answer.status >= 400 else None))
    return found


@pytest.mark.parametrize("lines", STRANGERS)
async def test_stranger_behind_a_proxy_gets_nothing(served: Live, lines: tuple[str, ...]) -> None:
    """However the header is written, cut or repeated: no row, no import, no message of the socket."""
    assert await answers(served, served.authority, *lines) == [(401, "token_required")] * 3


@pytest.mark.parametrize("lines", LOCALS)
@pytest.mark.parametrize("host", ["{authority}", "localhost:9000", "LOCALHOST", "[::1]:443", "127.0.0.1:65535"])
async def test_proxy_and_tunnel_for_this_machine_are_answered(served: Live, host: str, lines: tuple[str, ...]) -> None:
    """A tunnel shows its own port, a proxy for callers of this machine shows loopback: both are served."""
    named = host.format(authority=served.authority)
    assert await answers(served, named, *lines) == [(200, None), (200, None), (101, None)]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_page_is_judged_by_the_host_that_it_called(served: Live, scheme: str) -> None:
    """The page of a tunnel may post and listen through that tunnel; pages of other ports may not."""
    own = await answers(served, "localhost:9000", f"Origin: {scheme}://localhost:9000")
    assert own == [(200, None), (200, None), (101, None)]
    for origin in ("localhost:3000", "127.0.0.1:9000", "localhost", served.authority, "evil.example:9000"):
        for host in ("localhost:9000", f"localhost:{served.port}"):
            other = await answers(served, host, f"Origin: {scheme}://{origin}")
            assert other == [(200, None), (403, "origin_refused"), (403, "origin_refused")], (host, origin)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "localhost:",
        "localhost:99999",
        "localhost:0",
        "localhost.:{port}",
        "a@localhost:{port}",
        "127.1:{port}",
        "localhost:{port}\r\n .evil.example",
    ],
)
async def test_rebound_name_is_refused(served: Live, host: str) -> None:
    """A foreign name that leads here (DNS rebinding), or what only looks like ours, is refused with its own origin."""
    named = host.format(port=served.port)
    assert await answers(served, named) == [(421, "host_refused")] * 3
    assert await answers(served, named, "Origin: http://evil.example") == [(421, "host_refused")] * 3
