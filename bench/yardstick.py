"""The yardstick Y(n): the work of a short script, from bytes to commit."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

_CREATE = (
    "CREATE TABLE usage (task_id TEXT PRIMARY KEY, ts INTEGER, model_id TEXT, "
    "tokens_in INTEGER, tokens_out INTEGER, total_cost REAL)"
)
_UPSERT = (
    "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (task_id) DO UPDATE SET ts = excluded.ts, "
    "model_id = excluded.model_id, tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out, "
    "total_cost = excluded.total_cost"
)


def open_yardstick(path: Path) -> sqlite3.Connection:
    """Return a connection to a fresh file with WAL, FULL and a primary key only."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(_CREATE)
    connection.commit()
    return connection


def run_yardstick(connection: sqlite3.Connection, data: bytes) -> None:
    """``json.loads``, one ``executemany`` upsert of the six columns, commit: the part that is measured."""
    rows = [
        (entry["id"], entry["ts"], entry.get("modelId"), entry["tokensIn"], entry["tokensOut"], entry["totalCost"])
        for entry in json.loads(data)
    ]
    connection.executemany(_UPSERT, rows)
    connection.commit()
