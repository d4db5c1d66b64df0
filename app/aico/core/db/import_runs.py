"""The record of import runs: what each reading changed, and where failures began and ended."""

from __future__ import annotations

import sqlite3

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from aico.core.db.schema import ImportRun
from aico.core.db.statements import table_of
from aico.core.receipts import ImportReceipt

RUNS_KEPT = 10_000
"""Import runs that are kept."""
_RUNS_OF_A_READING_MAX = 1_000
_RUNS = table_of(ImportRun)
_NAMES = [column.name for column in _RUNS.columns if not column.primary_key]
_ADD = f"INSERT INTO import_run ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) RETURNING id"  # noqa: S608  # our own names
_FORGET = "DELETE FROM import_run WHERE id <= ?"


def add_run(
    connection: sqlite3.Connection, receipt: ImportReceipt, revision: int | None, error_code: str | None
) -> None:
    """Note a run, and forget what is older than the last ``RUNS_KEPT``: part of a transaction."""
    values = {
        "source": receipt.source,
        "origin": receipt.origin,
        "trigger": receipt.trigger.value,
        "finished_at": receipt.finished_at_ms,
        "duration_ms": receipt.duration_ms,
        "added_count": receipt.added_count,
        "updated_count": receipt.updated_count,
        "skipped_count": receipt.skipped_count,
        "error_count": receipt.error_count,
        "partial_count": receipt.partial_count,
        "remaining_count": receipt.remaining_count,
        "revision": revision,
        "error_code": error_code,
    }
    [(number,)] = connection.execute(_ADD, [values[name] for name in _NAMES]).fetchall()
    if number > RUNS_KEPT:
        connection.execute(_FORGET, (number - RUNS_KEPT,))


async def list_last_runs(connection: AsyncConnection, source: str) -> list[ImportRun]:
    """Return the successful runs of the last recorded reading, in order.

    A run that left entries over is followed by one of the same reading that counts nothing else than those.
    """
    statement = (
        select(_RUNS)
        .where(col(ImportRun.source) == source, col(ImportRun.error_code).is_(None))
        .order_by(col(ImportRun.id).desc())
        .limit(_RUNS_OF_A_READING_MAX)
    )
    found: list[ImportRun] = []
    for row in await connection.execute(statement):
        run = ImportRun(**row._asdict())
        if found and not _is_followed(run, found[-1]):
            break
        found.append(run)
    return found[::-1]


def _is_followed(run: ImportRun, by: ImportRun) -> bool:
    written = by.added_count + by.updated_count + by.remaining_count
    return 0 < run.remaining_count == written and not by.skipped_count and not by.error_count
