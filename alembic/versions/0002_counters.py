"""Counters that never fall, and the peaks of the tasks whose totals fell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_counter",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("model", sa.String(), primary_key=True, nullable=False),
        *_integers("tokens_in", "tokens_out", "cost_usd", "cost_nano"),
    )
    op.create_table(
        "task_peak",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("task_id", sa.String(), primary_key=True, nullable=False),
        *_integers("tokens_in", "tokens_out", "cost_nano_usd"),
        sqlite_with_rowid=False,
    )
    # Earlier values of counters are not known; the accounts are, and a counter may begin anywhere above zero.
    op.execute(
        "INSERT INTO usage_counter (source, model, tokens_in, tokens_out, cost_usd, cost_nano) "
        "SELECT source, model, max(sum(tokens_in), 0), max(sum(tokens_out), 0), max(sum(cost_usd), 0), sum(cost_nano) "
        "FROM usage_rollup GROUP BY source, model"
    )


def _integers(*names: str) -> tuple[sa.Column[int], ...]:
    return tuple(sa.Column(name, sa.Integer(), nullable=False) for name in names)


def downgrade() -> None:
    op.drop_table("task_peak")
    op.drop_table("usage_counter")
