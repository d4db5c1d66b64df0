"""The statements that write in bulk, generated from the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeAlias

from sqlalchemy import Column, Table
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import SQLModel

from aico.core.db import schema as models

CoreTable: TypeAlias = "Table[ReadOnlyColumnCollection[str, Column[object]]]"
"""A table whose columns are known by name only."""
Row: TypeAlias = tuple[str | int | float | None, ...]
Batch: TypeAlias = tuple[str, list[Row]]
"""One statement and the parameters of each of its executions."""


def table_of(model: type[SQLModel]) -> CoreTable:
    """Return the Core table behind ``model``, for statements that the ORM has no part in."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


CHUNK = 100
"""Rows per statement: one statement of 100 rows costs half of 100 statements of one."""


class BulkStatement:
    """An upsert for many rows, generated once from a table: what the ORM would do row by row.

    The columns called ``shared`` hold one value in all rows; it is bound once, as the first parameter. Rows are tuples
    of the other columns, in the table's order.
    """

    def __init__(self, model: type[SQLModel], shared: Sequence[str], conflict: Callable[[CoreTable], str]) -> None:
        table = table_of(model)
        own = [column.name for column in table.columns if column.name not in shared]
        names = ", ".join([*shared, *own])
        self._head = f"INSERT INTO {table.name} ({names}) VALUES "  # noqa: S608  # names of our own tables
        # A bare ? takes the number after the greatest one so far: ?1 must come first.
        self._row = f"({', '.join(['?1'] * len(shared) + ['?'] * len(own))})"
        self._tail = on_conflict(table, conflict)
        self.full = self._text(CHUNK)
        """The statement for exactly ``CHUNK`` rows."""

    def batches(self, shared: str | int, rows: Sequence[Row]) -> list[Batch]:
        """Return the statements that write ``rows``, each with its list of parameters."""
        whole = len(rows) - len(rows) % CHUNK
        chunks = [_flat(shared, rows[start : start + CHUNK]) for start in range(0, whole, CHUNK)]
        batches: list[Batch] = [(self.full, chunks)] if chunks else []
        if whole < len(rows):
            batches.append((self._text(len(rows) - whole), [_flat(shared, rows[whole:])]))
        return batches

    def _text(self, count: int) -> str:
        return self._head + ", ".join([self._row] * count) + self._tail


def on_conflict(table: CoreTable, conflict: Callable[[CoreTable], str]) -> str:
    """Return what an INSERT into ``table`` does with a row whose key is there already."""
    key = ", ".join(column.name for column in table.primary_key)
    return f" ON CONFLICT ({key}) DO UPDATE SET {conflict(table)}"


def _flat(shared: str | int, rows: Sequence[Row]) -> Row:
    return (shared, *chain.from_iterable(rows))


def overwriting(*, kept: Sequence[str] = (), compared: Sequence[str] = ()) -> Callable[[CoreTable], str]:
    """Return what overwrites all columns but the key and ``kept``, only where one of ``compared`` differs."""

    def conflict(table: CoreTable) -> str:
        names = [c.name for c in table.columns if not c.primary_key and c.name not in kept]
        assignments = ", ".join(f"{name} = excluded.{name}" for name in names)
        return f"{assignments} WHERE {' OR '.join(f'{name} IS NOT excluded.{name}' for name in compared or names)}"

    return conflict


def accumulating(table: CoreTable) -> str:
    """Add every column outside the key to what is stored."""
    return ", ".join(f"{c.name} = {c.name} + excluded.{c.name}" for c in table.columns if not c.primary_key)


_SOURCE = ("source",)
ADD_DELTAS = BulkStatement(models.UsageDelta, _SOURCE, accumulating)
ADD_TOTALS = BulkStatement(models.UsageTotal, _SOURCE, accumulating)
ADD_COUNTERS = BulkStatement(models.UsageCounter, _SOURCE, accumulating)
STORE_PEAKS = BulkStatement(models.TaskPeak, _SOURCE, overwriting())
FORGET_PEAK = "DELETE FROM task_peak WHERE source = ? AND task_id = ?"
ADVANCE_REVISION = "UPDATE database_state SET revision = ? WHERE revision = ? RETURNING revision"
NOTE_READING = """
    INSERT INTO store_reading (source, store, epoch, identity) VALUES (?, ?, ?, ?) ON CONFLICT (source, store)
    DO UPDATE SET epoch = excluded.epoch, identity = excluded.identity
    WHERE epoch IS NOT excluded.epoch OR identity IS NOT excluded.identity
"""
OPEN_SOURCE = "INSERT OR IGNORE INTO source_state (source, exact_since) VALUES (?, ?)"
