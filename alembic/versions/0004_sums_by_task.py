"""Sums of each task by day and by model, from which periods and models are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_sums(
        "usage_task_day", sa.Column("day", sa.Integer(), primary_key=True, nullable=False), *_texts("task_id", "model")
    )
    _create_sums("usage_task_model", *_texts("model", "task_id"))
    # The next import fills both tables from the deltas.
    op.create_table("summed_source", *_texts("source"), sqlite_with_rowid=False)


def _create_sums(name: str, *key: sa.Column[int] | sa.Column[str]) -> None:
    op.create_table(
        name,
        *_texts("source"),
        *key,
        *(sa.Column(column, sa.Integer(), nullable=False) for column in ("tokens_in", "tokens_out", "cost_nano_usd")),
        sqlite_with_rowid=False,
    )


def _texts(*names: str) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.String(), primary_key=True, nullable=False) for name in names)


def downgrade() -> None:
    op.drop_table("summed_source")
    op.drop_table("usage_task_model")
    op.drop_table("usage_task_day")
