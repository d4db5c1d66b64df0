"""The totals that forked sessions begin with."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE inherited (source INTEGER NOT NULL, key VARCHAR NOT NULL, input INTEGER, cache_read INTEGER, "
        "cache_write_5m INTEGER, cache_write_1h INTEGER, output INTEGER, reasoning INTEGER, nano INTEGER, "
        "PRIMARY KEY (source, key)) WITHOUT ROWID"
    )


def downgrade() -> None:
    op.drop_table("inherited")
