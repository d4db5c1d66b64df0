"""The limits of plans as tools state them: the last state of each window."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE plan_state (source INTEGER NOT NULL, plan VARCHAR NOT NULL, name VARCHAR NOT NULL, "
        "used_hundredths INTEGER NOT NULL, minutes INTEGER, resets_at INTEGER, at INTEGER NOT NULL, "
        "PRIMARY KEY (source, plan, name)) WITHOUT ROWID"
    )


def downgrade() -> None:
    op.drop_table("plan_state")
