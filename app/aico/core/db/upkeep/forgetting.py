"""Removing tasks on request: rows, deltas and sums go, and the next import does not bring them back.

All functions block: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aico.core.accounting import Amount
from aico.core.db.upkeep import rebuilding
from aico.core.db.upkeep.sqlite_files import connect, in_our_words, transaction
from aico.core.domain import CLINE

_MATCHING = "SELECT task_id FROM cline_task_usage WHERE ts < ?"
_SPENT = """
    SELECT COALESCE(SUM(d.tokens_in), 0), COALESCE(SUM(d.tokens_out), 0), COALESCE(SUM(d.cost_nano_usd), 0), COUNT(*)
    FROM usage_delta AS d JOIN chosen USING (task_id) WHERE d.source = ?
"""
_REMEMBER = """
    INSERT OR REPLACE INTO forgotten_task (source, task_id, forgotten_at) SELECT ?, task_id, ? FROM chosen
"""
_STORED = "SELECT task_id FROM chosen JOIN cline_task_usage USING (task_id) ORDER BY task_id"


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What goes, or would go."""

    task_ids: tuple[str, ...]
    """Stored tasks, in order."""
    unknown_ids: tuple[str, ...]
    """Tasks that were named and are not stored."""
    spent: Amount
    """What the tasks spent together."""
    delta_count: int


def preview_forgetting(path: Path, named: Sequence[str], before_ms: int | None) -> Forgetting:
    """Return what would go of the database at ``path``; write nothing. Raises StorageBusy, StorageError.

    ``named`` are ids; ``before_ms`` means every task whose last activity lies before that moment (epoch milliseconds).
    """
    with in_our_words(), closing(connect(path, "ro")) as connection:
        named = [*named, *_list_before(connection.execute(_MATCHING, (before_ms,)).fetchall())]
        connection.execute("BEGIN")
        rebuilding.choose_tasks(connection, named)
        stored = tuple(str(task_id) for (task_id,) in connection.execute(_STORED))
        rebuilding.choose_tasks(connection, list(stored))
        *spent, delta_count = connection.execute(_SPENT, (CLINE,)).fetchone()
    return Forgetting(stored, tuple(sorted(set(named) - set(stored))), Amount(*spent), delta_count)


def forget(path: Path, task_ids: Sequence[str], now_ms: int) -> None:
    """Remove the stored tasks ``task_ids`` in one transaction, and keep their ids as forgotten.

    The epoch is another one afterwards, so whoever showed them reads again; counters that only grow stay as they are.
    Nobody else may hold what is stored in memory: the caller has the instance's lock. Raises StorageBusy, StorageError.
    """
    with in_our_words(), closing(connect(path)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        # What is removed is overwritten, too.
        connection.execute("PRAGMA secure_delete=ON")
        rebuilding.choose_tasks(connection, list(task_ids))
        with transaction(connection):
            connection.execute(_REMEMBER, (CLINE, now_ms))
            rebuilding.remove_tasks(connection, CLINE)
            rebuilding.rebuild_sums(connection)
            rebuilding.begin_epoch(connection, 0)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _list_before(rows: list[tuple[str]]) -> list[str]:
    return [task_id for (task_id,) in rows]
