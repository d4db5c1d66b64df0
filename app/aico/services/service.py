"""The living parts of the service, their start and their end."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aico.core.command_name import command_anywhere
from aico.core.db.database import Database
from aico.core.db.reader import UsageReader
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.writer import UsageWriter
from aico.core.errors import SettingsError, StorageError
from aico.core.events import WatcherStateChanged
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.settings import Settings
from aico.features.files.feed import Reading
from aico.features.pricing.price_list import GenaiPriceList
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from aico.services import messages
from aico.services.activity import ActivityService
from aico.services.backups import DailyBackups
from aico.services.budgets import BudgetsService, as_value
from aico.services.currency import Currencies
from aico.services.export_state import ExportMonitor, ExportState
from aico.services.hub import Hub
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from aico.services.kimi_monitor import KimiMonitor, KimiProxyState
from aico.services.latency import WriteLatency
from aico.services.pairings import PairingService
from aico.services.prices import Prices
from aico.services.projects import Projects
from aico.services.queries import UsageQueries
from aico.services.source_choices import SourceChoices
from aico.services.sources import SourcesService

if TYPE_CHECKING:
    from aico.proxy.kimi_proxy import KimiProxyClient
    from aico.services.exporter import Exporter

_DESCRIPTORS_KEPT = 100
"""Descriptors for everything that is no socket of a page: database, files of the tools, requests."""
_PROGRESS_S = 0.25
"""The progress of a large reading is told at most so often."""
_SETTLED_S = 2.0
"""So long after the start the first looks have ended; what is read for longer gives back its memory itself."""
_AGAIN_S = 30.0
"""After so long a part begins again that a bug has ended."""
_log = logging.getLogger(__name__)


class ObserverService:
    """The sources, one database, one hub. Constructing it opens nothing; :meth:`run` does."""

    def __init__(
        self,
        settings: Settings,
        version: str,
        now_ms: Callable[[], int],
        *,
        sources: Sequence[Source] = SOURCES,
        demo: bool = False,
    ) -> None:
        self.settings = settings
        self.version = version
        self.demo = demo
        self.command = command_anywhere()
        self.now_ms = now_ms
        self.database = Database(settings.database_path)
        self.hub = Hub(messages.encode, version, socket_limit(settings.max_sockets))
        price_list = GenaiPriceList()
        fixed_prices = [price.to_price() for price in settings.prices]
        self.writer = UsageWriter(
            self.database,
            now_ms,
            price_list,
            is_heard=lambda: self.hub.subscription_count > 0,
            fixed_prices=fixed_prices,
        )
        self.reader = UsageReader(self.database)
        self.prices = Prices(
            self.writer,
            self.reader,
            price_list,
            fixed_prices,
            now_ms,
            self.publish_commit,
            self._publish_prices,
            self._publish_pricing,
        )
        self.currencies = Currencies(
            self.database, settings.currency, lambda: self.hub.publish_notice(messages.currency_updated())
        )
        self.backups = DailyBackups(BackupFolder(settings.database_path), self.reader, now_ms)
        self.queries = UsageQueries(self.reader, now_ms)
        self.budgets = BudgetsService(settings, self.database, self.reader, self.hub, now_ms, version)
        self.latency = WriteLatency(now_ms)
        self._pricing_at = 0.0
        self._progress_at = 0.0
        """Until then, on the monotonic clock, no progress is told."""
        self.ingest = Ingest(self.writer, self._publish_import, now_ms, settings.max_entries_per_run)
        self.sources = SourcesService(
            SourceChoices(sources, settings),
            settings,
            self.database,
            self.writer,
            self.ingest,
            self._publish_state,
            now_ms,
        )
        self.projects = Projects(
            self.sources, self.database, self.writer, self._publish_projects, lambda: self.hub.revision, now_ms
        )
        self.activity = ActivityService(
            settings.activity, self.sources.choices, self.database, self.publish_activity, now_ms
        )
        self.pairings = PairingService(self.activity, self.publish_activity, now_ms)
        self._kimi_proxy = _kimi_proxy_of(settings)
        self.kimi_monitor = KimiMonitor(self._kimi_proxy, now_ms, self._publish_proxy) if self._kimi_proxy else None
        self.exporter = self._make_exporter()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open the database and watch until the block ends; then let what runs end. Raises StorageError.

        Watching goes on in the background and looks after itself: its state is what it reports, never an exception.
        """
        await self.database.open()
        try:
            await self.budgets.load()
            self.hub.open(*await self.writer.get_position())
            await self.sources.start()
            await self.activity.start()
            parts: dict[str, Callable[[], Awaitable[None]]] = {
                "heartbeat": self._beat,
                "backups": self.backups.run,
                "budgets": self.budgets.run,
                "webhook": self.budgets.webhook.run,
            }
            if self.kimi_monitor is not None:
                parts["kimi-monitor"] = self.kimi_monitor.run
            tasks = [asyncio.create_task(_keep_up(name, run), name=name) for name, run in parts.items()]
            tasks.append(asyncio.create_task(self._settle(), name="settle"))
            self.prices.start()
            if self.exporter is not None:
                self.exporter.start()
            try:
                yield
            finally:
                self.hub.close()
                self.ingest.begin_close()
                for task in tasks:
                    task.cancel()
                await self.activity.stop()
                await self.sources.stop()
                await self.prices.stop()
                await asyncio.wait(tasks)
                await self.ingest.close()
                if self.exporter is not None:
                    await self.exporter.close()
                if self._kimi_proxy is not None:
                    await self._kimi_proxy.close()
        finally:
            if self.backups.failure is not None:
                self.database.doubt()  # perhaps the copy was damaged, and so is what it was made of
            await self.database.close()

    def list_problems(self) -> list[str]:
        """Return the codes of what keeps the service from being ready; waiting for a tool is no problem."""
        return self.sources.list_problems()

    def publish_commit(self, event: UsageCommitted) -> None:
        """Tell every socket what a commit changed: in the words for all sources, and in the old ones for Cline."""
        if event.receipt.source in self.budgets.sources_under_plan:
            event = as_value(event)
        self.hub.publish_lazily(event.receipt.revision, partial(messages.of_commit, event), messages.weigh(event))
        self.budgets.note_change()

    def _publish_import(self, event: UsageCommitted, intake: Intake, reading: Reading) -> None:
        self.publish_commit(event)
        self.latency.note(event.receipt, intake.feed.place, reading.written_ns)
        self._publish_progress(event.receipt, reading)

    def _publish_progress(self, receipt: ImportReceipt, reading: Reading) -> None:
        """Tell how far a large reading is: never more often than ``_PROGRESS_S``, and not of its end."""
        now = time.monotonic()
        if (reading.left is None and not receipt.remaining_count) or now < self._progress_at:
            return
        self._progress_at = now + _PROGRESS_S
        done, total = reading.find_progress(receipt.remaining_count)
        self.hub.publish_notice(messages.reading(receipt, done, total, self.hub.epoch))

    def _publish_state(self, intake: Intake, event: WatcherStateChanged | None) -> None:
        for message in messages.of_state(intake.source.id, intake.origin.id, event):
            self.hub.publish_notice(message)

    def _publish_prices(self, epoch: str, revision: int) -> None:
        self.hub.publish_change(revision, messages.prices_updated(epoch, revision))

    async def list_receivers(self) -> list[str]:
        """Return the hosts, with their ports, that numbers are sent to; none: nothing leaves this machine."""
        try:
            webhook = await self.budgets.webhook.find_target()
        except StorageError:  # a file that cannot be trusted is not called either
            webhook = None
        receivers = [] if self.exporter is None else [self.exporter.state.endpoint]
        return receivers if webhook is None else [*receivers, urlsplit(webhook.url).netloc]

    def _publish_pricing(self, done: int, total: int) -> None:
        """Tell how far prices were brought to what is stored, as seldom as the progress of readings."""
        now = time.monotonic()
        if now >= self._pricing_at:
            self._pricing_at = now + _PROGRESS_S
            self.hub.publish_notice(messages.pricing(done, total))

    def _publish_projects(self, revision: int | None) -> None:
        if revision is None:
            self.hub.publish_notice(messages.projects_updated(self.hub.epoch, self.hub.revision))
        else:
            self.hub.publish_change(revision, messages.projects_updated(self.hub.epoch, revision))
            # What was published before names them.
            self.hub.forget_missed()

    def _publish_proxy(self, state: KimiProxyState) -> None:
        self.hub.publish_notice(messages.kimi_proxy_state(state))

    def publish_activity(self) -> None:
        """Tell every socket that activity is another one."""
        self.hub.publish_notice(messages.activity_changed())

    def _publish_export(self, state: ExportState) -> None:
        self.hub.publish_notice(messages.export_state(state))

    def _make_exporter(self) -> Exporter | None:
        """Return what exports, None without an endpoint. Raises SettingsError where its libraries are not installed."""
        endpoint = self.settings.otlp.find_endpoint()
        if endpoint is None:
            return None
        if not (_is_installed("opentelemetry.sdk") and _is_installed("grpc")):
            reason = "needs libraries that are not installed: pip install 'ai-cost-observer[otlp]'"
            raise SettingsError("otlp.endpoint", reason)
        from aico.services.activity_metrics import find_activity
        from aico.services.exporter import Exporter  # the SDK and gRPC take 30 MB

        monitor = ExportMonitor(endpoint.authority, self.now_ms, self._publish_export)
        machine = self.sources.choices.machine
        return Exporter(
            self.settings.otlp,
            self.database,
            self.version,
            machine,
            self.now_ms,
            monitor,
            find_activity=partial(find_activity, self.activity),
        )

    async def _settle(self) -> None:
        """Give back, once, what the start and its first looks needed and nobody does any more."""
        await asyncio.sleep(_SETTLED_S)
        await self.writer.let_go()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(messages.HEARTBEAT_S)
            self.hub.publish_notice(messages.heartbeat(self.hub.revision))


async def _keep_up(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Have a part live until it is cancelled: a bug ends it for a moment, not for good, and everything else goes on."""
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001  # a supervisor, like that of the watchers
            _log.exception('a bug has ended "%s"; it begins again in %g s', name, _AGAIN_S)
        await asyncio.sleep(_AGAIN_S)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is what it lies in
        return False


def _kimi_proxy_of(settings: Settings) -> KimiProxyClient | None:
    if not settings.kimi_proxy_url:
        return None
    from aico.proxy.kimi_proxy import KimiProxyClient  # HTTPX takes 100 ms of a start, and 5 MB until the end

    return KimiProxyClient(settings.kimi_proxy_url, settings.kimi_proxy_secret)


def socket_limit(wanted: int) -> int:
    """Return how many WebSocket connections there may be: ``wanted``, as far as the descriptors of the process go."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if descriptors == resource.RLIM_INFINITY else max(1, min(wanted, descriptors - _DESCRIPTORS_KEPT))
