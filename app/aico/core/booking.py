"""The effect of one transaction on the accounts, worked out on plain values. Pure: no I/O, no clock, no logging.

The writer loads the stored rows of the records' sessions, meters and events, lets a :class:`Books` take the records,
and stores the result. Rules: a known request never loses a number and never counts twice; a running total books its
growth above its high water only; a sum follows from the events alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from aico.core.metering import Amounts, Meter, advance, is_unmeasured, is_unpriced
from aico.core.sums import (
    GROWTH,
    PROMPT,
    PROMPTS,
    REQUEST,
    REQUESTS,
    WIDTH,
    Costs,
    EventKind,
    Vector,
    add,
    measure,
    measure_all,
)
from aico.core.usage import (
    DAY_SLOTS,
    REGION,
    SLOT_MS,
    UNKNOWN_MODEL,
    MeterReading,
    PromptSeen,
    RequestState,
    SessionState,
    Tokens,
    UsageEvent,
)

K = TypeVar("K")
EventKey = tuple[int, int, int]
"""The code of its kind, and the key as two integers."""
_TRUST = {
    RequestState.FINAL: 4,
    RequestState.AT_LEAST: 3,
    RequestState.INTERRUPTED: 2,
    RequestState.UNMEASURED: 1,
    RequestState.OPEN: 0,
}
"""The trust in each state: known numbers of a request are replaced only by more trusted ones."""
_MEASURED = _TRUST[RequestState.INTERRUPTED]
_REQUEST = REQUEST.code
# An enumeration is asked for a member by a function of Python; this stands on every prompt.
_FINAL = RequestState.FINAL
_NO_TOKENS, _NO_COSTS = Tokens(), Costs()
_NO_VECTOR = [0] * WIDTH
LOST_AFTER_MS = 900_000
"""A request without an answer for so long is lost: it was sent and billed, and its tokens are not known."""


@dataclass(slots=True)
class SessionEntry:
    """A session as it is stored, or will be."""

    id: int
    key: str
    parent: str | None
    first_ts: int
    last_ts: int
    model: int
    state: int
    seen_at: int
    label: str | None = None
    project: str | None = None
    is_new: bool = False
    is_changed: bool = False
    """True if its row must be written."""
    is_touched: bool = False
    """True if anything of it changed, so that it is told."""
    is_outranked: bool = False
    """True if another origin states its numbers with more authority than the one that is read."""


@dataclass(slots=True)
class EventEntry:
    """An event as it is stored, or will be."""

    id: int | None
    kind: EventKind
    key: tuple[int, int]
    origin: int
    session: int
    ts: int
    model: int
    tokens: Tokens
    costs: Costs
    state: RequestState
    unknown: str = ""
    context: str = ""
    price_ref: int | None = None
    """The source of the list price."""
    claim: int | None = None
    is_changed: bool = False
    is_posted: bool = True
    """True if the sums know it; a new one waits for its price until all records are taken, or somebody asks."""

    @property
    def priced_by(self) -> tuple[object, ...]:
        """The basis of a list price: as long as this stays, the price stays, even if newer lists state another."""
        return self.model, self.ts, self.context, self.tokens, self.state, self.unknown

    def vector(self) -> Vector:
        """Return what it adds to the sums."""
        return measure(self.kind, self.tokens, self.costs, self.state, is_partial=bool(self.unknown))


def _leave_unpriced(_event: EventEntry) -> None:
    """Give no list price."""


def _leave_all_unpriced(_events: Sequence[EventEntry]) -> None:
    """Give no list price to any."""


def _find_no_price(_event: EventEntry) -> None:
    """Know no own price."""


class Tally:
    """The additions of a transaction to each table of sums, added up once by slot, session and model."""

    def __init__(self) -> None:
        self._posted: dict[tuple[int, int, int], Vector] = {}
        self._by_session: dict[int, Vector] | None = None
        """As :meth:`spent` has asked for it since the last post."""
        self.vacated: set[tuple[int, int, int]] = set()
        """Moment, session and model of events that moved away: a sum there may be a sum over nothing now."""

    def post(self, more: Vector, ts: int, session: int, model: int) -> None:
        """Add ``more``, which may hold negative numbers where an event moves or gets better."""
        self.post_in(ts // SLOT_MS, more, session, model)

    def post_in(self, slot: int, more: Vector, session: int, model: int) -> None:
        """Add ``more``, of events of one ``slot``."""
        self._by_session = None
        _add_at(self._posted, (slot, session, model), more)

    def slots(self) -> dict[tuple[int, int], Vector]:
        """Return the sums by slot and model."""
        return self._fold(lambda slot, _session, model: (slot, model))

    def days(self) -> dict[tuple[int, int, int], Vector]:
        """Return the sums by day, session and model."""
        return self._fold(lambda slot, session, model: (slot // DAY_SLOTS, session, model))

    def model_days(self) -> dict[tuple[int, int], Vector]:
        """Return the sums by day and model."""
        return self._fold(lambda slot, _session, model: (slot // DAY_SLOTS, model))

    def totals(self) -> dict[int, Vector]:
        """Return the sums by model."""
        return self._fold(lambda _slot, _session, model: model)

    def list_sessions(self) -> set[int]:
        """Return the sessions of all sums."""
        return {session for _slot, session, _model in self._posted}

    def spent(self, session: int) -> Vector | None:
        """Return the sums of a session; None if nothing of it was posted."""
        if self._by_session is None:
            self._by_session = self._fold(lambda _slot, session, _model: session)
        return self._by_session.get(session)

    def list_vacated_slots(self) -> list[tuple[int, int]]:
        """Return the slots and models whose sum may be one over nothing now."""
        return _list_vacated({(slot_of(ts), model) for ts, _session, model in self.vacated}, self.slots)

    def list_vacated_days(self) -> list[tuple[int, int, int]]:
        """Return the days, sessions and models whose sum may be one over nothing now."""
        days = {(slot_of(ts) // DAY_SLOTS, session, model) for ts, session, model in self.vacated}
        return _list_vacated(days, self.days)

    def _fold(self, key_of: Callable[[int, int, int], K]) -> dict[K, Vector]:
        sums: dict[K, Vector] = {}
        for (slot, session, model), more in self._posted.items():
            _add_at(sums, key_of(slot, session, model), more)
        return sums


class Growth(NamedTuple):
    """The growth that one reading will book, as soon as the event that it belongs to is known."""

    session: SessionEntry
    meter: Meter
    amounts: Amounts
    ts: int
    model: int
    books: bool
    """True if an event is to be written: at first sight, and for growth."""
    is_unpriced: bool
    """True if the session has tokens, and no meter of it a cost."""
    is_unmeasured: bool
    """True if no meter of the session ever stated tokens."""
    was_unpriced: bool
    was_unmeasured: bool
    is_cost_stated: bool
    """True if the reading states a cost: then it is the cost of all that was read so far."""
    found: frozenset[str]
    """Names of fields that can be used now, and could not at the reading before."""

    @property
    def tells_more(self) -> bool:
        """True if something may become known of earlier growth."""
        return (
            (self.was_unpriced and not self.is_unpriced)
            or (self.was_unmeasured and not self.is_unmeasured)
            or bool(self.found)
            or (not self.session.is_new and bool(self.amounts[6]))
        )


class Books:
    """The accounts of one source during one transaction."""

    def __init__(
        self,
        *,
        origin: int,
        now_ms: int,
        model_id: Callable[[str], int],
        sessions: dict[str, SessionEntry],
        next_session_id: int,
        price: Callable[[EventEntry], None] = _leave_unpriced,
        price_new: Callable[[Sequence[EventEntry]], None] = _leave_all_unpriced,
        own: Callable[[EventEntry], int | None] = _find_no_price,
    ) -> None:
        """``price`` gives a request the list price of what is known of it now, if there is one.

        ``price_new`` does so for many that never had one.
        ``own`` returns what any event costs at the user's own price, in nano-dollars; None where there is none.
        """
        self.sessions = sessions
        """By key: those of the records, and those that own a request that is known."""
        self._tally = Tally()
        self.meters: dict[int, Meter] = {}
        """Meters of the origin that is read, as they are after its readings, by session."""
        self.changed_meters: set[int] = set()
        """Sessions whose meter must be written."""
        self.events: dict[EventKey, EventEntry] = {}
        """Everything that was loaded or made."""
        self.first_halves: set[tuple[int, int]] = set()
        """Kind and first half of the keys of known events, as far as bare records ask for them."""
        self.told: dict[int, list[EventEntry]] = {}
        """By session, stored requests that records of this batch may tell of under another key."""
        self._tellers: dict[int, tuple[int, int]] = {}
        """By the identity of such a request, the key of the record that was found to tell of it."""
        self._made: list[EventEntry] = []
        self._unposted: list[EventEntry] = []
        self.deserted: set[int] = set()
        """Numbers of sessions in which an event moved: their first and last moment may be others now."""
        self.added_count = self.updated_count = self.skipped_count = 0
        self._origin = origin
        self._now_ms = now_ms
        self._model_id = model_id
        self._next_session_id = next_session_id
        self._price = price
        self._price_new = price_new
        self._own = own
        self._by_id = {session.id: session for session in sessions.values()}

    @property
    def tally(self) -> Tally:
        """The additions of all records taken so far to the sums."""
        self._post_new()
        return self._tally

    @property
    def made(self) -> Sequence[EventEntry]:
        """Events that are new."""
        self._post_new()
        return self._made

    def add_sessions(self, sessions: Iterable[SessionEntry]) -> None:
        """Take stored sessions that own a known request which a record of another session repeats."""
        for session in sessions:
            self._by_id[session.id] = self.sessions.setdefault(session.key, session)

    def list_deserted(self) -> list[SessionEntry]:
        """Return the sessions of :attr:`deserted`."""
        return [self._by_id[number] for number in sorted(self.deserted)]

    def lacking_sessions(self) -> set[int]:
        """Return the numbers of sessions that own a known event and are not here yet."""
        return {event.session for event in self.events.values()} - self._by_id.keys()

    def find_session(self, key: str, parent: str | None, ts: int, model: str | None) -> SessionEntry:
        """Return the session called ``key``, made if it is not stored."""
        entry = self.sessions.get(key)
        if entry is None:
            entry = SessionEntry(
                self._next_session_id,
                key,
                parent,
                ts,
                ts,
                self._model_id(model or UNKNOWN_MODEL),
                0,
                self._now_ms,
                is_new=True,
                is_changed=True,
                is_touched=True,
            )
            self._next_session_id += 1
            self.sessions[key] = self._by_id[entry.id] = entry
        else:
            self._note_parent(entry, parent)
        return entry

    def _note_parent(self, session: SessionEntry | None, parent: str | None) -> bool:
        """Note the session that started ``session``, as soon as it is known; return whether that is news."""
        if session is None or parent is None or session.parent is not None:
            return False
        session.parent, session.is_changed, session.is_touched = parent, True, True
        return True

    # Running totals

    def read_meter(
        self,
        reading: MeterReading,
        known: Meter | None,
        booked: Iterable[int] | None,
        others: Sequence[Meter] = (),
        *,
        is_joint: bool = False,
        is_outranked: bool = False,
    ) -> Growth | None:
        """Take one reading; return what it is to book, or None when it changes nothing.

        ``known`` is its stored meter, ``booked`` what the session has booked otherwise, ``others`` are its meters in
        other origins. A session whose numbers another origin states with more authority (``is_outranked``) keeps its
        time, model and state.
        """
        key = reading.session
        stored = self.sessions.get(key)
        ts = reading.ts
        if ts is None:
            ts = self._now_ms if stored is None else stored.last_ts
        session = self.find_session(key, reading.parent, ts, reading.model)
        earlier = None if booked is None else tuple(booked)
        meter, amounts = advance(known, reading, earlier, is_joint=is_joint, origin=self._origin)
        model = session.model if reading.model is None else self._model_id(reading.model)
        session.is_outranked = is_outranked
        _begin(session, reading)
        if not is_outranked:
            # Of several origins that read one meter, each tells a moment of its own: the later one is the last.
            self._follow(session, max(session.last_ts, ts) if meter.is_joint else ts, model, reading.state)
        self.meters[session.id] = meter
        if meter == known and not session.is_changed:
            self.skipped_count += 1
            return None
        if session.is_new:
            self.added_count += 1
        else:
            self.updated_count += 1
        session.is_touched = True
        if meter != known:
            self.changed_meters.add(session.id)
        books = session.is_new if known is None and not any(amounts) else any(amounts)
        before = others if known is None else (*others, known)
        return Growth(
            session,
            meter,
            amounts,
            ts,
            model,
            books,
            is_unpriced=is_unpriced((*others, meter)),
            is_unmeasured=is_unmeasured((*others, meter)),
            was_unpriced=is_unpriced(before),
            was_unmeasured=bool(before) and is_unmeasured(before),
            is_cost_stated=reading.cost_usd is not None,
            found=frozenset(() if known is None or reading.is_silent else known.unknown).difference(meter.unknown),
        )

    def note_state(self, session: SessionEntry, reading: MeterReading) -> None:
        """Take over the state of a session whose origin states no number yet, and whose numbers come from another."""
        has_news = _begin(session, reading) or reading.state not in {SessionState.UNKNOWN, session.state}
        if not (self._note_parent(session, reading.parent) or has_news):
            self.skipped_count += 1
            return
        session.state = int(reading.state) or session.state
        session.is_changed = session.is_touched = session.is_outranked = True
        self.updated_count += 1

    def _follow(self, session: SessionEntry, ts: int, model: int, state: SessionState) -> None:
        """Let the session's row say what the tool says now; a known state is not forgotten."""
        state_now = int(state) or session.state
        if (session.last_ts, session.model, session.state) != (ts, model, state_now):
            session.last_ts, session.model, session.state = ts, model, state_now
            session.first_ts = min(session.first_ts, ts)
            session.is_changed = True

    def book(self, growth: Growth, key: tuple[int, int]) -> EventEntry:
        """Book ``growth`` as the event called ``key``, and return it; if that is stored, it is in :attr:`events`."""
        meter, session = growth.meter, growth.session
        tokens = Tokens(*growth.amounts[:6])
        cost, state = cost_of(
            growth.amounts,
            is_unpriced=growth.is_unpriced,
            is_unmeasured=growth.is_unmeasured,
            is_cost_stated=growth.is_cost_stated,
        )
        unknown = " ".join(meter.unknown)
        known = self.events.get((GROWTH.code, *key))
        if known is None:
            made = EventEntry(
                None,
                GROWTH,
                key,
                self._origin,
                session.id,
                growth.ts,
                growth.model,
                tokens,
                Costs(cost),
                state,
                unknown,
            )
            self._make(made, session)
            return made
        before = known.vector()
        is_part = known.state is RequestState.AT_LEAST or any(tokens[:5])
        if is_part and known.costs.recorded is not None and not growth.is_cost_stated:
            # The cost is of a part of the tokens only.
            state = RequestState.AT_LEAST
        known.tokens = Tokens(*(_plus(had, more) for had, more in zip(known.tokens, tokens, strict=True)))
        known.costs = known.costs._replace(recorded=_plus(known.costs.recorded, cost))
        # The last moment of the slot in which something was spent.
        known.ts = max(known.ts, growth.ts)
        known.state, known.unknown = state, unknown
        self._change(known, before, session)
        return known

    def restate(self, growth: Growth, event: EventEntry, *, is_told: bool) -> None:
        """Say of an earlier growth of the session what became known with ``growth``: that it is priced, or measured.

        ``is_told`` says that the reading's totals include it: what it lacks is in the growth then.
        """
        before, unknown = event.vector(), event.unknown
        if not growth.is_unmeasured and event.state is RequestState.UNMEASURED:
            event.state = RequestState.FINAL
        if not growth.is_unpriced and (growth.was_unpriced or (is_told and growth.is_cost_stated)):
            if event.costs.recorded is None and any(event.tokens[:5]):
                event.costs = event.costs._replace(recorded=0)
            if event.state is RequestState.AT_LEAST:
                event.state = RequestState.FINAL
        if is_told and growth.found:
            event.unknown = " ".join(name for name in event.unknown.split() if name not in growth.found)
        if (event.vector(), event.unknown) != (before, unknown):
            self._change(event, before, growth.session)

    # Single requests

    def take_event(self, record: UsageEvent, key: tuple[int, int], former: EventEntry | None = None) -> None:
        """Take one request. Its stored state, if there is one, is in :attr:`events`, or is ``former``."""
        known = self.events.get((_REQUEST, *key))
        if known is None and record.is_bare and (_REQUEST, key[0]) in self.first_halves:
            self.skipped_count += 1
            return
        model = self._model_id(record.model or UNKNOWN_MODEL)
        if known is None and former is None and record.near_ms is not None:
            known = self._find_told(record, key, record.near_ms)
            if known is not None and key < known.key:
                # Of its two names the lesser one is kept: so it does not matter which of them was read first.
                self.events.pop((REQUEST.code, *known.key))
                known.key, known.origin, known.is_changed = key, self._origin, True
                self.events[REQUEST.code, *key] = known
                self._by_id[known.session].is_touched = True
        if known is None and former is not None:
            self.events.pop((REQUEST.code, *former.key), None)
            former.key, former.origin, former.is_changed = key, self._origin, True
            if _TRUST[former.state] < _MEASURED <= _TRUST[record.state]:
                # It was a bare copy: what it is a copy of says whose it is.
                former.claim = None
            self._by_id[former.session].is_touched = True
            self.events[REQUEST.code, *key] = known = former
        if known is None:
            session = self.find_session(record.session, record.parent, record.ts, record.model)
            unknown = " ".join(record.unknown) if record.unknown else ""
            self._make(
                EventEntry(
                    None,
                    REQUEST,
                    key,
                    self._origin,
                    session.id,
                    record.ts,
                    model,
                    record.tokens,
                    _NO_COSTS if record.recorded_nano is None else Costs(record.recorded_nano),
                    record.state,
                    unknown,
                    record.context,
                    claim=record.claim,
                ),
                session,
            )
            self._cover(session, record.ts, model)
            self.added_count += 1
        elif self._improve(known, record, model):
            self._cover(self._by_id[known.session], known.ts, known.model)
            self.updated_count += 1
        elif self._note_parent(self.sessions.get(record.session), record.parent):
            self.updated_count += 1
        else:
            self.skipped_count += 1

    def _find_told(self, record: UsageEvent, key: tuple[int, int], near_ms: int) -> EventEntry | None:
        """Return the stored request of another origin that is the one that ``record`` tells of, the nearest in time.

        One that a record of another name was found to tell of is not meant once more.
        """
        session = self.sessions.get(record.session)
        nearest = None
        for event in () if session is None else self.told.get(session.id, ()):
            if event.origin == self._origin or self._tellers.get(id(event), key) != key:
                continue
            is_one_silent = event.state is not record.state and RequestState.UNMEASURED in {event.state, record.state}
            limit = near_ms // 10 if is_one_silent else near_ms if event.tokens == record.tokens else -1
            distance = abs(event.ts - record.ts), *event.key
            if distance[0] <= limit and (nearest is None or distance < nearest[0]):
                nearest = distance, event
        if nearest is None:
            return None
        self._tellers[id(nearest[1])] = key
        return nearest[1]

    def price(self, event: EventEntry, nano: int, price_ref: int) -> None:
        """Give a stored request that has no list price the one that a newer list knows."""
        was = event.vector()
        event.costs, event.price_ref = event.costs._replace(list=nano), price_ref
        self.events[event.kind.code, *event.key] = event
        self._change(event, was, self._by_id[event.session])
        self.updated_count += 1

    def price_own(self, event: EventEntry) -> None:
        """Let a stored event cost what the own prices of now say, or what counts without them."""
        was, before = event.vector(), event.costs
        self._price_own(event)
        if event.costs != before:
            self.events[event.kind.code, *event.key] = event
            self._change(event, was, self._by_id[event.session])
            self.updated_count += 1

    def take_prompt(self, record: PromptSeen, key: tuple[int, int]) -> None:
        """Take one prompt of the user; a known one changes nothing, unless another session's claim to it is better."""
        known = self.events.get((PROMPT.code, *key))
        if known is None:
            session = self.find_session(record.session, record.parent, record.ts, record.model)
            model = session.model if record.model is None else self._model_id(record.model)
            entry = EventEntry(
                None, PROMPT, key, self._origin, session.id, record.ts, model, _NO_TOKENS, _NO_COSTS, _FINAL
            )
            entry.claim = record.claim
            self._make(entry, session)
            self._reach(session, record.ts)
            self.added_count += 1
            return
        was, place, stored = self._posted_by(known), (known.ts, known.session, known.model), known.claim
        if self._has_better_claim(record.claim, record.session, known):
            session = self.find_session(record.session, record.parent, record.ts, record.model)
            known.session, known.claim, known.ts = session.id, record.claim, record.ts
            known.model = known.model if record.model is None else self._model_id(record.model)
            self._reach(session, record.ts)
        if (place, stored) == ((known.ts, known.session, known.model), known.claim):
            self.skipped_count += 1
            return
        known.is_changed = True
        self._move(known, was, place)
        self.updated_count += 1

    def lose(self, event: EventEntry) -> None:
        """Say of an open request that no answer to it will come."""
        was = self._posted_by(event)
        event.state, event.tokens = RequestState.UNMEASURED, Tokens()
        self._change(event, was, self._by_id[event.session])
        self.updated_count += event.id is not None

    def _improve(self, known: EventEntry, record: UsageEvent, model: int) -> bool:
        """Let ``known`` say what ``record`` says better; return whether anything did.

        Whichever of two records comes first, the same numbers come of them.
        """
        was, priced_by, context = self._posted_by(known), known.priced_by, known.context
        before = _said_by(known)
        place = (known.ts, known.session, known.model)
        weaker = min(known.state, record.state, key=_TRUST.__getitem__)
        is_replaced = False
        if (_TRUST[known.state] >= _MEASURED) is (_TRUST[record.state] >= _MEASURED):
            if record.ts < known.ts or known.model == self._model_id(UNKNOWN_MODEL):
                known.model = known.model if record.model is None else model
            known.ts = min(known.ts, record.ts)
        elif weaker is known.state:
            known.model = known.model if record.model is None else model
            known.ts = record.ts
        if known.state is record.state or _TRUST[weaker] >= _MEASURED:
            known.tokens = _best_of(known.tokens, record.tokens)
            known.state = max(known.state, record.state, key=_TRUST.__getitem__)
            known.context = _with_regions(known.context, record.context)
            # Only what no record could say.
            known.unknown = " ".join(name for name in known.unknown.split() if name in record.unknown)
        elif weaker is known.state:
            # Nothing was measured before: time, session and model may change, too.
            is_replaced = True
            known.tokens, known.state, known.context = record.tokens, record.state, record.context
            known.unknown = " ".join(record.unknown)
        known.costs = known.costs._replace(recorded=_most(known.costs.recorded, record.recorded_nano))
        if known.is_posted and known.priced_by != priced_by:
            if known.model != place[2] or known.context != context:
                known.costs, known.price_ref = known.costs._replace(list=None), None
            self._price(known)
        is_unclaimed = is_replaced and record.claim is known.claim is None
        if is_unclaimed or self._has_better_claim(record.claim, record.session, known):
            known.session = self.find_session(record.session, record.parent, record.ts, record.model).id
            known.claim = record.claim
        if before == _said_by(known):
            return known.is_changed
        known.is_changed = True
        self._move(known, was, place)
        return True

    def _has_better_claim(self, claim: int | None, session: str, known: EventEntry) -> bool:
        """Return whether ``session`` owns ``known`` rather than the session that does; of equals, the lesser name."""
        if claim is None or known.claim is None:
            return claim is not None
        return (claim, session) < (known.claim, self._by_id[known.session].key)

    def _move(self, event: EventEntry, was: Vector, place: tuple[int, int, int]) -> None:
        """Let the sums follow ``event``, which added ``was`` to those of ``place``: moment, session and model."""
        session = self._by_id[event.session]
        if place == (event.ts, event.session, event.model):
            self._change(event, was, session)
            return
        if event.is_posted:
            self._price_own(event)
            gone = [-number for number in was]
            self._tally.post(gone, *place)
            self._tally.vacated.add(place)
        self._by_id[place[1]].is_touched = True
        if place[:2] != (event.ts, event.session):
            self.deserted |= {place[1], event.session}
        self._post(self._posted_by(event), event, session)

    def _cover(self, session: SessionEntry, ts: int, model: int) -> None:
        """Let the session's row reach from its first to its last request."""
        if ts < session.first_ts:
            session.first_ts, session.is_changed = ts, True
        if ts >= session.last_ts:
            session.is_changed |= (session.last_ts, session.model) != (ts, model)
            session.last_ts, session.model = ts, model

    def _reach(self, session: SessionEntry, ts: int) -> None:
        """Let the session's row reach to ``ts``, a moment of no answer."""
        if not session.first_ts <= ts <= session.last_ts:
            session.first_ts, session.last_ts = min(ts, session.first_ts), max(ts, session.last_ts)
            session.is_changed = True

    # Sums

    def _make(self, event: EventEntry, session: SessionEntry) -> None:
        """Note a new event; the sums follow as soon as somebody asks for them, or for what is new."""
        kind, key = event.kind[0], event.key
        self.events[kind, *key] = event
        self.first_halves.add((kind, key[0]))
        self._made.append(event)
        event.is_posted = False
        self._unposted.append(event)
        session.is_touched = True

    def _post_new(self) -> None:
        """Price the new events, and let the sums follow: those of a kind, slot, session and model at once."""
        events, self._unposted = self._unposted, []
        if not events:
            return
        self._price_new([event for event in events if event.kind is REQUEST])
        alike: dict[tuple[EventKind, int, int, int], list[EventEntry]] = {}
        for event in events:
            self._price_own(event)
            event.is_posted = True
            key = event.kind, event.ts // SLOT_MS, event.session, event.model
            if key in alike:
                alike[key].append(event)
            else:
                alike[key] = [event]
        for (kind, slot, session, model), those in alike.items():
            self._tally.post_in(slot, _measure_all(kind, those), session, model)

    def _posted_by(self, event: EventEntry) -> Vector:
        """Return what ``event`` adds to the sums; of one that waits to be posted nobody needs to know."""
        return event.vector() if event.is_posted else _NO_VECTOR

    def _change(self, event: EventEntry, before: Vector, session: SessionEntry) -> None:
        event.is_changed = True
        more = _NO_VECTOR
        if event.is_posted:
            self._price_own(event)
            more = [now - was for now, was in zip(event.vector(), before, strict=True)]
        self._post(more, event, session)

    def _price_own(self, event: EventEntry) -> None:
        """Follow the present knowledge of ``event``. A cost that the tool states needs no price of the user's."""
        if self._own is _find_no_price and event.costs.own is None:
            return
        nano = None if event.costs.recorded is not None or event.kind is PROMPT else self._own(event)
        if nano != event.costs.own:
            event.costs = event.costs._replace(own=nano)

    def _post(self, more: Vector, event: EventEntry, session: SessionEntry) -> None:
        if event.is_posted:
            self._tally.post(more, event.ts, event.session, event.model)
        session.is_touched = True


def _begin(session: SessionEntry, reading: MeterReading) -> bool:
    """Let the session's row reach back to the start that the tool tells; return whether it does so only now."""
    if reading.started_ts is None or reading.started_ts >= session.first_ts:
        return False
    session.first_ts, session.is_changed = reading.started_ts, True
    return True


def cost_of(
    amounts: Amounts, *, is_unpriced: bool, is_unmeasured: bool, is_cost_stated: bool
) -> tuple[int | None, RequestState]:
    """Return the cost of a growth by ``amounts`` of a session that is unpriced or unmeasured, and how it is known.

    Of nothing at all the price is not known either: what follows in its slot may turn out to be unpriced. Nor is it
    where the reading states no cost (``is_cost_stated``): the next one that does includes it.
    """
    has_price = is_cost_stated and not is_unpriced and any(amounts)
    return amounts[6] if has_price else None, RequestState.UNMEASURED if is_unmeasured else RequestState.FINAL


def _measure_all(kind: EventKind, events: Sequence[EventEntry]) -> Vector:
    """Return what ``events`` of one ``kind`` add to the sums together."""
    if len(events) == 1:
        return events[0].vector()
    return measure_all(
        kind,
        [event.tokens for event in events],
        [event.costs for event in events],
        [event.state for event in events],
        partial_count=sum(bool(event.unknown) for event in events),
    )


def slot_of(ts: int) -> int:
    """Return the slot that ``ts``, epoch milliseconds, lies in."""
    return ts // SLOT_MS


def _add_at(sums: dict[K, Vector], key: K, more: Vector) -> None:
    known = sums.get(key)
    if known is None:
        sums[key] = more.copy()
    else:
        add(known, more)


def _list_vacated(keys: set[K], find_sums: Callable[[], Mapping[K, Vector]]) -> list[K]:
    """Return those of ``keys`` to which no more events came than went away: at the others there is one."""
    if not keys:
        return []
    sums = find_sums()
    return [key for key in keys if sums[key][REQUESTS] + sums[key][PROMPTS] <= 0]


def _said_by(event: EventEntry) -> tuple[object, ...]:
    """Return what records may change in ``event``."""
    return (
        event.tokens,
        event.costs,
        event.state,
        event.ts,
        event.model,
        event.unknown,
        event.session,
        event.claim,
        event.context,
    )


def _with_regions(context: str, other: str) -> str:
    """Return ``context`` with the regions that ``other`` names besides: earlier readings did not keep them."""
    if REGION not in other:
        return context
    words = context.split()
    regions = {word for word in (*words, *other.split()) if word.startswith(REGION)}
    return " ".join([*(word for word in words if word not in regions), *sorted(regions)])


def _best_of(one: Tokens, other: Tokens) -> Tokens:
    """Return the greater of each number; writes into the cache stay together, and split rather than not."""
    best = Tokens(*map(_most, one, other))
    writes = max(((each.cache_write_5m, each.cache_write_1h) for each in (one, other)), key=_weight)
    return best._replace(cache_write_5m=writes[0], cache_write_1h=writes[1])


def _weight(writes: tuple[int | None, int | None]) -> tuple[int, int, bool, bool]:
    short, long = writes
    return (short or 0) + (long or 0), long or 0, short is not None, long is not None


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _most(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
