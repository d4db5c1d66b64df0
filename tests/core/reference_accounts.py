"""What the contract says of the accounts, computed the slow way: the model that histories are held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

from aico.core.domain import TaskUsage

Sums: TypeAlias = tuple[int, int, int]
"""Tokens in, tokens out, nano-dollars."""


@dataclass
class BookRow:
    """A task's row with its bookkeeping times."""

    usage: TaskUsage
    imported_at: int
    updated_at: int


@dataclass
class Books:
    """Rows, deltas and counters after a history of ledgers."""

    rows: dict[str, BookRow] = field(default_factory=dict)
    deltas: dict[tuple[int, str, str], Sums] = field(default_factory=dict)
    """By quarter, task and model."""
    peaks: dict[str, Sums] = field(default_factory=dict)
    """The highest totals of every task."""
    counters: dict[str, Sums] = field(default_factory=dict)
    """By model, in the order in which the models were first seen."""

    def take_in(self, entries: Iterable[TaskUsage], now_ms: int) -> list[TaskUsage]:
        """Post one reading (no id twice) and return what changed."""
        changed: list[TaskUsage] = []
        for entry in sorted(entries, key=lambda entry: entry.ts, reverse=True):
            row = self.rows.get(entry.task_id)
            model_id = entry.model_id or (row.usage.model_id if row else None)
            effective = entry._replace(model_id=model_id)
            if row is None:
                self.rows[entry.task_id] = BookRow(effective, now_ms, now_ms)
                self._post(effective, (0, 0, 0), is_first=True)
            elif row.usage != effective:
                before = sums_of(row.usage)
                row.usage, row.updated_at = effective, now_ms
                self._post(effective, before, is_first=False)
            else:
                continue
            changed.append(effective)
        return changed

    def _post(self, usage: TaskUsage, before: Sums, *, is_first: bool) -> None:
        now = sums_of(usage)
        difference = minus(now, before)
        if difference == (0, 0, 0) and not is_first:
            return
        model = usage.model_id or ""
        key = (usage.ts // 900_000, usage.task_id, model)
        self.deltas[key] = plus(self.deltas.get(key, (0, 0, 0)), difference)
        peak = self.peaks.get(usage.task_id, (0, 0, 0))
        highest = (max(now[0], peak[0]), max(now[1], peak[1]), max(now[2], peak[2]))
        self.peaks[usage.task_id] = highest
        self.counters[model] = plus(self.counters.get(model, (0, 0, 0)), minus(highest, peak))

    def rollups(self) -> dict[tuple[int, str], Sums]:
        """Return the deltas summed over tasks, by quarter and model."""
        sums: dict[tuple[int, str], Sums] = {}
        for (quarter, _task, model), amount in self.deltas.items():
            sums[quarter, model] = plus(sums.get((quarter, model), (0, 0, 0)), amount)
        return sums


def sums_of(usage: TaskUsage) -> Sums:
    """Return the totals of ``usage`` with its cost in nano-dollars, by the words of the contract."""
    nano = (Decimal(repr(usage.total_cost)) * 10**9).to_integral_value(ROUND_HALF_EVEN)
    return usage.tokens_in, usage.tokens_out, int(nano)


def plus(left: Sums, right: Sums) -> Sums:
    """Return the sum."""
    return left[0] + right[0], left[1] + right[1], left[2] + right[2]


def minus(left: Sums, right: Sums) -> Sums:
    """Return the difference."""
    return left[0] - right[0], left[1] - right[1], left[2] - right[2]
