"""How the service is, put together for the status answers and the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aico.core.db.reader import UsageSnapshot
from aico.core.db.sums_reader import NO_LATER_USE, Group
from aico.core.errors import SourceError, SourceOff
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.filters import UsageFilter, latest_credible
from aico.core.receipts import ImportReceipt
from aico.core.sums import NOTHING, Sums
from aico.features.files.feed import Feed, Look
from aico.features.sources.cline.places import FROZEN_DAYS
from aico.services.queries import CLINE
from aico.services.service import ObserverService
from aico.services.source_states import OriginState, SourceState, SourceUsage

LEDGER, SESSIONS = "ledger", "sessions"
"""Cline's origins that the old answers know."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A moment of the service, for all sources."""

    latest_ts: int | None
    last_receipt: ImportReceipt | None
    sources: list[SourceUsage]
    epoch: str
    revision: int


@dataclass(frozen=True, slots=True)
class SessionsStatus:
    """A moment of Cline's session store."""

    path: str
    look: Look | None
    """None when there is nothing that may be read."""
    state: WatcherStateChanged
    problem: str | None
    missing: tuple[str, ...]
    """The names of a table or of columns that a store of another version lacks."""
    task_count: int
    last_receipt: ImportReceipt | None


@dataclass(frozen=True, slots=True)
class ClineStatus:
    """A moment of the service, as the old answer tells it: of Cline alone."""

    latest_ts: int | None
    task_count: int
    last_receipt: ImportReceipt | None
    watcher: WatcherStateChanged
    """Of the ledger."""
    ledger_path: str
    ledger_exists: bool
    ledger_size_bytes: int | None
    ledger_written_at_ms: int | None
    ledger_frozen_since_ms: int | None
    """When the ledger was last written, if that is long ago: newer Cline leaves it as it is and writes elsewhere."""
    sessions: SessionsStatus | None
    """None unless the session store is read."""
    origins: tuple[OriginState, ...]
    epoch: str
    revision: int
    exact_since: int | None


async def get_status(service: ObserverService) -> ServiceStatus:
    """Return how ``service`` is now. Raises StorageBusy, StorageError."""
    states = await service.sources.list_states()
    async with service.reader.snapshot() as snapshot:
        latest = [source.latest_ts for source in await snapshot.list_sources() if source.latest_ts is not None]
        return ServiceStatus(
            latest_ts=max(latest, default=None),
            last_receipt=service.ingest.last_receipt
            or _newest([await snapshot.find_last_receipt(state.id) for state in states]),
            sources=await _list_sources(states, snapshot, service.now_ms()),
            epoch=snapshot.epoch,
            revision=snapshot.revision,
        )


async def list_sources(service: ObserverService) -> list[SourceUsage]:
    """Return every known source, found or not, with what is stored of it. Raises StorageBusy, StorageError."""
    states = await service.sources.list_states()
    async with service.reader.snapshot() as snapshot:
        return await _list_sources(states, snapshot, service.now_ms())


async def get_cline_status(service: ObserverService) -> ClineStatus:
    """Return how Cline's part of ``service`` is now. Raises StorageBusy, StorageError."""
    feed, watcher = service.sources.find_feed(CLINE, LEDGER), service.sources.find_watcher(CLINE, LEDGER)
    look, is_absent = await asyncio.to_thread(_look, feed)
    [origins] = [state.origins for state in await service.sources.list_states() if state.id == CLINE]
    written_ms = None if look is None else look.written_ns // 1_000_000
    is_frozen = written_ms is not None and service.now_ms() - written_ms >= FROZEN_DAYS * 86_400_000
    async with service.reader.snapshot() as snapshot:
        stored = {source.name: source for source in await snapshot.list_sources()}.get(CLINE)
        return ClineStatus(
            latest_ts=None if stored is None else stored.latest_ts,
            task_count=0 if stored is None else stored.session_count,
            last_receipt=_cline_receipt(service) or await snapshot.find_last_receipt(CLINE),
            # A ledger that is switched off is waited for, as far as the old answer has words.
            watcher=WatcherStateChanged(WatcherState.WAITING, 0, SourceOff.code) if watcher is None else watcher.state,
            ledger_path=feed.path,
            ledger_exists=not is_absent,
            ledger_size_bytes=None if look is None else look.size_bytes,
            ledger_written_at_ms=written_ms,
            ledger_frozen_since_ms=written_ms if is_frozen else None,
            sessions=await _find_sessions(service, snapshot),
            origins=origins,
            epoch=snapshot.epoch,
            revision=snapshot.revision,
            exact_since=None if stored is None else stored.exact_since,
        )


async def _list_sources(states: Sequence[SourceState], snapshot: UsageSnapshot, now_ms: int) -> list[SourceUsage]:
    future = UsageFilter(first_slot=latest_credible(now_ms) + 1)
    ahead = {name: count.counted for (name,), count in (await snapshot.count_by(future, [Group.SOURCE])).items()}
    ahead_sums = await snapshot.list_sums(future, [Group.SOURCE]) if ahead else {}
    counts = {source.name: source.session_count for source in await snapshot.list_sources()}
    later = await snapshot.list_later_uses()
    sums: dict[str, list[Sums]] = {}
    for (source, _model), total in (await snapshot.list_totals()).items():
        sums.setdefault(source, []).append(total)
    return [
        SourceUsage(
            state,
            counts.get(state.id, 0),
            Sums.total(sums.get(state.id, ())),
            ahead.get(state.id, 0),
            ahead_sums.get((state.id,), NOTHING),
            await snapshot.list_gaps(state.id) if state.gaps else {},
            later.get(state.id, NO_LATER_USE),
        )
        for state in states
    ]


async def _find_sessions(service: ObserverService, snapshot: UsageSnapshot) -> SessionsStatus | None:
    watcher = service.sources.find_watcher(CLINE, SESSIONS)
    if watcher is None:
        return None
    feed = service.sources.find_feed(CLINE, SESSIONS)
    look, _is_absent = await asyncio.to_thread(_look, feed)
    counts = await snapshot.count_origins(CLINE)
    receipts = service.ingest.last_receipts
    return SessionsStatus(
        path=feed.path,
        look=look,
        state=watcher.state,
        problem=None if watcher.problem is None else str(watcher.problem),
        missing=watcher.missing,
        task_count=counts.get(SESSIONS, 0),
        last_receipt=_newest(receipt for key, receipt in receipts.items() if key[:2] == (CLINE, SESSIONS)),
    )


def _cline_receipt(service: ObserverService) -> ImportReceipt | None:
    return _newest(receipt for key, receipt in service.ingest.last_receipts.items() if key.source == CLINE)


def _newest(receipts: Iterable[ImportReceipt | None]) -> ImportReceipt | None:
    known = [receipt for receipt in receipts if receipt is not None]
    return max(known, key=lambda receipt: receipt.finished_at_ms, default=None)


def _look(feed: Feed) -> tuple[Look | None, bool]:
    """Return the metadata, and whether nothing is there; a file that may not be read is there all the same."""
    try:
        return feed.look(), False
    except SourceError as error:
        return None, error.is_absent
