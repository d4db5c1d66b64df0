"""Sums and pages over the accounts of one source, all within one snapshot of the database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.accounting import ZERO, Amount, amount_of
from app.core.database import Database
from app.core.domain import TaskUsage
from app.core.filters import UsageFilter
from app.core.money import NANO


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
    Sort.TASK_ID: "u.task_id",
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


class BucketSum(NamedTuple):
    """What was spent on one model in one bucket."""

    bucket: int
    """Position among the starts that were asked for."""
    model: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class SpentTask:
    """A task with what it spent inside the filter."""

    usage: TaskUsage
    imported_at: int
    spent: Amount


# One row per task inside the filter. {where} is built from constants below; every value is bound.
_SPENT = """
    SELECT task_id, SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(cost_nano_usd) AS cost_nano_usd
    FROM usage_delta WHERE {where} GROUP BY task_id
"""
_TOTALS = """
    SELECT COALESCE(SUM(tokens_in), 0), COALESCE(SUM(tokens_out), 0),
        COALESCE(SUM(cost_nano_usd / 1000000000), 0), COALESCE(SUM(cost_nano_usd % 1000000000), 0),
        COUNT(*), COALESCE(SUM(cost_nano_usd = 0 AND tokens_in + tokens_out > 0), 0)
    FROM ({spent})
"""
_ALL_TASKS = """
    SELECT u.task_id, u.ts, u.model_id, u.tokens_in, u.tokens_out, u.total_cost, u.imported_at
    FROM cline_task_usage AS u ORDER BY {column} {direction}, u.task_id {direction} LIMIT ? OFFSET ?
"""
# Half a nano-dollar and less is rounded to nothing.
_ALL_COUNTS = """
    SELECT COUNT(*), COALESCE(SUM(total_cost <= 5e-10 AND tokens_in + tokens_out > 0), 0) FROM cline_task_usage
"""
_MODEL_COUNTS = """
    SELECT model, COUNT(*), SUM(cost = 0 AND tokens > 0) FROM (
        SELECT model, SUM(cost_nano_usd) AS cost, SUM(tokens_in) + SUM(tokens_out) AS tokens
        FROM usage_delta WHERE {where} GROUP BY task_id, model
    ) GROUP BY model
"""
_TASKS = """
    SELECT u.task_id, u.ts, u.model_id, u.tokens_in, u.tokens_out, u.total_cost, u.imported_at,
        spent.tokens_in, spent.tokens_out, spent.cost_nano_usd
    FROM ({spent}) AS spent JOIN cline_task_usage AS u ON u.task_id = spent.task_id
    ORDER BY {column} {direction}, u.task_id {direction} LIMIT ? OFFSET ?
"""
_BUCKETS = """
    SELECT bucket.key, d.model, SUM(d.tokens_in), SUM(d.tokens_out), {cost}
    FROM json_each(?) AS bucket CROSS JOIN {table} AS d
    WHERE d.quarter >= json_extract(bucket.value, '$[0]') AND d.quarter < json_extract(bucket.value, '$[1]') AND {where}
    GROUP BY bucket.key, d.model
"""
# Look-ups at the ends of the tree; MIN and MAX of one SELECT would read all of it.
_SPAN = """
    SELECT (SELECT MIN(quarter) FROM usage_delta WHERE source = ?),
        (SELECT MAX(quarter) FROM usage_delta WHERE source = ?),
        (SELECT MAX(quarter) FROM usage_delta WHERE source = ? AND quarter <= ?)
"""
# Whole dollars and the rest apart: nine billion dollars of nano-dollars would overflow a 64-bit sum.
_DELTA_COST = "SUM(d.cost_nano_usd / 1000000000), SUM(d.cost_nano_usd % 1000000000)"
_COUNTERS = (
    "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_counter WHERE source = ? ORDER BY rowid"
)
_MODEL_TOTALS = "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_total WHERE source = ?"
_ROLLUP_COST = "SUM(d.cost_usd), SUM(d.cost_nano)"


_UNLIMITED = -1
_UsageColumns: TypeAlias = tuple[str, int, str | None, int, int, float, int]


class UsageReader:
    """Reads the accounts of one source. Sums are made of integers; nothing is divided here."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UsageSnapshot]:
        """Yield a view of one moment: what it returns adds up. Raises StorageBusy, StorageError."""
        async with self._database.read() as connection:
            yield UsageSnapshot(connection, self._source)


class UsageSnapshot:
    """The accounts at one moment."""

    def __init__(self, connection: AsyncConnection, source: str) -> None:
        self._connection = connection
        self._source = source

    async def find_span(self, credible: int) -> Span | None:
        """Return where the deltas lie, or None when there are none; ``credible`` as of :func:`latest_credible`."""
        values = (self._source, self._source, self._source, credible)
        first, last, last_credible = tuple((await self._connection.exec_driver_sql(_SPAN, values)).one())
        return None if first is None else Span(first, last, last_credible)

    async def get_revision(self) -> int:
        """Return the number of the last committed change that this view contains."""
        return int((await self._connection.exec_driver_sql("SELECT revision FROM database_state")).scalar_one())

    async def get_all_totals(self) -> Totals:
        """Return the sum of all deltas. What a filter would add up task by task, rows and rollup already know."""
        amounts = (await self.list_model_totals()).values()
        tasks, unpriced = tuple((await self._connection.exec_driver_sql(_ALL_COUNTS)).one())
        return Totals(Amount(*map(sum, zip(ZERO, *amounts, strict=True))), tasks, unpriced)

    async def list_all_tasks(self, sort: Sort, *, descending: bool, limit: int, offset: int) -> list[SpentTask]:
        """Return a page of all tasks. The sum of a task's deltas is its row, so the row says what was spent."""
        statement = _ALL_TASKS.format(column=f"u.{sort.value}", direction="DESC" if descending else "ASC")
        rows = await self._connection.exec_driver_sql(statement, (limit, offset))
        return [_whole_task(row) for row in map(tuple, rows)]

    async def iterate_tasks(self, wanted: UsageFilter | None, size: int) -> AsyncIterator[list[SpentTask]]:
        """Yield the tasks inside ``wanted`` (None: all) in pages of ``size``, newest first, from one query."""
        if wanted is None:
            statement = _ALL_TASKS.format(column="u.ts", direction="DESC")
            rows = await self._connection.exec_driver_sql(statement, (_UNLIMITED, 0))
        else:
            where, values = self._where(wanted)
            statement = _TASKS.format(spent=_SPENT.format(where=where), column="u.ts", direction="DESC")
            rows = await self._connection.exec_driver_sql(statement, (*values, _UNLIMITED, 0))
        while page := rows.fetchmany(size):
            tuples = map(tuple, page)
            yield [_spent_task(row[:7], row[7:]) if wanted else _whole_task(row) for row in tuples]

    async def get_totals(self, wanted: UsageFilter) -> Totals:
        """Return the sum of the deltas inside ``wanted``."""
        where, values = self._where(wanted)
        statement = _TOTALS.format(spent=_SPENT.format(where=where))
        tokens_in, tokens_out, whole, nano, tasks, unpriced = tuple(
            (await self._connection.exec_driver_sql(statement, values)).one()
        )
        return Totals(Amount(tokens_in, tokens_out, whole * NANO + nano), tasks, unpriced)

    async def list_model_counts(self, wanted: UsageFilter) -> dict[str, tuple[int, int]]:
        """Return, by model, how many tasks spent on it inside ``wanted``, and how many of them unpriced."""
        where, values = self._where(wanted)
        rows = await self._connection.exec_driver_sql(_MODEL_COUNTS.format(where=where), values)
        return {model: (tasks, unpriced) for model, tasks, unpriced in map(tuple, rows)}

    async def list_bucket_sums(self, wanted: UsageFilter, starts: Sequence[int], end: int) -> list[BucketSum]:
        """Return the sums between each of ``starts`` (ascending quarters) and the next, the last one up to ``end``."""
        where, values = self._where(wanted, alias="d.")
        # The rollup knows no tasks; a text may be part of a task's id.
        from_deltas = wanted.text is not None
        statement = _BUCKETS.format(
            cost=_DELTA_COST if from_deltas else _ROLLUP_COST,
            table="usage_delta" if from_deltas else "usage_rollup",
            where=where,
        )
        stretches = json.dumps(list(zip(starts, [*starts[1:], end], strict=True)))
        rows = await self._connection.exec_driver_sql(statement, (stretches, *values))
        return [
            BucketSum(bucket, model, Amount(tokens_in, tokens_out, whole * NANO + nano))
            for bucket, model, tokens_in, tokens_out, whole, nano in map(tuple, rows)
        ]

    async def list_tasks(
        self, wanted: UsageFilter, sort: Sort, *, descending: bool, limit: int, offset: int
    ) -> list[SpentTask]:
        """Return a page of the tasks that have a delta inside ``wanted``, in a total order."""
        where, values = self._where(wanted)
        statement = _TASKS.format(
            spent=_SPENT.format(where=where), column=_SORT_COLUMNS[sort], direction="DESC" if descending else "ASC"
        )
        rows = await self._connection.exec_driver_sql(statement, (*values, limit, offset))
        return [_spent_task(row[:7], row[7:]) for row in map(tuple, rows)]

    async def list_counters(self) -> dict[str, Amount]:
        """Return the growth counters by model, in the order in which the models were first seen."""
        rows = await self._connection.exec_driver_sql(_COUNTERS, (self._source,))
        return {model: Amount(i, o, whole * NANO + nano) for model, i, o, whole, nano in map(tuple, rows)}

    async def list_model_totals(self) -> dict[str, Amount]:
        """Return the sums of all deltas by model."""
        rows = await self._connection.exec_driver_sql(_MODEL_TOTALS, (self._source,))
        return {model: Amount(i, o, whole * NANO + nano) for model, i, o, whole, nano in map(tuple, rows)}

    def _where(self, wanted: UsageFilter, alias: str = "") -> tuple[str, tuple[str | int, ...]]:
        """Return the condition and its values; column names are ours, values are bound."""
        conditions = [f"{alias}source = ?"]
        values: list[str | int] = [self._source]
        for condition, value in (
            (f"{alias}quarter >= ?", wanted.first_quarter),
            (f"{alias}quarter < ?", wanted.end_quarter),
            (f"{alias}model = ?", wanted.model),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if wanted.text is not None:
            conditions.append(f"(instr(lower({alias}task_id), lower(?)) OR instr(lower({alias}model), lower(?)))")
            values += [wanted.text, wanted.text]
        return " AND ".join(conditions), tuple(values)


def _spent_task(usage: _UsageColumns, spent: tuple[int, int, int]) -> SpentTask:
    return SpentTask(TaskUsage(*usage[:6]), usage[6], Amount(*spent))


def _whole_task(usage: _UsageColumns) -> SpentTask:
    task = TaskUsage(*usage[:6])
    return SpentTask(task, usage[6], amount_of(task))
