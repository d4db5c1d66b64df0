"""The expected database after any history of Cline's ledger, computed the slow way. Pure: no I/O, no clock.

Spending is growth above the highest numbers that a task ever had; a fall books nothing. A number that the ledger
does not tell is unknown: it takes nothing away, and a better one that is known stays. Tokens that came without a cost
have none until one is told again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from operator import add, itemgetter
from typing import NamedTuple, TypeAlias

from tests.emulator.ledger_truth import Task

SLOT_MS = 900_000
Numbers: TypeAlias = tuple[int | None, int | None, int | None]
"""Tokens in, tokens out, nano-dollars; None is unknown."""
GrowthKey: TypeAlias = tuple[str, int, str]
"""Task, slot and model."""
_UNKNOWN: Numbers = (None, None, None)


class Entry(NamedTuple):
    """The fields of one entry of the ledger; None is a field that is missing or cannot be used."""

    task_id: str
    ts: int
    model_id: str | None
    tokens_in: int | None
    tokens_out: int | None
    total_cost: float | None

    @property
    def numbers(self) -> Numbers:
        """The three numbers."""
        return self.tokens_in, self.tokens_out, None if self.total_cost is None else nano(self.total_cost)


class Growth(NamedTuple):
    """The growth that is booked for a task in one slot with one model."""

    tokens_in: int | None
    tokens_out: int | None
    cost_nano: int | None
    """None while no cost above 0 was ever stated for the task."""
    is_measured: bool
    """True if the ledger ever told tokens of the task."""
    is_cost_whole: bool = True
    """False while it holds tokens of a task with a price whose cost was not told yet: the cost is a lower bound."""


@dataclass
class _Meter:
    """One task: the ledger's numbers now, and the highest that it ever told."""

    ts: int
    model_id: str | None
    told: Entry
    """The last entry; an entry that says the same changes nothing."""
    last: Numbers = _UNKNOWN
    high: Numbers = _UNKNOWN
    cost: float = 0.0
    """The last good cost as it was written."""


@dataclass
class LedgerModel:
    """Everything that must be stored of a ledger's readings."""

    meters: dict[str, _Meter] = field(default_factory=dict)
    grown: dict[GrowthKey, Numbers] = field(default_factory=dict)
    uncosted: set[GrowthKey] = field(default_factory=set)
    """Growth that holds tokens of a task with a price whose cost was not told yet."""

    def differs(self, entry: Entry) -> bool:
        """Return whether ``entry`` is new or says something else than what is stored of its task."""
        meter = self.meters.get(entry.task_id)
        if meter is None:
            return True
        stored = (meter.ts, meter.model_id, meter.last, _unknown_fields(meter.told))
        last = _each(_later, meter.last, entry.numbers)
        return stored != (entry.ts, entry.model_id or meter.model_id, last, _unknown_fields(entry))

    def take_in(self, entries: Iterable[Entry]) -> None:
        """Book ``entries``, no task twice."""
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        if not self.differs(entry):
            # Also a cost that differs by less than a nano-dollar: the row stays what it was.
            return
        is_new = entry.task_id not in self.meters
        meter = self.meters.setdefault(entry.task_id, _Meter(entry.ts, None, entry))
        is_found = _is_any_known(entry.numbers) and any(
            was and not now for was, now in zip(_unknown_fields(meter.told), _unknown_fields(entry), strict=True)
        )
        meter.ts, meter.told = entry.ts, entry
        meter.model_id = entry.model_id or meter.model_id
        before = meter.high
        meter.high = _each(max, meter.high, entry.numbers)
        meter.last = _each(_later, meter.last, entry.numbers)
        meter.cost = (meter.last[2] or 0) / 10**9 if entry.total_cost is None else entry.total_cost
        growth = _each(_growth, before, meter.high)
        if is_new or any(growth):
            key = (entry.task_id, entry.ts // SLOT_MS, meter.model_id or "")
            self.grown[key] = _each(add, self.grown.get(key, _UNKNOWN), growth)
            if entry.total_cost is None and before[2] and any(growth[:2]):
                self.uncosted.add(key)
            elif entry.total_cost is not None:
                self.uncosted.discard(key)
        has_price = any(before[:2]) and not before[2] and bool(meter.high[2])
        has_measure = not _is_any_known(before[:2]) and _is_any_known(meter.high[:2])
        is_told_again = entry.total_cost is not None and (is_found or has_measure or growth[2])
        if not is_new and (has_price or is_told_again):
            self.uncosted = {key for key in self.uncosted if key[0] != entry.task_id}

    def tasks(self) -> dict[str, Task]:
        """Return the rows of ``cline_task_usage``: what the ledger said last, an unknown number as 0."""
        return {
            task_id: Task(task_id, meter.ts, meter.model_id, meter.last[0] or 0, meter.last[1] or 0, meter.cost)
            for task_id, meter in self.meters.items()
        }

    def growth(self) -> dict[GrowthKey, Growth]:
        """Return what must be booked, by task, slot and model."""
        return {key: self._priced(key, numbers) for key, numbers in self.grown.items()}

    def highs(self) -> dict[str, Numbers]:
        """Return the highest numbers that each task ever had."""
        return {task_id: meter.high for task_id, meter in self.meters.items()}

    def _priced(self, key: GrowthKey, numbers: Numbers) -> Growth:
        tokens_in, tokens_out, cost = numbers
        high = self.meters[key[0]].high
        is_measured, is_whole = _is_any_known(high[:2]), key not in self.uncosted
        return normalised(Growth(tokens_in, tokens_out, (cost or 0) if high[2] else None, is_measured, is_whole))


def normalised(growth: Growth) -> Growth:
    """Return ``growth``: of nothing at all a cost of 0 and an unknown one are the same."""
    has_tokens = growth.tokens_in or growth.tokens_out
    return growth if has_tokens else growth._replace(cost_nano=growth.cost_nano or 0)


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return ``entries`` in the order in which they are stored."""
    return sorted(entries, key=itemgetter(1), reverse=True)


def nano(cost: float) -> int:
    """Return dollars as nano-dollars, by the words of the contract."""
    return int((Decimal(repr(cost)) * 10**9).to_integral_value(ROUND_HALF_EVEN))


def whole(task: Task) -> Entry:
    """Return the entry that says what ``task`` is."""
    return Entry(*task)


def _each(one: Callable[[int, int], int], had: Numbers, now: Numbers) -> Numbers:
    """Return ``one`` of each pair of which both are known, else the known one."""
    first, second, third = (
        other if known is None else known if other is None else one(known, other)
        for known, other in zip(had, now, strict=True)
    )
    return first, second, third


def _later(_had: int, now: int) -> int:
    return now


def _growth(had: int, now: int) -> int:
    return now - had


def _is_any_known(numbers: Iterable[int | None]) -> bool:
    return any(number is not None for number in numbers)


def _unknown_fields(entry: Entry) -> tuple[bool, ...]:
    return tuple(number is None for number in entry.numbers)
