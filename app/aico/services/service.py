"""The living parts of the service, their start and their end."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aico.core.db.database import Database
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.domain import CLINE, Store
from aico.core.events import UsageImported, WatcherState, WatcherStateChanged
from aico.core.repository import UsageRepository
from aico.core.settings import Settings
from aico.core.usage_reader import UsageReader
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.importer import SessionsImporter
from aico.services import messages
from aico.services.backups import DailyBackups
from aico.services.hub import Hub
from aico.services.import_service import ImportService
from aico.services.kimi_monitor import KimiMonitor, KimiProxyState
from aico.services.latency import WriteLatency
from aico.services.queries import UsageQueries
from aico.services.watcher import StoreWatcher, WatchTimes

if TYPE_CHECKING:
    from aico.proxy.kimi_proxy import KimiProxyClient

_DESCRIPTORS_KEPT = 100
"""Descriptors for everything that is no socket of a page: database, ledger, requests."""


class ObserverService:
    """One ledger, one database, one hub. Constructing it opens nothing; :meth:`run` does."""

    def __init__(self, settings: Settings, version: str, now_ms: Callable[[], int], *, demo: bool = False) -> None:
        self.settings = settings
        self.version = version
        self.demo = demo
        self.now_ms = now_ms
        self.database = Database(settings.database_path)
        self.repository = UsageRepository(self.database, CLINE, now_ms)
        self.reader = UsageReader(self.database, CLINE)
        self.backups = DailyBackups(BackupFolder(settings.database_path), self.repository, now_ms)
        self.queries = UsageQueries(self.reader, now_ms)
        self.hub = Hub(messages.encode, version, socket_limit(settings.max_sockets))
        self.guard = LedgerGuard(settings.ledger_path, settings.max_ledger_bytes)
        importer = LedgerImporter(
            self.guard,
            self.repository,
            read_attempts=settings.read_attempts,
            max_entries_per_run=settings.max_entries_per_run,
            now_ms=now_ms,
        )
        self.latency = WriteLatency(now_ms)
        # Not even looked at unless it is asked for.
        self.sessions = (
            SessionsGuard(settings.sessions_path, settings.max_ledger_bytes) if settings.cline_sessions else None
        )
        others = [] if self.sessions is None else [self._sessions_importer(self.sessions)]
        self.imports = ImportService(importer, self.repository, self._publish_import, now_ms, others)
        times = WatchTimes(
            debounce_s=settings.debounce_ms / 1000,
            tick_s=settings.tick_s,
            rescan_interval_s=settings.rescan_interval_s,
            backoff_max_s=settings.backoff_max_s,
        )
        self._kimi_proxy = _kimi_proxy_of(settings)
        self.kimi_monitor = KimiMonitor(self._kimi_proxy, now_ms, self._publish_proxy) if self._kimi_proxy else None
        self.watcher = StoreWatcher(self.guard, self.imports, times, self._publish_state, now_ms)
        self.sessions_watcher = (
            StoreWatcher(self.sessions, self.imports, times, self._publish_sessions_state, now_ms, Store.SESSIONS)
            if self.sessions is not None
            else None
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open the database and watch until the block ends; then let what runs end. Raises StorageError.

        Watching goes on in the background and looks after itself: its state is what it reports, never an exception.
        """
        await self.database.open()
        try:
            self.hub.open(*await self.repository.get_position())
            tasks = [
                asyncio.create_task(self.watcher.run(), name="watcher"),
                asyncio.create_task(self._beat(), name="heartbeat"),
                asyncio.create_task(self.backups.run(), name="backups"),
            ]
            if self.sessions_watcher is not None:
                tasks.append(asyncio.create_task(self.sessions_watcher.run(), name="sessions-watcher"))
            if self.kimi_monitor is not None:
                tasks.append(asyncio.create_task(self.kimi_monitor.run(), name="kimi-monitor"))
            try:
                yield
            finally:
                self.hub.close()
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                await self.imports.close()
                if self._kimi_proxy is not None:
                    await self._kimi_proxy.close()
        finally:
            await self.database.close()

    def list_problems(self) -> list[str]:
        """Return the codes of what keeps the service from being ready; waiting for Cline is no problem."""
        watchers = [self.watcher] if self.sessions_watcher is None else [self.watcher, self.sessions_watcher]
        well = {WatcherState.WATCHING, WatcherState.WAITING}
        states = [watcher.state for watcher in watchers if watcher.state.state not in well]
        return [state.reason or state.state.value for state in states]

    def _sessions_importer(self, guard: SessionsGuard) -> SessionsImporter:
        return SessionsImporter(
            guard, self.repository, max_entries_per_run=self.settings.max_entries_per_run, now_ms=self.now_ms
        )

    def _publish_import(self, event: UsageImported) -> None:
        self.hub.publish_change(event.receipt.revision, messages.usage_updated(event))
        if all(row.store is Store.LEDGER for row in event.rows):
            # A run of another store says nothing of when the ledger was written.
            self.latency.note(event.receipt, self.imports.identity_of(Store.LEDGER))

    def _publish_state(self, event: WatcherStateChanged) -> None:
        self.hub.publish_notice(messages.watcher_state(event))

    def _publish_sessions_state(self, event: WatcherStateChanged) -> None:
        self.hub.publish_notice(messages.sessions_state(event))

    def _publish_proxy(self, state: KimiProxyState) -> None:
        self.hub.publish_notice(messages.kimi_proxy_state(state))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(messages.HEARTBEAT_S)
            self.hub.publish_notice(messages.heartbeat(self.hub.revision))


def _kimi_proxy_of(settings: Settings) -> KimiProxyClient | None:
    if not settings.kimi_proxy_url:
        return None
    from aico.proxy.kimi_proxy import KimiProxyClient  # HTTPX takes 100 ms of a start, and 5 MB until the end

    return KimiProxyClient(settings.kimi_proxy_url, settings.kimi_proxy_secret)


def socket_limit(wanted: int) -> int:
    """Return how many WebSocket connections there may be: ``wanted``, as far as the descriptors of the process go."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if descriptors == resource.RLIM_INFINITY else max(1, min(wanted, descriptors - _DESCRIPTORS_KEPT))
