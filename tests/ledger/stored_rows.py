"""What really stands in a database file, read beside the program."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from aico.core.accounting import Amount, amount_of
from aico.core.domain import TaskUsage

NOW_MS = 1_780_000_000_000
"""What the clock says in these tests."""


class Store:
    """A second look at the database at ``path``, and a second hand in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def execute(self, statement: str) -> None:
        """Change something in a transaction of its own."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement)

    def tasks(self) -> dict[str, TaskUsage]:
        """Return the stored task of each id."""
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(
                "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
            ).fetchall()
        return {row[0]: TaskUsage(*row) for row in rows}

    def revision(self) -> int:
        """Return the number of committed changes."""
        with closing(sqlite3.connect(self.path)) as connection:
            revision: int = connection.execute("SELECT revision FROM database_state").fetchone()[0]
            return revision

    def run_count(self) -> int:
        """Return the number of recorded runs."""
        with closing(sqlite3.connect(self.path)) as connection:
            count: int = connection.execute("SELECT COUNT(*) FROM import_run").fetchone()[0]
            return count

    def check_accounts(self) -> None:
        """Assert that the deltas of each task add up to its row, and the totals to the deltas."""
        with closing(sqlite3.connect(self.path)) as connection:
            sums = connection.execute(
                "SELECT task_id, SUM(tokens_in), SUM(tokens_out), SUM(cost_nano_usd) FROM usage_delta GROUP BY task_id"
            ).fetchall()
            totals = connection.execute(
                "SELECT SUM(tokens_in), SUM(tokens_out), SUM(cost_usd) * 1000000000 + SUM(cost_nano) FROM usage_total"
            ).fetchone()
        assert {row[0]: Amount(*row[1:]) for row in sums} == {
            task_id: amount_of(usage) for task_id, usage in self.tasks().items()
        }
        assert tuple(totals) == tuple(sum(row[column] for row in sums) for column in (1, 2, 3))

    def contains(self, text: bytes) -> bool:
        """Return whether ``text`` stands in any file of the database, write-ahead log included."""
        return any(text in file.read_bytes() for file in self.path.parent.iterdir())
