"""What an import adds to the accounts: deltas, totals and counters. No I/O, no clock, no logging."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import floordiv, itemgetter
from typing import NamedTuple, TypeAlias

from app.core.domain import QUARTER_MS, UNKNOWN_MODEL, TaskUsage
from app.core.money import nano_usd, nanos_usd


class UsageChange(NamedTuple):
    """One task whose row must be written: what is stored, and what shall be."""

    before: TaskUsage | None
    """None for a task seen for the first time."""
    after: TaskUsage
    """With the effective model: a known one is never replaced by None."""


class Amount(NamedTuple):
    """Tokens and cost together; differences may be negative."""

    tokens_in: int
    tokens_out: int
    cost_nano_usd: int


ZERO = Amount(0, 0, 0)
_TASK_ID = itemgetter(0)

Sums: TypeAlias = tuple[int, int, int]
"""Tokens in, tokens out, nano-dollars, as :class:`Amount` without its name: twice as quick to make."""
Delta: TypeAlias = tuple[int, str, str, int, int, int]
"""What one task spent on one model in one quarter of an hour, according to one change.

Quarter, task, model, tokens in, tokens out, nano-dollars: the columns of ``usage_delta`` after ``source``. A plain
tuple, because a first import makes 100,000 of them and a named one costs twice as much.
"""


@dataclass(slots=True)
class Postings:
    """Everything that one transaction adds to the accounting tables."""

    deltas: list[Delta] = field(default_factory=list)
    totals: dict[str, Sums] = field(default_factory=dict)
    """Sums of the deltas by model."""
    growth: dict[str, Sums] = field(default_factory=dict)
    """What exceeds the highest totals that each task ever had, by model; never negative."""
    peaks: dict[str, Amount | None] = field(default_factory=dict)
    """Tasks whose peak must be stored, or forgotten (None) because their row has reached it again."""


def amount_of(usage: TaskUsage) -> Amount:
    """Return the totals of ``usage`` with its cost in nano-dollars."""
    return Amount(usage[3], usage[4], nano_usd(usage[5]))


def post_changes(changes: Sequence[UsageChange], peaks: Mapping[str, Amount]) -> Postings:
    """Return what ``changes`` add to the accounts.

    ``peaks`` holds the highest totals of the tasks whose row is below them, or gone since a backup was restored. Every
    difference goes to the quarter of the entry's new ``ts`` and to its new model; the first sight of a task posts a
    delta even of zeros, a change of ``ts`` or model alone posts none. Any exception is a bug.
    """
    added = [after for before, after in changes if before is None]
    changed = [(before, after) for before, after in changes if before is not None]
    postings = Postings()
    if added:
        _post_added(postings, added)
        if not peaks.keys().isdisjoint(map(_TASK_ID, added)):
            _post_returned(postings, added, peaks)
    for before, after in changed:
        _post_changed(postings, before, after, peaks)
    if added and changed:
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


def _post_added(postings: Postings, added: Sequence[TaskUsage]) -> None:
    """Post tasks seen for the first time, column by column: a first import has 100,000 of them."""
    task_ids, moments, model_ids, tokens_in, tokens_out, costs = zip(*added, strict=True)
    quarters = map(floordiv, moments, repeat(QUARTER_MS))
    models = [model_id or UNKNOWN_MODEL for model_id in model_ids]
    nanos = nanos_usd(costs)
    postings.deltas += zip(quarters, task_ids, models, tokens_in, tokens_out, nanos, strict=True)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, model in enumerate(models):
        places[model].append(place)
    for model, at in places.items():
        postings.totals[model] = _sum_of(tokens_in, at), _sum_of(tokens_out, at), _sum_of(nanos, at)
    postings.growth.update(postings.totals)


def _sum_of(column: Sequence[int], places: Iterable[int]) -> int:
    return sum(map(column.__getitem__, places))


def _post_returned(postings: Postings, added: Iterable[TaskUsage], peaks: Mapping[str, Amount]) -> None:
    """Take back the growth of tasks that were stored before an older database was restored, up to their peaks."""
    for usage in added:
        if usage.task_id in peaks:
            now = amount_of(usage)
            more = _post_peak(postings, usage.task_id, ZERO, now, peaks)
            _accumulate(postings.growth, usage.model_id or UNKNOWN_MODEL, _minus(more, now))


def _post_changed(postings: Postings, before: TaskUsage, after: TaskUsage, peaks: Mapping[str, Amount]) -> None:
    now, was = amount_of(after), amount_of(before)
    difference = _minus(now, was)
    if difference == ZERO:
        return
    model = after.model_id or UNKNOWN_MODEL
    _accumulate(postings.growth, model, _post_peak(postings, after.task_id, was, now, peaks))
    postings.deltas.append((after.ts // QUARTER_MS, after.task_id, model, *difference))
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
