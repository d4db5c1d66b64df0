"""What an import adds to the accounts: deltas, totals and counters. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias

from aico.core.domain import QUARTER_MS, UNKNOWN_MODEL, TaskUsage
from aico.core.money import nano_usd, nanos_usd


class UsageChange(NamedTuple):
    """One task whose row must be written: what is stored, and what shall be."""

    before: TaskUsage | None
    """None for a task seen for the first time."""
    after: TaskUsage
    """With the effective model: a known one is never replaced by None."""


make_change: Callable[[Iterable[TaskUsage | None]], UsageChange] = partial(tuple.__new__, UsageChange)
"""Make a change of its two values, as :data:`aico.core.domain.make_usage` makes a usage."""


class Amount(NamedTuple):
    """Tokens and cost together; differences may be negative."""

    tokens_in: int
    tokens_out: int
    cost_nano_usd: int

    @property
    def is_unpriced(self) -> bool:
        """Whether tokens were spent that cost nothing."""
        return self.cost_nano_usd == 0 and self.tokens_in + self.tokens_out > 0


ZERO = Amount(0, 0, 0)

Sums: TypeAlias = tuple[int, int, int]
"""Tokens in, tokens out, nano-dollars, as :class:`Amount` without its name: twice as quick to make."""
Delta: TypeAlias = tuple[int, str, str, int, int, int]
"""What one task spent on one model in one quarter of an hour, according to one change.

Quarter, task, model, tokens in, tokens out, nano-dollars: the columns of ``usage_delta`` after ``source``.
"""


class Columns(NamedTuple):
    """Tasks side by side, at least one: a first import has 100,000 of them."""

    task_id: Sequence[str]
    ts: Sequence[int]
    model_id: Sequence[str | None]
    tokens_in: Sequence[int]
    tokens_out: Sequence[int]
    total_cost: Sequence[float]
    cost_nano: Sequence[int]


@dataclass(slots=True)
class Postings:
    """Everything that one transaction adds to the accounting tables."""

    added: Columns | None = None
    """Tasks seen for the first time, and their nano-dollars: all of that is posted, even zeros."""
    changed: list[tuple[TaskUsage, Amount]] = field(default_factory=list)
    """The other tasks, and what each spent since; of zeros nothing is posted."""
    totals: dict[str, Sums] = field(default_factory=dict)
    """Sums of what is posted, by model."""
    growth: dict[str, Sums] = field(default_factory=dict)
    """What exceeds the highest totals that each task ever had, by model; never negative."""
    peaks: dict[str, Amount | None] = field(default_factory=dict)
    """Tasks whose peak must be stored, or forgotten (None) because their row has reached it again."""

    @property
    def posted_count(self) -> int:
        """Number of the tasks of which something is posted."""
        added_count = 0 if self.added is None else len(self.added.task_id)
        return added_count + sum(more != ZERO for _usage, more in self.changed)

    def deltas(self) -> list[Delta]:
        """Return what is posted, task by task."""
        added = () if self.added is None else zip(*self.added, strict=True)
        posted = [(*usage[:5], nano) for *usage, nano in added]
        posted += [(*usage[:3], *more) for usage, more in self.changed if more != ZERO]
        return [(ts // QUARTER_MS, task_id, model or UNKNOWN_MODEL, *more) for task_id, ts, model, *more in posted]


def amount_of(usage: TaskUsage) -> Amount:
    """Return the totals of ``usage`` with its cost in nano-dollars."""
    return Amount(usage[3], usage[4], nano_usd(usage[5]))


def post_changes(changes: Sequence[UsageChange], peaks: Mapping[str, Amount]) -> Postings:
    """Return what ``changes`` add to the accounts.

    ``peaks`` holds the highest totals of the tasks whose row is below them, or gone since a backup was restored. Every
    difference goes to the quarter of the entry's new ``ts`` and to its new model; the first sight of a task posts a
    delta even of zeros, a change of ``ts`` or model alone posts none. Any exception is a bug.
    """
    postings = Postings()
    added = [after for before, after in changes if before is None]
    if added:
        columns = postings.added = _columns_of(added)
        _post_added(postings, columns)
        if not peaks.keys().isdisjoint(columns.task_id):
            _post_returned(postings, added, peaks)
    if len(added) < len(changes):
        for before, after in changes:
            if before is not None:
                _post_changed(postings, before, after, peaks)
        if added:
            postings.growth = _in_order(postings.growth, changes)
    return postings


def _in_order(growth: dict[str, Sums], changes: Sequence[UsageChange]) -> dict[str, Sums]:
    """Return ``growth`` with its models in the order in which ``changes`` spend on them."""
    models = (
        after.model_id or UNKNOWN_MODEL
        for before, after in changes
        if before is None or amount_of(before) != amount_of(after)
    )
    return {model: growth[model] for model in dict.fromkeys(models)}


def _columns_of(added: Sequence[TaskUsage]) -> Columns:
    task_ids, moments, models, tokens_in, tokens_out, costs = zip(*added, strict=True)
    return Columns(task_ids, moments, models, tokens_in, tokens_out, costs, nanos_usd(costs))


def _post_added(postings: Postings, added: Columns) -> None:
    sums: dict[str, list[int]] = {}
    # In place: to make a tuple for each task would take twice as long.
    for model, tokens_in, tokens_out, nano in zip(
        added.model_id, added.tokens_in, added.tokens_out, added.cost_nano, strict=True
    ):
        known = sums.get(model or UNKNOWN_MODEL)
        if known is None:
            sums[model or UNKNOWN_MODEL] = [tokens_in, tokens_out, nano]
        else:
            known[0] += tokens_in
            known[1] += tokens_out
            known[2] += nano
    postings.totals = {model: (each[0], each[1], each[2]) for model, each in sums.items()}
    postings.growth.update(postings.totals)


def _post_returned(postings: Postings, added: Sequence[TaskUsage], peaks: Mapping[str, Amount]) -> None:
    """Take back the growth of tasks that were stored before an older database was restored, up to their peaks."""
    for usage in added:
        if usage.task_id in peaks:
            now = amount_of(usage)
            more = _post_peak(postings, usage.task_id, ZERO, now, peaks)
            _accumulate(postings.growth, usage.model_id or UNKNOWN_MODEL, _minus(more, now))


def _post_changed(postings: Postings, before: TaskUsage, after: TaskUsage, peaks: Mapping[str, Amount]) -> None:
    now, was = amount_of(after), amount_of(before)
    difference = _minus(now, was)
    postings.changed.append((after, difference))
    if difference == ZERO:
        return
    model = after.model_id or UNKNOWN_MODEL
    _accumulate(postings.growth, model, _post_peak(postings, after.task_id, was, now, peaks))
    _accumulate(postings.totals, model, difference)


def _accumulate(sums: dict[str, Sums], model: str, more: Sums) -> None:
    known = sums.get(model)
    sums[model] = more if known is None else (known[0] + more[0], known[1] + more[1], known[2] + more[2])


def _post_peak(postings: Postings, task_id: str, was: Amount, now: Amount, peaks: Mapping[str, Amount]) -> Amount:
    """Return what of ``now`` exceeds the highest totals so far, and note the new peak where it lies above the row."""
    peak = _highest(was, peaks.get(task_id, was))
    highest = _highest(now, peak)
    if highest != now:
        postings.peaks[task_id] = highest
    elif task_id in peaks:
        postings.peaks[task_id] = None
    return _minus(highest, peak)


def _minus(left: Amount, right: Amount) -> Amount:
    return Amount(left[0] - right[0], left[1] - right[1], left[2] - right[2])


def _highest(left: Amount, right: Amount) -> Amount:
    return Amount(max(left[0], right[0]), max(left[1], right[1]), max(left[2], right[2]))
