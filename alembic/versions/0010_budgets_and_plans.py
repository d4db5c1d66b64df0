"""Budgets, the reports of them, and plans that are paid by subscription."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE budget (name VARCHAR NOT NULL, period VARCHAR NOT NULL, amount_nano INTEGER NOT NULL, "
        "source VARCHAR, model VARCHAR, project VARCHAR, fixed_by VARCHAR, set_at INTEGER NOT NULL, "
        "PRIMARY KEY (name)) WITHOUT ROWID"
    )
    op.execute(
        "CREATE TABLE budget_fired (budget VARCHAR NOT NULL, terms VARCHAR NOT NULL, since VARCHAR NOT NULL, "
        "threshold INTEGER NOT NULL, period VARCHAR NOT NULL, amount_nano INTEGER NOT NULL, "
        "spent_nano INTEGER NOT NULL, is_at_least BOOLEAN NOT NULL, at INTEGER NOT NULL, delivery INTEGER NOT NULL, "
        "tries INTEGER NOT NULL, PRIMARY KEY (budget, terms, since, threshold)) WITHOUT ROWID"
    )
    op.execute(
        "CREATE TABLE plan (source VARCHAR NOT NULL, price_nano INTEGER NOT NULL, currency VARCHAR NOT NULL, "
        "renews_on INTEGER NOT NULL, five_hours_nano INTEGER, week_nano INTEGER, fixed_by VARCHAR, "
        "set_at INTEGER NOT NULL, PRIMARY KEY (source)) WITHOUT ROWID"
    )
    op.execute(
        "CREATE TABLE plan_value (source INTEGER NOT NULL, model INTEGER NOT NULL, start_usd INTEGER NOT NULL, "
        "start_nano INTEGER NOT NULL, done_usd INTEGER NOT NULL, done_nano INTEGER NOT NULL, "
        "PRIMARY KEY (source, model)) WITHOUT ROWID"
    )


def downgrade() -> None:
    for table in ("plan_value", "plan", "budget_fired", "budget"):
        op.drop_table(table)
