"""The watcher with everything below it real, and everything it tells collected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aico.core.db.database import Database
from aico.core.db.writer import UsageWriter
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.usage import Trigger
from aico.features.files.feed import Feed, Reading, ReadLimits
from aico.features.sources.cline import LEDGER, SOURCE
from aico.services.ingest import Ingest
from aico.services.intake import Intake, IntakeKey
from aico.services.watcher import PlaceWatcher, WatchTimes
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, now_ms
from tests.emulator.ledger_truth import Task

HANG_S = 60.0
FAST = WatchTimes(debounce_s=0.01, tick_s=0.1, rescan_interval_s=1.0, backoff_max_s=8.0)
Outcome = ImportReceipt | Exception


class CountedIngest(Ingest):
    """Tells how each reading ended that the watcher asked for."""

    ended: asyncio.Queue[tuple[Trigger, Outcome]]

    async def run(self, trigger: Trigger, keys: Iterable[IntakeKey]) -> list[ImportReceipt]:
        """Run and tell."""
        try:
            receipts = await super().run(trigger, keys)
        except Exception as error:
            self.ended.put_nowait((trigger, error))
            raise
        self.ended.put_nowait((trigger, receipts[0]))
        return receipts


class Watched:
    """A watcher and what came of it."""

    def __init__(self, ledger: LedgerFile, database: Database, times: WatchTimes, clock: Callable[[], int]) -> None:
        self.database = database
        self.writer = UsageWriter(database, clock)
        self.feed: Feed = LEDGER.open(str(ledger.path), ReadLimits(10_000_000, 2, clock))
        self.intake = Intake(SOURCE, LEDGER, self.feed)
        self.imported: asyncio.Queue[UsageCommitted] = asyncio.Queue()
        self.states: asyncio.Queue[WatcherStateChanged] = asyncio.Queue()
        self.ingest = CountedIngest(self.writer, self._publish, clock, 10_000)
        self.ingest.ended = asyncio.Queue()
        self.ingest.add(self.intake)
        self.watcher = PlaceWatcher(self.intake, self.ingest, times, self.states.put_nowait, clock)
        self.seen: list[tuple[WatcherState, str | None]] = []
        """The states that were waited for or passed on the way."""

    def _publish(self, event: UsageCommitted, _intake: Intake, _reading: Reading) -> None:
        self.imported.put_nowait(event)

    async def resume(self) -> None:
        """Go on where the last process was."""
        await self.intake.resume(self.writer)

    async def until_state(self, state: WatcherState, reason: str | None = None) -> None:
        """Return when the watcher has entered ``state`` for ``reason``."""
        async with asyncio.timeout(HANG_S):
            while True:
                event = await self.states.get()
                self.seen.append((event.state, event.reason))
                if (event.state, event.reason) == (state, reason):
                    return

    def tasks(self) -> dict[str, Task]:
        """Return what is stored."""
        statement = "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
        return {str(row[0]): Task(*row) for row in read_rows(self.database.path, statement)}  # type: ignore[arg-type]  # its columns

    async def until_tasks(self, *task_ids: str) -> dict[str, Task]:
        """Return what is stored as soon as it is exactly ``task_ids``."""
        return await self.until_stored(lambda tasks: set(tasks) == set(task_ids))

    async def until_stored(self, wanted: Callable[[dict[str, Task]], bool]) -> dict[str, Task]:
        """Return what is stored as soon as it is as ``wanted``; looks again after each import that changed it."""
        async with asyncio.timeout(HANG_S):
            while not wanted(tasks := self.tasks()):
                await self.imported.get()
        return tasks

    async def until_import(self, wanted: Callable[[Trigger, Outcome], bool]) -> None:
        """Return when the watcher's import has ended as ``wanted``."""
        async with asyncio.timeout(HANG_S):
            while not wanted(*await self.ingest.ended.get()):
                pass

    def forget(self) -> None:
        """Forget the imports and events so far."""
        for queue in (self.ingest.ended, self.imported):
            while not queue.empty():
                queue.get_nowait()


@asynccontextmanager
async def watching(
    ledger: LedgerFile, database: Database, times: WatchTimes = FAST, clock: Callable[[], int] = now_ms
) -> AsyncIterator[Watched]:
    """Watch ``ledger`` until the block ends."""
    watched = Watched(ledger, database, times, clock)
    await watched.resume()
    task = asyncio.create_task(watched.watcher.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=HANG_S)
        await watched.ingest.close()
