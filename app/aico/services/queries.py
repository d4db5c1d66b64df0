"""What the page, the commands and the exports ask for, each from one snapshot, so that everything adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.core.db.reader import (
    ClineRow,
    Group,
    SessionCounts,
    Sort,
    StoredEvent,
    StoredSession,
    UsageReader,
    UsageSnapshot,
)
from aico.core.errors import RequestInvalid, SessionUnknown
from aico.core.filters import UsageFilter, automatic_end, latest_credible, slot_ceiling, slot_floor
from aico.core.sums import NOTHING, Sums
from aico.core.usage import SLOT_MS
from aico.features.usage.export import ExportWriter, SessionLayout, TaskLayout
from aico.features.usage.periods import Bucket, choose_bucket, list_bucket_starts

CLINE = "cline"
"""The source whose old answers go on."""
DAY = "day"
"""Tells sums apart by local day; its name is ``YYYY-MM-DD``."""
_EXPORT_PAGE = 2_000


class Counted(NamedTuple):
    """A sum and the sessions behind it."""

    sums: Sums
    counts: SessionCounts


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A page of sessions, and the sum over all pages."""

    items: list[StoredSession]
    totals: Counted
    epoch: str
    revision: int
    """Number of the last committed change that is contained."""
    task_rows: Mapping[str, ClineRow]
    """Rows of Cline's own table by task; empty unless they were asked for."""


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One bucket of a series."""

    start_ms: int
    sums: Sums
    cumulative_nano: int


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """Sums of one stretch of time, by groups and by buckets: all of them are made of the same events."""

    epoch: str
    revision: int
    """Number of the last committed change that is contained."""
    from_ms: int
    to_ms: int
    bucket: Bucket
    totals: Counted
    previous: Counted | None
    """The equally long stretch before; None when the stretch begins with the first event."""
    by: tuple[str, ...]
    """What the groups are told apart by: values of Group, or ``day``."""
    groups: dict[tuple[str, ...], Counted]
    """By the names of what ``by`` says. Days ascend; otherwise the most expensive comes first, then most tokens."""
    series: list[SeriesPoint]
    exact_since: Mapping[str, int | None]
    """By source: from when on usage was seen as it happened; None before the end of a first reading."""


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """One session with a page of its requests."""

    session: StoredSession
    children: list[str]
    """Keys of the sessions that it started."""
    events: list[StoredEvent]
    """Newest first: requests, and what a running total grew by."""
    event_count: int
    """On all pages."""
    from_ms: int
    to_ms: int
    bucket: Bucket
    series: list[SeriesPoint]
    epoch: str
    revision: int


class _Stretch(NamedTuple):
    """A filter without open ends."""

    wanted: UsageFilter
    first: int
    end: int
    is_everything: bool
    """Whether no event of its sources is left out."""


class UsageQueries:
    """Answers about usage. Every method raises StorageBusy or StorageError."""

    def __init__(self, reader: UsageReader, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._now_ms = now_ms
        self._exporting = asyncio.Lock()  # one at a time: exports are long, and readers are few

    async def list_sessions(
        self,
        wanted: UsageFilter,
        sort: Sort,
        *,
        descending: bool,
        limit: int,
        offset: int,
        has_task_rows: bool = False,
    ) -> SessionPage:
        """Return a page of the sessions with an event inside ``wanted``; with Cline's own rows of them if asked."""
        async with self._reader.snapshot() as snapshot:
            stretch = await self._resolve(snapshot, wanted)
            items, counts, sums = await snapshot.list_sessions(
                stretch.wanted, sort, descending=descending, limit=limit, offset=offset
            )
            task_rows = await snapshot.list_cline_rows(item.key for item in items) if has_task_rows else {}
            return SessionPage(items, Counted(sums, counts), snapshot.epoch, snapshot.revision, task_rows)

    async def get_session(
        self, source: str, key: str, *, limit: int, offset: int, bucket: Bucket | None, zone: ZoneInfo
    ) -> SessionDetail:
        """Return one session, a page of its events, and its series. Raises SessionUnknown, RequestInvalid."""
        async with self._reader.snapshot() as snapshot:
            session = await snapshot.find_session(source, key)
            if session is None:
                raise SessionUnknown
            events, event_count = await snapshot.list_events(session.id, limit=limit, offset=offset)
            first_ms, last_ms = await snapshot.find_event_span(session.id) or (session.first_ts, session.last_ts)
            first, end = slot_floor(first_ms), slot_floor(last_ms) + 1
            size = bucket or choose_bucket(first, end)
            starts = list_bucket_starts(first, end, size, zone, is_automatic=bucket is None)
            only = UsageFilter(first, end, sources=(source,), session=session.id)
            return SessionDetail(
                session=replace(session, spent=session.total),
                children=await snapshot.list_children(source, key),
                events=events,
                event_count=event_count,
                from_ms=first * SLOT_MS,
                to_ms=end * SLOT_MS,
                bucket=size,
                series=_series(await snapshot.list_bucket_sums(only, starts, end), starts),
                epoch=snapshot.epoch,
                revision=snapshot.revision,
            )

    async def get_summary(
        self, wanted: UsageFilter, bucket: Bucket | None, zone: ZoneInfo, by: Sequence[str] = ()
    ) -> UsageSummary:
        """Return the sums of ``wanted`` in buckets of local time (None chooses their size), and told apart ``by``.

        Raises RequestInvalid for more buckets or days than there may be.
        """
        async with self._reader.snapshot() as snapshot:
            stretch = await self._resolve(snapshot, wanted)
            first, end = stretch.first, stretch.end
            size = bucket or choose_bucket(first, end)
            starts = list_bucket_starts(first, end, size, zone, is_automatic=bucket is None)
            buckets = await snapshot.list_bucket_sums(stretch.wanted, starts, end)
            by = _with_source(by)
            groups = await (
                _list_days(snapshot, stretch, by, zone) if DAY in by else _list_groups(snapshot, stretch, by)
            )
            # Sessions of several groups count once in the total.
            counts = await snapshot.count_sessions(stretch.wanted)
            previous = None
            if wanted.first_slot is not None:
                before = stretch.wanted.between(2 * first - end, first)
                previous = Counted(await snapshot.get_sums(before), await snapshot.count_sessions(before))
            return UsageSummary(
                epoch=snapshot.epoch,
                revision=snapshot.revision,
                from_ms=first * SLOT_MS,
                to_ms=end * SLOT_MS,
                bucket=size,
                totals=Counted(Sums.total(group.sums for group in groups.values()), counts),
                previous=previous,
                by=by,
                groups=_sorted(groups, by),
                series=_series(buckets, starts),
                exact_since=await snapshot.list_exact_since(),
            )

    async def export_sessions(
        self,
        wanted: UsageFilter,
        writer: ExportWriter,
        layout: SessionLayout,
        sort: Sort = Sort.LAST,
        *,
        descending: bool = True,
    ) -> list[str]:
        """Return the pieces of an export of the sessions inside ``wanted``.

        They are put together before the first one is sent: a client that stops reading must not hold a snapshot, which
        would keep the write-ahead log from being taken back.
        """
        async with self._exporting, self._reader.snapshot() as snapshot:
            stretch = await self._resolve(snapshot, wanted)
            pages = snapshot.iterate_sessions(stretch.wanted, _EXPORT_PAGE, sort, descending=descending)
            pieces = [writer.begin(layout.columns)]
            async for page in pages:
                pieces.append(await asyncio.to_thread(writer.add, layout.rows(page)))  # noqa: PERF401  # one at a time
        return [*pieces, writer.end()]

    async def export_tasks(
        self, wanted: UsageFilter, writer: ExportWriter, sort: Sort = Sort.LAST, *, descending: bool = True
    ) -> list[str]:
        """Return the pieces of an export of Cline's tasks inside ``wanted``, in the columns that it always had."""
        layout = TaskLayout()
        async with self._exporting, self._reader.snapshot() as snapshot:
            stretch = await self._resolve(snapshot, replace(wanted, sources=(CLINE,)))
            pieces = [writer.begin(layout.columns)]
            async for page in snapshot.iterate_sessions(stretch.wanted, _EXPORT_PAGE, sort, descending=descending):
                rows = await snapshot.list_cline_rows(session.key for session in page)
                pieces.append(await asyncio.to_thread(writer.add, layout.rows(page, rows)))
        return [*pieces, writer.end()]

    async def _resolve(self, snapshot: UsageSnapshot, wanted: UsageFilter) -> _Stretch:
        """Fill in the ends that were left open, and say whether nothing is left out. One rule for page and cards."""
        span = await snapshot.find_span(wanted, latest_credible(self._now_ms()))
        end = wanted.end_slot
        if end is None:
            end = automatic_end(self._now_ms(), None if span is None else span.last_credible)
            end = max(end, (wanted.first_slot or 0) + 1)
        first = wanted.first_slot
        if first is None:
            first = end - 1 if span is None else min(span.first, end - 1)
        if first >= end:
            raise RequestInvalid("from", "must lie before `to`")
        resolved = replace(wanted, first_slot=first, end_slot=end)
        is_everything = span is not None and resolved.covers(span.first, span.last)
        if is_everything:
            # Without ends nothing has to be cut out of a day.
            resolved = replace(wanted, first_slot=None, end_slot=None)
        return _Stretch(resolved, first, end, is_everything)


def filter_between(wanted: UsageFilter, from_ms: int | None, to_ms: int | None) -> UsageFilter:
    """Return ``wanted`` between two moments, rounded out to slots as everywhere."""
    return replace(
        wanted,
        first_slot=None if from_ms is None else slot_floor(from_ms),
        end_slot=None if to_ms is None else slot_ceiling(to_ms),
    )


def _with_source(by: Sequence[str]) -> tuple[str, ...]:
    """Return ``by`` so that sessions of two tools that are called the same are told apart."""
    if Group.SESSION.value in by and Group.SOURCE.value not in by:
        return (Group.SOURCE.value, *by)
    return tuple(by)


async def _list_groups(snapshot: UsageSnapshot, stretch: _Stretch, by: Sequence[str]) -> dict[tuple[str, ...], Counted]:
    groups = [Group(each) for each in by]
    counts = await snapshot.count_by(stretch.wanted, groups)
    if stretch.is_everything and set(groups) <= {Group.SOURCE, Group.MODEL}:
        sums = await _list_whole_sums(snapshot, stretch.wanted, groups)
    else:
        sums = await snapshot.list_sums(stretch.wanted, groups)
    if not by:
        return {(): Counted(sums.get((), NOTHING), counts[()])}
    # A group is what has an event; the sum over none is nobody's.
    return {names: Counted(sums.get(names, NOTHING), count) for names, count in counts.items()}


async def _list_whole_sums(
    snapshot: UsageSnapshot, wanted: UsageFilter, by: Sequence[Group]
) -> dict[tuple[str, ...], Sums]:
    """Return the same as ``list_sums`` from the sums over all time, which are ready."""
    whole: dict[tuple[str, ...], list[Sums]] = {}
    for (source, model), sums in (await snapshot.list_totals()).items():
        if not wanted.sources or source in wanted.sources:
            names = {Group.SOURCE: source, Group.MODEL: model}
            whole.setdefault(tuple(names[each] for each in by), []).append(sums)
    return {names: Sums.total(many) for names, many in whole.items()}


async def _list_days(
    snapshot: UsageSnapshot, stretch: _Stretch, by: Sequence[str], zone: ZoneInfo
) -> dict[tuple[str, ...], Counted]:
    try:
        starts = list_bucket_starts(stretch.first, stretch.end, Bucket.DAY, zone)
    except RequestInvalid:
        raise RequestInvalid("by", "would give too many days; choose a shorter time") from None
    groups = [Group(each) for each in by if each != DAY]
    place = list(by).index(DAY)
    sums = await snapshot.list_bucket_sums(stretch.wanted, starts, stretch.end, groups)
    counts = await snapshot.count_bucket_sessions(stretch.wanted, starts, stretch.end, groups)
    days = [datetime.fromtimestamp(start * SLOT_MS / 1000, UTC).astimezone(zone).date().isoformat() for start in starts]
    return {
        (*names[:place], day, *names[place:]): Counted(sums[number].get(names, NOTHING), count)
        for number, day in enumerate(days)
        for names, count in counts[number].items()
    }


def _sorted(groups: Mapping[tuple[str, ...], Counted], by: Sequence[str]) -> dict[tuple[str, ...], Counted]:
    listed = sorted(groups.items(), key=_weight, reverse=True)
    if DAY in by:
        place = list(by).index(DAY)
        listed.sort(key=lambda item: item[0][place])
    return dict(listed)


def _weight(item: tuple[tuple[str, ...], Counted]) -> tuple[int, int, tuple[str, ...]]:
    names, (sums, _counts) = item
    return sums.cost_nano, sums.token_count, names


def heaviest(
    groups: Mapping[tuple[str, ...], Counted], limit: int
) -> tuple[dict[tuple[str, ...], Counted], list[Counted]]:
    """Return the ``limit`` groups that weigh most, in the order of ``groups``, and the rest."""
    if len(groups) <= limit:
        return dict(groups), []
    chosen = {names for names, _ in sorted(groups.items(), key=_weight, reverse=True)[:limit]}
    kept = {names: group for names, group in groups.items() if names in chosen}
    return kept, [group for names, group in groups.items() if names not in chosen]


def _series(buckets: Iterable[Mapping[tuple[str, ...], Sums]], starts: Sequence[int]) -> list[SeriesPoint]:
    points: list[SeriesPoint] = []
    cumulative = 0
    for start, bucket in zip(starts, buckets, strict=True):
        sums = bucket.get((), NOTHING)
        cumulative += sums.cost_nano
        points.append(SeriesPoint(start * SLOT_MS, sums, cumulative))
    return points
