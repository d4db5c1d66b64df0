"""The answers for the page, the commands and the exports, each from one snapshot, so that everything adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from zoneinfo import ZoneInfo

from aico.core.db.comparing import Compared, list_compared
from aico.core.db.reader import ClineRow, Sort, StoredEvent, StoredSession, UsageReader, UsageSnapshot
from aico.core.db.sums_reader import Group
from aico.core.errors import SessionUnknown
from aico.core.filters import UsageFilter, slot_ceiling, slot_floor
from aico.core.sums import Sums
from aico.core.usage import SLOT_MS
from aico.features.usage.export import ExportWriter, SessionLayout, TaskLayout
from aico.features.usage.periods import Bucket, choose_bucket, list_bucket_starts
from aico.services.glance import Glance, Heat, take_glance, take_heat
from aico.services.summary import Counted, SeriesPoint, UsageSummary, list_series, resolve, summarise

CLINE = "cline"
"""The source whose old answers go on."""
_EXPORT_PAGE = 2_000


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A page of sessions, and the sum over all pages."""

    items: list[StoredSession]
    row_count: int
    """Items on all pages."""
    totals: Counted
    epoch: str
    revision: int
    """Number of the last committed change that is contained."""
    task_rows: Mapping[str, ClineRow]
    """Rows of Cline's own table by task; empty unless they were asked for."""


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """One session with a page of its requests."""

    session: StoredSession
    parent: StoredSession | None
    """The session that started it, if that is stored."""
    children: list[StoredSession]
    """The sessions that it started, the first one first."""
    family: tuple[int, Sums]
    """How many sessions it is with all that it started, however deep, and what they spent together."""
    events: list[StoredEvent]
    """Newest first: requests, and the growth of a running total."""
    event_count: int
    """On all pages."""
    from_ms: int
    to_ms: int
    bucket: Bucket
    series: list[SeriesPoint]
    compared: list[Compared]
    """The statements of its tool beside the list, by model."""
    epoch: str
    revision: int


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
        is_folded: bool = False,
        is_brief: bool = False,
    ) -> SessionPage:
        """Return a page of the sessions with an event inside ``wanted``; with Cline's own rows of them if asked.

        Folded, the sessions that a session has started stand under it. Briefly, nobody counts unpriced sessions.
        """

        async def look(snapshot: UsageSnapshot) -> SessionPage:
            stretch = await resolve(snapshot, self._now_ms(), wanted)
            found = await snapshot.list_sessions(
                stretch.wanted,
                sort,
                descending=descending,
                limit=limit,
                offset=offset,
                is_folded=is_folded,
                is_brief=is_brief,
            )
            totals = Counted(found.sums, found.counts)
            task_rows = await snapshot.list_cline_rows(item.key for item in found.items) if has_task_rows else {}
            return SessionPage(found.items, found.row_count, totals, snapshot.epoch, snapshot.revision, task_rows)

        return await self._reader.look(look)

    async def get_session(
        self, source: str, key: str, *, limit: int, offset: int, bucket: Bucket | None, zone: ZoneInfo
    ) -> SessionDetail:
        """Return one session, a page of its events, and its series. Raises SessionUnknown, RequestInvalid."""

        async def look(snapshot: UsageSnapshot) -> SessionDetail:
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
                parent=None if session.parent is None else await snapshot.find_session(source, session.parent),
                children=[replace(child, spent=child.total) for child in await snapshot.list_children(source, key)],
                family=await snapshot.get_family(source, key),
                events=events,
                event_count=event_count,
                from_ms=first * SLOT_MS,
                to_ms=end * SLOT_MS,
                bucket=size,
                series=list_series(await snapshot.list_bucket_sums(only, starts, end), starts),
                compared=await list_compared(snapshot, UsageFilter(session=session.id)),
                epoch=snapshot.epoch,
                revision=snapshot.revision,
            )

        return await self._reader.look(look)

    async def get_summary(
        self,
        wanted: UsageFilter,
        bucket: Bucket | None,
        zone: ZoneInfo,
        by: Sequence[str] = (),
        split: Group | None = None,
        *,
        is_brief: bool = False,
    ) -> UsageSummary:
        """Return the sums of ``wanted``, as :func:`aico.services.summary.summarise` does. Raises RequestInvalid."""
        return await self._reader.look(
            lambda snapshot: summarise(snapshot, self._now_ms(), wanted, bucket, zone, by, split, is_brief=is_brief)
        )

    async def get_glance(self, zone: ZoneInfo) -> Glance:
        """Return how today and this month are, whatever is filtered."""
        return await self._reader.look(lambda snapshot: take_glance(snapshot, self._now_ms(), zone))

    async def get_heat(self, wanted: UsageFilter, zone: ZoneInfo, *, by_day: bool) -> Heat:
        """Return when ``wanted`` was spent: by hour of the week, or by day. Raises RequestInvalid."""
        return await self._reader.look(
            lambda snapshot: take_heat(snapshot, self._now_ms(), wanted, zone, by_day=by_day)
        )

    async def compare(self, wanted: UsageFilter) -> list[Compared]:
        """Return what tools state beside the list, of each source and model inside ``wanted``."""
        return await self._reader.look(lambda snapshot: list_compared(snapshot, wanted))

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

        async def look(snapshot: UsageSnapshot) -> list[str]:
            stretch = await resolve(snapshot, self._now_ms(), wanted)
            pages = snapshot.iterate_sessions(stretch.wanted, _EXPORT_PAGE, sort, descending=descending)
            return [
                writer.begin(layout.columns),
                *[writer.add(layout.rows(page)) async for page in pages],
                writer.end(),
            ]

        async with self._exporting:
            return await self._reader.look(look)

    async def export_tasks(
        self,
        wanted: UsageFilter,
        writer: ExportWriter,
        sort: Sort = Sort.LAST,
        *,
        descending: bool = True,
        zone: tzinfo | None = None,
    ) -> list[str]:
        """Return the pieces of an export of Cline's tasks inside ``wanted``, in the columns that it always had.

        The local time, which comes last, is of ``zone``; None is the machine's.
        """
        layout = TaskLayout(zone)

        async def look(snapshot: UsageSnapshot) -> list[str]:
            stretch = await resolve(snapshot, self._now_ms(), wanted._replace(sources=(CLINE,)))
            pieces = [writer.begin(layout.columns)]
            async for page in snapshot.iterate_sessions(stretch.wanted, _EXPORT_PAGE, sort, descending=descending):
                rows = await snapshot.list_cline_rows(session.key for session in page)
                pieces.append(writer.add(layout.rows(page, rows)))
            return [*pieces, writer.end()]

        async with self._exporting:
            return await self._reader.look(look)


def filter_between(wanted: UsageFilter, from_ms: int | None, to_ms: int | None) -> UsageFilter:
    """Return ``wanted`` between two moments, rounded out to slots as everywhere."""
    return wanted._replace(
        first_slot=None if from_ms is None else slot_floor(from_ms),
        end_slot=None if to_ms is None else slot_ceiling(to_ms),
    )
