"""Ends at any moment, wanted or not: nothing that was told is lost, and the next start goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import pytest

from aico.core.instance_lock import InstanceLock
from tests.e2e.fake_page_socket import Listener, listening
from tests.e2e.server_forker import ForkedServer, ServerForker, server_forker
from tests.e2e.server_process import HANG_S, ROOT, database_path, ledger_path
from tests.emulator.fake_cline_process import ClineProcess
from tests.faults.database_audit import audit
from tests.faults.fault_counts import IS_SOAK, SEED, count_of, rng_of

UPDATES = 25
"""How much Cline writes while one service lives."""
TOLD_MAX = 6
DELAY_MAX_S = 0.02


@pytest.fixture(scope="module")
def services() -> Iterator[ServerForker]:
    """Start services in a moment."""
    with server_forker() as started:
        yield started


def test_importer_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    """Before each statement and between them: what was committed is whole, and the next importer goes on there."""
    rounds = count_of("kills of an importer", quick=30, soak=2_000)
    command = [sys.executable, "-m", "tests.faults.importer_killer", str(rounds), str(SEED), str(tmp_path)]
    # It is no part of what is measured.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    limit_s = 3_600 if IS_SOAK else 600
    ended = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=limit_s, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["revision"] >= rounds


class Life:
    """A Cline that writes, and services that begin and end beside it."""

    def __init__(self, services: ServerForker, folder: Path, cline: ClineProcess, rng: Random) -> None:
        self.services, self.folder, self.cline, self.rng = services, folder, cline, rng
        self.database = database_path(folder)

    async def start(self) -> ForkedServer:
        """Start a service and return when it serves."""
        child = await asyncio.to_thread(self.services.start, self.folder)
        await asyncio.to_thread(child.wait_for_box)
        return child

    async def end_under_load(self, number: signal.Signals) -> tuple[int, ForkedServer]:
        """Let a service import and tell pages of it; end it at a random moment; return the code that it ended with.

        Fails unless the database is whole then and holds everything that the pages were told.
        """
        child = await self.start()
        url = child.url.replace("http", "ws") + "/ws"
        told = self.rng.randrange(TOLD_MAX)
        async with listening(url) as page, listening(url) as other:
            await page.until_kind("hello")
            self.cline.start(UPDATES)
            writing = asyncio.create_task(asyncio.to_thread(self._follow_cline))
            await self._until_told(page, told, writing)
            await asyncio.sleep(self.rng.random() * DELAY_MAX_S)  # a random moment: nothing is waited for
            child.send(number)
            code = await asyncio.to_thread(child.wait)
            await page.until_closed()
            await other.until_closed()
            await writing
        found = await asyncio.to_thread(audit, self.database)
        for listener in (page, other):
            revisions = [int(str(revision)) for revision in listener.revisions]
            assert revisions == list(range(revisions[0], revisions[-1] + 1)) if revisions else True
            assert found.revision >= max(revisions, default=0)
        return code, child

    async def settle(self) -> None:
        """Start once more; fail unless everything that Cline ever wrote ends up in the database."""
        await asyncio.to_thread(self.cline.settle)
        child = await self.start()
        async with httpx.AsyncClient(base_url=child.url, timeout=HANG_S, trust_env=False) as client:
            (await client.post("/api/cline/import")).raise_for_status()
            async with asyncio.timeout(HANG_S):
                # The import asked for may have come before the one of the start.
                while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.01)
        child.send(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait) == 0
        found = await asyncio.to_thread(audit, self.database)
        assert found.tasks == self.cline.expected

    def _follow_cline(self) -> None:
        for _ in range(UPDATES):
            self.cline.next_update()

    @staticmethod
    async def _until_told(page: Listener, count: int, writing: asyncio.Task[None]) -> None:
        """Return when ``page`` was told so many changes, or Cline has written everything before that."""
        told = asyncio.create_task(page.until(lambda page: len(page.revisions) >= count))
        await asyncio.wait({told, writing}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        with suppress(asyncio.CancelledError):
            await told


async def test_service_killed_under_load_loses_nothing_that_it_told(services: ServerForker, tmp_path: Path) -> None:
    """A kill leaves a whole database with everything that pages were told; the next service is ready at once."""
    rounds = count_of("kills of a service", quick=6, soak=200)
    with ClineProcess(ledger_path(tmp_path), seed=SEED, task_count=30) as cline:
        life = Life(services, tmp_path, cline, rng_of("kills of a service"))
        for _ in range(rounds):
            code, _child = await life.end_under_load(signal.SIGKILL)
            assert code == -signal.SIGKILL
        await life.settle()


async def test_service_told_to_end_under_load_ends_well(services: ServerForker, tmp_path: Path) -> None:
    """SIGTERM and SIGINT with open sockets and imports under way: exit code 0, last change kept, lock given back."""
    rounds = count_of("ends under load", quick=10, soak=100)
    with ClineProcess(ledger_path(tmp_path), seed=SEED + 1, task_count=30) as cline:
        life = Life(services, tmp_path, cline, rng_of("ends under load"))
        for number in range(rounds):
            code, child = await life.end_under_load((signal.SIGTERM, signal.SIGINT)[number % 2])
            assert code == 0, child.log()
            assert "Traceback" not in child.log()
            assert '"level": "error"' not in child.log()
            assert "stopped" in child.log().splitlines()[-1]
            assert InstanceLock(life.database).find_holder() is None
            assert life.database.with_name("observer.db.lock").read_bytes().startswith(b'{"ended_at"')
        await life.settle()
