"""Pages that break off at any moment and come back: in the end they hold what is stored, as if they had never left."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aico.core.usage import Trigger
from aico.features.demo.work import StepKind
from aico.features.demo.writer import write_by_rename
from aico.services import hub as hub_module
from aico.services.task_shapes import UsageItem
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, now_ms
from tests.emulator.harsh_ledger import AnyStep, HarshLedger
from tests.emulator.ledger_truth import Task
from tests.faults.database_audit import audit
from tests.faults.fault_counts import SEED, count_of, rng_of

HANG_S = 60.0
PAGES = 8
REPLAY_COUNT = 24
"""Fewer messages than some pages miss: those must read everything anew."""
PAUSE_MAX_S = 0.03
VARIED_SAVES = 600
"""Saves in which anything may happen, new tasks among it; afterwards tasks only grow."""


class WanderingPage:
    """A dashboard that breaks off and comes back, again and again."""

    def __init__(self, served: Live, rng: Random) -> None:
        self._served = served
        self._rng = rng
        self.tasks: dict[str, Task] = {}
        self.epoch = ""
        self.revision = -1
        self.resync_count = 0

    async def wander(self, times: int) -> None:
        """Listen and break off so many times."""
        for _ in range(times):
            async with connect(
                self._address(), proxy=None, compression=None, max_size=None, open_timeout=HANG_S, ping_timeout=None
            ) as connection:
                for _ in range(self._rng.randrange(6)):
                    if not await self._hear_soon(connection):
                        break
                if self._rng.random() < 0.5:
                    connection.transport.abort()
            await asyncio.sleep(self._rng.random() * PAUSE_MAX_S)  # somewhere else: nothing is waited for

    async def listen_until(self, revision: int) -> None:
        """Come back, and return when everything up to ``revision`` was heard."""
        async with connect(
            self._address(), proxy=None, compression=None, max_size=None, open_timeout=HANG_S, ping_timeout=None
        ) as connection:
            async with asyncio.timeout(HANG_S):
                await self._hear(json.loads(await connection.recv()))
                while self.revision < revision:
                    await self._hear(json.loads(await connection.recv()))

    def _address(self) -> str:
        return f"{self._served.socket_url}?epoch={self.epoch}&since={self.revision}"

    async def _hear_soon(self, connection: ClientConnection) -> bool:
        """Hear one message if one comes in a moment; return whether the connection is still there."""
        try:
            async with asyncio.timeout(PAUSE_MAX_S):
                text = await connection.recv()
        except TimeoutError:
            return True
        except ConnectionClosed:
            return False
        await self._hear(json.loads(text))
        return True

    async def _hear(self, message: Mapping[str, object]) -> None:
        if message["type"] == "resync":
            self.resync_count += 1
            self.epoch, self.revision = str(message["epoch"]), int(str(message["revision"]))
            self.tasks = await read_everything(self._served)
        elif message["type"] == "cline_usage_updated":
            assert (message["epoch"], message["revision"]) == (self.epoch, self.revision + 1), "gap or repetition"
            self.revision += 1
            rows = message["rows"]
            assert isinstance(rows, list)
            assert message["rows_truncated"] is False
            self.tasks.update(map(task_of, rows))


def task_of(fields: object) -> tuple[str, Task]:
    """Return the task of one row of a message or page."""
    row = UsageItem.model_validate(fields)
    numbers = (row.task_id, row.ts, row.model_id, row.tokens_in, row.tokens_out, row.total_cost)
    return row.task_id, Task(*numbers)


async def read_everything(served: Live) -> dict[str, Task]:
    """Return what the service tells of all tasks."""
    async with httpx.AsyncClient(base_url=f"http://{served.authority}", timeout=HANG_S, trust_env=False) as client:
        page = (await client.get("/api/cline/usage?limit=1000")).raise_for_status().json()
    assert page["total"] == len(page["items"])
    return dict(map(task_of, page["items"]))


@pytest.fixture
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub keep few messages."""
    monkeypatch.setattr(hub_module, "REPLAY_COUNT", REPLAY_COUNT)


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger that does not exist yet, in a directory that does."""
    return LedgerFile(tmp_path.resolve() / "cline" / "taskHistory.json")


@pytest.mark.usefixtures("short_memory")
async def test_pages_that_come_and_go_hold_what_is_stored(ledger: LedgerFile) -> None:
    """Over random disconnects, with and without a goodbye, no page misses a change, hears one twice, or is wrong."""
    disconnects = count_of("disconnects", quick=200, soak=1_000)
    rng = rng_of("disconnects")
    cline = HarshLedger(SEED, now_ms(), task_count=20)
    async with live(ledger) as served:
        pages = [WanderingPage(served, Random(rng.random())) for _ in range(PAGES)]  # noqa: S311 - reproducible
        wandering = asyncio.gather(*(page.wander(disconnects // PAGES) for page in pages))
        for number in itertools.count():
            if wandering.done():
                break
            # However long it takes, no more tasks than a page can list.
            await save_and_import(served, cline, None if number < VARIED_SAVES else StepKind.GROW)
        await wandering
        # Longer away than the service remembers, then shorter: read anew, then resumed.
        for missed in (REPLAY_COUNT + 1, REPLAY_COUNT // 2):
            begun = [page.resync_count for page in pages]
            target = served.service.hub.revision + missed
            while served.service.hub.revision < target:
                await save_and_import(served, cline, StepKind.GROW)
            revision = served.service.hub.revision
            await asyncio.gather(*(page.listen_until(revision) for page in pages))
            stored = (await asyncio.to_thread(audit, served.service.database.path)).tasks
            assert served.service.hub.revision == revision
            for page in pages:
                assert (page.revision, page.tasks) == (revision, stored)
            resyncs = [page.resync_count - count for page, count in zip(pages, begun, strict=True)]
            assert resyncs == [int(missed > REPLAY_COUNT)] * PAGES
    assert audit(served.service.database.path).tasks == stored


async def save_and_import(served: Live, cline: HarshLedger, kind: AnyStep | None = None) -> None:
    """Let Cline do one thing and save, and import it.

    The tasks bear the time of this machine: by its own clock a ledger that is saved thousands of times is a day ahead,
    and no page lists a task of the day after tomorrow unless it is asked for.
    """
    cline.step(now_ms(), kind=kind)
    await write_by_rename(served.ledger.path, cline.to_json())
    await served.service.sources.read(Trigger.REQUEST)
    await asyncio.sleep(0)
