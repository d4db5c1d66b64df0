"""Crowds: more connections than there are places, floods of junk, pages that never read. The others notice nothing."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aico.cli.connection_limits import BACKLOG, ConnectionLimits
from aico.core.usage import Trigger
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.fake_page_socket import listening
from tests.faults.fault_counts import count_of, rng_of
from tests.faults.raw_tcp_client import HANG_S, Wire, ask_for_socket, frame, get, open_wire, until, wire

PLACES = 40
HEALTHY, STALLED = 200, 100
PAD = "x" * 64 * 1024
PADS = 12
UNSENT_MAX_BYTES = 30_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger of one task."""
    ledger = LedgerFile(tmp_path.resolve() / "cline" / "taskHistory.json")
    ledger.write(entry("1"))
    return ledger


def test_limits_end_every_stalled_page_within_half_a_minute() -> None:
    """The limits that are really used: a peer that does not read, ask on or answer pings is gone within 30 seconds."""
    limits = ConnectionLimits.of(256)
    assert limits.request_s <= 10
    assert limits.stalled_s <= 30
    assert 2 * limits.ping_s <= 30


@pytest.mark.parametrize(
    ("descriptors", "max_sockets", "places"),
    [(100_000, 256, 384), (400, 256, 172), (228, 256, 1), (64, 1, 1), (-1, 1_000, 1_128)],
)
def test_places_stay_below_the_limit_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, max_sockets: int, places: int
) -> None:
    """However many pages are allowed, a hundred descriptors and a full backlog stay for everything else."""
    monkeypatch.setattr("resource.getrlimit", lambda _kind: (descriptors, descriptors))
    assert ConnectionLimits.of(max_sockets).connection_count == places
    assert places == 1 or descriptors < 0 or places <= descriptors - 100 - BACKLOG


async def test_newcomer_is_refused_when_every_place_is_in_use(ledger: LedgerFile) -> None:
    """Pages that listen are not driven out: the one too many is told so, with the headers of every answer."""
    async with live(ledger, limits=ConnectionLimits(3)) as served, AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(listening(served.socket_url)) for _ in range(3)]
        for page in pages:
            await page.until_kind("hello")
        async with wire(served.port) as newcomer:
            answer = await newcomer.read_answer()
            assert (answer.status, answer.code) == (503, "too_many_connections")
            assert answer.headers["retry-after"] == "5"
            assert await newcomer.read_rest() == b""
        await pages.pop().connection.close()
        await until(lambda: served.connection_count == 2)
        async with wire(served.port) as newcomer:
            newcomer.send(get("/healthz", served.authority))
            assert (await newcomer.read_answer()).status == 200
        await import_change(served)
        for page in pages:
            await page.until(lambda page: bool(page.revisions))


async def test_waiting_connections_give_way_to_a_newcomer(ledger: LedgerFile) -> None:
    """Connections that were opened for nothing keep nobody out; the one that waits the longest goes first."""
    async with live(ledger, limits=ConnectionLimits(3, request_s=HANG_S)) as served, AsyncExitStack() as stack:
        idle: list[Wire] = []
        for number in range(1, 4):
            idle.append(await stack.enter_async_context(wire(served.port)))
            await until(lambda number=number: served.connection_count == number)  # type: ignore[misc]
        caller = await stack.enter_async_context(wire(served.port))
        caller.send(get("/healthz", served.authority))
        assert (await caller.read_answer()).status == 200
        assert await idle.pop(0).read_rest() == b""
        for left in idle:
            left.send(get("/healthz", served.authority))
            assert (await left.read_answer()).status == 200


async def test_flood_of_junk_keeps_nobody_out(ledger: LedgerFile) -> None:
    """A thousand connects with junk or silence: callers are served, pages told, places kept to, descriptors freed."""
    rng = rng_of("network flood")
    before = count_descriptors()
    async with live(ledger, limits=ConnectionLimits(PLACES)) as served, listening(served.socket_url) as page:
        await page.until_kind("hello")
        for _ in range(count_of("network flood", quick=20, soak=400)):
            attackers = await asyncio.gather(*(open_wire(served.port) for _ in range(50)))
            try:
                for attacker in attackers:
                    attacker.send(rng.choice(JUNK).replace(b"{host}", served.authority.encode()))
                assert served.connection_count <= PLACES
                async with wire(served.port) as caller:
                    caller.send(get("/healthz", served.authority))
                    assert (await caller.read_answer()).status == 200
                assert served.connection_count <= PLACES
                revision = await import_change(served)
                await page.until(lambda page, revision=revision: revision in page.revisions)  # type: ignore[misc]
            finally:
                for attacker in attackers:
                    await attacker.close()
        await until(lambda: served.connection_count == 1)
        assert page.closed is None
    await until(lambda: count_descriptors() <= before)


JUNK = (
    b"",
    b"G",
    b"\x00" * 100,
    b"\r\n" * 1_000,
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: {host}\r\nX: ",
    b"POST /api/cline/import HTTP/1.1\r\nHost: {host}\r\nContent-Length: 60000\r\n\r\n" + b"x" * 50_000,
    b"GET /" + b"x" * 100_000,
    ask_for_socket("{host}") + b"\x82\xfe\xff\xff" + b"\0" * 70_000,
    ask_for_socket("{host}") + frame(0x3),
    ask_for_socket("evil.example"),
)


def count_descriptors() -> int:
    """Return how many descriptors this process, client and server in one, has open."""
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - names, not paths


async def import_change(served: Live) -> int:
    """Write something new, import it, and return the revision."""
    revision = served.service.hub.revision
    served.ledger.write(entry("1", cost=float(revision + 1)), entry(f"new {revision}"))
    (receipt,) = await served.service.sources.read(Trigger.REQUEST)
    return receipt.revision


class Crowd:
    """Pages that receive: what each was told."""

    def __init__(self) -> None:
        self.revisions: list[list[int]] = []
        self.pads: list[int] = []

    @asynccontextmanager
    async def joined(self, url: str, count: int) -> AsyncIterator[None]:
        """Let ``count`` pages receive until the block ends."""
        async with AsyncExitStack() as stack:
            for number in range(count):
                page = await stack.enter_async_context(
                    connect(url, max_size=None, proxy=None, compression=None, open_timeout=60, ping_timeout=None)
                )
                self.revisions.append([])
                self.pads.append(0)
                task = asyncio.create_task(self._receive(number, page))
                stack.push_async_callback(asyncio.wait, {task})
                stack.push_async_callback(page.close)
            yield

    async def _receive(self, number: int, page: ClientConnection) -> None:
        try:
            async for text in page:
                if "cline_usage_updated" in str(text)[:100]:
                    self.revisions[number].append(json.loads(text)["revision"])
                self.pads[number] += PAD in str(text)
        except ConnectionClosed:
            self.revisions[number].append(-1)


async def test_pages_that_never_read_delay_and_cost_nobody(ledger: LedgerFile) -> None:
    """Of 300 pages 100 never read: the others get every message, those are gone in time, little is kept for them.

    They stop reading before the first message; what they leave unread fills their connections and then waits here.
    """
    limits = ConnectionLimits(HEALTHY + STALLED + 20, stalled_s=15.0, ping_s=60.0)
    crowd = Crowd()
    async with live(ledger, limits=limits, max_sockets=HEALTHY + STALLED) as served, AsyncExitStack() as stack:
        first = await import_change(served)
        await stack.enter_async_context(crowd.joined(served.socket_url, HEALTHY))
        for _ in range(STALLED):
            stalled = await stack.enter_async_context(wire(served.port, narrow=True))
            stalled.send(ask_for_socket(served.authority))
        await until(lambda: served.service.hub.subscription_count == HEALTHY + STALLED)
        unsent = 0
        for number in range(1, PADS + 1):
            await import_change(served)
            served.service.hub.publish_notice({"type": "pad", "text": PAD})
            await until(lambda number=number: min(crowd.pads) == number)  # type: ignore[misc]
            unsent = max(unsent, unsent_bytes(served))
        assert 0 < unsent < UNSENT_MAX_BYTES
        await until(lambda: served.connection_count == HEALTHY)
        await until(lambda: served.service.hub.subscription_count == HEALTHY)
        last = await import_change(served)
        await until(lambda: all(seen[-1:] == [last] for seen in crowd.revisions))
        assert {tuple(seen) for seen in crowd.revisions} == {tuple(range(first + 1, last + 1))}


def unsent_bytes(served: Live) -> int:
    """Return the bytes that the server keeps for peers that do not read."""
    return sum(one.transport.get_write_buffer_size() for one in served.server.server_state.connections)
