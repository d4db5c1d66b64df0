"""Usage per task, the deltas that make it up, their rollup, import runs and state."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cline_task_usage",
        sa.Column("task_id", sa.String(), primary_key=True, nullable=False),
        sa.Column("ts", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("total_cost", sa.Float(), nullable=False),
        sa.Column("imported_at", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_cline_task_usage_ts", "cline_task_usage", ["ts"])
    op.create_table(
        "usage_delta",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("quarter", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("task_id", sa.String(), primary_key=True, nullable=False),
        sa.Column("model", sa.String(), primary_key=True, nullable=False),
        *_integers("tokens_in", "tokens_out", "cost_nano_usd"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_rollup",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("quarter", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("model", sa.String(), primary_key=True, nullable=False),
        *_integers("tokens_in", "tokens_out", "cost_usd", "cost_nano"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_total",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("model", sa.String(), primary_key=True, nullable=False),
        *_integers("tokens_in", "tokens_out", "cost_usd", "cost_nano"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_run",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("finished_at", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        *_integers("added_count", "updated_count", "skipped_count", "error_count", "remaining_count"),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
    )
    state = op.create_table(
        "database_state",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "epoch": secrets.token_hex(8), "revision": 0}])
    op.create_table(
        "source_state",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("exact_since", sa.Integer(), nullable=False),
    )


def _integers(*names: str) -> tuple[sa.Column[int], ...]:
    return tuple(sa.Column(name, sa.Integer(), nullable=False) for name in names)


def downgrade() -> None:
    for table in (
        "source_state",
        "database_state",
        "import_run",
        "usage_total",
        "usage_rollup",
        "usage_delta",
        "cline_task_usage",
    ):
        op.drop_table(table)
