"""Sums and pages over the accounts, all within one snapshot of the database. Sums are integers; nothing is divided."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core.db import questions as sql
from aico.core.db.counters import COUNTERS, counters_of
from aico.core.db.database import Database
from aico.core.db.driver import fetch
from aico.core.db.import_runs import list_last_runs
from aico.core.db.keys import json_of
from aico.core.db.schema import ImportRun
from aico.core.filters import UsageFilter
from aico.core.gaps import BilledTotal, RecordedPart, find_unrecorded
from aico.core.pricing import PriceRef
from aico.core.receipts import ImportReceipt
from aico.core.sums import GROWTH, NOTHING, PROMPT, REQUEST, SUM_COLUMNS, Costs, EventKind, Sums
from aico.core.usage import RequestState, SessionState, Tokens, Trigger


class Sort(StrEnum):
    """What a page of sessions is ordered by; numbers are those spent inside the filter."""

    LAST = "last_at"
    FIRST = "started_at"
    SESSION = "session_id"
    SOURCE = "source"
    MODEL = "model"
    INPUT = "input_tokens"
    CACHE_READ = "cache_read_tokens"
    OUTPUT = "output_tokens"
    TOKENS = "tokens"
    REQUESTS = "requests"
    COST = "cost_usd"


class Group(StrEnum):
    """What sums can be told apart by."""

    SOURCE = "source"
    MODEL = "model"
    SESSION = "session"
    PROJECT = "project"
    """Empty where no project is stored."""


class Span(NamedTuple):
    """Slots of the first event, of the last one, and of the last one that is credible, if one is."""

    first: int
    last: int
    last_credible: int | None


class SessionCounts(NamedTuple):
    """How many sessions stand behind a sum."""

    sessions: int
    unpriced: int
    """Sessions that spent tokens at no cost at all."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it is stored, with what it spent inside a filter."""

    id: int
    source: str
    key: str
    parent: str | None
    label: str | None
    project: str | None
    first_ts: int
    last_ts: int
    seen_at: int
    model: str
    state: SessionState
    spent: Sums
    total: Sums = NOTHING
    """What it has spent altogether."""
    origin: str | None = None
    """The origin that states its running total; None for a session of single requests."""
    stated: Tokens | None = None
    """The tool's own running total."""
    stated_nano: int | None = None
    has_fallen: bool = False
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClineRow:
    """A row of ``cline_task_usage``."""

    task_id: str
    ts: int
    model_id: str | None
    tokens_in: int
    tokens_out: int
    total_cost: float
    imported_at: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of a session."""

    kind: EventKind
    ts: int
    model: str
    tokens: Tokens
    costs: Costs
    state: RequestState
    unknown: tuple[str, ...]
    price_ref: PriceRef | None
    """What the list price was taken from."""


class StoredSource(NamedTuple):
    """What is stored of a source."""

    name: str
    exact_since: int | None
    session_count: int
    latest_ts: int | None


class UsageReader:
    """Reads the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UsageSnapshot]:
        """Yield a view of one moment: what it returns adds up. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            [(epoch, revision)] = await fetch(connection, sql.POSITION)
            yield UsageSnapshot(connection, epoch, revision)


class UsageSnapshot:
    """The accounts at one moment."""

    def __init__(self, connection: AsyncConnection, epoch: str, revision: int) -> None:
        self._connection = connection
        self.epoch = epoch
        self.revision = revision
        """The number of the last committed change that this view contains."""

    async def list_sources(self) -> list[StoredSource]:
        """Return what is stored of each source that was ever read."""
        return [StoredSource(*row) for row in await fetch(self._connection, sql.SOURCES)]

    async def list_exact_since(self) -> dict[str, int | None]:
        """Return, by source, from when on usage was seen as it happened; None before the end of the first reading."""
        return {name: since for name, since in await fetch(self._connection, sql.EXACT_SINCE)}  # noqa: C416

    async def find_last_receipt(self, source: str) -> ImportReceipt | None:
        """Return what the last recorded reading of a source came to, by whatever process; None before the first."""
        runs = [_receipt_of(run) for run in await list_last_runs(self._connection, source)]
        return reduce(ImportReceipt.plus, runs) if runs else None

    async def find_span(self, wanted: UsageFilter, credible: int) -> Span | None:
        """Return where the events of its sources lie, or None; ``credible`` as of :func:`latest_credible`."""
        where, values = sql.of_sources(wanted)
        statement = sql.SPAN.format(where=where)
        [(first, last, last_credible)] = await fetch(self._connection, statement, (*values, *values, *values, credible))
        return None if first is None else Span(first, last, last_credible)

    async def get_sums(self, wanted: UsageFilter) -> Sums:
        """Return the sum of the events inside ``wanted``."""
        return (await self.list_sums(wanted, ()))[()]

    async def list_sums(self, wanted: UsageFilter, by: Sequence[Group]) -> dict[tuple[str, ...], Sums]:
        """Return the sums of the events inside ``wanted`` by the names of what ``by`` says, in its order.

        Two sources may call a session the same: who tells sessions apart tells sources apart, too. Without ``by`` there
        is one sum, under ``()``.
        """
        statement, values = sql.grouped(wanted, by)
        found = await fetch(self._connection, statement, values)
        return {tuple(row[: len(by)]): Sums.of(row[len(by) :]) for row in found}

    async def count_sessions(self, wanted: UsageFilter) -> SessionCounts:
        """Return how many distinct sessions have an event inside ``wanted``."""
        return (await self.count_by(wanted, ()))[()]

    async def count_by(self, wanted: UsageFilter, by: Sequence[Group]) -> dict[tuple[str, ...], SessionCounts]:
        """Return the same by names, like the sums; a session may count for several."""
        statement, values = sql.counted(wanted, by)
        found = await fetch(self._connection, statement, values)
        return {tuple(row[: len(by)]): SessionCounts(*row[len(by) :]) for row in found}

    async def list_bucket_sums(
        self, wanted: UsageFilter, starts: Sequence[int], end: int, by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], Sums]]:
        """Return the sums between each of ``starts`` (ascending slots) and the next, the last one up to ``end``.

        Each bucket holds sums by names, like :meth:`list_sums`; what had no event is not in it. ``starts`` and ``end``
        take the place of the time in ``wanted``.
        """
        statement, values = sql.buckets(wanted, by)
        buckets: list[dict[tuple[str, ...], Sums]] = [{} for _ in starts]
        for place, *row in await fetch(self._connection, statement, (_stretches(starts, end), *values)):
            buckets[place][tuple(row[: len(by)])] = Sums.of(row[len(by) :])
        return buckets

    async def count_bucket_sessions(
        self, wanted: UsageFilter, starts: Sequence[int], end: int, by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], SessionCounts]]:
        """Return how many distinct sessions have an event in each of the same buckets."""
        statement, values = sql.counted_buckets(wanted, by)
        buckets: list[dict[tuple[str, ...], SessionCounts]] = [{} for _ in starts]
        for place, *row in await fetch(self._connection, statement, (_stretches(starts, end), *values)):
            buckets[place][tuple(row[: len(by)])] = SessionCounts(*row[len(by) :])
        return buckets

    async def list_sessions(
        self, wanted: UsageFilter, sort: Sort, *, descending: bool, limit: int, offset: int
    ) -> tuple[list[StoredSession], SessionCounts, Sums]:
        """Return a page of the sessions with an event inside ``wanted``, in a total order, and the sums over all."""
        rows, values = sql.session_rows(wanted)
        statement = sql.session_page(rows, sort.value, descending=descending)
        first, *others = await fetch(self._connection, statement, (*values, limit, offset))
        page = [_session_of(row) for row in others]
        counts = SessionCounts(first[0], first[1])
        return await self._complete(page), counts, Sums.of(first[2 : 2 + len(SUM_COLUMNS)])

    async def iterate_sessions(
        self, wanted: UsageFilter, size: int, sort: Sort = Sort.LAST, *, descending: bool = True
    ) -> AsyncIterator[list[StoredSession]]:
        """Yield the sessions inside ``wanted`` in pages of ``size``, from one query."""
        rows, values = sql.session_rows(wanted)
        statement = sql.session_page(rows, sort.value, descending=descending)
        found = (await fetch(self._connection, statement, (*values, -1, 0)))[1:]
        for start in range(0, len(found), size):
            yield await self._complete([_session_of(row) for row in found[start : start + size]])

    async def find_session(self, source: str, key: str) -> StoredSession | None:
        """Return one session, with everything that it spent, or None."""
        rows = await fetch(self._connection, sql.SESSION, (source, key))
        page = await self._complete([_session_of(row) for row in rows])
        return page[0] if page else None

    async def list_children(self, source: str, key: str) -> list[str]:
        """Return the keys of the sessions that ``key`` started."""
        return [str(child) for (child,) in await fetch(self._connection, sql.CHILDREN, (source, key))]

    async def find_event_span(self, session: int) -> tuple[int, int] | None:
        """Return the moments of the first and the last event of a session; None if it has none."""
        [(first, last)] = await fetch(self._connection, sql.EVENT_SPAN, (session,))
        return None if first is None else (first, last)

    async def list_events(self, session: int, *, limit: int, offset: int) -> tuple[list[StoredEvent], int]:
        """Return a page of a session's events, newest first, and how many there are."""
        [(total,)] = await fetch(self._connection, sql.EVENT_COUNT, (session,))
        rows = await fetch(self._connection, sql.EVENTS, (session, limit, offset))
        return [_event_of(row) for row in rows], total

    async def list_cline_rows(self, keys: Iterable[str]) -> dict[str, ClineRow]:
        """Return the rows of ``cline_task_usage`` called ``keys``."""
        rows = await fetch(self._connection, sql.CLINE_ROWS, (json_of(keys),))
        return {row[0]: ClineRow(*row) for row in rows}

    async def list_totals(self) -> dict[tuple[str, str], Sums]:
        """Return the sums over all time by source and model, in the order in which the models were first seen."""
        rows = await fetch(self._connection, sql.TOTALS)
        return {(source, model): Sums.of(columns) for source, model, *columns in rows}

    async def list_first_models(self, limit: int) -> list[str]:
        """Return the known models that were seen first, of any source: what this returns once it returns for ever."""
        return [str(name) for (name,) in await fetch(self._connection, sql.FIRST_MODELS, (limit,))]

    async def list_counters(self) -> dict[tuple[str, str], Sums]:
        """Return what counters show, in the same order: all that was ever spent, what was forgotten since included.

        What had been shown when an older backup was restored is not shown again as growth.
        """
        return counters_of(await fetch(self._connection, COUNTERS))

    async def list_gaps(self, source: str) -> dict[str, tuple[int | None, Tokens]]:
        """Return, by kind, the calls that a tool billed and did not record, as far as they are known."""
        rows = await fetch(self._connection, sql.GAPS, (source,))
        gaps = {kind: (requests, Tokens(*tokens)) for kind, requests, *tokens in rows}
        rows = await fetch(self._connection, sql.BILLED_TOTALS, (source,))
        totals = [
            BilledTotal(key, kind, at, model, Tokens(*rest[:6]), *rest[6:]) for key, kind, at, model, *rest in rows
        ]
        if totals:
            parts: dict[tuple[str, str], RecordedPart] = {}
            for key, kind, model, *numbers, count in await fetch(self._connection, sql.RECORDED_PARTS, (source,)):
                tokens, known = parts.get((key, kind), ({}, 0))
                parts[key, kind] = RecordedPart({**tokens, model: Tokens(*numbers)}, known + count)
            gaps |= {kind: (None, tokens) for kind, tokens in find_unrecorded(totals, parts).items()}
        return gaps

    async def count_origins(self, source: str) -> dict[str, int]:
        """Return how many sessions have a running total of each origin."""
        return {name: count for name, count in await fetch(self._connection, sql.ORIGINS, (source,))}  # noqa: C416

    async def _complete(self, page: list[StoredSession]) -> list[StoredSession]:
        """Return ``page`` with what each session spent altogether, and what its tool states."""
        if not page:
            return page
        ids = json_of(session.id for session in page)
        totals = {number: Sums.of(columns) for number, *columns in await fetch(self._connection, sql.WHOLE, (ids,))}
        stated: dict[int, sqlite3.Row] = {}
        for row in await fetch(self._connection, sql.STATED, (ids,)):
            # The last one counts: rows come weakest first.
            stated[row[0]] = row
        return [_with(session, totals, stated) for session in page]


def _stretches(starts: Sequence[int], end: int) -> str:
    return json_of(zip(starts, [*starts[1:], end], strict=True))


def _session_of(row: sqlite3.Row) -> StoredSession:
    number, source, key, parent, label, project, first, last, seen, model, state, *spent = row
    return StoredSession(
        number, source, key, parent, label, project, first, last, seen, model, SessionState(state), Sums.of(spent)
    )


def _with(session: StoredSession, totals: Mapping[int, Sums], stated: Mapping[int, sqlite3.Row]) -> StoredSession:
    row = stated.get(session.id)
    if row is None:
        return _replace(session, totals.get(session.id, NOTHING))
    _session, origin, unknown, has_fallen, *last = row
    return _replace(
        session,
        totals.get(session.id, NOTHING),
        origin,
        Tokens(*last[:6]),
        last[6],
        tuple(unknown.split()),
        has_fallen=bool(has_fallen),
    )


def _replace(
    session: StoredSession,
    total: Sums,
    origin: str | None = None,
    stated: Tokens | None = None,
    stated_nano: int | None = None,
    unknown: tuple[str, ...] = (),
    *,
    has_fallen: bool = False,
) -> StoredSession:
    return StoredSession(
        session.id,
        session.source,
        session.key,
        session.parent,
        session.label,
        session.project,
        session.first_ts,
        session.last_ts,
        session.seen_at,
        session.model,
        session.state,
        session.spent,
        total,
        origin,
        stated,
        stated_nano,
        has_fallen,
        unknown,
    )


def _receipt_of(run: ImportRun) -> ImportReceipt:
    return ImportReceipt(
        source=run.source,
        origin=run.origin,
        trigger=Trigger(run.trigger),
        finished_at_ms=run.finished_at,
        duration_ms=run.duration_ms,
        added_count=run.added_count,
        updated_count=run.updated_count,
        skipped_count=run.skipped_count,
        error_count=run.error_count,
        partial_count=run.partial_count,
        remaining_count=run.remaining_count,
        revision=run.revision or 0,
    )


_KINDS = {kind.code: kind for kind in (REQUEST, GROWTH, PROMPT)}


def _event_of(row: sqlite3.Row) -> StoredEvent:
    kind, ts, model, state, unknown, recorded, own, listed, price_list, entry, *tokens = row
    return StoredEvent(
        _KINDS[kind],
        ts,
        model,
        Tokens(*tokens),
        Costs(recorded, own, listed),
        RequestState(state),
        tuple(unknown.split()),
        None if price_list is None else PriceRef(price_list, entry),
    )
