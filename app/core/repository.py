"""What is stored of one source's usage, and the one transaction that changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.core import task_sums
from app.core.accounting import Amount, UsageChange
from app.core.database import Database
from app.core.domain import ImportReceipt, Store, TaskUsage
from app.core.errors import StorageError
from app.core.events import FreshRow, UsageImported
from app.core.known_usage import KnownUsage
from app.core.models import ClineTaskUsage, DatabaseState, ForgottenTask, ImportRun, SourceState, TaskPeak, TaskStore
from app.core.run_plan import FRESH_ROWS_MAX, plan_run
from app.core.statements import ADVANCE_REVISION, OPEN_SOURCE, Batch, table_of

_RUNS = table_of(ImportRun)
_SELECT_USAGE = select(
    col(ClineTaskUsage.task_id),
    col(ClineTaskUsage.ts),
    col(ClineTaskUsage.model_id),
    col(ClineTaskUsage.tokens_in),
    col(ClineTaskUsage.tokens_out),
    col(ClineTaskUsage.total_cost),
)
_SELECT_PEAKS = select(
    col(TaskPeak.task_id), col(TaskPeak.tokens_in), col(TaskPeak.tokens_out), col(TaskPeak.cost_nano_usd)
)
_SELECT_FORGOTTEN = select(col(ForgottenTask.task_id))
_SELECT_STORES = select(col(TaskStore.task_id), col(TaskStore.store))

_RUNS_OF_A_READING_MAX = 1_000
RUNS_KEPT = 10_000
"""Import runs that are kept."""


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
        self._apply_count = 0
        self._is_observed = False
        self._is_summed = False

    async def get_state(self) -> StoredState:
        """Return epoch, revision and exact_since. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            epoch, revision = await _get_position(connection)
            since = await connection.scalar(
                select(col(SourceState.exact_since)).where(col(SourceState.source) == self._source)
            )
            counts = select(func.count(), func.max(col(ClineTaskUsage.ts))).select_from(ClineTaskUsage)
            task_count, latest_ts = (await connection.execute(counts)).one()
        return StoredState(epoch, revision, since, task_count, latest_ts)

    async def get_known(self) -> KnownUsage:
        """Return all that is stored, for reading only. Raises StorageBusy, StorageError."""
        return await self._load()

    async def list_last_runs(self) -> list[ImportRun]:
        """Return the successful runs of the last recorded reading, in order. Raises StorageBusy, StorageError.

        A run that left entries over is followed by one of the same reading that counts nothing else than those.
        """
        statement = (
            select(_RUNS)
            .where(col(ImportRun.source) == self._source, col(ImportRun.error_code).is_(None))
            .order_by(col(ImportRun.id).desc())
            .limit(_RUNS_OF_A_READING_MAX)
        )
        found: list[ImportRun] = []
        async with self._database.read() as connection:
            for row in await connection.execute(statement):
                run = ImportRun(**row._asdict())
                if found and not _is_followed(run, found[-1]):
                    break
                found.append(run)
        return found[::-1]

    async def apply(
        self, changes: Sequence[UsageChange], receipt: ImportReceipt, store: Store = Store.LEDGER
    ) -> UsageImported:
        """Write ``changes``, at least one, in one transaction with their deltas, and return the fact to publish.

        ``store`` is where they were read. ``receipt`` holds the run's counts; its revision and ``latest_ts`` are filled
        in here. Raises StorageBusy or StorageError with nothing written.
        """
        known = await self._load()
        # Known again only after the commit; if that never comes, the next import reads the database.
        self._known = None
        self._apply_count += 1
        plan = await asyncio.to_thread(plan_run, self._source, store, known, changes, receipt.finished_at_ms)
        receipt = replace(receipt, revision=known.revision, latest_ts=known.latest_ts)

        async def write(connection: AsyncConnection) -> dict[str, int]:
            await self._write(connection, plan.batches, receipt)
            await task_sums.post(connection, self._source, plan.deltas)
            return await _get_imported_at(connection, plan.known_newest)

        imported_at = await self._database.write(write)
        self._known = known
        self._is_observed = True
        self._is_summed &= len(plan.deltas) <= task_sums.SMALL_RUN
        return UsageImported(
            receipt=receipt,
            epoch=known.epoch,
            task_count=len(known.tasks),
            rows=tuple(
                FreshRow(usage, imported_at.get(usage.task_id, receipt.finished_at_ms), store) for usage in plan.newest
            ),
            rows_truncated=len(changes) > FRESH_ROWS_MAX,
        )

    async def note_observation(self) -> None:
        """Note that from now on usage is observed as it happens, if it is the first time. Raises like :meth:`apply`."""
        if not self._is_observed:
            now = self._now_ms()
            await self._database.write(lambda connection: self._open_source(connection, now))
            self._is_observed = True

    async def record_run(self, receipt: ImportReceipt, error_code: str | None) -> None:
        """Note a failure when it begins, or the first reading after it. Raises StorageBusy, StorageError."""
        await self._database.write(lambda connection: self._add_run(connection, receipt, None, error_code))

    async def catch_up(self) -> None:
        """Make the sums by task anew if a large import has left them behind. Raises like :meth:`apply`."""
        if not self._is_summed:
            self._is_summed = True
            try:
                await self._database.write(lambda connection: task_sums.catch_up(connection, self._source))
            except StorageError:
                self._is_summed = False
                raise

    async def _load(self) -> KnownUsage:
        known = self._known
        if known is not None:
            return known
        begun = self._apply_count
        # The write of a caller that was cancelled may still be under way; reading beside it would see its past.
        await self._database.settle()
        async with self._database.read() as connection:
            epoch, revision = await _get_position(connection)
            rows = await connection.execute(_SELECT_USAGE)
            tasks = {row[0]: TaskUsage(*row) for row in rows}
            peak_rows = await connection.execute(_SELECT_PEAKS.where(col(TaskPeak.source) == self._source))
            peaks = {row[0]: Amount(row[1], row[2], row[3]) for row in peak_rows}
            known = KnownUsage(tasks, peaks, epoch, revision)
            store_rows = await connection.execute(_SELECT_STORES.where(col(TaskStore.source) == self._source))
            known.stores = {row[0]: Store(row[1]) for row in store_rows}
            forgotten = await connection.execute(_SELECT_FORGOTTEN.where(col(ForgottenTask.source) == self._source))
            known.forgotten = frozenset(row[0] for row in forgotten)
        if self._known is None and self._apply_count == begun:
            # Otherwise an import has overtaken this reading: it is true of its moment, and must not become the next
            # import's left side.
            self._known = known
        return known

    async def _write(self, connection: AsyncConnection, batches: Sequence[Batch], receipt: ImportReceipt) -> None:
        moved = await connection.exec_driver_sql(ADVANCE_REVISION, (receipt.revision, receipt.revision - 1))
        if moved.rowcount != 1:
            raise StorageError("another writer changed it")
        for statement, parameters in batches:
            await connection.exec_driver_sql(statement, parameters)
        await self._open_source(connection, receipt.finished_at_ms)
        await self._add_run(connection, receipt, receipt.revision, None)

    async def _open_source(self, connection: AsyncConnection, now_ms: int) -> None:
        await connection.exec_driver_sql(OPEN_SOURCE, (self._source, now_ms))

    async def _add_run(
        self, connection: AsyncConnection, receipt: ImportReceipt, revision: int | None, error_code: str | None
    ) -> None:
        result = await connection.execute(
            insert(_RUNS).values(
                source=self._source,
                trigger=receipt.trigger.value,
                finished_at=receipt.finished_at_ms,
                duration_ms=receipt.duration_ms,
                added_count=receipt.added_count,
                updated_count=receipt.updated_count,
                skipped_count=receipt.skipped_count,
                error_count=receipt.error_count,
                remaining_count=receipt.remaining_count,
                revision=revision,
                error_code=error_code,
            )
        )
        await connection.execute(delete(_RUNS).where(col(ImportRun.id) <= result.lastrowid - RUNS_KEPT))


def _is_followed(run: ImportRun, by: ImportRun) -> bool:
    written = by.added_count + by.updated_count + by.remaining_count
    return 0 < run.remaining_count == written and not by.skipped_count and not by.error_count


async def _get_position(connection: AsyncConnection) -> tuple[str, int]:
    row = (await connection.execute(select(col(DatabaseState.epoch), col(DatabaseState.revision)))).one()
    return row[0], row[1]


async def _get_imported_at(connection: AsyncConnection, task_ids: Sequence[str]) -> dict[str, int]:
    if not task_ids:
        return {}
    columns = select(col(ClineTaskUsage.task_id), col(ClineTaskUsage.imported_at))
    rows = await connection.execute(columns.where(col(ClineTaskUsage.task_id).in_(task_ids)))
    return {row[0]: row[1] for row in rows}
