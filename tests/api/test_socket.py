"""The socket over a real connection: greeting, rows, resumption, laggards, nonsense from outside."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
from collections.abc import Callable

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aico.api import socket as socket_module
from aico.core import errors
from aico.core.usage import Trigger
from aico.services import messages
from aico.services.shapes import SessionItemOut
from aico.services.task_shapes import UsageItem
from tests.api.answer_checks import SECURITY_HEADERS
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, entry
from tests.e2e.fake_page_socket import Listener, listening
from tests.quick_variants import first_is_quick

HANG_S = 60
PAD = "x" * 256 * 1024


async def round_trip(listener: Listener) -> None:
    """Return when the server has answered a ping."""
    async with asyncio.timeout(HANG_S):
        await (await listener.connection.ping())


async def import_ledger(served: Live) -> int:
    """Import now and return the revision."""
    (receipt,) = await served.service.sources.read(Trigger.REQUEST, "cline")
    return receipt.revision


async def test_socket_greets_and_sends_rows_as_usage_items(ledger: LedgerFile) -> None:
    """The first message says where the database stands; each change carries its rows in the shape of usage."""
    async with live(ledger) as served, listening(served.socket_url) as page:
        hello = await page.until_kind("hello")
        assert hello == {
            "type": "hello",
            "epoch": served.service.hub.epoch,
            "revision": 0,
            "version": served.service.version,
        }
        ledger.write(entry("1", ts=1_772_000_000_005, cost=0.00004), entry("2", ts=1_772_000_000_007, model=None))
        update = await page.until_kind("cline_usage_updated")
        async with httpx.AsyncClient(base_url=f"http://{served.authority}", trust_env=False, timeout=HANG_S) as client:
            items = (await client.get("/api/cline/usage")).json()["items"]
        assert update["rows"] == items
        assert set(update) == {
            *("type", "latest_ts", "latest_count", "imported_count", "timestamp", "epoch", "revision", "trigger"),
            *("rows", "rows_truncated"),
        }
        assert (update["latest_ts"], update["latest_count"], update["imported_count"]) == (1_772_000_000_007, 2, 2)
        assert (update["epoch"], update["revision"], update["rows_truncated"]) == (hello["epoch"], 1, False)
        assert [UsageItem.model_validate(row).task_id for row in items] == ["2", "1"]
        assert PRIVATE not in "".join(page.frames)
        assert not [message for message in page.received if "session_id" in message]


async def test_socket_tells_of_every_source_what_a_commit_added(ledger: LedgerFile) -> None:
    """The message for all sources has the rows of a page of sessions; ``spent`` is what this commit added."""
    ledger.write(entry("1", ts=1_772_000_000_005, tokens_in=100, cost=0.25), entry("2", ts=1_772_000_000_007))
    async with live(ledger) as served, listening(served.socket_url) as page:
        await import_ledger(served)
        await page.until_kind("hello")
        ledger.write(entry("1", ts=1_772_000_000_009, tokens_in=130, cost=0.3), entry("2", ts=1_772_000_000_007))
        await page.until(lambda page: any(message["revision"] == 2 for message in page.of_kind("usage_updated")))
        update = page.of_kind("usage_updated")[-1]
        async with httpx.AsyncClient(base_url=f"http://{served.authority}", trust_env=False, timeout=HANG_S) as client:
            items = (await client.get("/api/sessions")).json()["items"]
    assert (update["source"], update["epoch"], update["revision"]) == ("cline", served.service.hub.epoch, 2)
    assert set(update) == {"type", "source", "epoch", "revision", "trigger", "rows", "rows_truncated"}
    rows = update["rows"]
    assert isinstance(rows, list)
    (row,) = [SessionItemOut.model_validate(fields) for fields in rows]
    assert (row.session_id, row.spent.input_tokens, row.spent.cost_usd) == ("1", 30, 0.05)
    # How many models it used, and what is folded below it, is counted for pages alone.
    assert {**rows[0], "spent": None, "models": 1, "folded": 0} == {**items[0], "spent": None}


async def test_socket_tells_the_state_of_an_origin_in_new_words_and_in_old(ledger: LedgerFile) -> None:
    """Each change of a watcher's state names its source and origin; Cline's is told once more as it always was."""
    ledger.write(entry("1"))
    async with live(ledger) as served, listening(served.socket_url) as page:
        await import_ledger(served)
        ledger.unlink()
        await page.until(lambda page: "waiting" in [message["state"] for message in page.of_kind("watcher_state")])
        told = [message for message in page.of_kind("source_state") if message["state"] == "waiting"]
    old = [message for message in page.of_kind("watcher_state") if message["state"] == "waiting"]
    assert [{**message, "type": "source_state", "source": "cline", "origin": "ledger"} for message in old] == told


async def test_socket_sends_at_most_500_rows_and_says_so(ledger: LedgerFile) -> None:
    """A first import of many tasks is announced by its newest rows and the number of all."""
    ledger.write()
    async with live(ledger) as served, listening(served.socket_url, "?epoch=none&since=0") as page:
        # It is listened to as soon as it has heard anything: nothing is told shorter because nobody would hear.
        await page.until(lambda page: bool(page.received))
        ledger.write(*(entry(str(number), ts=1_772_000_000_000 + number) for number in range(501)))
        await import_ledger(served)
        async with listening(served.socket_url, f"?epoch={served.service.hub.epoch}&since=0") as late:
            update = await late.until_kind("cline_usage_updated")
    rows = update["rows"]
    assert isinstance(rows, list)
    assert (len(rows), update["rows_truncated"], update["imported_count"]) == (500, True, 501)
    assert rows[0]["task_id"] == "500"


async def test_socket_tells_each_change_of_the_watchers_state(ledger: LedgerFile) -> None:
    """A page knows without asking that the file went, and that it came back."""
    ledger.write(entry("1"))
    async with live(ledger) as served, listening(served.socket_url) as page:
        await import_ledger(served)
        await page.until_kind("hello")
        ledger.unlink()
        await page.until(
            lambda page: any(
                (one["state"], one["reason"]) == ("waiting", "ledger_not_found")
                for one in page.of_kind("watcher_state")
            )
        )
        ledger.write(entry("1"))
        await page.until(lambda page: page.of_kind("watcher_state")[-1]["state"] == "watching")


async def test_socket_beats_while_nothing_happens(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent connection is told apart from a dead one by its heartbeats, which name the revision."""
    monkeypatch.setattr(messages, "HEARTBEAT_S", 0.02)
    ledger.write(entry("1"))
    async with live(ledger) as served, listening(served.socket_url) as page:
        revision = await import_ledger(served)
        await page.until(lambda page: {"type": "heartbeat", "revision": revision} in page.received)
        await page.until(lambda page: len(page.of_kind("heartbeat")) >= 3)


async def test_socket_replays_exactly_what_was_missed(ledger: LedgerFile) -> None:
    """A page that comes back at revision R gets R + 1 and so on, and then the live changes, without a gap."""
    async with live(ledger) as served:
        for number in range(1, 6):
            ledger.write(*(entry(str(each)) for each in range(number)))
            assert await import_ledger(served) == number
        epoch = served.service.hub.epoch
        for since in range(6):
            async with listening(served.socket_url, f"?epoch={epoch}&since={since}") as page:
                await page.until(lambda page, missed=5 - since: len(page.revisions) == missed)  # type: ignore[misc]
                assert page.revisions == list(range(since + 1, 6))
                assert not page.of_kind("resync")


@pytest.mark.parametrize(
    "query",
    first_is_quick(
        *("?epoch=other&since=1", "?epoch={epoch}&since=2", "?epoch={epoch}", "?since=1", "?epoch={epoch}&since="),
        *("?epoch={epoch}&since=-1", "?epoch={epoch}&since=one", "?epoch={epoch}&since=1.0", "?epoch=&since=1"),
        *("?epoch={epoch}&since=99999999999999999999999", "?epoch={epoch}&since=%D9%A1", "?epoch={epoch}&since=%2B1"),
    ),
)
async def test_socket_asks_for_resync_at_an_unknown_position(ledger: LedgerFile, query: str) -> None:
    """A position that is not one of this database gets one resync, and the live messages after it."""
    ledger.write(entry("1"))
    async with live(ledger) as served:
        await import_ledger(served)
        query = query.format(epoch=served.service.hub.epoch)
        async with listening(served.socket_url, query) as page:
            resync = await page.until_kind("resync")
            assert resync == {"type": "resync", "epoch": served.service.hub.epoch, "revision": 1}
            assert page.revisions == []
            ledger.write(entry("1"), entry("2"))
            await page.until(lambda page: page.revisions == [2])


async def test_socket_drains_what_a_client_says(ledger: LedgerFile) -> None:
    """A talkative client is heard by nobody, blocks nobody, and gets its messages all the same."""
    async with live(ledger) as served, listening(served.socket_url) as page:
        await page.until_kind("hello")
        async with asyncio.timeout(HANG_S):
            for number in range(500):
                await page.connection.send("x" * number if number % 2 else b"\xff" * number)
        await round_trip(page)
        ledger.write(entry("1"))
        await page.until(lambda page: page.revisions == [1])


@pytest.mark.parametrize("frame", ["x" * 4_097, b"\0" * 100_000])
async def test_socket_closes_only_the_client_of_an_oversized_frame(ledger: LedgerFile, frame: str | bytes) -> None:
    """A frame beyond the limit ends its own connection, with the code that says so; others go on."""
    async with live(ledger) as served, listening(served.socket_url) as page, listening(served.socket_url) as other:
        await page.until_kind("hello")
        await page.connection.send("x" * 4_096)
        await round_trip(page)
        await page.connection.send(frame)
        assert await page.until_closed() == 1009
        ledger.write(entry("1"))
        await other.until(lambda page: page.revisions == [1])
        assert served.service.hub.subscription_count == 1


async def flood(served: Live, page: Listener) -> int:
    """Publish until a client that does not read is dropped, each time after ``page`` has read; return how often."""
    count = 0
    while not served.service.hub.dropped_count:
        count += 1
        assert count < 2_000, "a client that never reads was never dropped"
        served.service.hub.publish_notice({"type": "pad", "number": count, "text": PAD})
        await page.until(has_number(count))
    return count


def has_number(number: int) -> Callable[[Listener], bool]:
    """Return the wish that the newest of the published messages is the one of ``number``."""
    return lambda page: [message["number"] for message in page.of_kind("pad")[-1:]] == [number]


async def close_code(connection: ClientConnection) -> int | None:
    """Read until the end, and return the code with which the server closed."""
    try:
        async with asyncio.timeout(HANG_S):
            while True:
                await connection.recv()
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


async def test_socket_closes_a_lagging_client_and_spares_the_others(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that stops reading is closed with 1013 as soon as its queue is full; the other gets every message."""
    monkeypatch.setattr(socket_module, "_CLOSE_PATIENCE_S", float(HANG_S))
    async with live(ledger) as served, listening(served.socket_url) as page:
        await page.until_kind("hello")
        async with connect(served.socket_url, proxy=None, max_queue=1, compression=None) as lagging:
            await hub_has(served, page, subscriptions=2)
            sent = await flood(served, page)
            assert await close_code(lagging) == 1013
        assert [message["number"] for message in page.of_kind("pad")] == list(range(1, sent + 1))
        assert page.closed is None


async def hub_has(served: Live, page: Listener, *, subscriptions: int) -> None:
    """Return when there are so many subscriptions; each look costs a round trip."""
    async with asyncio.timeout(HANG_S):
        while served.service.hub.subscription_count != subscriptions:
            await round_trip(page)


def narrow_socket(port: int) -> socket.socket:
    """Return a connection whose buffer does not grow: what its owner does not read stays with the server."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", port))
    connection.setblocking(False)
    return connection


async def test_socket_forgets_a_client_that_never_reads_again(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a goodbye that nobody takes ends: the place is free again."""
    monkeypatch.setattr(socket_module, "_CLOSE_PATIENCE_S", 0.05)
    async with (
        live(ledger) as served,
        listening(served.socket_url) as page,
        connect(served.socket_url, sock=narrow_socket(served.port), max_queue=1, compression=None) as lagging,
    ):
        await hub_has(served, page, subscriptions=2)
        await flood(served, page)
        await hub_has(served, page, subscriptions=1)
        lagging.transport.abort()


async def test_socket_forgets_clients_that_vanish(ledger: LedgerFile) -> None:
    """Connections that break off without a word leave no subscription behind."""
    async with live(ledger) as served, listening(served.socket_url) as page:
        await page.until_kind("hello")
        for _ in range(20):
            async with connect(served.socket_url, proxy=None) as client:
                await client.recv()
                client.transport.abort()
        await hub_has(served, page, subscriptions=1)


async def test_socket_refuses_one_client_too_many(ledger: LedgerFile) -> None:
    """At the limit a handshake is answered with 503, the problem, and when to try again; then there is room again."""
    async with live(ledger, max_sockets=2) as served, listening(served.socket_url) as first:
        await first.until_kind("hello")
        async with listening(served.socket_url) as second:
            await second.until_kind("hello")
            with pytest.raises(InvalidStatus) as refused:
                await connect(served.socket_url, proxy=None).__aenter__()
        response = refused.value.response
        assert response.status_code == 503
        assert response.body is not None
        assert json.loads(response.body)["code"] == errors.TooManyConnections.code
        assert response.headers["Retry-After"] == "5"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
        await hub_has(served, first, subscriptions=1)
        async with listening(served.socket_url) as third:
            await third.until_kind("hello")


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [("evil.example", None, 421), (None, "http://evil.example", 403), (None, "null", 403), (None, None, 101)],
)
async def test_handshake_is_refused_over_the_wire(
    ledger: LedgerFile, caplog: pytest.LogCaptureFixture, host: str | None, origin: str | None, status: int
) -> None:
    """A refused socket is an HTTP answer with code, hint and the security headers, from the real server, too.

    The log has no word of it: any web page can have one refused.
    """
    caplog.set_level(logging.WARNING)
    async with live(ledger) as served:
        answer = await asyncio.to_thread(shake_hands, served.authority, host or served.authority, origin)
    assert answer[0] == status
    if status != 101:
        assert answer[1]["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]
        assert json.loads(answer[2])["code"] == ("host_refused" if host else "origin_refused")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


def shake_hands(authority: str, host: str, origin: str | None) -> tuple[int, dict[str, str], bytes]:
    """Ask for a socket with exactly these headers; return status, headers and body."""
    connection = http.client.HTTPConnection(authority, timeout=HANG_S)
    try:
        connection.putrequest("GET", "/ws", skip_host=True)
        headers = {"Host": host, "Upgrade": "websocket", "Connection": "Upgrade"}
        headers |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        for name, value in (headers | ({} if origin is None else {"Origin": origin})).items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = b"" if response.status == 101 else response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body
    finally:
        connection.close()


async def test_sockets_are_let_go_when_the_service_ends(ledger: LedgerFile) -> None:
    """At the end every page is told that the service restarts or goes, and none is left hanging."""
    async with live(ledger) as served:
        pages = [connect(served.socket_url, proxy=None) for _ in range(3)]
        connections = [await page.__aenter__() for page in pages]
        for connection in connections:
            await connection.recv()
    for connection in connections:
        assert await close_code(connection) in {1001, 1012}
        await connection.close()


async def test_subscriber_is_told_that_the_service_goes_when_its_hub_closes(ledger: LedgerFile) -> None:
    """A hub that closes under a living server says goodbye with 1001 after the last message."""
    async with live(ledger) as served, listening(served.socket_url) as page:
        await page.until_kind("hello")
        served.service.hub.publish_notice({"type": "last"})
        served.service.hub.close()
        assert await page.until_closed() == 1001
        assert page.received[-1] == {"type": "last"}
