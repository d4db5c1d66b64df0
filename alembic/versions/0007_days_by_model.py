"""The sums by day in the order of models: a summary adds up each day's models as they come, without sorting."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_AMOUNTS = "tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_nano_usd INTEGER NOT NULL"


def upgrade() -> None:
    _rebuild("model", "task_id")


def downgrade() -> None:
    _rebuild("task_id", "model")


def _rebuild(first: str, second: str) -> None:
    """Copy the table with the key (source, day, ``first``, ``second``) and put the copy in its place."""
    key = f"source, day, {first}, {second}"
    op.rename_table("usage_task_day", "before_0007")
    op.execute(
        f"CREATE TABLE usage_task_day (source VARCHAR NOT NULL, day INTEGER NOT NULL, {first} VARCHAR NOT NULL, "
        f"{second} VARCHAR NOT NULL, {_AMOUNTS}, PRIMARY KEY ({key})) WITHOUT ROWID"
    )
    columns = f"{key}, tokens_in, tokens_out, cost_nano_usd"
    op.execute(f"INSERT INTO usage_task_day SELECT {columns} FROM before_0007 ORDER BY {key}")  # noqa: S608  # our own names
    op.drop_table("before_0007")
