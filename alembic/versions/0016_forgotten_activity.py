"""Activity that was forgotten: its times, and the values that counters go on to show."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TABLES = ("activity_forgotten", "activity_forgotten_total")


def upgrade() -> None:
    op.execute(
        "CREATE TABLE activity_forgotten (kind VARCHAR NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, "
        "forgotten_at INTEGER NOT NULL, PRIMARY KEY (kind, from_ms, to_ms)) WITHOUT ROWID"
    )
    op.execute(
        "CREATE TABLE activity_forgotten_total (subject INTEGER NOT NULL, duration_ms INTEGER NOT NULL, "
        "count INTEGER NOT NULL, PRIMARY KEY (subject))"
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
