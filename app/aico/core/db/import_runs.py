"""The record of import runs: the changes of each reading, and the beginning and end of failures."""

from __future__ import annotations

import sqlite3

from aico.core.db.statements import insert
from aico.core.receipts import ImportReceipt

RUNS_KEPT = 10_000
"""Import runs that are kept."""
_COLUMNS = (
    "source",
    "origin",
    "trigger",
    "finished_at",
    "duration_ms",
    "added_count",
    "updated_count",
    "skipped_count",
    "error_count",
    "partial_count",
    "remaining_count",
    "revision",
    "error_code",
)
_ADD = f"{insert('import_run', _COLUMNS)} RETURNING id"
_FORGET = "DELETE FROM import_run WHERE id <= ?"


def add_run(
    connection: sqlite3.Connection, receipt: ImportReceipt, revision: int | None, error_code: str | None
) -> None:
    """Note a run, and forget what is older than the last ``RUNS_KEPT``: part of a transaction."""
    values = (
        receipt.source,
        receipt.origin,
        receipt.trigger.value,
        receipt.finished_at_ms,
        receipt.duration_ms,
        receipt.added_count,
        receipt.updated_count,
        receipt.skipped_count,
        receipt.error_count,
        receipt.partial_count,
        receipt.remaining_count,
        revision,
        error_code,
    )
    [(number,)] = connection.execute(_ADD, values).fetchall()
    if number > RUNS_KEPT:
        connection.execute(_FORGET, (number - RUNS_KEPT,))
