"""Sums and pages over the accounts, all within one snapshot of the database. Sums are integers; nothing is divided."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeAlias

from aico.core.db import questions as sql
from aico.core.db.counters import COUNTERS, counters_of
from aico.core.db.keys import json_of
from aico.core.filters import UsageFilter
from aico.core.gaps import BilledTotal, RecordedPart, find_unrecorded
from aico.core.pricing import PriceRef
from aico.core.receipts import ImportReceipt
from aico.core.sums import GROWTH, NOTHING, PROMPT, REQUEST, SUM_COLUMNS, Costs, EventKind, Sums
from aico.core.usage import RequestState, SessionState, Tokens, Trigger

if TYPE_CHECKING:
    from aico.core.db.database import Database

_RUNS_OF_A_READING_MAX = 1_000
Value: TypeAlias = str | int | float | None


class Ask(Protocol):
    """Asks one connection, whose answers all see one snapshot."""

    async def __call__(self, statement: str, values: Sequence[Value] = (), /) -> list[sqlite3.Row]:
        """Run one statement and return its rows, as plain tuples. Raises sqlite3.Error."""


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
        async with self._database.asking() as ask:
            yield await UsageSnapshot.of(ask)


class UsageSnapshot:
    """The accounts at one moment."""

    def __init__(self, ask: Ask, epoch: str, revision: int) -> None:
        self._ask = ask
        self.epoch = epoch
        self.revision = revision
        """The number of the last committed change that this view contains."""

    @classmethod
    async def of(cls, ask: Ask) -> Self:
        """Return the view of the connection that ``ask`` asks."""
        [(epoch, revision)] = await ask(sql.POSITION)
        return cls(ask, epoch, revision)

    async def list_sources(self) -> list[StoredSource]:
        """Return what is stored of each source that was ever read."""
        return [StoredSource(*row) for row in await self._ask(sql.SOURCES)]

    async def list_exact_since(self) -> dict[str, int | None]:
        """Return, by source, from when on usage was seen as it happened; None before the end of the first reading."""
        return {name: since for name, since in await self._ask(sql.EXACT_SINCE)}  # noqa: C416

    async def find_last_receipt(self, source: str) -> ImportReceipt | None:
        """Return what the last recorded reading of a source came to, by whatever process; None before the first."""
        runs = await self.list_last_runs(source)
        return reduce(ImportReceipt.plus, runs) if runs else None

    async def list_last_runs(self, source: str) -> list[ImportReceipt]:
        """Return the successful runs of the last recorded reading, in order.

        A run that left entries over is followed by one of the same reading that counts nothing else than those.
        """
        found: list[ImportReceipt] = []
        for row in await self._ask(sql.RUNS, (source, _RUNS_OF_A_READING_MAX)):
            run = _receipt_of(row)
            if found and not _is_followed(run, found[-1]):
                break
            found.append(run)
        return found[::-1]

    async def find_span(self, wanted: UsageFilter, credible: int) -> Span | None:
        """Return where the events of its sources lie, or None; ``credible`` as of :func:`latest_credible`."""
        where, values = sql.of_sources(wanted)
        statement = sql.SPAN.format(where=where)
        [(first, last, last_credible)] = await self._ask(statement, (*values, *values, *values, credible))
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
        found = await self._ask(statement, values)
        return {tuple(row[: len(by)]): Sums.of(row[len(by) :]) for row in found}

    async def count_sessions(self, wanted: UsageFilter) -> SessionCounts:
        """Return how many distinct sessions have an event inside ``wanted``."""
        return (await self.count_by(wanted, ()))[()]

    async def count_by(self, wanted: UsageFilter, by: Sequence[Group]) -> dict[tuple[str, ...], SessionCounts]:
        """Return the same by names, like the sums; a session may count for several."""
        statement, values = sql.counted(wanted, by)
        found = await self._ask(statement, values)
        return {tuple(row[: len(by)]): SessionCounts(*row[len(by) :]) for row in found}

    async def list_bucket_sums(
        self, wanted: UsageFilter, starts: Sequence[int], end: int, by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], Sums]]:
        """Return the sums between each of ``starts`` (ascending slots) and the next, the last one up to ``end``.

        Each bucket holds sums by names, like :meth:`list_sums`; what had no event is not in it. ``starts`` and ``end``
        take the place of the time in ``wanted``.
        """
        return await self.list_stretch_sums(wanted, list(zip(starts, [*starts[1:], end], strict=True)), by)

    async def list_stretch_sums(
        self, wanted: UsageFilter, stretches: Sequence[tuple[int, int]], by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], Sums]]:
        """Return the same of any stretches of slots, each with its end; they may overlap."""
        statement, values = sql.buckets(wanted, by)
        found: list[dict[tuple[str, ...], Sums]] = [{} for _ in stretches]
        for place, *row in await self._ask(statement, (json_of(stretches), *values)):
            found[place][tuple(row[: len(by)])] = Sums.of(row[len(by) :])
        return found

    async def count_unpriced(self, wanted: UsageFilter) -> tuple[int, int]:
        """Return how many models lack a price inside ``wanted``, and the tokens that lack it."""
        statement, values = sql.unpriced(wanted)
        [(models, tokens)] = await self._ask(statement, values)
        return models, tokens

    async def find_last_read(self) -> int | None:
        """Return when the last recorded reading ended, epoch milliseconds."""
        [(moment,)] = await self._ask(sql.LAST_READ)
        return None if moment is None else int(moment)

    async def find_last_use(self, now_ms: int) -> int | None:
        """Return when a model was last used up to now, epoch milliseconds."""
        [(moment,)] = await self._ask(sql.LAST_USE, (now_ms,))
        return None if moment is None else int(moment)

    async def list_models(self) -> list[str]:
        """Return every known model."""
        return [str(name) for (name,) in await self._ask(sql.MODELS)]

    async def count_bucket_sessions(
        self, wanted: UsageFilter, starts: Sequence[int], end: int, by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], SessionCounts]]:
        """Return how many distinct sessions have an event in each of the same buckets."""
        statement, values = sql.counted_buckets(wanted, by)
        stretches = json_of(zip(starts, [*starts[1:], end], strict=True))
        buckets: list[dict[tuple[str, ...], SessionCounts]] = [{} for _ in starts]
        for place, *row in await self._ask(statement, (stretches, *values)):
            buckets[place][tuple(row[: len(by)])] = SessionCounts(*row[len(by) :])
        return buckets

    async def list_sessions(
        self, wanted: UsageFilter, sort: Sort, *, descending: bool, limit: int, offset: int
    ) -> tuple[list[StoredSession], SessionCounts, Sums]:
        """Return a page of the sessions with an event inside ``wanted``, in a total order, and the sums over all."""
        rows, values = sql.session_rows(wanted)
        statement = sql.session_page(rows, sort.value, descending=descending)
        first, *others = await self._ask(statement, (*values, limit, offset))
        page = [_session_of(row) for row in others]
        counts = SessionCounts(first[0], first[1])
        return await self._complete(page), counts, Sums.of(first[2 : 2 + len(SUM_COLUMNS)])

    async def iterate_sessions(
        self, wanted: UsageFilter, size: int, sort: Sort = Sort.LAST, *, descending: bool = True
    ) -> AsyncIterator[list[StoredSession]]:
        """Yield the sessions inside ``wanted`` in pages of ``size``, from one query."""
        rows, values = sql.session_rows(wanted)
        statement = sql.session_page(rows, sort.value, descending=descending)
        found = (await self._ask(statement, (*values, -1, 0)))[1:]
        for start in range(0, len(found), size):
            yield await self._complete([_session_of(row) for row in found[start : start + size]])

    async def find_session(self, source: str, key: str) -> StoredSession | None:
        """Return one session, with everything that it spent, or None."""
        rows = await self._ask(sql.SESSION, (source, key))
        page = await self._complete([_session_of(row) for row in rows])
        return page[0] if page else None

    async def list_children(self, source: str, key: str) -> list[str]:
        """Return the keys of the sessions that ``key`` started."""
        return [str(child) for (child,) in await self._ask(sql.CHILDREN, (source, key))]

    async def find_event_span(self, session: int) -> tuple[int, int] | None:
        """Return the moments of the first and the last event of a session; None if it has none."""
        [(first, last)] = await self._ask(sql.EVENT_SPAN, (session,))
        return None if first is None else (first, last)

    async def list_events(self, session: int, *, limit: int, offset: int) -> tuple[list[StoredEvent], int]:
        """Return a page of a session's events, newest first, and how many there are."""
        [(total,)] = await self._ask(sql.EVENT_COUNT, (session,))
        rows = await self._ask(sql.EVENTS, (session, limit, offset))
        return [_event_of(row) for row in rows], total

    async def list_cline_rows(self, keys: Iterable[str]) -> dict[str, ClineRow]:
        """Return the rows of ``cline_task_usage`` called ``keys``."""
        rows = await self._ask(sql.CLINE_ROWS, (json_of(keys),))
        return {row[0]: ClineRow(*row) for row in rows}

    async def list_totals(self) -> dict[tuple[str, str], Sums]:
        """Return the sums over all time by source and model, in the order in which the models were first seen."""
        rows = await self._ask(sql.TOTALS)
        return {(source, model): Sums.of(columns) for source, model, *columns in rows}

    async def list_first_models(self, limit: int) -> list[str]:
        """Return the known models that were seen first, of any source: what this returns once it returns for ever."""
        return [str(name) for (name,) in await self._ask(sql.FIRST_MODELS, (limit,))]

    async def list_counters(self) -> dict[tuple[str, str], Sums]:
        """Return what counters show, in the same order: all that was ever spent, what was forgotten since included.

        What had been shown when an older backup was restored is not shown again as growth.
        """
        return counters_of(await self._ask(COUNTERS))

    async def list_gaps(self, source: str) -> dict[str, tuple[int | None, Tokens]]:
        """Return, by kind, the calls that a tool billed and did not record, as far as they are known."""
        rows = await self._ask(sql.GAPS, (source,))
        gaps = {kind: (requests, Tokens(*tokens)) for kind, requests, *tokens in rows}
        rows = await self._ask(sql.BILLED_TOTALS, (source,))
        totals = [
            BilledTotal(key, kind, at, model, Tokens(*rest[:6]), *rest[6:]) for key, kind, at, model, *rest in rows
        ]
        if totals:
            parts: dict[tuple[str, str], RecordedPart] = {}
            for key, kind, model, *numbers, count in await self._ask(sql.RECORDED_PARTS, (source,)):
                tokens, known = parts.get((key, kind), ({}, 0))
                parts[key, kind] = RecordedPart({**tokens, model: Tokens(*numbers)}, known + count)
            gaps |= {kind: (None, tokens) for kind, tokens in find_unrecorded(totals, parts).items()}
        return gaps

    async def count_origins(self, source: str) -> dict[str, int]:
        """Return how many sessions have a running total of each origin."""
        return {name: count for name, count in await self._ask(sql.ORIGINS, (source,))}  # noqa: C416

    async def _complete(self, page: list[StoredSession]) -> list[StoredSession]:
        """Return ``page`` with what each session spent altogether, and what its tool states."""
        if not page:
            return page
        ids = json_of(session.id for session in page)
        totals = {number: Sums.of(columns) for number, *columns in await self._ask(sql.WHOLE, (ids,))}
        stated: dict[int, sqlite3.Row] = {}
        for row in await self._ask(sql.STATED, (ids,)):
            # The last one counts: rows come weakest first.
            stated[row[0]] = row
        return [_with(session, totals, stated) for session in page]


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


def _receipt_of(row: sqlite3.Row) -> ImportReceipt:
    source, origin, trigger, finished, duration, added, updated, skipped, errors, partial, remaining, revision = row
    return ImportReceipt(
        source=source,
        origin=origin,
        trigger=Trigger(trigger),
        finished_at_ms=finished,
        duration_ms=duration,
        added_count=added,
        updated_count=updated,
        skipped_count=skipped,
        error_count=errors,
        partial_count=partial,
        remaining_count=remaining,
        revision=revision,
    )


def _is_followed(run: ImportReceipt, by: ImportReceipt) -> bool:
    written = by.added_count + by.updated_count + by.remaining_count
    return 0 < run.remaining_count == written and not by.skipped_count and not by.error_count


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
