"""A process that is killed while it calls the webhook: the next one goes on, and nothing is told twice after that."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

from aico.core.db.terms import Delivery
from tests.calm_zone import calm_zone
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.e2e.forked_aico import ForkedServerProcess
from tests.e2e.server_process import HANG_S, database_path, ledger_path, prepare_database
from tests.services.webhook_receiver import saying, silent, webhook_receiver


async def test_killed_process_leaves_its_calls_to_the_next_one(tmp_path: Path) -> None:
    """A call that was killed is tried again under its id; a budget that was told is told to nobody a second time."""
    prepare_database(tmp_path)
    LedgerFile(ledger_path(tmp_path)).write(entry("a", ts=now_ms(), cost=6))
    async with webhook_receiver(silent) as receiver:
        settings = {
            "AICO_BUDGET_DAILY_USD": "5",
            "TZ": calm_zone(),
            "AICO_WEBHOOK_URL": f"http://localhost:{receiver.port}/",
            "AICO_WEBHOOK_SECRET": "of this test alone",
        }
        server = ForkedServerProcess(tmp_path, settings)
        await asyncio.to_thread(server.__enter__)
        try:
            await receiver.until_called(1)
            await asyncio.to_thread(server.stop, signal.SIGKILL)
        finally:
            server.__exit__(None, None, None)
        receiver.answer = saying(200)
        for _ in range(2):
            server = ForkedServerProcess(tmp_path, settings)
            await asyncio.to_thread(server.__enter__)
            try:
                calls = await receiver.until_called(3)
                async with asyncio.timeout(HANG_S):
                    while _stand(tmp_path) != [(80, Delivery.DONE, 2), (100, Delivery.DONE, 1)]:  # noqa: ASYNC110  # a database
                        await asyncio.sleep(0.05)
                await asyncio.to_thread(server.stop)
            finally:
                server.__exit__(None, None, None)
    told = [json.loads(call.body) for call in calls]
    assert [each["threshold"] for each in told] == [80, 80, 100]
    assert told[0] == told[1]
    assert len({each["id"] for each in told}) == 2
    assert len(receiver.calls) == 3


def _stand(folder: Path) -> list[tuple[int, Delivery, int]]:
    rows = read_rows(database_path(folder), "SELECT threshold, delivery, tries FROM budget_fired ORDER BY threshold")
    return [(int(threshold or 0), Delivery(int(delivery or 0)), int(tries or 0)) for threshold, delivery, tries in rows]
