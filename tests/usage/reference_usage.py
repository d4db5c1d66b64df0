"""Computes the accounts the slow way, by the words of the contract, to hold every answer against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from aico.core.booking import LOST_AFTER_MS
from aico.core.filters import UsageFilter
from aico.core.sums import COUNTS, MONEY, Sums
from aico.core.usage import SLOT_MS, TOKENS, MeterReading, PromptSeen, Record, RequestState, UsageEvent

_KNOWLEDGE = (
    RequestState.OPEN,
    RequestState.UNMEASURED,
    RequestState.INTERRUPTED,
    RequestState.AT_LEAST,
    RequestState.FINAL,
)
"""States of a request, the one that knows least first."""


@dataclass
class Spent:
    """One event: a request, a prompt, or what a running total grew by in a slot."""

    source: str
    session: str
    ts: int
    model: str
    tokens: list[int | None]
    nano: int | None
    state: RequestState = RequestState.FINAL
    kind: str = "request"

    @property
    def slot(self) -> int:
        """The slot that it is booked to."""
        return self.ts // SLOT_MS

    @property
    def token_count(self) -> int:
        """All tokens; reasoning is a part of output."""
        return sum(number or 0 for number in self.tokens[:5])


@dataclass
class Running:
    """The running total of one session: the highest that each number ever was."""

    high: list[int | None]
    model: str


@dataclass
class ReferenceUsage:
    """Everything that was ever written."""

    requests: dict[tuple[str, bytes], Spent] = field(default_factory=dict)
    prompts: dict[tuple[str, bytes], Spent] = field(default_factory=dict)
    growth: dict[tuple[str, str, int, str], Spent] = field(default_factory=dict)
    running: dict[tuple[str, str], Running] = field(default_factory=dict)
    labels: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def take(self, source: str, records: Iterable[Record], now_ms: int) -> None:
        """Take one reading; open requests of the source that are too old then are lost."""
        self._take(source, records)
        for (of, _key), spent in self.requests.items():
            if of == source and spent.state is RequestState.OPEN and now_ms - spent.ts > LOST_AFTER_MS:
                spent.state, spent.tokens = RequestState.UNMEASURED, [None] * 6

    def _take(self, source: str, records: Iterable[Record]) -> None:
        for record in records:
            if isinstance(record, UsageEvent):
                self._take_request(source, record)
            elif isinstance(record, MeterReading):
                self._take_reading(source, record)
            elif isinstance(record, PromptSeen):
                spent = Spent(source, record.session, record.ts, record.model or "", [0] * 6, None, kind="prompt")
                self.prompts.setdefault((source, record.key), spent)

    def _take_request(self, source: str, record: UsageEvent) -> None:
        fresh = Spent(
            source,
            record.session,
            record.ts,
            record.model or "",
            list(record.tokens),
            record.recorded_nano,
            record.state,
        )
        known = self.requests.setdefault((source, record.key), fresh)
        if known is fresh:
            return
        was, now = _KNOWLEDGE.index(known.state), _KNOWLEDGE.index(record.state)
        measured = _KNOWLEDGE.index(RequestState.INTERRUPTED)
        known.nano = _most(known.nano, fresh.nano)
        if (was >= measured) is (now >= measured):
            # The earliest moment counts, and the model of that moment, if it is known.
            if fresh.ts < known.ts or not known.model:
                known.model = fresh.model or known.model
            known.ts = min(known.ts, fresh.ts)
        elif now > was:
            known.ts, known.model = fresh.ts, fresh.model or known.model
        if was == now or min(was, now) >= measured:
            writes = max(known.tokens[2:4], fresh.tokens[2:4], key=_weight)
            known.tokens = [_most(one, other) for one, other in zip(known.tokens, fresh.tokens, strict=True)]
            known.tokens[2:4] = writes
            known.state = _KNOWLEDGE[max(was, now)]
        elif now > was:
            # Nothing was measured before: the better record says everything anew. The other way round nothing counts.
            known.session, known.tokens, known.state = fresh.session, fresh.tokens, fresh.state

    def _take_reading(self, source: str, reading: MeterReading) -> None:
        cost = reading.cost_usd
        nano = None if cost is None else int((Decimal(repr(cost)) * 10**9).to_integral_value(ROUND_HALF_EVEN))
        now = [*reading[3:9], nano]
        known = self.running.get((source, reading.session))
        if known is None:
            known = self.running[source, reading.session] = Running([None] * 7, "")
            is_first = True
        else:
            is_first = False
        known.model = reading.model or known.model
        grown = [
            None if high is None and new is None else max(0, (new or 0) - (high or 0))
            for high, new in zip(known.high, now, strict=True)
        ]
        was_priced = bool(known.high[6])
        known.high = [_most(high, new) for high, new in zip(known.high, now, strict=True)]
        if not is_first and not any(grown):
            return
        ts = reading.ts or 0
        key = (source, reading.session, ts // SLOT_MS, known.model)
        event = self.growth.setdefault(
            key, Spent(source, reading.session, ts, known.model, [None] * 6, None, kind="growth")
        )
        event.ts = max(event.ts, ts)
        event.tokens = [_plus(one, other) for one, other in zip(event.tokens, grown[:6], strict=True)]
        if nano is None:
            # Tokens whose cost is not stated yet: what the event costs is at least what is known of it.
            event.state = RequestState.AT_LEAST if was_priced and event.nano is not None else RequestState.FINAL
        elif any(grown):
            event.nano, event.state = _plus(event.nano, grown[6]), RequestState.FINAL
        if grown[6]:
            # A cost that grew is of all tokens so far.
            for own in self.growth.values():
                if (own.source, own.session) == (source, reading.session) and own.token_count:
                    own.nano, own.state = own.nano or 0, RequestState.FINAL

    def list_spent(self) -> list[Spent]:
        """Return every event as it counts now."""
        growth = []
        for event in self.growth.values():
            high = self.running[event.source, event.session].high
            is_unpriced = not high[6] and any(high[:5])
            # The cost of a whole session at 0 may mean that the price is unknown.
            growth.append(replace(event, nano=None if is_unpriced else event.nano))
        return [*self.requests.values(), *self.prompts.values(), *growth]

    def inside(self, wanted: UsageFilter, first: int, end: int) -> list[Spent]:
        """Return the events that the filter asks for between two slots."""
        return [
            spent
            for spent in self.list_spent()
            if first <= spent.slot < end
            and (not wanted.sources or spent.source in wanted.sources)
            and (not wanted.models or spent.model in wanted.models)
            and (wanted.text is None or self._has_text(spent, wanted.text))
        ]

    def _has_text(self, spent: Spent, text: str) -> bool:
        names = (spent.session, spent.model, self.labels.get((spent.source, spent.session)) or "")
        return any(_lower(text) in _lower(name) for name in names)


def sums_of(many: Iterable[Spent]) -> Sums:
    """Return the sums of events."""
    total = dict.fromkeys((*TOKENS, *COUNTS, *MONEY), 0)
    for spent in many:
        for name, number in zip(TOKENS, spent.tokens, strict=True):
            total[name] += number or 0
        total["requests"] += spent.kind == "request"
        total["prompts"] += spent.kind == "prompt"
        if spent.kind == "prompt":
            continue
        total["recorded"] += spent.nano or 0
        total["unpriced"] += spent.nano is None and spent.token_count > 0
        total["unmeasured"] += spent.state is RequestState.UNMEASURED
        total["interrupted"] += spent.state is RequestState.INTERRUPTED
        total["at_least"] += spent.state is RequestState.AT_LEAST
        total["lacking_cache"] += spent.tokens[1] is None
    return Sums(tuple(total.values()))


def sessions_of(many: Iterable[Spent]) -> dict[tuple[str, ...], list[Spent]]:
    """Return events by source and session."""
    return grouped(many, lambda spent: (spent.source, spent.session))


def count_unpriced(many: Iterable[Spent]) -> int:
    """Return how many sessions spent tokens at no cost at all."""
    return sum(
        not any(spent.nano for spent in own) and any(spent.token_count for spent in own)
        for own in sessions_of(many).values()
    )


def grouped(many: Iterable[Spent], key: Callable[[Spent], tuple[str, ...]]) -> dict[tuple[str, ...], list[Spent]]:
    """Return events by what ``key`` says of each."""
    found: dict[tuple[str, ...], list[Spent]] = {}
    for spent in many:
        found.setdefault(key(spent), []).append(spent)
    return found


def names_of(spent: Spent, by: Sequence[str], zone: ZoneInfo) -> tuple[str, ...]:
    """Return the names of what ``by`` says."""
    day = datetime.fromtimestamp(spent.ts / 1000, UTC).astimezone(zone).date().isoformat()
    names = {"source": spent.source, "model": spent.model, "session": spent.session, "project": "", "day": day}
    return tuple(names[each] for each in by)


def _weight(writes: list[int | None]) -> tuple[int, int, bool, bool]:
    """Return how much is said of cache writes: all of them, then those with the longer life, then which are stated."""
    short, long = writes
    return (short or 0) + (long or 0), long or 0, short is not None, long is not None


def _most(one: int | None, other: int | None) -> int | None:
    numbers = [number for number in (one, other) if number is not None]
    return max(numbers, default=None)


def _plus(one: int | None, other: int | None) -> int | None:
    numbers = [number for number in (one, other) if number is not None]
    return sum(numbers) if numbers else None


def _lower(text: str) -> str:
    """Return ``text`` with its ASCII letters small."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
