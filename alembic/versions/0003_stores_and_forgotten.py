"""Which store a task came from, and the tasks that were forgotten on request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_table_of_tasks("task_store", sa.Column("store", sa.String(), nullable=False))
    _create_table_of_tasks("forgotten_task", sa.Column("forgotten_at", sa.Integer(), nullable=False))


def _create_table_of_tasks(name: str, fact: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("task_id", sa.String(), primary_key=True, nullable=False),
        fact,
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("forgotten_task")
    op.drop_table("task_store")
