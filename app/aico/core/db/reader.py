"""Sums and pages over the accounts, all within one snapshot of the database. Sums are integers; nothing is divided."""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

from aico.core.db import questions as sql
from aico.core.db.counters import COUNTERS, PLAN_SOURCES, PLAN_VALUES, counters_of, plan_values_of
from aico.core.db.json_values import json_of
from aico.core.db.orders import Link, Number, Numbered, SessionOrder
from aico.core.db.sums_reader import Ask, SessionCounts, SumsSnapshot
from aico.core.db.touched import TOUCHED_MAX, Touched
from aico.core.filters import UsageFilter
from aico.core.pricing import PriceRef
from aico.core.receipts import ImportReceipt
from aico.core.sums import GROWTH, NOTHING, PROMPT, REQUEST, Costs, EventKind, Sums
from aico.core.usage import RequestState, SessionState, Tokens, Trigger

if TYPE_CHECKING:
    from aico.core.db.database import Database

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
_RUNS_OF_A_READING_MAX = 1_000
_REMEMBERED_MAX = 3
"""Orders of sessions, and their totals, that are remembered: 100,000 sessions are 1.6 MB."""
_MANY = 8
"""One of so many sessions is a reason to read all of them: to look up each one takes longer."""
_FAMILIES_MAX = 2 * TOUCHED_MAX
"""So many sessions are asked for to mend an order, at most."""


_OrderKey: TypeAlias = "tuple[str, UsageFilter, Sort, bool, bool]"
_TotalKey: TypeAlias = tuple[str, int, UsageFilter, bool]


class Sort(StrEnum):
    """The order of a page of sessions; numbers are those spent inside the filter."""

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
    """All that it has spent."""
    origin: str | None = None
    """The origin that states its running total; None for a session of single requests."""
    stated: Tokens | None = None
    """The tool's own running total."""
    stated_nano: int | None = None
    has_fallen: bool = False
    unknown: tuple[str, ...] = ()
    model_count: int | None = None
    """Distinct models of its events; None where nobody has counted."""
    folded_count: int = 0
    """Sessions below it whose sums are in ``spent``."""


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
    """The source of the list price."""


class FoundSessions(NamedTuple):
    """A page of sessions, and the sums of all pages."""

    items: list[StoredSession]
    row_count: int
    """Items on all pages."""
    counts: SessionCounts
    """Of single sessions, folded or not."""
    sums: Sums


class _Memory(Generic[K, V]):
    """The last answers, by question."""

    def __init__(self) -> None:
        self._known: dict[K, V] = {}
        self._lock = threading.Lock()

    def find(self, key: K) -> V | None:
        return self._known.get(key)

    def keep(self, key: K, value: V) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = value
            while len(self._known) > _REMEMBERED_MAX:
                del self._known[next(iter(self._known))]


class _Known(NamedTuple):
    """An order as it was at a revision."""

    revision: int
    order: SessionOrder


class _Pages:
    """The parts that pages of sessions share: the next page of the same commit needs no more than its own rows.

    That of a later commit needs also the sessions that were touched since.
    """

    def __init__(self, touched: Touched | None = None) -> None:
        self.touched = touched or Touched()
        self.orders: _Memory[_OrderKey, _Known] = _Memory()
        self.totals: _Memory[_TotalKey, tuple[SessionCounts, Sums]] = _Memory()


class _Asked(NamedTuple):
    """The question for an order."""

    wanted: UsageFilter
    sort: Sort
    descending: bool
    is_folded: bool


class StoredSource(NamedTuple):
    """The stored state of a source."""

    name: str
    exact_since: int | None
    session_count: int
    latest_ts: int | None


class UsageReader:
    """Reads the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages = _Pages(database.touched)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UsageSnapshot]:
        """Yield a view of one moment: its answers add up. Raises StorageBusy, StorageError."""
        async with self._database.asking() as ask:
            snapshot = await UsageSnapshot.of(ask)
            snapshot.remember(self._pages)
            yield snapshot

    async def look(self, work: Callable[[UsageSnapshot], Coroutine[None, None, T]]) -> T:
        """Return what ``work`` makes of such a view, in a thread of its own: it awaits nothing but the view's answers.

        Raises StorageBusy, StorageError.
        """

        async def look(ask: Ask) -> T:
            snapshot = await UsageSnapshot.of(ask)
            snapshot.remember(self._pages)
            return await work(snapshot)

        return await self._database.look(look)


class UsageSnapshot(SumsSnapshot):
    """The accounts at one moment."""

    def __init__(self, ask: Ask, epoch: str, revision: int) -> None:
        super().__init__(ask, epoch, revision)
        self._pages = _Pages()

    def remember(self, pages: _Pages) -> None:
        """Go on from what is known already, and leave there what comes to be known."""
        self._pages = pages

    async def list_sources(self) -> list[StoredSource]:
        """Return what is stored of each source that was ever read."""
        return [StoredSource(*row) for row in await self.ask(sql.SOURCES)]

    async def find_last_receipt(self, source: str) -> ImportReceipt | None:
        """Return what the last recorded reading of a source came to, by whatever process; None before the first."""
        runs = await self.list_last_runs(source)
        return reduce(ImportReceipt.plus, runs) if runs else None

    async def list_last_runs(self, source: str) -> list[ImportReceipt]:
        """Return the successful runs of the last recorded reading, in order.

        A run that left entries over is followed by one of the same reading that counts nothing else than those.
        """
        found: list[ImportReceipt] = []
        for row in await self.ask(sql.RUNS, (source, _RUNS_OF_A_READING_MAX)):
            run = _receipt_of(row)
            if found and not _is_followed(run, found[-1]):
                break
            found.append(run)
        return found[::-1]

    async def list_sessions(
        self,
        wanted: UsageFilter,
        sort: Sort,
        *,
        descending: bool,
        limit: int,
        offset: int,
        is_folded: bool = False,
        is_brief: bool = False,
    ) -> FoundSessions:
        """Return a page of the sessions with an event inside ``wanted``, in a total order, and the sums over all.

        Folded, a session that another one has started stands under the one at the head of all. Briefly, nobody counts
        unpriced sessions.
        """
        order = await self._order(wanted, sort, descending=descending, is_folded=is_folded)
        # A negative limit is none, as SQLite has it.
        chosen = order.ids[offset:] if limit < 0 else order.ids[offset : offset + limit]
        counts, sums = await self._add_up(wanted, order, is_brief=is_brief)
        return FoundSessions(await self._read(wanted, chosen, order), len(order.ids), counts, sums)

    async def _add_up(self, wanted: UsageFilter, order: SessionOrder, *, is_brief: bool) -> tuple[SessionCounts, Sums]:
        key = (self.epoch, self.revision, wanted, is_brief)
        totals = self._pages.totals.find(key)
        if totals is None:
            # Sessions are counted already.
            counts = SessionCounts(order.session_count) if is_brief else await self.count_sessions(wanted)
            totals = counts, await self.get_sums(wanted)
            self._pages.totals.keep(key, totals)
        return totals

    async def iterate_sessions(
        self, wanted: UsageFilter, size: int, sort: Sort = Sort.LAST, *, descending: bool = True
    ) -> AsyncIterator[list[StoredSession]]:
        """Yield the sessions inside ``wanted`` in pages of ``size``."""
        order = await self._order(wanted, sort, descending=descending, is_folded=False)
        for start in range(0, len(order.ids), size):
            yield await self._read(wanted, order.ids[start : start + size], order)

    async def _order(self, wanted: UsageFilter, sort: Sort, *, descending: bool, is_folded: bool) -> SessionOrder:
        key = (self.epoch, wanted, sort, descending, is_folded)
        known = self._pages.orders.find(key)
        asked = _Asked(wanted, sort, descending, is_folded)
        order = (None if known is None else await self._mend(asked, known)) or await self._find_order(asked)
        if known is None or known.revision <= self.revision:
            self._pages.orders.keep(key, _Known(self.revision, order))
        return order

    async def _find_order(self, asked: _Asked, of: str | None = None) -> SessionOrder:
        """Return an order; ``of`` is a JSON array of sessions: of no other."""
        wanted, sort, descending, is_folded = asked
        [(newest,)] = await self.ask(sql.NEWEST)
        rows = Numbered(await self._list_numbers(wanted, sort, of))
        if is_folded:
            rows = Numbered.fold(rows.numbers, await self._list_links(sort, rows.numbers, newest), _joining(sort))
        found = rows.sort(descending=descending)
        if places := found.find_tied():
            tied = await self._list_tied([found.ids[place] for place in places], sort, newest, descending=descending)
            found.put(places, sorted(tied, key=rows.numbers.__getitem__, reverse=descending))
        return SessionOrder.of(found, rows, newest, descending=descending, has_numbers=sql.is_number(sort))

    async def _list_tied(self, tied: Sequence[int], sort: Sort, newest: int, *, descending: bool) -> list[int]:
        """Return sessions in the order in which they stand where their numbers are the same."""
        of_some = len(tied) * _MANY <= newest
        statement = sql.session_ties(sort, descending=descending, of_some=of_some)
        ranked = await self.ask(statement, (json_of(tied),) if of_some else ())
        are_tied = set(tied)
        return [session for (session,) in ranked if session in are_tied]

    async def _list_numbers(self, wanted: UsageFilter, sort: Sort, of: str | None) -> dict[int, Number]:
        statement, values = sql.session_numbers(wanted, sort, of)
        rows = await self.ask(statement, values)
        numbers: dict[int, Number] = {session: number for session, number in rows}  # noqa: C416
        if len(numbers) < len(rows):
            numbers = dict.fromkeys(numbers, 0)
            for session, number in rows:
                numbers[session] += number
        return numbers

    async def _list_links(self, sort: Sort, sessions: Collection[int], newest: int) -> list[Link]:
        of_some = len(sessions) * _MANY <= newest
        rows = await self.ask(sql.session_links(sort, of_some=of_some), (json_of(sessions),) if of_some else ())
        return [Link(*row) for row in rows]

    async def _mend(self, asked: _Asked, known: _Known) -> SessionOrder | None:
        """Return an order as it is now, of which only what was touched since is asked for; None if that cannot be."""
        order = known.order
        if known.revision == self.revision:
            return order
        touched = self._pages.touched.find_between(self.epoch, known.revision, self.revision)
        # The word of an origin counts or not by what others of a session say, also without usage.
        if touched is None or not order.has_keys or asked.wanted.origin is not None:
            return None
        families = await self._find_families(order, touched) if asked.is_folded else set(touched)
        if len(families) > _FAMILIES_MAX:
            return None
        fresh = await self._find_order(asked, json_of(families))
        if not (fresh.has_keys and families.issuperset(fresh.iterate_named())):
            return None
        others = order.without(families)
        ties: dict[int, str] = {}
        places = [
            await self._find_place(others, ties, session, number, descending=asked.descending)
            for session, number in zip(fresh.ids, fresh.keys, strict=True)
        ]
        return others.joined_by(fresh, places)

    async def _find_families(self, order: SessionOrder, touched: Collection[int]) -> set[int]:
        """Return ``touched`` and all sessions whose row may be another one by what happened to them."""
        families = order.add_families(touched)
        if max(touched, default=0) > order.newest:
            # One that was stored before the session that has started it had a row of its own until then.
            families |= order.add_families([number for (number,) in await self.ask(sql.ORPHANS, (order.newest,))])
        above = await self.ask(sql.ANCESTORS, (json_of(families),))
        return families | order.add_families([number for (number,) in above])

    async def _find_place(
        self, order: SessionOrder, ties: dict[int, str], session: int, number: float, *, descending: bool
    ) -> int:
        """Return the place of a session: where the number is the same, keys decide, which are kept in ``ties``."""
        first, end = bisect_left(order.keys, number), bisect_right(order.keys, number)
        if first == end:
            return first
        mine = await self._tie_of(session, ties)
        while first < end:
            middle = (first + end) // 2
            if ((await self._tie_of(order.ids[middle], ties)) < mine) is descending:
                end = middle
            else:
                first = middle + 1
        return first

    async def _tie_of(self, session: int, ties: dict[int, str]) -> tuple[bytes, int]:
        if session not in ties:
            [(ties[session],)] = await self.ask(sql.SORT_KEY, (session,))
        # As SQLite compares them: by their bytes.
        return ties[session].encode(), session

    async def _read(self, wanted: UsageFilter, chosen: Sequence[int], order: SessionOrder) -> list[StoredSession]:
        """Return the sessions called ``chosen``, with what they and those below them spent inside ``wanted``."""
        heads = {member: head for head in chosen for member in (head, *order.members.get(head, ()))}
        statement, values = sql.spent_by(wanted, heads)
        spent: dict[int, list[Sums]] = {}
        for number, *row in await self.ask(statement, values):
            spent.setdefault(heads[number], []).append(Sums.of(row))
        page = [_session_of(row) for row in await self.ask(sql.SESSIONS, (json_of(chosen),))]
        return await self._complete(
            [
                replace(
                    session,
                    spent=Sums.total(spent.get(session.id, ())),
                    last_ts=order.late.get(session.id, session.last_ts),
                    folded_count=len(order.members.get(session.id, ())),
                )
                for session in page
            ]
        )

    async def find_session(self, source: str, key: str) -> StoredSession | None:
        """Return one session, with everything that it spent, or None."""
        rows = await self.ask(sql.SESSION, (source, key))
        page = await self._complete([_session_of(row) for row in rows])
        return page[0] if page else None

    async def list_children(self, source: str, key: str) -> list[StoredSession]:
        """Return the sessions that ``key`` started, the first one first, with everything that they spent."""
        return await self._complete([_session_of(row) for row in await self.ask(sql.CHILDREN, (source, key))])

    async def get_family(self, source: str, key: str) -> tuple[int, Sums]:
        """Return how many sessions ``key`` is with all that it started, however deep, and what they spent together."""
        [(count, *columns)] = await self.ask(sql.FAMILY_OF, (source, key))
        return count, Sums.of(columns)

    async def find_event_span(self, session: int) -> tuple[int, int] | None:
        """Return the moments of the first and the last event of a session; None if it has none."""
        [(first, last)] = await self.ask(sql.EVENT_SPAN, (session,))
        return None if first is None else (first, last)

    async def list_events(self, session: int, *, limit: int, offset: int) -> tuple[list[StoredEvent], int]:
        """Return a page of a session's events, newest first, and how many there are."""
        [(total,)] = await self.ask(sql.EVENT_COUNT, (session,))
        rows = await self.ask(sql.EVENTS, (session, limit, offset))
        return [_event_of(row) for row in rows], total

    async def list_cline_rows(self, keys: Iterable[str]) -> dict[str, ClineRow]:
        """Return the rows of ``cline_task_usage`` called ``keys``."""
        rows = await self.ask(sql.CLINE_ROWS, (json_of(keys),))
        return {row[0]: ClineRow(*row) for row in rows}

    async def list_first_models(self, limit: int) -> list[str]:
        """Return the known models that were seen first, of any source: a returned model is returned for ever."""
        return [str(name) for (name,) in await self.ask(sql.FIRST_MODELS, (limit,))]

    async def list_counters(self) -> dict[tuple[str, str], Sums]:
        """Return the values of counters, in the same order: all that was ever spent, usage forgotten since included.

        Amounts shown before an older backup was restored are not shown again as growth.
        """
        return counters_of(await self.ask(COUNTERS))

    async def list_plan_values(self, counters: Mapping[tuple[str, str], Sums]) -> dict[tuple[str, str], int]:
        """Return what of the cost of ``counters`` is a value that plans have paid for, in nano-dollars."""
        plans = {str(source) for (source,) in await self.ask(PLAN_SOURCES)}
        return plan_values_of(counters, await self.ask(PLAN_VALUES), plans)

    async def count_origins(self, source: str) -> dict[str, int]:
        """Return how many sessions have a running total of each origin."""
        return {name: count for name, count in await self.ask(sql.ORIGINS, (source,))}  # noqa: C416

    async def _complete(self, page: list[StoredSession]) -> list[StoredSession]:
        """Return ``page`` with each session's whole spending and its tool's own numbers."""
        if not page:
            return page
        ids = json_of(session.id for session in page)
        wholes = {number: (models, Sums.of(row)) for number, models, *row in await self.ask(sql.WHOLE, (ids,))}
        stated: dict[int, sqlite3.Row] = {}
        for row in await self.ask(sql.STATED, (ids,)):
            # The last one counts: rows come weakest first.
            stated[row[0]] = row
        return [_with(session, *wholes.get(session.id, (0, NOTHING)), stated.get(session.id)) for session in page]


def _joining(sort: Sort) -> Callable[[Sequence[Number]], Number]:
    """Return what makes one number of those of a family, its head first."""
    if sql.is_sum(sort):
        return sum
    return max if sort is Sort.LAST else itemgetter(0)


def _session_of(row: sqlite3.Row) -> StoredSession:
    number, source, key, parent, label, project, first, last, seen, model, state = row[:11]
    return StoredSession(
        number, source, key, parent, label, project, first, last, seen, model, SessionState(state), NOTHING
    )


def _with(session: StoredSession, models: int, total: Sums, stated: sqlite3.Row | None) -> StoredSession:
    if stated is None:
        return replace(session, model_count=models, total=total)
    _session, origin, unknown, has_fallen, *last = stated
    return replace(
        session,
        model_count=models,
        total=total,
        origin=origin,
        stated=Tokens(*last[:6]),
        stated_nano=last[6],
        has_fallen=bool(has_fallen),
        unknown=tuple(unknown.split()),
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
