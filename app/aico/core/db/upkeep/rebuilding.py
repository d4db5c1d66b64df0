"""Sums made anew from the deltas, and tasks taken out of all tables: for restore and forgetting.

Every function is part of a transaction of its caller.
"""

from __future__ import annotations

import secrets
import sqlite3

from aico.core.accounting import ZERO, Amount
from aico.core.money import NANO

_TOTAL = f"""
    INSERT INTO usage_total (source, model, tokens_in, tokens_out, cost_usd, cost_nano)
    SELECT source, model, SUM(tokens_in), SUM(tokens_out), SUM(cost_nano_usd / {NANO}), SUM(cost_nano_usd % {NANO})
    FROM usage_delta GROUP BY source, model
"""  # noqa: S608  # a constant of ours
_COUNTER = """
    INSERT INTO usage_counter (source, model, tokens_in, tokens_out, cost_usd, cost_nano) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (source, model) DO UPDATE SET tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out,
    cost_usd = excluded.cost_usd, cost_nano = excluded.cost_nano
"""
_OF_TASKS = (
    "usage_delta",
    "usage_task_day",
    "usage_task_model",
    "task_peak",
    "task_store",
)
"""Tables with a source and a task."""


def choose_tasks(connection: sqlite3.Connection, task_ids: list[str]) -> None:
    """Put ``task_ids`` into the temporary table ``chosen``, in the place of those before."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (task_id TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.execute("DELETE FROM chosen")
    connection.executemany("INSERT OR IGNORE INTO chosen VALUES (?)", [(task_id,) for task_id in task_ids])


def remove_tasks(connection: sqlite3.Connection, source: str) -> None:
    """Take the tasks in ``chosen`` out of every table but the counters; :func:`rebuild_sums` has to follow."""
    for table in _OF_TASKS:
        connection.execute(
            f"DELETE FROM {table} WHERE source = ? AND task_id IN (SELECT task_id FROM chosen)",  # noqa: S608
            (source,),
        )
    connection.execute("DELETE FROM cline_task_usage WHERE task_id IN (SELECT task_id FROM chosen)")


def rebuild_sums(connection: sqlite3.Connection) -> None:
    """Make the totals anew from the deltas, and say that the derived sums are behind: the service makes those anew."""
    connection.execute("DELETE FROM usage_total")
    connection.execute(_TOTAL)
    # It names no task, so none can be taken out of it; until it is made anew, it must not tell of those that are gone.
    connection.execute("DELETE FROM usage_rollup")
    connection.execute("DELETE FROM summed_source")


def begin_epoch(connection: sqlite3.Connection, revision: int) -> None:
    """Give the database another identity, and the revision after its own and after ``revision``."""
    connection.execute(
        "UPDATE database_state SET epoch = ?, revision = MAX(revision, ?) + 1", (secrets.token_hex(8), revision)
    )


def get_counters(connection: sqlite3.Connection, source: str) -> dict[str, Amount]:
    """Return the counters by model, in the order in which the models were first seen."""
    return _amounts(connection, "usage_counter", source, "ORDER BY rowid")


def raise_counters(connection: sqlite3.Connection, source: str, seen: dict[str, Amount]) -> None:
    """Let no counter be below what was ``seen`` of it, nor all together below the totals: counters never fall."""
    counters = get_counters(connection, source)
    _raise(counters, seen)
    totals = _amounts(connection, "usage_total", source)
    if any(have < need for have, need in zip(_sum(counters), _sum(totals), strict=True)):
        _raise(counters, totals)
    rows = [(source, model, *amount[:2], *divmod(amount.cost_nano_usd, NANO)) for model, amount in counters.items()]
    connection.executemany(_COUNTER, rows)


def _amounts(connection: sqlite3.Connection, table: str, source: str, order: str = "") -> dict[str, Amount]:
    columns = "model, tokens_in, tokens_out, cost_usd, cost_nano"
    rows = connection.execute(f"SELECT {columns} FROM {table} WHERE source = ? {order}", (source,))  # noqa: S608
    return {str(model): Amount(i, o, usd * NANO + nano) for model, i, o, usd, nano in rows}


def _raise(counters: dict[str, Amount], seen: dict[str, Amount]) -> None:
    for model, amount in seen.items():
        known = counters.get(model, ZERO)
        counters[model] = Amount(*map(max, known, amount))


def _sum(amounts: dict[str, Amount]) -> Amount:
    return Amount(*map(sum, zip(ZERO, *amounts.values(), strict=True)))
