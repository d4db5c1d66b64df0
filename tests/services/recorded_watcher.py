"""The watcher with everything below it real, and everything it tells collected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aico.core.database import Database
from aico.core.domain import CLINE, ImportReceipt, Store, TaskUsage, Trigger
from aico.core.events import UsageImported, WatcherState, WatcherStateChanged
from aico.core.repository import UsageRepository
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.path_guard import LedgerGuard
from aico.services.import_service import ImportService
from aico.services.watcher import StoreWatcher, WatchTimes
from tests.e2e.fake_cline_ledger import LedgerFile, now_ms

HANG_S = 60.0
FAST = WatchTimes(debounce_s=0.01, tick_s=0.1, rescan_interval_s=1.0, backoff_max_s=8.0)
Outcome = ImportReceipt | Exception


class CountedImports(ImportService):
    """Tells how each import ended that the watcher asked for."""

    ended: asyncio.Queue[tuple[Trigger, Outcome]]

    async def run(self, trigger: Trigger, store: Store | None = None) -> ImportReceipt:
        """Run and tell."""
        try:
            receipt = await super().run(trigger, store)
        except Exception as error:
            self.ended.put_nowait((trigger, error))
            raise
        self.ended.put_nowait((trigger, receipt))
        return receipt


class Watched:
    """A watcher and what came of it."""

    def __init__(self, ledger: LedgerFile, database: Database, times: WatchTimes, clock: Callable[[], int]) -> None:
        self.guard = LedgerGuard(str(ledger.path), 10_000_000)
        self.repository = UsageRepository(database, CLINE, clock)
        importer = LedgerImporter(
            self.guard, self.repository, read_attempts=2, max_entries_per_run=10_000, now_ms=clock
        )
        self.imported: asyncio.Queue[UsageImported] = asyncio.Queue()
        self.states: asyncio.Queue[WatcherStateChanged] = asyncio.Queue()
        self.imports = CountedImports(importer, self.repository, self.imported.put_nowait, clock)
        self.imports.ended = asyncio.Queue()
        self.watcher = StoreWatcher(self.guard, self.imports, times, self.states.put_nowait, clock)
        self.seen: list[tuple[WatcherState, str | None]] = []
        """The states that were waited for or passed on the way."""

    async def until_state(self, state: WatcherState, reason: str | None = None) -> None:
        """Return when the watcher has entered ``state`` for ``reason``."""
        async with asyncio.timeout(HANG_S):
            while True:
                event = await self.states.get()
                self.seen.append((event.state, event.reason))
                if (event.state, event.reason) == (state, reason):
                    return

    async def until_tasks(self, *task_ids: str) -> dict[str, TaskUsage]:
        """Return what is stored as soon as it is exactly ``task_ids``."""
        return await self.until_stored(lambda tasks: set(tasks) == set(task_ids))

    async def until_stored(self, wanted: Callable[[dict[str, TaskUsage]], bool]) -> dict[str, TaskUsage]:
        """Return what is stored as soon as it is as ``wanted``; looks again after each import that changed it."""
        async with asyncio.timeout(HANG_S):
            while not wanted(tasks := (await self.repository.get_known()).tasks):
                await self.imported.get()
        return dict(tasks)

    async def until_import(self, wanted: Callable[[Trigger, Outcome], bool]) -> None:
        """Return when the watcher's import has ended as ``wanted``."""
        async with asyncio.timeout(HANG_S):
            while not wanted(*await self.imports.ended.get()):
                pass

    def forget(self) -> None:
        """Forget the imports and events so far."""
        for queue in (self.imports.ended, self.imported):
            while not queue.empty():
                queue.get_nowait()


@asynccontextmanager
async def watching(
    ledger: LedgerFile, database: Database, times: WatchTimes = FAST, clock: Callable[[], int] = now_ms
) -> AsyncIterator[Watched]:
    """Watch ``ledger`` until the block ends."""
    watched = Watched(ledger, database, times, clock)
    task = asyncio.create_task(watched.watcher.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=HANG_S)
        await watched.imports.close()
