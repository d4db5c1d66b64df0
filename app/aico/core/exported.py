"""The exported amounts so far, apart from the database: totals that never fall and that nothing enters twice.

The database may be restored, or made anew, and knows less then than a collector was told. So the highest amounts that
were seen are kept, and only what grows beyond them is added to what this machine has exported. A home that is copied to
another machine brings both along: there, a new instance begins at 0 with what grows from then on.
No I/O, no clock, no logging.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from aico.core.db.counters import higher
from aico.core.sums import NOTHING, Sums
from aico.core.telemetry import INSTRUMENTS, OTHER, Activity, Kind, Sending, Series, series

PAIRS_MAX = 300
"""Tools with a model that have a series of their own; the SDK knows at most 2,000 series of a metric."""
SPANS_MAX = 600
"""Series of activity."""
MACHINES_MAX = 8
"""Machines that a shared home remembers, the last ones."""
GONE_CYCLES = 3
"""Exports that tell a gauge as 0 after it has ended."""
BASES = ("recorded", "own", "listed")
PROMPT_SOURCE = "log"
"""The place where prompts are counted: in the logs of tools."""
_FIRST = ("ai.tokens.input_total", "ai.tokens.output_total", "ai.tokens.cost_usd_total", "ai.requests")
"""Told of each tool and model from the first export on, 0 included; the others once there is any."""
_TOKENS = {
    "ai.tokens.input_total": ("input",),
    "ai.tokens.output_total": ("output",),
    "ai.tokens.cache_read": ("cache_read",),
    "ai.tokens.cache_write": ("cache_write_5m", "cache_write_1h"),
    "ai.tokens.reasoning": ("reasoning",),
    "ai.requests": ("requests",),
    "ai.requests.unmeasured": ("unmeasured",),
}


class Seen(NamedTuple):
    """The highest amounts that a tool and model ever had."""

    sums: Sums = NOTHING
    """Money only."""
    unpriced_tokens: int = 0
    plan_value: int = 0
    """Nano-dollars."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage in the database."""

    counters: Mapping[tuple[str, str], Sums]
    """By source and model, as the counters of ``/metrics`` show it: usage paid for by a plan is no part of the cost."""
    unpriced_tokens: Mapping[tuple[str, str], int]
    """Tokens that nobody has a price for now; a missing key has not changed."""
    complete: Collection[str]
    """Sources whose first reading has ended."""
    first_seen_ms: int | None
    """When usage was first stored, epoch milliseconds."""
    plan_values: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """The usage that plans have paid for, at list prices, in nano-dollars."""

    def list_all(self) -> Iterator[tuple[tuple[str, str], Seen]]:
        """Yield everything by source and model."""
        for key, sums in self.counters.items():
            yield key, Seen(sums, self.unpriced_tokens.get(key, 0), self.plan_values.get(key, 0))


class FirstActivity(Enum):
    """How an instance takes the first totals of activity that it sees."""

    KNOWN = 0
    """It has seen some before: any more is growth."""
    HISTORY = 1
    """They are told at once."""
    TOLD = 2
    """Another instance has told them."""


@dataclass(slots=True)
class Instance:
    """The exported amounts of one machine."""

    machine: str
    """A digest of what makes the machine and the place of its database."""
    id: str
    begun_at_ms: int
    totals: dict[Series, int] = field(default_factory=dict)
    announced: set[Series] = field(default_factory=set)
    """Series of which a first 0 was accepted, or whose first amount is history."""
    first_activity: FirstActivity = FirstActivity.KNOWN
    """The meaning of the first totals of activity; not kept, because they are taken before anything is."""


@dataclass(slots=True)
class Exported:
    """Everything that is kept."""

    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    seen_spans: dict[Series, int] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    """Sources whose history has been taken over; all later usage is growth."""
    instances: list[Instance] = field(default_factory=list)
    """By use, the last one first."""

    def find_instance(self, machine: str) -> Instance | None:
        """Return what ``machine`` has exported, None if it never has."""
        return next((each for each in self.instances if each.machine == machine), None)

    def begin(self, machine: str, new_id: str, now_ms: int, usage: Usage, *, is_lost: bool = False) -> Instance:
        """Return the instance of ``machine``, the first in order now.

        One that another machine's file was copied to, or whose own was lost (``is_lost``), begins at 0 with the next
        growth: all that is there was told already.
        """
        instance = self.find_instance(machine)
        if instance is None:
            knows_more = is_lost or bool(self.instances)
            start = now_ms if knows_more or usage.first_seen_ms is None else min(usage.first_seen_ms, now_ms)
            first = FirstActivity.TOLD if knows_more else FirstActivity.HISTORY
            instance = Instance(machine, new_id, start, first_activity=first)
            if knows_more:
                for key, now in usage.list_all():
                    self.raise_to(key, now)
                self.begun.update(usage.complete)
        self.instances = [instance, *(each for each in self.instances if each is not instance)][:MACHINES_MAX]
        return instance

    def raise_to(self, key: tuple[str, str], now: Seen) -> tuple[Seen, Seen]:
        """Take over what is higher than before; return what was seen before and what is now."""
        before = self.seen.get(key, Seen())
        after = Seen(higher(before.sums, now.sums), *map(max, before[1:], now[1:]))
        if after != before or key not in self.seen:
            self.seen[key] = after
        return before, after


class Growth:
    """Adds what has grown to what an instance has exported."""

    def __init__(self, exported: Exported, instance: Instance, label_of: Callable[[str], str]) -> None:
        """``label_of`` returns how a model is told."""
        self._exported = exported
        self._instance = instance
        self._label_of = label_of
        self._gone: dict[Series, int] = {}
        """Gauges that have ended, with the number of exports that told them as 0."""
        self._lit: set[Series] = set()

    def take(self, usage: Usage) -> bool:
        """Add what ``usage`` has more than was ever seen; return whether anything changed."""
        exported, is_changed = self._exported, False
        beginning = set(usage.complete) - exported.begun
        if not self._instance.totals and not exported.seen and usage.first_seen_ms is not None:
            self._instance.begun_at_ms = min(self._instance.begun_at_ms, usage.first_seen_ms)
        for key, now in usage.list_all():
            if key[0] not in exported.begun and key[0] not in beginning:
                continue  # a part of a history that is still being read
            is_new = key not in exported.seen
            before, after = exported.raise_to(key, now)
            if not is_new and after == before:
                continue
            is_changed = True
            label = self._bounded(key[0], self._label_of(key[1]))
            for each, amount in _growth_of(key[0], label, before, after):
                self._add(each, amount, is_history=key[0] in beginning)
        exported.begun |= beginning
        return is_changed or bool(beginning)

    def take_activity(self, activity: Activity) -> bool:
        """Do the same with totals of activity."""
        seen, is_changed, first = self._exported.seen_spans, False, self._instance.first_activity
        self._instance.first_activity = FirstActivity.KNOWN
        for each, amount in activity.totals.items():
            if each.metric not in INSTRUMENTS or (each not in seen and len(seen) >= SPANS_MAX):
                continue
            if each not in seen or amount > seen[each]:
                if first is not FirstActivity.TOLD:
                    self._add(each, amount - seen.get(each, 0), is_history=first is FirstActivity.HISTORY)
                seen[each] = amount
                is_changed = True
        return is_changed

    def make_points(self, gauges: Mapping[Series, int]) -> dict[Series, int]:
        """Return every point of an export. A new series begins with a 0; a gauge that has ended is 0 for a while."""
        instance = self._instance
        points = {each: total if each in instance.announced else 0 for each, total in instance.totals.items()}
        lit = {each for each in sorted(gauges)[:SPANS_MAX] if _is_gauge(each)}
        self._gone = {each: self._gone.get(each, 0) + 1 for each in {*self._gone, *self._lit} - lit}
        self._gone = {each: cycles for each, cycles in self._gone.items() if cycles <= GONE_CYCLES}
        self._lit = lit
        return points | dict.fromkeys(self._gone, 0) | {each: gauges[each] for each in lit}

    def note_accepted(self, points: Collection[Series]) -> bool:
        """Note that a collector has a first point of ``points``; return whether that was news."""
        fresh = self._instance.totals.keys() & set(points) - self._instance.announced
        self._instance.announced |= fresh
        return bool(fresh)

    def _add(self, each: Series, amount: int, *, is_history: bool) -> None:
        totals = self._instance.totals
        if each not in totals and is_history:
            self._instance.announced.add(each)
        totals[each] = totals.get(each, 0) + amount

    def _bounded(self, tool: str, model: str) -> str:
        pairs = [each for each in self._instance.totals if each.metric == _FIRST[0]]
        wanted = series(_FIRST[0], tool_name=tool, model_name=model)
        return model if wanted in self._instance.totals or len(pairs) < PAIRS_MAX else OTHER


def _is_gauge(each: Series) -> bool:
    known = INSTRUMENTS.get(each.metric)
    return known is not None and known.kind is Kind.GAUGE


def _growth_of(tool: str, model: str, before: Seen, after: Seen) -> Iterator[tuple[Series, int]]:
    """Yield what each series grows by: those that are always told, and the others if they grow at all."""
    for metric, names in _TOKENS.items():
        amount = sum(after.sums.get(name) - before.sums.get(name) for name in names)
        if amount or metric in _FIRST:
            yield series(metric, tool_name=tool, model_name=model), amount
    prompts = after.sums.get("prompts") - before.sums.get("prompts")
    if prompts:
        yield series("ai.prompt.count_total", tool_name=tool, source=PROMPT_SOURCE), prompts
    unpriced = after.unpriced_tokens - before.unpriced_tokens
    if unpriced:
        yield series("ai.tokens.unpriced", tool_name=tool, model_name=model), unpriced
    cost = after.sums.cost_nano - before.sums.cost_nano
    yield series("ai.tokens.cost_usd_total", tool_name=tool, model_name=model), cost
    for basis, amount in _by_basis(cost, before.sums, after.sums):
        yield series("ai.tokens.cost", tool_name=tool, model_name=model, cost_basis=basis), amount
    value = after.plan_value - before.plan_value
    if value:
        yield series("ai.tokens.value", tool_name=tool, model_name=model), value


def _by_basis(cost: int, before: Sums, after: Sums) -> Iterator[tuple[str, int]]:
    """Yield the growth of the cost by basis; if one takes another's place, the amount that it adds to the whole is its.

    So the parts never fall, and their sum is the whole.
    """
    for basis in BASES:
        part = min(cost, max(0, after.get(basis) - before.get(basis)))
        if part > 0:
            yield basis, part
            cost -= part


def make_sending(instance: Instance, resource: Mapping[str, str], points: Mapping[Series, int], now_ms: int) -> Sending:
    """Return an export of ``points``. A clock that was set back does not let it end before it began."""
    named = {**resource, "service.instance.id": instance.id}
    return Sending(named, instance.begun_at_ms, max(now_ms, instance.begun_at_ms), points)
