"""What is stored of one source's usage, and the one transaction that changes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core import derived_sums
from aico.core.accounting import UsageChange
from aico.core.aside import work_aside
from aico.core.db import import_runs
from aico.core.db.database import DEFER_CHECKPOINTS, RESUME_CHECKPOINTS, Database
from aico.core.db.driver import fetch, run_many
from aico.core.db.schema import ImportRun
from aico.core.domain import ImportReceipt, Store
from aico.core.errors import StorageError
from aico.core.events import FreshRow, UsageImported
from aico.core.known_reader import read_known, read_position
from aico.core.known_usage import KnownUsage
from aico.core.run_plan import FRESH_ROWS_MAX, RunPlan, plan_run
from aico.core.staging import CLEAR_STAGE
from aico.core.statements import ADVANCE_REVISION, NOTE_READING, OPEN_SOURCE, Batch

_EXACT_SINCE = "SELECT exact_since FROM source_state WHERE source = ?"
_COUNTS = "SELECT COUNT(*), MAX(ts) FROM cline_task_usage"
_HAS_READ = """
    SELECT 1 FROM store_reading JOIN database_state USING (epoch) WHERE source = ? AND store = ? AND identity = ?
"""
_IMPORTED_AT = """
    SELECT task_id, imported_at FROM cline_task_usage WHERE task_id IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True)
class StoredState:
    """Identity and position of the database."""

    epoch: str
    revision: int
    exact_since: int | None
    """End of the source's first import, epoch milliseconds; None before it."""
    task_count: int
    latest_ts: int | None
    """Greatest ``ts`` of all tasks; None when there are none."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A run that is being worked out, and what will be known when it is stored."""

    changes: Sequence[UsageChange]
    known: KnownUsage
    plan: asyncio.Future[RunPlan]


class UsageRepository:
    """The stored usage of one source.

    The exclusive lock of the instance makes this object the only writer, so what it has read or written once stays
    known; a transaction that fails drops that knowledge, and the next import reads it anew.
    """

    def __init__(self, database: Database, source: str, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._source = source
        self._now_ms = now_ms
        self._known: KnownUsage | None = None
        self._ahead: _Ahead | None = None
        self._apply_count = 0
        self._observed: set[Store] = set()
        self._is_summed = False

    async def get_position(self) -> tuple[str, int]:
        """Return epoch and revision. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            return await read_position(connection)

    async def get_state(self) -> StoredState:
        """Return epoch, revision and exact_since. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            epoch, revision = await read_position(connection)
            since = next((moment for (moment,) in await fetch(connection, _EXACT_SINCE, (self._source,))), None)
            known = self._known
            if known is not None and (known.epoch, known.revision) == (epoch, revision):
                # To count 100,000 rows takes longer than everything else that a status asks for.
                return StoredState(epoch, revision, since, len(known.tasks), known.latest_ts)
            [(task_count, latest_ts)] = await fetch(connection, _COUNTS)
        return StoredState(epoch, revision, since, task_count, latest_ts)

    async def get_known(self) -> KnownUsage:
        """Return all that is stored, for reading only. Raises StorageBusy, StorageError."""
        return await self._load()

    async def list_last_runs(self) -> list[ImportRun]:
        """Return the successful runs of the last recorded reading, in order. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            return await import_runs.list_last_runs(connection, self._source)

    async def apply(
        self,
        changes: Sequence[UsageChange],
        receipt: ImportReceipt,
        store: Store = Store.LEDGER,
        following: Sequence[UsageChange] = (),
        identity: str | None = None,
    ) -> UsageImported:
        """Write ``changes``, at least one, in one transaction with their deltas, and return the fact to publish.

        ``store`` is where they were read. ``receipt`` holds the run's counts; its revision and ``latest_ts`` are filled
        in here. ``following`` are the changes of the next call, if they are known: they are worked out while these are
        written. ``identity`` is that of a reading that ends with
        ``changes``. Raises StorageBusy or StorageError with nothing written.
        """
        ahead, self._ahead = self._ahead, None
        self._apply_count += 1
        if ahead is None or ahead.changes is not changes:
            known = await self._load()
            ahead = self._plan(known, changes, store)
        # Known again only after the commit; if that never comes, the next import reads the database.
        self._known = None
        known = ahead.known
        plan = await ahead.plan
        receipt = replace(receipt, revision=plan.revision, latest_ts=plan.latest_ts)
        planned: _Ahead | None = None

        async def write(connection: AsyncConnection) -> dict[str, int]:
            nonlocal planned
            await self._advance(connection, receipt)
            await self._note_reading(connection, known.epoch, store, identity)
            if plan.posted_count > derived_sums.SMALL_RUN:
                await fetch(connection, DEFER_CHECKPOINTS)
            await self._write_batches(connection, [*plan.staged, *plan.accounts])
            if following:
                # Not before: at every step of the others the database would wait for the interpreter.
                planned = self._plan(known, following, store)
            await self._write_batches(connection, plan.tables)
            await derived_sums.post(connection, self._source, plan.posted_count, is_current=self._is_summed)
            await fetch(connection, CLEAR_STAGE)
            return await _get_imported_at(connection, plan.known_newest)

        imported_at = await self._database.write(write)
        if planned is None:
            self._known = known
        self._ahead = planned
        self._observed.add(store)
        self._is_summed &= plan.posted_count <= derived_sums.SMALL_RUN
        return UsageImported(
            receipt=receipt,
            epoch=known.epoch,
            task_count=plan.task_count,
            rows=tuple(
                FreshRow(usage, imported_at.get(usage.task_id, plan.written_at_ms), store) for usage in plan.newest
            ),
            rows_truncated=len(changes) > FRESH_ROWS_MAX,
        )

    def _plan(self, known: KnownUsage, changes: Sequence[UsageChange], store: Store) -> _Ahead:
        """Begin to work out a run; nobody may look at ``known`` before it has ended."""
        work = work_aside(len(changes), plan_run, self._source, store, known, changes, self._now_ms())
        plan = asyncio.ensure_future(work)
        # One that nobody waits for, because the run before it failed, has nobody to tell.
        plan.add_done_callback(lambda done: done.cancelled() or done.exception())
        return _Ahead(changes, known, plan)

    async def note_observation(self, store: Store = Store.LEDGER, identity: str | None = None) -> None:
        """Note a reading of ``store`` that changed nothing, if it is the first one of this process.

        From the first one of all on, usage is observed as it happens. ``identity`` and what is raised are as in
        :meth:`apply`.
        """
        if store in self._observed:
            return
        now = self._now_ms()

        async def write(connection: AsyncConnection) -> None:
            await self._open_source(connection, now)
            epoch, _revision = await read_position(connection)
            await self._note_reading(connection, epoch, store, identity)

        await self._database.write(write)
        self._observed.add(store)

    async def has_read(self, store: Store, identity: str) -> bool:
        """Return whether what ``store`` said when it was ``identity`` is stored. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            return bool(await fetch(connection, _HAS_READ, (self._source, store.value, identity)))

    async def record_run(self, receipt: ImportReceipt, error_code: str | None) -> None:
        """Note a failure when it begins, or the first reading after it. Raises StorageBusy, StorageError."""
        await self._database.write(
            lambda connection: import_runs.add_run(connection, self._source, receipt, None, error_code)
        )

    async def catch_up(self) -> None:
        """Do what a large import has left for later: derived sums, the log. Raises like :meth:`apply`."""
        if not self._is_summed:
            self._is_summed = True
            try:
                await self._database.write(self._catch_up)
            except StorageError:
                self._is_summed = False
                raise

    async def _catch_up(self, connection: AsyncConnection) -> None:
        await fetch(connection, RESUME_CHECKPOINTS)
        await derived_sums.catch_up(connection, self._source)

    async def _load(self) -> KnownUsage:
        known = self._known
        if known is not None:
            return known
        begun = self._apply_count
        # The write of a caller that was cancelled may still be under way; reading beside it would see its past.
        await self._database.settle()
        async with self._database.read() as connection:
            known = await read_known(connection, self._source)
        if self._known is None and self._apply_count == begun:
            # Otherwise an import has overtaken this reading: it is true of its moment, and must not become the next
            # import's left side.
            self._known = known
        return known

    async def _advance(self, connection: AsyncConnection, receipt: ImportReceipt) -> None:
        if not await fetch(connection, ADVANCE_REVISION, (receipt.revision, receipt.revision - 1)):
            raise StorageError("another writer changed it")
        if not self._observed:
            await self._open_source(connection, receipt.finished_at_ms)
        await import_runs.add_run(connection, self._source, receipt, receipt.revision, None)

    async def _write_batches(self, connection: AsyncConnection, batches: Sequence[Batch]) -> None:
        for statement, parameters in batches:
            await run_many(connection, statement, parameters)

    async def _note_reading(self, connection: AsyncConnection, epoch: str, store: Store, identity: str | None) -> None:
        if identity is not None:
            await fetch(connection, NOTE_READING, (self._source, store.value, epoch, identity))

    async def _open_source(self, connection: AsyncConnection, now_ms: int) -> None:
        await fetch(connection, OPEN_SOURCE, (self._source, now_ms))


async def _get_imported_at(connection: AsyncConnection, task_ids: Sequence[str]) -> dict[str, int]:
    if not task_ids:
        return {}
    found = await fetch(connection, _IMPORTED_AT, (json.dumps(task_ids),))
    return {task_id: moment for task_id, moment in found}  # noqa: C416  # rows are no pairs to mypy
