"""How the service is, put together for the status answer and the metrics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import reduce

from aico.core.db.schema import ImportRun
from aico.core.domain import ImportReceipt, Store, Trigger
from aico.core.errors import LedgerError, SessionsFormat, SourceError
from aico.core.events import WatcherStateChanged
from aico.features.sources.cline.places import FROZEN_DAYS
from aico.features.stores.identity import Look
from aico.services.service import ObserverService


@dataclass(frozen=True, slots=True)
class SessionsStatus:
    """A moment of the session store."""

    path: str
    look: Look | None
    """None when there is nothing that may be read."""
    state: WatcherStateChanged
    problem: str | None
    missing: tuple[str, ...]
    """What a store of another version lacks: names of a table or of columns."""
    task_count: int
    last_receipt: ImportReceipt | None


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A moment of the service."""

    latest_ts: int | None
    task_count: int
    last_receipt: ImportReceipt | None
    ledger_exists: bool
    ledger_size_bytes: int | None
    ledger_written_at_ms: int | None
    ledger_frozen_since_ms: int | None
    """When the ledger was last written, if that is long ago: newer Cline leaves it as it is and writes elsewhere."""
    sessions: SessionsStatus | None
    """None unless the session store is asked for."""
    epoch: str
    revision: int
    exact_since: int | None


async def get_status(service: ObserverService) -> ServiceStatus:
    """Return how ``service`` is now. Raises StorageBusy, StorageError."""
    state = await service.repository.get_state()
    receipt = service.imports.last_receipt
    if receipt is None:
        # Before the first reading of this process: what the last one left behind.
        runs = [_receipt_of(run, state.latest_ts) for run in await service.repository.list_last_runs()]
        receipt = reduce(ImportReceipt.plus, runs) if runs else None
    is_absent = False
    try:
        file = await asyncio.to_thread(service.guard.stat)
    except LedgerError as error:
        file, is_absent = None, error.is_absent
    written_ms = None if file is None else file.st_mtime_ns // 1_000_000
    is_frozen = written_ms is not None and service.now_ms() - written_ms >= FROZEN_DAYS * 86_400_000
    return ServiceStatus(
        latest_ts=state.latest_ts,
        task_count=state.task_count,
        last_receipt=receipt,
        ledger_exists=not is_absent,
        ledger_size_bytes=None if file is None else file.st_size,
        ledger_written_at_ms=written_ms,
        ledger_frozen_since_ms=written_ms if is_frozen else None,
        sessions=await _find_sessions(service),
        epoch=state.epoch,
        revision=state.revision,
        exact_since=state.exact_since,
    )


async def _find_sessions(service: ObserverService) -> SessionsStatus | None:
    guard, watcher = service.sessions, service.sessions_watcher
    if guard is None or watcher is None:
        return None
    problem = watcher.problem
    try:
        look = await asyncio.to_thread(guard.look)
    except SourceError:
        look = None
    async with service.reader.snapshot() as snapshot:
        counts = await snapshot.count_stores()
    return SessionsStatus(
        path=guard.path,
        look=look,
        state=watcher.state,
        problem=None if problem is None else str(problem),
        missing=problem.missing if isinstance(problem, SessionsFormat) else (),
        task_count=counts.get(Store.SESSIONS, 0),
        last_receipt=service.imports.last_receipts.get(Store.SESSIONS),
    )


def _receipt_of(run: ImportRun, latest_ts: int | None) -> ImportReceipt:
    return ImportReceipt(
        trigger=Trigger(run.trigger),
        finished_at_ms=run.finished_at,
        duration_ms=run.duration_ms,
        added_count=run.added_count,
        updated_count=run.updated_count,
        skipped_count=run.skipped_count,
        error_count=run.error_count,
        remaining_count=run.remaining_count,
        latest_ts=latest_ts,
        revision=run.revision or 0,
    )
