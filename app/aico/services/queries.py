"""What the page and the exports ask for, put together from one snapshot each, so that everything adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from aico.core.accounting import Amount
from aico.core.domain import QUARTER_MS, Store
from aico.core.errors import RequestInvalid
from aico.core.filters import UsageFilter, automatic_end, latest_credible
from aico.core.usage_reader import Sort, SpentTask, Totals, UsageReader, UsageSnapshot
from aico.features.usage.export import ExportWriter
from aico.features.usage.periods import Bucket, choose_bucket, list_bucket_starts

_EXPORT_PAGE = 2_000


@dataclass(frozen=True, slots=True)
class UsagePage:
    """A page of tasks and the sums over all pages."""

    items: list[SpentTask]
    totals: Totals
    revision: int
    stores: Mapping[str, Store]
    """Where the rows of tasks were read, for those that are not the ledger's."""


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One bucket of the series."""

    start_ms: int
    amount: Amount
    cumulative_cost_nano_usd: int


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """Sums of one stretch of time, by model and by bucket."""

    revision: int
    """Number of the last committed change that is contained."""
    from_ms: int
    to_ms: int
    bucket: Bucket
    totals: Totals
    previous: Totals | None
    """The equally long stretch before; None when the stretch begins with the first delta."""
    by_model: dict[str, Totals]
    """Most expensive first, then most tokens."""
    series: list[SeriesPoint]


class UsageQueries:
    """Answers about one source's usage. Every method raises StorageBusy or StorageError."""

    def __init__(self, reader: UsageReader, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._now_ms = now_ms
        self._exporting = asyncio.Lock()  # one at a time: exports are long, and readers are few

    async def list_usage(
        self, wanted: UsageFilter, sort: Sort, *, descending: bool, limit: int, offset: int
    ) -> UsagePage:
        """Return a page of the tasks with a delta inside ``wanted``."""
        async with self._reader.snapshot() as snapshot:
            stretch, is_everything = await self._resolve(snapshot, wanted)
            if is_everything:
                totals = await snapshot.get_all_totals()
                items = await snapshot.list_all_tasks(
                    sort, descending=descending, limit=limit, offset=offset, task_count=totals.task_count
                )
            else:
                items, totals = await snapshot.list_tasks(
                    stretch, sort, descending=descending, limit=limit, offset=offset
                )
            stores = await snapshot.find_stores([task.usage.task_id for task in items])
        return UsagePage(items, totals, snapshot.revision, stores)

    async def export(self, wanted: UsageFilter, writer: ExportWriter) -> list[str]:
        """Return the pieces of an export of ``wanted``, newest task first.

        They are put together before the first one is sent: a client that stops reading must not hold a snapshot, which
        would keep the write-ahead log from being taken back.
        """
        async with self._exporting, self._reader.snapshot() as snapshot:
            stretch, is_everything = await self._resolve(snapshot, wanted)
            pages = snapshot.iterate_tasks(None if is_everything else stretch, _EXPORT_PAGE)
            pieces = [await self._write(snapshot, page, writer) async for page in pages]
        return [writer.begin(), *pieces, writer.end()]

    async def _write(self, snapshot: UsageSnapshot, page: list[SpentTask], writer: ExportWriter) -> str:
        stores = await snapshot.find_stores([task.usage.task_id for task in page])
        return await asyncio.to_thread(writer.add, page, stores)

    async def get_summary(self, wanted: UsageFilter, bucket: Bucket | None, zone: ZoneInfo) -> UsageSummary:
        """Return the sums of ``wanted`` in buckets of local time; None chooses their size."""
        async with self._reader.snapshot() as snapshot:
            stretch, is_everything = await self._resolve(snapshot, wanted)
            first, end = stretch.first_quarter or 0, stretch.end_quarter or 0
            size = bucket or choose_bucket(first, end)
            starts = list_bucket_starts(first, end, size, zone)
            sums = await snapshot.list_bucket_sums(stretch, starts, end)
            totals, by_model = await (
                snapshot.list_all_model_sums() if is_everything else snapshot.list_model_sums(stretch)
            )
            previous = None
            if wanted.first_quarter is not None:
                previous = await snapshot.get_totals(stretch.between(2 * first - end, first))
        return UsageSummary(
            revision=snapshot.revision,
            from_ms=first * QUARTER_MS,
            to_ms=end * QUARTER_MS,
            bucket=size,
            totals=totals,
            previous=previous,
            by_model=dict(sorted(by_model.items(), key=_weight, reverse=True)),
            series=_series(sums, starts),
        )

    async def _resolve(self, snapshot: UsageSnapshot, wanted: UsageFilter) -> tuple[UsageFilter, bool]:
        """Fill in the ends that were left open, and say whether nothing is left out. One rule for page and cards."""
        span = await snapshot.find_span(latest_credible(self._now_ms()))
        end = wanted.end_quarter
        if end is None:
            end = automatic_end(self._now_ms(), None if span is None else span.last_credible)
            end = max(end, (wanted.first_quarter or 0) + 1)
        first = wanted.first_quarter
        if first is None:
            first = end - 1 if span is None else min(span.first, end - 1)
        if first >= end:
            raise RequestInvalid("from", "must lie before `to`")
        resolved = replace(wanted, first_quarter=first, end_quarter=end)
        return resolved, span is not None and resolved.covers(span.first, span.last)


def _weight(item: tuple[str, Totals]) -> tuple[int, int, str]:
    model, totals = item
    return totals.amount.cost_nano_usd, totals.amount.tokens_in + totals.amount.tokens_out, model


def _series(amounts: list[Amount], starts: list[int]) -> list[SeriesPoint]:
    points: list[SeriesPoint] = []
    cumulative = 0
    for start, amount in zip(starts, amounts, strict=True):
        cumulative += amount.cost_nano_usd
        points.append(SeriesPoint(start * QUARTER_MS, amount, cumulative))
    return points
