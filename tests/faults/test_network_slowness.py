"""Peers that are slow: to ask, to go on, to read, to answer. Each is given up at its limit, and costs nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from aico.cli.connection_limits import ConnectionLimits
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.faults.raw_tcp_client import HANG_S, Wire, ask_for_socket, frame, get, open_wire, until, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 1.0
"""Of the server here, instead of 10 and 30 seconds. A request sent at one go is in time on any busy machine."""
ENTRIES = 1_000
ANSWERS = 20

BEGUN = {
    "a letter": b"G",
    "half a head": b"GET / HTTP/1.1\r\nHost: {host}\r\n",
    "no body": b"POST /api/cline/import HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n",
    "no chunk": b"POST /api/cline/import HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n",
    "half a chunk": b"POST /api/cline/import HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """Serve a ledger to all tests here, by the real server, with little patience."""
    ledger = LedgerFile(tmp_path_factory.mktemp("slowness").resolve() / "cline" / "taskHistory.json")
    ledger.write(*(entry(str(number)) for number in range(ENTRIES)))
    limits = ConnectionLimits(200, request_s=PATIENCE_S, stalled_s=PATIENCE_S, ping_s=PATIENCE_S / 2)
    async with live(ledger, limits=limits) as served:
        await until(lambda: served.service.hub.revision == 1)
        yield served
        await until(lambda: served.connection_count == 0)


async def ask_halfway(served: Live, begun: bytes) -> None:
    """Begin a request, wait, and be told that it was too slow."""
    async with wire(served.port) as attacker:
        attacker.send(begun.replace(b"{host}", served.authority.encode()))
        answer = await attacker.read_answer()
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert await attacker.read_rest() == b""


async def ask_in_drops(served: Live, begun: bytes) -> None:
    """Begin a request and send a byte of it now and then, until the server hangs up."""
    async with wire(served.port) as attacker:
        attacker.send(begun.replace(b"{host}", served.authority.encode()))
        drops = 0
        while not await attacker.is_ended(PATIENCE_S / 10):
            attacker.send(b"1")
            drops += 1
            assert drops < 10 * HANG_S / PATIENCE_S


async def test_request_that_comes_too_slowly_is_refused(served: Live) -> None:
    """Head and body together have one deadline, and a client that misses it is told so."""
    await asyncio.gather(*(ask_halfway(served, begun) for begun in BEGUN.values()))
    await until(lambda: served.connection_count == 0)
    assert served.service.hub.revision == 1


async def test_request_in_drops_does_not_move_its_deadline(served: Live) -> None:
    """A byte now and then keeps no connection."""
    await asyncio.gather(*(ask_in_drops(served, begun) for begun in BEGUN.values()))
    await until(lambda: served.connection_count == 0)
    assert served.service.hub.revision == 1


async def test_silent_connection_is_ended(served: Live) -> None:
    """A connection that asks nothing, or nothing more, is closed without a word."""
    async with wire(served.port) as silent, wire(served.port) as satisfied:
        satisfied.send(get("/healthz", served.authority))
        assert (await satisfied.read_answer()).status == 200
        assert await silent.read_rest() == b""
        assert await satisfied.read_rest() == b""


async def test_caller_that_does_not_read_its_answers_is_ended(served: Live) -> None:
    """Answers that nobody takes are given up, with the connection."""
    request = get("/api/cline/usage?limit=1000", served.authority)
    async with wire(served.port) as caller:
        caller.send(request)
        answer = await caller.read_answer()
    async with wire(served.port, narrow=True) as attacker:
        attacker.send(request * ANSWERS)
        async with asyncio.timeout(HANG_S):
            await attacker.reader.readexactly(1)
        await until(lambda: served.connection_count == 0)
        assert len(await attacker.read_rest()) < ANSWERS * len(answer.body)


async def test_page_that_answers_no_ping_is_ended(served: Live) -> None:
    """A page whose machine is gone, or that has stopped, is let go though it never said goodbye."""
    attackers: list[Wire] = []
    try:
        for _ in range(10):
            attacker = await open_wire(served.port)
            attacker.send(ask_for_socket(served.authority))
            attackers.append(attacker)
        for attacker in attackers:
            assert (await attacker.read_answer()).status == 101
        await until(lambda: served.connection_count == 0)
        await until(lambda: served.service.hub.subscription_count == 0)
    finally:
        for attacker in attackers:
            await attacker.close()


async def test_page_that_talks_and_does_not_read_is_ended(served: Live) -> None:
    """Pings are answered only if their sender takes the answers: a flood ends at the limit, in bounded memory."""
    async with wire(served.port, narrow=True) as attacker:
        attacker.send(ask_for_socket(served.authority))
        async with asyncio.timeout(HANG_S):
            await attacker.reader.readuntil(b"\r\n\r\n")
        flood = asyncio.create_task(send_pings(attacker.writer))
        unsent: list[int] = []

        def is_ended() -> bool:
            unsent.extend(one.transport.get_write_buffer_size() for one in served.server.server_state.connections)
            return served.connection_count == 0

        await until(is_ended)
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        assert max(unsent, default=0) < 1_000_000


async def test_answer_that_the_end_does_not_wait_for_is_broken_off(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever asks a service that ends before it can answer hears what a dead one says: nothing, and not of a bug."""
    asked, never = asyncio.Event(), asyncio.Event()

    async def take_long() -> None:
        asked.set()
        await never.wait()

    ledger = LedgerFile(tmp_path_factory.mktemp("end").resolve() / "cline" / "taskHistory.json")
    async with live(ledger) as served:
        monkeypatch.setattr(served.service.budgets, "take_limits", take_long)
        async with wire(served.port) as caller:
            caller.send(get("/api/limits", served.authority))
            async with asyncio.timeout(HANG_S):
                await asked.wait()
            served.server.end()
            assert await caller.read_rest() == b""
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def send_pings(writer: asyncio.StreamWriter) -> None:
    """Send pings until it is told to stop or hung up on."""
    while not writer.is_closing():
        writer.write(frame(0x9, b"x" * 125) * 500)
        await writer.drain()
