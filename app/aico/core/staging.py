"""The changes of one run, staged: their values are bound once, and every table takes them from there.

A first import writes 10,000 rows into each of three tables. To bind the values of each took longer than all else that
SQLite does; from the stage a table is filled by one statement, in which Python has no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlmodel import SQLModel

from aico.core.accounting import ZERO, Postings
from aico.core.db import schema as models
from aico.core.domain import DAY_QUARTERS, QUARTER_MS
from aico.core.money import NANO
from aico.core.statements import CHUNK, Batch, CoreTable, Row, accumulating, on_conflict, overwriting, table_of

_ADDED = ("task_id", "ts", "model_id", "tokens_in", "tokens_out", "total_cost", "more_nano")
_CHANGED = (*_ADDED, "more_in", "more_out")
OPEN_STAGE = (
    # Both keep the stage in memory: what is staged is in the database's log a moment later.
    "PRAGMA temp.journal_mode=MEMORY",
    "PRAGMA temp.cache_size=-8192",
    f"CREATE TEMP TABLE staged (place INTEGER PRIMARY KEY, {', '.join(_CHANGED)})",
)
"""Once for each connection that writes.

``more_nano`` is what the task spent since it was stored, NULL for nothing to post; ``more_in`` and ``more_out`` are
NULL when that is all that its row says.
"""
CLEAR_STAGE = "DELETE FROM staged"
"""The end of each transaction that stages something."""


def stage(postings: Postings) -> list[Batch]:
    """Return what stages all changes of ``postings``, at least one."""
    batches: list[Batch] = []
    if postings.added is not None:
        batches += _batches(_ADDED, postings.added)
    if postings.changed:
        rows: list[Row] = [
            (*usage, *((None, None, None) if more == ZERO else (more[2], more[0], more[1])))
            for usage, more in postings.changed
        ]
        batches += _batches(_CHANGED, list(zip(*rows, strict=True)))
    return batches


def _batches(names: Sequence[str], columns: Sequence[Sequence[str | int | float | None]]) -> list[Batch]:
    """Return statements of ``CHUNK`` rows. Slices put the columns side by side: no line of Python for each row."""
    width = len(names)
    values: list[str | int | float | None] = [None] * (width * len(columns[0]))
    for place, column in enumerate(columns):
        values[place::width] = column
    size = width * CHUNK
    whole = len(values) - len(values) % size
    batches: list[Batch] = []
    if whole:
        batches.append(
            (_insert(names, CHUNK), [tuple(values[start : start + size]) for start in range(0, whole, size)])
        )
    if whole < len(values):
        batches.append((_insert(names, (len(values) - whole) // width), [tuple(values[whole:])]))
    return batches


def _insert(names: Sequence[str], count: int) -> str:
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO staged ({', '.join(names)}) VALUES {', '.join([row] * count)}"  # noqa: S608  # our own names


def _taking(
    model: type[SQLModel], selected: str, conflict: Callable[[CoreTable], str], which: str = "more_nano IS NOT NULL"
) -> str:
    """Return the statement that fills a table from the stage: newest first, so the trees grow at their end."""
    table = table_of(model)
    names = ", ".join(column.name for column in table.columns)
    taken = f"SELECT {selected} FROM staged WHERE {which} ORDER BY place"  # noqa: S608  # our own names
    return f"INSERT INTO {table.name} ({names}) {taken}{on_conflict(table, conflict)}"


_QUARTER = f"ts / {QUARTER_MS}"
_DAY = f"ts / {QUARTER_MS * DAY_QUARTERS}"
_MODEL = "IFNULL(model_id, '')"
_TOKENS = "IFNULL(more_in, tokens_in), IFNULL(more_out, tokens_out)"
_NANO = f"(more_nano % {NANO} + {NANO}) % {NANO}"
_SPLIT = f"(more_nano - {_NANO}) / {NANO}, {_NANO}"
"""Whole dollars, rounded down, and what is left, which is never negative."""
UPSERT_USAGE = _taking(
    models.ClineTaskUsage,
    "task_id, ts, model_id, tokens_in, tokens_out, total_cost, ?1, ?1",
    overwriting(kept=("imported_at",), compared=("ts", "model_id", "tokens_in", "tokens_out", "total_cost")),
    "TRUE",
)
"""Takes the moment of writing."""
ADD_DELTAS = _taking(models.UsageDelta, f"?1, {_QUARTER}, task_id, {_MODEL}, {_TOKENS}, more_nano", accumulating)
"""This and the following take the source."""
# A row for each delta: few share a key, and the table adds them up sooner than a GROUP BY would.
ADD_ROLLUPS = _taking(models.UsageRollup, f"?1, {_QUARTER}, {_MODEL}, {_TOKENS}, {_SPLIT}", accumulating)
ADD_TASK_DAYS = _taking(models.UsageTaskDay, f"?1, {_DAY}, {_MODEL}, task_id, {_TOKENS}, more_nano", accumulating)
ADD_TASK_MODELS = _taking(models.UsageTaskModel, f"?1, {_MODEL}, task_id, {_TOKENS}, more_nano", accumulating)
STORE_STORES = _taking(models.TaskStore, "?1, task_id, ?2", overwriting(), "TRUE")
"""Takes the source and the store."""
