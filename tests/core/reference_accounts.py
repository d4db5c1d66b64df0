"""The expected accounts, computed the slow way: the model that histories are held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

from aico.core.usage import SLOT_MS, MeterReading, RequestState, UsageEvent

Numbers: TypeAlias = tuple[int | None, ...]
"""Tokens by kind, then nano-dollars: None is unknown."""
Event: TypeAlias = tuple[Numbers, str]
"""The numbers of an event, and its state by name."""


def nano(cost: float | None) -> int | None:
    """Return dollars as nano-dollars, by the words of the contract."""
    return None if cost is None else int((Decimal(repr(cost)) * 10**9).to_integral_value(ROUND_HALF_EVEN))


def plus(one: int | None, other: int | None) -> int | None:
    """Return the sum of what is known."""
    return one if other is None else other if one is None else one + other


@dataclass
class Books:
    """Running totals after a history of readings: every session with its meters, and its growth by slot and model."""

    highs: dict[str, dict[str, Numbers]] = field(default_factory=dict)
    """By session and meter: the highest of each number."""
    grown: dict[tuple[str, int, str], Numbers] = field(default_factory=dict)
    """By session, slot and model."""
    models: dict[str, str] = field(default_factory=dict)
    """The last model of each session."""
    uncosted: dict[tuple[str, int, str], str] = field(default_factory=dict)
    """Growth of a priced session that includes tokens whose cost is not stated yet, and the meter that began it."""
    marks: dict[tuple[str, int, str], set[str]] = field(default_factory=dict)
    """Fields that could not be used, of each growth."""
    unknown: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Fields that could not be used, by session and meter: at the last reading whose word counts, or that grew."""
    stated_by: dict[tuple[str, str], str] = field(default_factory=dict)
    """The origin whose word counts, by session and meter: the meter's own as soon as it has said something."""
    begun: dict[tuple[str, int, str], str] = field(default_factory=dict)
    """The meter that began each growth."""

    def is_priced(self, session: str) -> bool:
        """Return whether a cost above 0 was ever stated for ``session``."""
        return any(high[6] for high in self.highs[session].values())

    def is_measured(self, session: str) -> bool:
        """Return whether tokens were ever stated for ``session``."""
        return any(number is not None for high in self.highs[session].values() for number in high[:6])

    def take_in(self, reading: MeterReading, meter: str, origin: str, *, is_strongest: bool) -> None:
        """Book one reading of a session by ``origin``; another meter's word counts more unless ``is_strongest``."""
        now: Numbers = (*reading[3:9], nano(reading.cost_usd))
        meters = self.highs.setdefault(reading.session, {})
        is_first_sight = not meters
        louder = any(any(each is not None for each in high) for name, high in meters.items() if name != meter)
        is_mute = all(number is None for number in (*now, *meters.get(meter, ())))
        if is_mute and (louder if meter in meters else meters):
            return
        was_priced, was_measured = self.is_priced(reading.session), self.is_measured(reading.session)
        had_tokens = any(any(high[:5]) for high in meters.values())
        before = meters.get(meter) or tuple(plus(0, each) for each in self.spent(reading.session))
        known = meters.get(meter, (None,) * 7)
        meters[meter] = tuple(
            max(each, default=None) for each in (_known(pair) for pair in zip(known, now, strict=True))
        )
        model = self.models.get(reading.session, "") if reading.model is None else reading.model
        if is_first_sight or is_strongest or not louder:
            self.models[reading.session] = model
        growth = tuple(
            None if high is None else max(0, high - (had or 0)) for high, had in zip(meters[meter], before, strict=True)
        )
        place = (reading.session, meter)
        if origin == meter or place not in self.stated_by:
            self.stated_by[place] = origin
        found = set[str]()
        if self.stated_by[place] == origin or any(growth):
            if any(number is not None for number in now):
                found = self.unknown.get(place, set()) - set(reading.unknown)
            self.unknown[place] = set(reading.unknown)
        if is_first_sight or any(growth):
            key = (reading.session, (reading.ts or 0) // SLOT_MS, model)
            self.grown[key] = tuple(map(plus, self.grown.get(key, (None,) * 7), growth))
            self.begun.setdefault(key, meter)
            self.marks[key] = set(reading.unknown)
            if now[6] is None and was_priced and any(growth[:5]):
                self.uncosted[key] = self.begun[key]
            elif now[6] is not None:
                self.uncosted.pop(key, None)
        is_priced_now = had_tokens and not was_priced and self.is_priced(reading.session)
        is_measured_now = not was_measured and self.is_measured(reading.session)
        is_news = found or is_priced_now or is_measured_now or growth[6]
        for key in [each for each in self.grown if each[0] == reading.session and is_news and not is_first_sight]:
            is_told = is_strongest or self.begun[key] == meter
            if is_told:
                self.marks[key] -= found
            if is_priced_now or (is_told and now[6] is not None):
                self.uncosted.pop(key, None)

    def spent(self, session: str) -> Numbers:
        """Return what a session has spent."""
        total: Numbers = (0,) * 7
        for (of_session, _slot, _model), growth in self.grown.items():
            if of_session == session:
                total = tuple(map(plus, total, growth))
        return total

    def events(self) -> dict[tuple[str, int, str], Event]:
        """Return the growth as it must be stored: unpriced as long as its whole session is."""
        return {key: (self._priced(key[0], growth), self._state(key)) for key, growth in self.grown.items()}

    def _priced(self, session: str, growth: Numbers) -> Numbers:
        return (*growth[:6], (growth[6] or 0) if self.is_priced(session) or not any(growth[:5]) else None)

    def _state(self, key: tuple[str, int, str]) -> str:
        if key in self.uncosted:
            return RequestState.AT_LEAST.name
        return RequestState.FINAL.name if self.is_measured(key[0]) else RequestState.UNMEASURED.name


def _known(numbers: Iterable[int | None]) -> list[int]:
    return [number for number in numbers if number is not None]


def best_of(records: Iterable[UsageEvent]) -> tuple[Numbers, RequestState, set[str]]:
    """Return what is known of a request that all of ``records`` are of, in whichever order they came."""
    trust = [
        RequestState.OPEN,
        RequestState.UNMEASURED,
        RequestState.INTERRUPTED,
        RequestState.AT_LEAST,
        RequestState.FINAL,
    ]
    listed = list(records)
    state = max((record.state for record in listed), key=trust.index)
    # Once something was measured, what was said before of it counts no more.
    counted = [record for record in listed if min(trust.index(record.state), 2) == min(trust.index(state), 2)]
    tokens = [
        max(_known(numbers), default=None) for numbers in zip(*(record.tokens for record in counted), strict=True)
    ]
    cost = max(_known(record.recorded_nano for record in listed), default=None)
    return (*tokens, cost), state, set.intersection(*(set(record.unknown) for record in counted))
