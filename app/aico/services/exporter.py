"""Exports to a collector until it is told to stop, without ever being in the way of a reading or an answer."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aico.core.db.database import Database
from aico.core.db.export_reader import read_usage
from aico.core.errors import StorageError
from aico.core.export_file import ExportDamagedError, ExportFile
from aico.core.exported import Exported, Growth, Instance, Usage, make_sending
from aico.core.otlp_settings import OtlpSettings
from aico.core.telemetry import OTHER, SERVICE, UNKNOWN, Activity, Outcome, Sending
from aico.core.usage import UNKNOWN_MODEL, digest
from aico.features.pricing.known import is_known
from aico.services.complaint import Complaint
from aico.services.export_state import ExportMonitor, ExportState

if TYPE_CHECKING:
    from aico.proxy.otlp.request import RequestMaker
    from aico.proxy.otlp.sender import Sender, Trust

FLUSH_S = 1.5
"""The time that the last export may take, when the service ends."""
_CANCEL_S = 0.25
"""The time that each of the two steps after it may take, when it has to be broken off."""
_OS = {"win32": "windows"}

_log = logging.getLogger(__name__)


async def no_activity() -> Activity:
    """Return that nothing is known of apps, pages and commands."""
    return Activity()


class Exporter:
    """The export so far, and the way to the collector. Constructing it opens nothing and imports nothing."""

    def __init__(
        self,
        settings: OtlpSettings,
        database: Database,
        version: str,
        machine: str,
        now_ms: Callable[[], int],
        monitor: ExportMonitor,
        *,
        find_activity: Callable[[], Awaitable[Activity]] = no_activity,
    ) -> None:
        self.monitor = monitor
        self._settings = settings
        self._book = ExportBook(settings, database.path, version, machine, now_ms)
        self._database = database
        self._find_activity = find_activity
        self._unpriced: dict[tuple[str, str], int] = {}
        self._complaint = Complaint(_log, "nothing is exported, for what was sent cannot be kept: %s")
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._maker: RequestMaker | None = None
        self._sender: Sender | None = None

    @property
    def state(self) -> ExportState:
        """How the way out is."""
        return self.monitor.state

    def start(self) -> None:
        """Begin to export."""
        self._task = asyncio.create_task(self._run(), name="exporter")

    async def close(self) -> None:
        """Export a last time and stop; whatever the collector does, that takes no longer than two seconds."""
        self._ending.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=FLUSH_S)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CANCEL_S)
        if self._sender is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CANCEL_S):
                    await self._sender.close()

    async def _run(self) -> None:
        while not self._ending.is_set():
            await self._export_and_note()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.interval_s):
                    await self._ending.wait()
        await self._export_and_note()

    async def _export_and_note(self) -> None:
        try:
            outcome = await self.export()
        except Exception:  # noqa: BLE001
            # A bug. The service goes on, and so do exports.
            _log.exception("an export failed")
            outcome = Outcome.REFUSED
        self.monitor.note(outcome)

    async def export(self) -> Outcome:
        """Export once and return what became of it. Raises nothing but bugs."""
        try:
            async with self._database.asking() as ask:
                usage, unpriced = await read_usage(ask, self._unpriced)
        except StorageError:
            return Outcome.STORAGE
        try:
            sending = await asyncio.to_thread(self._book.advance, usage, await self._find_activity())
        except StorageError as error:
            self._complaint.note(error)
            return Outcome.NOT_KEPT
        self._complaint.end()
        self._unpriced = unpriced
        try:
            maker, sender = await self._connect(sending.resource)
        except OSError:
            return Outcome.CA_UNREADABLE
        outcome = await sender.send(await asyncio.to_thread(maker.make, sending))
        if outcome is Outcome.ACCEPTED:
            self._book.note_accepted(sending)
        return outcome

    async def _connect(self, resource: Mapping[str, str]) -> tuple[RequestMaker, Sender]:
        """Return what makes requests and what sends them, made when first needed. Raises OSError."""
        if self._maker is None:
            # Three tenths of a second, with which no request shall wait.
            self._maker = await asyncio.to_thread(_make_maker, resource)
        if self._sender is None:
            trust = await asyncio.to_thread(_read_trust, self._settings)
            self._sender = _make_sender(self._settings, trust)
        return self._maker, self._sender


class ExportBook:
    """The exported totals, kept in their file. Blocks; one call at a time."""

    def __init__(
        self,
        settings: OtlpSettings,
        database_path: Path,
        version: str,
        machine: str,
        now_ms: Callable[[], int],
        *,
        is_kept: bool = True,
    ) -> None:
        """``machine`` tells this machine and user; without ``is_kept`` nothing is written, for a mere look."""
        self._file = ExportFile(database_path)
        self._now_ms = now_ms
        self._is_kept = is_kept
        self._tells_all = settings.model_names == "all"
        self._machine = machine
        self._folder = database_path.parent
        self._resource = {
            "service.name": SERVICE,
            "service.version": version,
            "host.name": settings.host_name or platform.node() or UNKNOWN,
            "os.type": _OS.get(sys.platform, sys.platform),
            "deployment.environment": settings.environment,
        }
        self._open: tuple[Exported, Instance, Growth] | None = None
        self._is_changed = False

    def advance(self, usage: Usage, activity: Activity) -> Sending:
        """Add what has grown, keep it, and return what is to be sent. Raises StorageError; then nothing may be sent."""
        if self._open is None:
            self._open = self._begin(usage)
            self._is_changed = True
        exported, instance, growth = self._open
        self._is_changed |= growth.take(usage)
        self._is_changed |= growth.take_activity(activity)
        if self._is_changed and self._is_kept:
            # Before it is sent: an amount told to a collector is never forgotten here.
            self._file.save(exported)
            self._is_changed = False
        return make_sending(instance, self._resource, growth.make_points(activity.gauges), self._now_ms())

    def note_accepted(self, sending: Sending) -> None:
        """Note that the collector has ``sending``."""
        if self._open is not None:
            self._is_changed |= self._open[2].note_accepted(sending.points)

    def _begin(self, usage: Usage) -> tuple[Exported, Instance, Growth]:
        is_lost = False
        try:
            exported = self._file.load()
        except ExportDamagedError:
            exported, is_lost = None, True
            if self._is_kept:
                self._file.set_aside()
            _log.warning("%s could not be read: exports begin anew, as another instance", self._file.path)
        exported = exported or Exported()
        instance = exported.begin(self._place(), uuid.uuid4().hex, self._now_ms(), usage, is_lost=is_lost)
        return exported, instance, Growth(exported, instance, self._label_of)

    def _place(self) -> str:
        """Return a digest of the machine and of the folder itself: a copy of it is another one, wherever it lies."""
        try:
            return digest(self._machine, str(self._folder.stat().st_ino)).hex()
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be looked at: {error.strerror}") from error

    def _label_of(self, model: str) -> str:
        if model == UNKNOWN_MODEL:
            return UNKNOWN
        return model if self._tells_all or _is_listed(model) else OTHER


@cache
def _is_listed(model: str) -> bool:
    return is_known(model)


def _make_maker(resource: Mapping[str, str]) -> RequestMaker:
    # It would write a line of its own into our log each time that it is refused; it is told by us, once.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from aico.proxy.otlp.request import RequestMaker
    from aico.proxy.otlp.sender import make_sender  # noqa: F401  # its libraries, here and not in the loop

    return RequestMaker(resource)


def _read_trust(settings: OtlpSettings) -> Trust:
    from aico.proxy.otlp.sender import read_trust

    return read_trust(settings)


def _make_sender(settings: OtlpSettings, trust: Trust) -> Sender:
    from aico.proxy.otlp.sender import make_sender

    return make_sender(settings, trust)
