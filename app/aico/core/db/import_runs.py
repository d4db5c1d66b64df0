"""The record of import runs: what each reading changed, and where failures began and ended."""

from __future__ import annotations

import sqlite3

from aico.core.db.schema import ImportRun
from aico.core.db.statements import table_of
from aico.core.receipts import ImportReceipt

RUNS_KEPT = 10_000
"""Import runs that are kept."""
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
