"""Keys that grow at the end of their trees: imports write the newest first, so the newest comes first in the key.

From here on the rollup follows large imports, as the sums by task do.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_USAGE = (
    "task_id VARCHAR NOT NULL, ts INTEGER NOT NULL, model_id VARCHAR, tokens_in INTEGER NOT NULL, "
    "tokens_out INTEGER NOT NULL, total_cost FLOAT NOT NULL, imported_at INTEGER NOT NULL, updated_at INTEGER NOT NULL"
)
_DELTA = (
    "source VARCHAR NOT NULL, quarter INTEGER NOT NULL, task_id VARCHAR NOT NULL, model VARCHAR NOT NULL, "
    "tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_nano_usd INTEGER NOT NULL"
)
_ROLLUP = (
    "source VARCHAR NOT NULL, quarter INTEGER NOT NULL, model VARCHAR NOT NULL, tokens_in INTEGER NOT NULL, "
    "tokens_out INTEGER NOT NULL, cost_usd INTEGER NOT NULL, cost_nano INTEGER NOT NULL"
)


def upgrade() -> None:
    _store_in_order(" DESC")


def downgrade() -> None:
    _store_in_order("")
    # From here on it may be behind the deltas; before, it never was.
    op.execute("DELETE FROM usage_rollup")
    op.execute(
        "INSERT INTO usage_rollup SELECT source, quarter, model, SUM(tokens_in), SUM(tokens_out), SUM(whole), "
        "SUM(cost_nano_usd - whole * 1000000000) FROM (SELECT *, (cost_nano_usd - (cost_nano_usd % 1000000000 + "
        "1000000000) % 1000000000) / 1000000000 AS whole FROM usage_delta) GROUP BY source, quarter, model"
    )


def _store_in_order(direction: str) -> None:
    op.drop_index("ix_cline_task_usage_ts")
    _rebuild("cline_task_usage", _USAGE, f"task_id{direction}")
    op.execute(f"CREATE INDEX ix_cline_task_usage_ts ON cline_task_usage (ts{direction})")
    _rebuild("usage_delta", _DELTA, f"source, quarter{direction}, task_id{direction}, model")
    _rebuild("usage_rollup", _ROLLUP, f"source, quarter{direction}, model")


def _rebuild(table: str, columns: str, key: str) -> None:
    """Copy ``table`` in the order of its new ``key`` and put the copy in its place."""
    op.execute(f"ALTER TABLE {table} RENAME TO before_0005")
    # Alembic cannot say DESC in a primary key.
    op.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID")
    op.execute(f"INSERT INTO {table} SELECT * FROM before_0005 ORDER BY {key}")  # noqa: S608  # our own names
    op.drop_table("before_0005")
