"""The use of apps, commands and sites: subjects, stretches, sums by slot and of all time, how far places were read."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("activity_checkpoint", "activity_total", "activity_slot", "activity_span", "activity_subject")


def upgrade() -> None:
    op.execute(
        "CREATE TABLE activity_subject (id INTEGER NOT NULL, kind VARCHAR NOT NULL, name VARCHAR NOT NULL, "
        "place VARCHAR NOT NULL, category VARCHAR NOT NULL, PRIMARY KEY (id), UNIQUE (kind, name, place))"
    )
    op.execute(
        "CREATE TABLE activity_span (subject INTEGER NOT NULL, start_ms INTEGER NOT NULL, "
        "duration_ms INTEGER NOT NULL, PRIMARY KEY (subject, start_ms)) WITHOUT ROWID"
    )
    op.execute("CREATE INDEX ix_activity_span_start_ms ON activity_span (start_ms)")
    op.execute(
        "CREATE TABLE activity_slot (slot INTEGER NOT NULL, subject INTEGER NOT NULL, duration_ms INTEGER NOT NULL, "
        "count INTEGER NOT NULL, PRIMARY KEY (slot, subject)) WITHOUT ROWID"
    )
    op.execute(
        "CREATE TABLE activity_total (subject INTEGER NOT NULL, duration_ms INTEGER NOT NULL, count INTEGER NOT NULL, "
        "cost_nano INTEGER NOT NULL, last_ms INTEGER NOT NULL, PRIMARY KEY (subject))"
    )
    op.execute(
        "CREATE TABLE activity_checkpoint (kind VARCHAR NOT NULL, place VARCHAR NOT NULL, position VARCHAR NOT NULL, "
        "read_at INTEGER NOT NULL, PRIMARY KEY (kind, place)) WITHOUT ROWID"
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
