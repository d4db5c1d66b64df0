"""Sums and pages over the accounts of one source, all within one snapshot of the database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import NamedTuple, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core import usage_statements as sql
from aico.core.accounting import ZERO, Amount, amount_of
from aico.core.db.database import Database
from aico.core.db.driver import fetch
from aico.core.domain import Store, TaskUsage
from aico.core.filters import UsageFilter
from aico.core.money import NANO
from aico.core.task_signs import TaskSigns


class Sort(StrEnum):
    """What a page of tasks is ordered by; the numbers are those spent inside the filter."""

    TS = "ts"
    TASK_ID = "task_id"
    MODEL_ID = "model_id"
    TOKENS_IN = "tokens_in"
    TOKENS_OUT = "tokens_out"
    TOTAL_COST = "total_cost"


_SORT_COLUMNS = {
    Sort.TS: "u.ts",
    Sort.TASK_ID: "spent.task_id",
    Sort.MODEL_ID: "u.model_id",
    Sort.TOKENS_IN: "spent.tokens_in",
    Sort.TOKENS_OUT: "spent.tokens_out",
    Sort.TOTAL_COST: "spent.cost_nano_usd",
}


class Totals(NamedTuple):
    """A sum and the tasks behind it."""

    amount: Amount
    task_count: int
    """Distinct tasks."""
    unpriced_task_count: int
    """Tasks that spent tokens at a recorded cost of 0."""


class Span(NamedTuple):
    """Quarters of the first delta, of the last one, and of the last one that is credible, if one is."""

    first: int
    last: int
    last_credible: int | None


@dataclass(frozen=True, slots=True)
class SpentTask:
    """A task with what it spent inside the filter."""

    usage: TaskUsage
    imported_at: int
    spent: Amount


_UsageColumns: TypeAlias = tuple[str, int, str | None, int, int, float, int]
_TotalsColumns: TypeAlias = tuple[int, int, int, int, int, int]


@dataclass(slots=True)
class _Counts:
    """What was counted last of all tasks: to count 100,000 takes longer than the rest of an answer."""

    revision: int | None = None
    task_count: int = 0
    unpriced_count: int = 0


class UsageReader:
    """Reads the accounts of one source. Sums are made of integers; nothing is divided here."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source
        self._counts = _Counts()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UsageSnapshot]:
        """Yield a view of one moment: what it returns adds up. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            [(revision, is_summed)] = await fetch(connection, sql.POSITION, (self._source,))
            yield UsageSnapshot(connection, self._source, revision, self._counts, is_summed=bool(is_summed))


class UsageSnapshot:
    """The accounts at one moment."""

    def __init__(
        self, connection: AsyncConnection, source: str, revision: int, counts: _Counts, *, is_summed: bool
    ) -> None:
        self._connection = connection
        self._source = source
        self._counts = counts
        self._is_summed = is_summed
        self.revision = revision
        """The number of the last committed change that this view contains."""

    async def find_span(self, credible: int) -> Span | None:
        """Return where the deltas lie, or None when there are none; ``credible`` as of :func:`latest_credible`."""
        values = (self._source, self._source, self._source, credible)
        [(first, last, last_credible)] = await fetch(self._connection, sql.SPAN, values)
        return None if first is None else Span(first, last, last_credible)

    async def get_all_totals(self) -> Totals:
        """Return the sum of all deltas. What a filter would add up task by task, rows and rollup already know."""
        amounts = (await self.list_model_totals()).values()
        if self._counts.revision != self.revision:
            [(tasks, unpriced)] = await fetch(self._connection, sql.ALL_COUNTS)
            self._counts.revision, self._counts.task_count, self._counts.unpriced_count = self.revision, tasks, unpriced
        return Totals(_total(amounts), self._counts.task_count, self._counts.unpriced_count)

    async def list_all_tasks(
        self, sort: Sort, *, descending: bool, limit: int, offset: int, task_count: int
    ) -> list[SpentTask]:
        """Return a page of all ``task_count`` tasks. The sum of a task's deltas is its row, which says what was spent.

        A page in the second half is counted from the end: SQLite walks over everything that it leaves out.
        """
        size = max(0, min(limit, task_count - offset))
        behind = task_count - offset - size
        is_reversed = behind < offset
        statement = sql.ALL_TASKS_PAGE.format(column=sort.value, direction=_direction(descending != is_reversed))
        rows = await fetch(self._connection, statement, (size, behind if is_reversed else offset))
        page = [_whole_task(tuple(row)) for row in rows]
        return page[::-1] if is_reversed else page

    async def iterate_tasks(self, wanted: UsageFilter | None, size: int) -> AsyncIterator[list[SpentTask]]:
        """Yield the tasks inside ``wanted`` (None: all) in pages of ``size``, newest first, from one query."""
        if wanted is None:
            rows = await fetch(self._connection, sql.ALL_TASKS)
        else:
            spent, values = self._spent(wanted)
            rows = await fetch(self._connection, sql.TASKS.format(spent=spent), values)
        for start in range(0, len(rows), size):
            page = rows[start : start + size]
            yield [_spent_task(row[:7], row[7:]) if wanted else _whole_task(tuple(row)) for row in page]

    async def get_totals(self, wanted: UsageFilter) -> Totals:
        """Return the sum of the deltas inside ``wanted``."""
        rows, values = sql.spent_rows(self._source, wanted, is_summed=self._is_summed)
        totals, _by_model = await self._sum_up(sql.TOTALS.format(rows=rows), values, wanted)
        return totals

    async def list_model_sums(self, wanted: UsageFilter) -> tuple[Totals, dict[str, Totals]]:
        """Return the sum of the deltas inside ``wanted``, and the same by model; a task may count for several."""
        return await self._sum_up(*sql.signed_models(self._source, wanted, is_summed=self._is_summed), wanted)

    async def _sum_up(
        self, statement: str, values: sql.Values, wanted: UsageFilter
    ) -> tuple[Totals, dict[str, Totals]]:
        """Return what the rows of ``statement`` add up to, and the same by what stands first in them."""
        amounts: dict[str, list[Amount]] = {}
        arrays: dict[str, list[Sequence[str]]] = {}
        for model, *columns in await fetch(self._connection, statement, values):
            amounts.setdefault(model, []).append(_amount(*columns[:4]))
            arrays.setdefault(model, []).append(columns[4:])
        signs = {model: TaskSigns.of(parts) for model, parts in arrays.items()}
        united = TaskSigns.unite(list(signs.values()))
        spent = await self._add_up(united.odd, wanted)
        by_model = {
            model: Totals(_total(amounts[model]), *signs[model].count_tasks(spent.get(model, {}))) for model in signs
        }
        return Totals(_total(chain(*amounts.values())), *united.count_tasks(spent.get(None, {}))), by_model

    async def _add_up(self, task_ids: set[str], wanted: UsageFilter) -> dict[str | None, dict[str, Amount]]:
        """Return by model, and under None altogether, what each of ``task_ids`` spent inside ``wanted``."""
        spent: dict[str | None, dict[str, Amount]] = {}
        if task_ids:
            rows, values = sql.spent_rows(self._source, wanted, is_summed=self._is_summed)
            statement = sql.SPENT_BY.format(rows=rows)
            found = await fetch(self._connection, statement, (*values, json.dumps(list(task_ids))))
            altogether = spent[None] = {}
            for task_id, model, *amount in found:
                spent.setdefault(model, {})[task_id] = Amount(*amount)
                altogether[task_id] = _total([altogether.get(task_id, ZERO), Amount(*amount)])
        return spent

    async def list_all_model_sums(self) -> tuple[Totals, dict[str, Totals]]:
        """Return the sum of all deltas, and the same by model."""
        if not self._is_summed:
            return await self.list_model_sums(UsageFilter())
        rows = await fetch(self._connection, sql.MODEL_COUNTS, (self._source,))
        counts = {model: (tasks, unpriced) for model, tasks, unpriced in rows}
        amounts = await self.list_model_totals()
        return await self.get_all_totals(), {model: Totals(amounts[model], *counts[model]) for model in counts}

    async def list_bucket_sums(self, wanted: UsageFilter, starts: Sequence[int], end: int) -> list[Amount]:
        """Return the sums between each of ``starts`` (ascending quarters) and the next, the last one up to ``end``."""
        where, values = sql.condition(self._source, wanted, "quarter", None, None, "d.")
        from_deltas = wanted.names_tasks or not self._is_summed  # the rollup knows no tasks
        statement = sql.BUCKETS.format(
            cost=sql.DELTA_COST if from_deltas else sql.ROLLUP_COST,
            table="usage_delta" if from_deltas else "usage_rollup",
            where=where,
        )
        stretches = json.dumps(list(zip(starts, [*starts[1:], end], strict=True)))
        rows = await fetch(self._connection, statement, (*values, stretches))
        return [_amount(*(number or 0 for number in json.loads(sums))) for (sums,) in rows]

    async def list_tasks(
        self, wanted: UsageFilter, sort: Sort, *, descending: bool, limit: int, offset: int
    ) -> tuple[list[SpentTask], Totals]:
        """Return a page of the tasks that have a delta inside ``wanted``, in a total order, and the sum over all."""
        spent, values = self._spent(wanted)
        column = _SORT_COLUMNS[sort]
        page = sql.PAGE_BY_USAGE if column.startswith("u.") else sql.PAGE_BY_SPENT
        statement = page.format(spent=spent, column=column, direction=_direction(descending))
        rows = await fetch(self._connection, statement, (*values, limit, offset))
        first, *others = rows
        return [_spent_task(row[:7], row[7:]) for row in others], _totals(first[1:7])

    async def find_stores(self, task_ids: Sequence[str]) -> dict[str, Store]:
        """Return where the rows of ``task_ids`` were read, for those that are not the ledger's."""
        rows = await fetch(self._connection, sql.STORES, (self._source, json.dumps(list(task_ids))))
        return {task_id: Store(store) for task_id, store in rows}

    async def count_stores(self) -> dict[Store, int]:
        """Return how many tasks' rows were read in each store but the ledger."""
        rows = await fetch(self._connection, sql.STORE_COUNTS, (self._source,))
        return {Store(store): count for store, count in rows}

    async def list_counters(self) -> dict[str, Amount]:
        """Return the growth counters by model, in the order in which the models were first seen."""
        rows = await fetch(self._connection, sql.COUNTERS, (self._source,))
        return {model: _amount(*columns) for model, *columns in rows}

    async def list_model_totals(self) -> dict[str, Amount]:
        """Return the sums of all deltas by model."""
        rows = await fetch(self._connection, sql.MODEL_TOTALS, (self._source,))
        return {model: _amount(*columns) for model, *columns in rows}

    def _spent(self, wanted: UsageFilter) -> tuple[str, sql.Values]:
        rows, values = sql.spent_rows(self._source, wanted, is_summed=self._is_summed)
        return sql.SPENT.format(rows=rows), values


def _direction(descending: bool) -> str:
    return "DESC" if descending else "ASC"


def _totals(columns: _TotalsColumns) -> Totals:
    tasks, unpriced, tokens_in, tokens_out, whole, nano = columns
    return Totals(_amount(tokens_in, tokens_out, whole, nano), tasks, unpriced)


def _amount(tokens_in: int, tokens_out: int, whole: int, nano: int) -> Amount:
    return Amount(tokens_in, tokens_out, whole * NANO + nano)


def _total(amounts: Iterable[Amount]) -> Amount:
    return Amount(*map(sum, zip(ZERO, *amounts, strict=True)))


def _spent_task(usage: _UsageColumns, spent: tuple[int, int, int]) -> SpentTask:
    return SpentTask(TaskUsage(*usage[:6]), usage[6], Amount(*spent))


def _whole_task(usage: _UsageColumns) -> SpentTask:
    task = TaskUsage(*usage[:6])
    return SpentTask(task, usage[6], amount_of(task))
