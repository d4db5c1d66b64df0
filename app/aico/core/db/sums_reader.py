"""Sums over the accounts, all within one snapshot of the database. Nothing is divided.

Nothing here is imported that a command at a prompt would have to wait for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, Self, TypeAlias

from aico.core.db import questions as sql
from aico.core.db.json_values import json_of
from aico.core.filters import UsageFilter
from aico.core.gaps import BilledTotal, RecordedPart, find_unrecorded
from aico.core.sums import Sums
from aico.core.units import NANO, Tokens

Value: TypeAlias = str | int | float | None


class Ask(Protocol):
    """Asks one connection, whose answers all see one snapshot."""

    async def __call__(self, statement: str, values: Sequence[Value] = (), /) -> list[sqlite3.Row]:
        """Run one statement and return its rows, as plain tuples. Raises sqlite3.Error."""


class Group(StrEnum):
    """A key that can divide sums."""

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


class LaterUse(NamedTuple):
    """Usage that came to forgotten sessions after they were forgotten, and that nobody counts, over all time."""

    sessions: int
    requests: int
    """0 where its tool writes totals alone."""


NO_LATER_USE = LaterUse(0, 0)


class SessionCounts(NamedTuple):
    """How many sessions stand behind a sum; None where nobody has counted."""

    sessions: int | None = None
    unpriced: int | None = None
    """Sessions that spent tokens at no cost at all."""

    @property
    def counted(self) -> int:
        """The number of sessions. Asking where nobody has counted is a bug: RuntimeError."""
        if self.sessions is None:
            raise RuntimeError("nobody has counted these sessions")
        return self.sessions


class PlanPrice(NamedTuple):
    """The price of a source's subscription for one billing period."""

    source: str
    price_nano: int
    """Billionths of the currency's unit."""
    currency: str
    """Three capital letters."""


class NamedSession(NamedTuple):
    """A session, as far as a person tells it from others."""

    label: str | None
    first_ms: int
    parent: str | None
    """Key of the session that started it."""
    parent_label: str | None
    parent_first_ms: int | None
    """None where the parent is not stored."""


class SumsSnapshot:
    """The sums at one moment."""

    def __init__(self, ask: Ask, epoch: str, revision: int) -> None:
        self.ask = ask
        self.epoch = epoch
        self.revision = revision
        """The number of the last committed change that this view contains."""

    @classmethod
    async def of(cls, ask: Ask) -> Self:
        """Return the view of the connection that ``ask`` asks."""
        [(epoch, revision)] = await ask(sql.POSITION)
        return cls(ask, epoch, revision)

    async def list_exact_since(self) -> dict[str, int | None]:
        """Return, by source, from when on usage was seen as it happened; None before the end of the first reading."""
        return {name: since for name, since in await self.ask(sql.EXACT_SINCE)}  # noqa: C416

    async def find_span(self, wanted: UsageFilter, credible: int) -> Span | None:
        """Return where the events of its sources lie, or None; ``credible`` as of :func:`latest_credible`."""
        where, values = sql.of_sources(wanted)
        statement = sql.SPAN.format(where=where)
        [(first, last, last_credible)] = await self.ask(statement, (*values, *values, *values, credible))
        return None if first is None else Span(first, last, last_credible)

    async def list_slots(self, first: int) -> list[int]:
        """Return the slots from ``first`` on in which anything is booked, ascending."""
        return [slot for (slot,) in await self.ask(sql.SLOTS, (first,))]

    async def get_sums(self, wanted: UsageFilter) -> Sums:
        """Return the sum of the events inside ``wanted``."""
        return (await self.list_sums(wanted, ()))[()]

    async def list_sums(self, wanted: UsageFilter, by: Sequence[Group]) -> dict[tuple[str, ...], Sums]:
        """Return the sums of the events inside ``wanted`` by the names of what ``by`` says, in its order.

        Two sources may call a session the same: a caller that divides by session divides by source, too. Without
        ``by`` there is one sum, under ``()``.
        """
        statement, values = sql.grouped(wanted, by)
        found = await self.ask(statement, values)
        sums = {tuple(row[: len(by)]): Sums.of(row[len(by) :]) for row in found}
        return {names: each for names, each in sums.items() if not by or any(each.vector)}

    async def get_sums_between(self, wanted: UsageFilter, first_ms: int, end_ms: int) -> Sums:
        """Return the sum of the events inside ``wanted`` between two moments, the end excluded, to the millisecond."""
        statement, values = sql.burned(wanted, first_ms, end_ms)
        [row] = await self.ask(statement, values)
        return Sums.of(row)

    async def count_sessions(self, wanted: UsageFilter, *, is_brief: bool = False) -> SessionCounts:
        """Return how many distinct sessions have an event inside ``wanted``; briefly, not how many are unpriced.

        That takes a tenth of the time: only keys are read.
        """
        if not is_brief:
            return (await self.count_by(wanted, ()))[()]
        statement, values = sql.session_count(wanted)
        [(count,)] = await self.ask(statement, values)
        return SessionCounts(int(count))

    async def count_by(self, wanted: UsageFilter, by: Sequence[Group]) -> dict[tuple[str, ...], SessionCounts]:
        """Return the same by names, like the sums; a session may count for several."""
        statement, values = sql.counted(wanted, by)
        found = await self.ask(statement, values)
        return {tuple(row[: len(by)]): SessionCounts(*row[len(by) :]) for row in found}

    async def list_bucket_sums(
        self, wanted: UsageFilter, starts: Sequence[int], end: int, by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], Sums]]:
        """Return the sums between each of ``starts`` (ascending slots) and the next, the last one up to ``end``.

        Each bucket holds sums by names, like :meth:`list_sums`, but no name without events. ``starts`` and ``end`` take
        the place of the time in ``wanted``.
        """
        return await self.list_stretch_sums(wanted, list(zip(starts, [*starts[1:], end], strict=True)), by)

    async def list_stretch_sums(
        self, wanted: UsageFilter, stretches: Sequence[tuple[int, int]], by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], Sums]]:
        """Return the same of any stretches of slots, each with its end; they may overlap."""
        statement, values = sql.buckets(wanted, stretches, by)
        found: list[dict[tuple[str, ...], Sums]] = [{} for _ in stretches]
        for place, *row in await self.ask(statement, values):
            sums = Sums.of(row[len(by) :])
            if any(sums.vector):  # whatever was taken off again has left nothing
                found[place][tuple(row[: len(by)])] = sums
        return found

    async def list_by_slot(self, wanted: UsageFilter) -> list[tuple[int, int, int, int]]:
        """Return slot, cost in nano-dollars, tokens and lacks of each slot inside ``wanted`` that has any.

        Lacks are the requests of which something is not known that costs.
        """
        statement, values = sql.by_slot(wanted)
        return [(slot, usd * NANO + nano, *rest) for slot, usd, nano, *rest in await self.ask(statement, values)]

    async def count_bucket_sessions(
        self, wanted: UsageFilter, starts: Sequence[int], end: int, by: Sequence[Group] = ()
    ) -> list[dict[tuple[str, ...], SessionCounts]]:
        """Return how many distinct sessions have an event in each of the same buckets."""
        stretches = list(zip(starts, [*starts[1:], end], strict=True))
        statement, values = sql.counted_buckets(wanted, stretches, by)
        buckets: list[dict[tuple[str, ...], SessionCounts]] = [{} for _ in starts]
        for place, *row in await self.ask(statement, values):
            buckets[place][tuple(row[: len(by)])] = SessionCounts(*row[len(by) :])
        return buckets

    async def list_totals(self) -> dict[tuple[str, str], Sums]:
        """Return the sums over all time by source and model, in the order in which the models were first seen."""
        rows = await self.ask(sql.TOTALS)
        return {(source, model): Sums.of(columns) for source, model, *columns in rows}

    async def count_unpriced(self, wanted: UsageFilter) -> tuple[int, int]:
        """Return how many models lack a price inside ``wanted``, and the tokens that lack it."""
        statement, values = sql.unpriced(wanted)
        [(models, tokens)] = await self.ask(statement, values)
        return models, tokens

    async def list_gaps(self, source: str) -> dict[str, tuple[int | None, Tokens]]:
        """Return, by kind, the calls that a tool billed and did not record, as far as they are known."""
        rows = await self.ask(sql.GAPS, (source,))
        gaps = {kind: (requests, Tokens(*tokens)) for kind, requests, *tokens in rows}
        rows = await self.ask(sql.BILLED_TOTALS, (source,))
        totals = [
            BilledTotal(key, kind, at, model, Tokens(*rest[:6]), *rest[6:]) for key, kind, at, model, *rest in rows
        ]
        if totals:
            parts: dict[tuple[str, str], RecordedPart] = {}
            for key, kind, model, *numbers, count in await self.ask(sql.RECORDED_PARTS, (source,)):
                tokens, known = parts.get((key, kind), ({}, 0))
                parts[key, kind] = RecordedPart({**tokens, model: Tokens(*numbers)}, known + count)
            gaps |= {kind: (None, tokens) for kind, tokens in find_unrecorded(totals, parts).items()}
        return gaps

    async def has_meters(self, source: str, origin: str) -> bool:
        """Return whether an origin has ever stated a session's totals."""
        [(found,)] = await self.ask(sql.HAS_METERS, (source, origin))
        return bool(found)

    async def find_last_read(self) -> int | None:
        """Return when the last recorded reading ended, epoch milliseconds."""
        [(moment,)] = await self.ask(sql.LAST_READ)
        return None if moment is None else int(moment)

    async def find_last_use(self, now_ms: int) -> int | None:
        """Return when a model was last used up to now, epoch milliseconds."""
        [(moment,)] = await self.ask(sql.LAST_USE, (now_ms,))
        return None if moment is None else int(moment)

    async def get_family_sums(self, key: str) -> Sums:
        """Return what the session ``key`` of any source has spent, with all that it has started, over all time."""
        [row] = await self.ask(sql.FAMILY, (key,))
        return Sums.of(row)

    async def is_forgotten(self, key: str) -> bool:
        """Return whether a session ``key`` of any source was forgotten on request."""
        [(is_forgotten,)] = await self.ask(sql.IS_FORGOTTEN, (key,))
        return bool(is_forgotten)

    async def list_later_uses(self) -> dict[str, LaterUse]:
        """Return, by source, the usage that came to sessions after they were forgotten."""
        return {source: LaterUse(sessions, requests) for source, sessions, requests in await self.ask(sql.LATER_USES)}

    async def list_named(self, sessions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], NamedSession]:
        """Return what tells ``sessions``, each its source and its key, from others."""
        rows = await self.ask(sql.NAMED_SESSIONS, (json_of(sessions),))
        return {(source, key): NamedSession(*rest) for source, key, *rest in rows}

    async def list_plan_prices(self) -> list[PlanPrice]:
        """Return what is paid by subscription, by source."""
        return [PlanPrice(*row) for row in await self.ask(sql.PLAN_PRICES)]

    async def find_month_budget(self) -> int | None:
        """Return the smallest budget of everything in a month, in nano-dollars; None where there is none."""
        [(amount,)] = await self.ask(sql.MONTH_BUDGET)
        return None if amount is None else int(amount)

    async def knows_limits(self, source: str, after_slot: int) -> bool:
        """Return whether there is any limit to tell: a budget, one of a plan, or of ``source``, used behind that slot.

        The budget of a month for everything is none of them: it is told with the month.
        """
        [(is_known,)] = await self.ask(sql.KNOWS_LIMITS, (source, after_slot))
        return bool(is_known)

    async def find_source_of(self, moment_ms: int) -> str | None:
        """Return whose model was used at the moment of :meth:`find_last_use`."""
        rows = await self.ask(sql.LAST_SOURCE, (moment_ms,))
        return str(rows[0][0]) if rows else None

    async def list_models(self) -> list[str]:
        """Return every known model."""
        return [str(name) for (name,) in await self.ask(sql.MODELS)]
