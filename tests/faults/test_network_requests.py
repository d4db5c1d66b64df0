"""Requests and frames that are broken, too large or never end: each is answered or cut off, and costs nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aico.api.security import BODY_MAX_BYTES, HEAD_MAX_BYTES
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.faults.raw_tcp_client import ask_for_socket, frame, get, until, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPORT = "/api/cline/import"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """Serve a ledger to all tests here, by the real server."""
    ledger = LedgerFile(tmp_path_factory.mktemp("requests").resolve() / "cline" / "taskHistory.json")
    ledger.write(entry("1"))
    async with live(ledger) as served:
        await until(lambda: served.service.hub.revision == 1)
        yield served


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def check_others(served: Live, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """After each attack the next caller is served, nothing broke, was imported, or stays behind."""
    revision = served.service.hub.revision
    yield
    async with wire(served.port) as caller:
        caller.send(get("/healthz", served.authority))
        assert (await caller.read_answer()).status == 200
    assert served.service.hub.revision == revision
    await until(lambda: served.connection_count == 0)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def post(authority: str, *lines: str) -> bytes:
    """Return the head of a request for an import."""
    return get(IMPORT, authority, *lines, method="POST")


JUNK = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "no target": b"GET\r\n\r\n",
    "no version": b"GET / {host}\r\n\r\n",
    "space in target": b"GET /a b HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "bytes in target": b"GET /\xff HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost {host}\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : {host}\r\n\r\n",
    "continued nothing": b"GET / HTTP/1.1\r\n Host: {host}\r\n\r\n",
    "zero": b"GET / HTTP/1.1\r\nHost: {host}\r\nX: a\x00b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nX: no host\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    "length no number": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n",
    "length negative": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
    "length signed": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: +1\r\n\r\n",
    "length listed": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1, 2\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length of digits": b"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
    "unknown encoding": b"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunk no number": b"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "chunk negative": b"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk too long": b"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n",
}


@pytest.mark.parametrize("junk", JUNK)
async def test_what_is_no_http_is_refused_as_a_problem(served: Live, junk: str) -> None:
    """Bytes that are no HTTP are answered once, in the shape and with the headers of any other refusal."""
    async with wire(served.port) as attacker:
        attacker.send(JUNK[junk].replace(b"{host}", served.authority.encode()))
        answer = await attacker.read_answer()
        assert (answer.status, answer.code) == (400, "request_malformed")
        assert answer.headers["connection"] == "close"
        assert await attacker.read_rest() == b""


@pytest.mark.parametrize("size", [HEAD_MAX_BYTES + 1, 80_000, 1_000_000])
@pytest.mark.parametrize("piece", [1_000, 10_000_000])
@pytest.mark.parametrize("form", ["X-Long: {}", "Cookie: {}", "/{}"])
async def test_head_that_is_too_large_is_refused(served: Live, size: int, piece: int, form: str) -> None:
    """Address and headers have one limit together, whether they come in one piece or in many."""
    long = form.format("x" * size)
    request = get(long, served.authority) if form[0] == "/" else get("/", served.authority, long)
    async with wire(served.port) as attacker:
        for start in range(0, len(request), piece):
            attacker.send(request[start : start + piece])
        answer = await attacker.read_answer()
    assert (answer.status, answer.code) == (431, "head_too_large")


async def test_head_of_ten_thousand_headers_is_refused(served: Live) -> None:
    """Many short headers weigh as much as a long one."""
    async with wire(served.port) as attacker:
        attacker.send(get("/", served.authority, *(f"X-{number}: x" for number in range(10_000))))
        assert (await attacker.read_answer()).code == "head_too_large"


async def test_head_just_below_the_limit_is_served(served: Live) -> None:
    """A browser with the cookies of many other local pages still gets its page."""
    async with wire(served.port) as caller:
        caller.send(get("/healthz", served.authority, f"Cookie: {'x' * (HEAD_MAX_BYTES - 200)}"))
        assert (await caller.read_answer()).status == 200


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("Content-Length: 65537",), b"x" * 65_537),
        (("Content-Length: 99999999999999999999",), b"{}"),
        (("Content-Length: 1000000000", "Expect: 100-continue"), b""),
        (("Transfer-Encoding: chunked",), b"10001\r\n" + b"x" * 65_537 + b"\r\n0\r\n\r\n"),
        (("Transfer-Encoding: chunked",), b"400\r\n" + (b"x" * 1_024 + b"\r\n400\r\n") * 65),
    ],
)
async def test_body_that_is_too_large_is_refused(served: Live, lines: tuple[str, ...], body: bytes) -> None:
    """A body beyond the limit is refused by its declared length or on the way, and never imported."""
    async with wire(served.port) as attacker:
        attacker.send(post(served.authority, *lines) + body)
        answer = await attacker.read_answer()
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize("lines", [("Content-Length: 1000000000",), ("Transfer-Encoding: chunked",)])
async def test_body_without_end_is_cut_off(served: Live, lines: tuple[str, ...]) -> None:
    """A client that goes on sending after the refusal is cut off, not listened to for ever."""
    piece = (b"8000\r\n" if "chunked" in lines[0] else b"") + b"x" * 32_768 + b"\r\n"
    async with wire(served.port) as attacker:
        attacker.send(post(served.authority, *lines))
        sent = 0
        try:
            async with asyncio.timeout(60):
                while not attacker.writer.is_closing():
                    attacker.send(piece)
                    sent += len(piece)
                    await attacker.writer.drain()
                    assert sent < 500_000_000
        except ConnectionError:
            pass


async def test_body_of_single_bytes_is_still_a_body(served: Live) -> None:
    """Chunks of one byte weigh six times as much on the wire, and may, up to the body's limit."""
    async with wire(served.port) as caller:
        path = b"1\r\n \r\n" * (BODY_MAX_BYTES - 4) + b"4\r\nnull\r\n0\r\n\r\n"
        caller.send(post(served.authority, "Transfer-Encoding: chunked") + path)
        assert (await caller.read_answer()).status == 200


async def test_body_longer_than_declared_is_no_second_request(served: Live) -> None:
    """Bytes behind the declared length are nonsense, and are treated so."""
    async with wire(served.port) as attacker:
        attacker.send(post(served.authority, "Content-Length: 4") + b"null and more\r\n\r\n")
        assert (await attacker.read_answer()).status == 200
        assert (await attacker.read_answer()).code == "request_malformed"
        assert await attacker.read_rest() == b""


@pytest.mark.parametrize(
    ("status", "code", "lines", "key", "version"),
    [
        (400, "request_malformed", (), "", "13"),
        (400, "request_malformed", (), "short", "13"),
        (400, "request_malformed", (), "dGhlIHNhbXBsZSBub25jZQ==", "8"),
        (400, "request_malformed", ("Content-Length: 5",), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
        (400, "request_malformed", ("Transfer-Encoding: chunked",), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
        (400, "request_malformed", ("Sec-WebSocket-Protocol: (", "X: \xff"), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
        (431, "head_too_large", (f"Cookie: {'x' * 9_000}",), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
        (431, "head_too_large", tuple(f"X-{number}: x" for number in range(200)), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
        (431, "head_too_large", (f"Cookie: {'x' * 40_000}",), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
        (421, "host_refused", ("X: \xff",), "dGhlIHNhbXBsZSBub25jZQ==", "13"),
    ],
)
async def test_broken_handshake_is_refused_as_a_problem(
    served: Live, status: int, code: str, lines: tuple[str, ...], key: str, version: str
) -> None:
    """No handshake is left without an answer or with a connection that nobody ends."""
    authority = "evil.example" if code == "host_refused" else served.authority
    async with wire(served.port) as attacker:
        attacker.send(ask_for_socket(authority, *lines, key=key, version=version))
        answer = await attacker.read_answer()
        assert (answer.status, answer.code) == (status, code)
        assert await attacker.read_rest() == b""


FRAMES = {
    "noise": b"\xff" * 100,
    "unknown": frame(0x3),
    "ping in pieces": frame(0x9, fin=False),
    "rest of nothing": frame(0x0),
    "length beyond 63 bits": b"\x81" + b"\xff" * 9,
    "70,000 bytes": b"\x82\xfe\xff\xff" + b"\0" * 70_000,
    "unmasked": b"\x81\x05plain",
    "pieces of 5,000 bytes": frame(0x1, fin=False) + frame(0x0, b"x" * 100, fin=False) * 50,
    "goodbye": frame(0x8, b"\x03\xe8"),
    "ping and noise": frame(0x9) + b"\xff" * 100,
    "goodbye with code 1": frame(0x8, b"\x00\x01"),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("wait_first", [True, False])
async def test_frames_that_break_the_protocol_end_their_connection(
    served: Live, name: str, *, wait_first: bool
) -> None:
    """Unknown, unmasked, endless or oversized frames end the one connection, also when they come before our answer."""
    async with wire(served.port) as attacker:
        attacker.send(ask_for_socket(served.authority))
        if wait_first:
            assert (await attacker.read_answer()).status == 101
        attacker.send(FRAMES[name])
        await attacker.read_rest()


async def test_end_of_the_service_meets_a_page_that_says_goodbye(served: Live) -> None:
    """A page that goes at the same moment keeps nobody from ending: its connection is closed, without a second word."""
    async with wire(served.port) as page:
        page.send(ask_for_socket(served.authority))
        assert (await page.read_answer()).status == 101
        (connection,) = served.server.server_state.connections
        connection.data_received(frame(0x8, b"\x03\xe9"))
        connection.shutdown()
        await page.read_rest()


async def test_pieces_without_end_cost_no_memory(served: Live) -> None:
    """A message in empty pieces that never ends is not collected."""
    async with wire(served.port) as attacker:
        attacker.send(ask_for_socket(served.authority))
        assert (await attacker.read_answer()).status == 101
        attacker.send(frame(0x1, fin=False) + frame(0x0, fin=False) * 20_000 + frame(0x9, b"heard"))
        async with asyncio.timeout(60):
            await attacker.reader.readuntil(b"\x8a\x05heard")
        (connection,) = served.server.server_state.connections
        assert vars(connection)["frames"] == []
        assert vars(connection)["queue"].qsize() == 0


@pytest.mark.parametrize("target", [IMPORT, "/ws"])
async def test_bug_is_answered_as_a_problem_and_logged_once(
    served: Live, target: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody expected gives one answer with every header and one trace, by HTTP and as a socket."""

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("an injected bug")

    monkeypatch.setattr(served.service.sources, "read", break_down)
    monkeypatch.setattr(served.service.hub, "subscribe", break_down)
    async with wire(served.port) as caller:
        caller.send(ask_for_socket(served.authority) if target == "/ws" else post(served.authority))
        answer = await caller.read_answer()
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"injected" not in answer.body
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        f"bug while answering {'a socket' if target == '/ws' else 'POST'} {target}"
    ]
    caplog.clear()
