"""From Cline's file to a page: the real server, a real writer, a real socket, and exact sums at the end."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from aico.core.money import nano_usd
from aico.features.demo.texts import CANARY_PREFIX
from aico.features.demo.work import StepKind
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.fake_page_socket import Listener, listening
from tests.e2e.forked_aico import ForkedServerProcess
from tests.e2e.server_process import prepare_database
from tests.emulator.broken_entries import BROKEN_ENTRIES, PARTIAL_ENTRIES, PARTIAL_TASKS, REFUSED_ENTRIES
from tests.emulator.fake_cline_process import ClineProcess
from tests.emulator.harsh_ledger import AnyStep, HarshStep
from tests.emulator.ledger_truth import Task
from tests.emulator.ways_of_writing import ALL_WAYS

UPDATES = 200
NOBODY: Mapping[str, Task] = {}
USAGE_PAGE = 1_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForkedServerProcess]:
    """Serve a machine on which Cline has never run."""
    prepare_database(tmp_path)
    with ForkedServerProcess(tmp_path) as server:
        yield server


def stored_usage(client: httpx.Client) -> dict[str, Task]:
    """Return every task that the service tells of."""
    found: dict[str, Task] = {}
    while True:
        query = f"?limit={USAGE_PAGE}&offset={len(found)}&sort=task_id&order=asc"
        page = client.get(f"/api/cline/usage{query}").raise_for_status().json()
        for item in page["items"]:
            found[item["task_id"]] = Task(*(item[name] for name in Task._fields))
            spent = [(item["spent"][name], item[name]) for name in ("tokens_in", "tokens_out")]
            spent.append((nano_usd(item["spent"]["total_cost"]), nano_usd(item["total_cost"])))
            assert all(ever >= now for ever, now in spent)
            assert item["has_fallen"] is any(ever > now for ever, now in spent)
        if len(page["items"]) < USAGE_PAGE:
            assert page["total"] == len(found)
            return found


def read_database(path: Path) -> tuple[dict[str, Task], dict[str, tuple[int, int, int]]]:
    """Return the rows, and the sums of their events in tokens and nano-dollars, of the SQLite file itself."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
        )
        usage = {row[0]: Task(*row) for row in rows}
        sums = connection.execute(
            "SELECT s.key, IFNULL(SUM(e.input), 0), IFNULL(SUM(e.output), 0), IFNULL(SUM(e.recorded_nano), 0)"
            " FROM usage_event AS e JOIN session AS s ON s.id = e.session GROUP BY s.key"
        )
        return usage, {row[0]: (row[1], row[2], row[3]) for row in sums}


def highest_totals(tasks: Iterable[Task]) -> dict[str, tuple[int, int, int]]:
    """Return the highest that each number of each task ever was, in tokens and nano-dollars: so much was spent."""
    highest: dict[str, tuple[int, int, int]] = {}
    for task in tasks:
        before = highest.get(task.task_id, (0, 0, 0))
        now = (task.tokens_in, task.tokens_out, nano_usd(task.total_cost))
        highest[task.task_id] = (max(before[0], now[0]), max(before[1], now[1]), max(before[2], now[2]))
    return highest


def stored_bytes(folder: Path) -> bytes:
    """Return everything that the service keeps, the write-ahead log included."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def follow(
    cline: ClineProcess, listener: Listener, kind: AnyStep | None = None, *, others: Mapping[str, Task] = NOBODY
) -> None:
    """Let Cline write one update, and return when the page holds what it changed, beside ``others``."""
    await asyncio.to_thread(cline.step, 1, kind)
    await listener.until(lambda page: page.tasks == {**cline.expected, **others})


@pytest.mark.slow
async def test_page_receives_every_changed_row_of_200_updates(server: ForkedServerProcess) -> None:
    """All of Cline's writes, in any way, arrive row by row, in gapless revisions, and are exact to the last digit.

    The ledger also holds broken entries, duplicates, lone surrogates and private texts beside files nobody may open.
    """
    with server.client() as client:
        assert client.get("/api/cline/status").json()["ledger"]["exists"] is False
        async with listening(server.socket_url) as page:
            hello = await page.until_kind("hello")
            assert hello["revision"] == 0
            with ClineProcess(
                server.ledger,
                seed=86,
                task_count=40,
                broken_count=len(BROKEN_ENTRIES),
                duplicate_count=3,
                surrogates=True,
                neighbours=True,
            ) as cline:
                await page.until(lambda page: page.tasks == {**cline.expected, **PARTIAL_TASKS})
                for _ in range(UPDATES):
                    await follow(cline, page, others=PARTIAL_TASKS)
                assert {update.way for update in cline.updates} == set(ALL_WAYS)
                await follow(cline, page, HarshStep.SETTLE, others=PARTIAL_TASKS)
                truth = {**cline.expected, **PARTIAL_TASKS}
                seen = [task for update in cline.updates for task in update.changed]
                highest = highest_totals([*seen, *PARTIAL_TASKS.values()])
            receipts = [client.post("/api/cline/import").json() for _ in range(2)]
            usage = stored_usage(client)
            bodies = [
                client.get(route).text
                for route in (
                    *("/api/cline/status", "/api/cline/summary", "/api/cline/usage?limit=1000", "/metrics"),
                    *("/api/cline/export?format=csv", "/api/cline/export?format=json", "/readyz", "/openapi.json"),
                )
            ]
            revisions = page.revisions

        assert receipts[0]["error_count"] == len(REFUSED_ENTRIES)
        assert receipts[0]["partial_count"] == len(PARTIAL_ENTRIES)
        assert receipts[1]["imported_count"] == 0
        assert receipts[1]["revision"] == receipts[0]["revision"] == len(revisions)
        assert receipts[1]["latest_ts"] == max(task.ts for task in truth.values())
    assert revisions == list(range(1, len(revisions) + 1))
    assert usage == truth
    rows, sums = read_database(server.database)
    assert rows == truth
    assert sums == highest
    assert not page.of_kind("resync")
    assert all("session_id" not in message for message in page.received)
    canary = CANARY_PREFIX.encode()
    assert canary in server.ledger.read_bytes()
    assert canary not in stored_bytes(server.database.parent)
    assert all(CANARY_PREFIX not in text for text in (*page.frames, *bodies, str(receipts), server.log()))
    assert server.stop() == 0
    assert canary not in stored_bytes(server.database.parent)
    assert CANARY_PREFIX not in server.log() + server.output()


async def test_page_learns_of_growth_with_unchanged_ts_and_row_count(server: ForkedServerProcess) -> None:
    """A running task that only spends more is announced, though neither the newest time nor the count moves."""
    with ClineProcess(server.ledger, seed=4, task_count=5) as cline:
        async with listening(server.socket_url) as page:
            await page.until_kind("hello")
            await follow(cline, page, StepKind.START)
            await follow(cline, page, StepKind.GROW)
            before = page.of_kind("cline_usage_updated")[-1]
            for _ in range(3):
                await follow(cline, page, StepKind.GROW_SAME_TS)
                message = page.of_kind("cline_usage_updated")[-1]
                assert message["revision"] != before["revision"]
                assert message["latest_ts"] == before["latest_ts"]
                assert message["latest_count"] == before["latest_count"]
                assert message["imported_count"] == 1


@pytest.mark.slow
async def test_page_is_whole_after_a_storm_of_writes(server: ForkedServerProcess) -> None:
    """Writes faster than anybody can read end in the same exact rows; only states on the way may be passed over."""
    with ClineProcess(server.ledger, seed=9, task_count=30) as cline:
        async with listening(server.socket_url) as page:
            await page.until_kind("hello")
            await asyncio.to_thread(cline.step, 300)
            await asyncio.to_thread(cline.settle)
            await page.until(lambda page: page.tasks == cline.expected)
            assert page.revisions == list(range(1, len(page.revisions) + 1))


@pytest.mark.slow
async def test_page_resumes_with_exactly_what_it_missed(server: ForkedServerProcess) -> None:
    """After each disconnect the page continues at its revision, without a gap, a repetition or a resync."""
    held: dict[str, Task] = {}
    revisions: list[object] = []
    query = ""
    with ClineProcess(server.ledger, seed=12, task_count=10) as cline, server.client() as client:
        client.post("/api/cline/import").raise_for_status()
        for _ in range(12):
            async with listening(server.socket_url, query) as page:
                hello = await page.until_kind("hello")
                if not query:
                    held = stored_usage(client)
                    revisions.append(hello["revision"])
                page.tasks.update({**held, **page.tasks})
                await follow(cline, page)
                held, revisions = dict(page.tasks), revisions + page.revisions
                assert not page.of_kind("resync")
            query = f"?epoch={hello['epoch']}&since={revisions[-1]}"
            for _ in range(2):
                await asyncio.to_thread(cline.step)
                client.post("/api/cline/import").raise_for_status()
        async with listening(server.socket_url, query) as page:
            page.tasks.update(held)
            await page.until(lambda page: page.tasks == cline.expected)
            revisions += page.revisions
        assert stored_usage(client) == cline.expected
    first = int(str(revisions[0]))
    assert revisions == list(range(first, first + len(revisions)))


async def test_restarted_server_goes_on_and_asks_pages_to_read_again(tmp_path: Path) -> None:
    """Writes while no server ran are imported at the next start; a page of before is told to read again."""
    with ForkedServerProcess(tmp_path) as server:
        ledger = LedgerFile(server.ledger)
        ledger.write(entry("1"))
        with server.client() as client:
            assert client.post("/api/cline/import").json()["revision"] == 1
            epoch = client.get("/api/cline/status").json()["epoch"]
        assert server.stop() == 0
    ledger.write(entry("1"), entry("2"))
    with ForkedServerProcess(tmp_path) as server, server.client() as client:
        client.post("/api/cline/import").raise_for_status()
        async with listening(server.socket_url, f"?epoch={epoch}&since=0") as page:
            assert (await page.until_kind("resync"))["revision"] == 2
        async with listening(server.socket_url, f"?epoch={epoch}&since=1") as page:
            await page.until(lambda page: set(page.tasks) == {"2"})
        assert set(stored_usage(client)) == {"1", "2"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
async def test_server_ends_with_open_sockets_and_a_writing_cline(
    server: ForkedServerProcess, number: signal.Signals
) -> None:
    """A signal under load ends the process with 0, the lock free, and the last announced change stored."""
    with ClineProcess(server.ledger, seed=5, interval_ms=1) as cline:
        async with listening(server.socket_url) as page, listening(server.socket_url) as other:
            cline.start(1_000_000)
            await page.until(lambda page: len(page.revisions) >= 3)
            assert await asyncio.to_thread(server.stop, number) == 0
            codes = [await page.until_closed(), await other.until_closed()]
            announced = page.revisions[-1]
        cline.stop()
    assert codes == [1012, 1012]
    assert "Traceback" not in server.log()
    with closing(sqlite3.connect(server.database)) as connection:
        (revision,) = connection.execute("SELECT revision FROM database_state").fetchone()
    assert revision >= announced
    assert server.database.with_name("observer.db.lock").read_bytes().startswith(b'{"ended_at"')
