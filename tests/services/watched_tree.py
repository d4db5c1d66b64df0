"""A watcher of a tree of logs with everything below it real, and everything it tells collected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aico.core.db.database import Database
from aico.core.db.writer import UsageWriter
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.receipts import UsageCommitted
from aico.features.files.feed import Reading, ReadLimits
from aico.features.files.line_feed import LineFeed
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from aico.services.notifier import Notifier
from aico.services.watcher import PlaceWatcher, WatchTimes
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import now_ms
from tests.services.recorded_watcher import HANG_S
from tests.sources.invented_lines import SOURCE, LogFolder

ONLY_HINTS = WatchTimes(debounce_s=0.01, tick_s=3_600, rescan_interval_s=0, backoff_max_s=8.0)
"""A change that is found in time was told by the system."""
TICKS = WatchTimes(debounce_s=0.01, tick_s=0.1, rescan_interval_s=0, backoff_max_s=8.0)


class WatchedTree:
    """The watcher of one root."""

    def __init__(self, logs: LogFolder, database: Database, times: WatchTimes, notifier: Notifier) -> None:
        self.database = database
        self.writer = UsageWriter(database, now_ms)
        [origin] = SOURCE.origins
        feed = origin.open(str(logs.path), ReadLimits(1 << 20, 2, now_ms))
        assert isinstance(feed, LineFeed)
        self.feed = feed
        self.intake = Intake(SOURCE, origin, feed)
        self._news = asyncio.Event()
        self.commits: list[UsageCommitted] = []
        """Every change that was told."""
        self.ingest = Ingest(self.writer, self._publish, now_ms, 10_000)
        self.ingest.add(self.intake)
        self.watcher = PlaceWatcher(self.intake, self.ingest, times, self._note_state, now_ms, notifier)

    def _publish(self, event: UsageCommitted, _intake: Intake, _reading: Reading) -> None:
        self.commits.append(event)
        self._news.set()

    def _note_state(self, _event: WatcherStateChanged) -> None:
        self._news.set()

    def total(self) -> int:
        """Return the sum of all tokens that are stored."""
        [(tokens,)] = read_rows(self.database.path, "SELECT IFNULL(SUM(input), 0) FROM usage_event")
        assert isinstance(tokens, int)
        return tokens

    async def until_total(self, tokens: int) -> None:
        """Return when exactly ``tokens`` are stored."""
        async with asyncio.timeout(HANG_S):
            while True:
                self._news.clear()
                found = self.total()
                assert found <= tokens
                if found == tokens:
                    return
                await self._news.wait()

    async def until_state(self, state: WatcherState, reason: str | None = None) -> None:
        """Return when the watcher is in ``state`` for ``reason``."""
        async with asyncio.timeout(HANG_S):
            while (self.watcher.state.state, self.watcher.state.reason) != (state, reason):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def watching_tree(
    logs: LogFolder, database: Database, times: WatchTimes = ONLY_HINTS, notifier: Notifier | None = None
) -> AsyncIterator[WatchedTree]:
    """Watch ``logs`` until the block ends."""
    watched = WatchedTree(logs, database, times, notifier or Notifier())
    await watched.intake.resume(watched.writer)
    task = asyncio.create_task(watched.watcher.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=HANG_S)
        await watched.ingest.close()
