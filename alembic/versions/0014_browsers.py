"""Browsers: the counted visits of histories, extensions that are paired, and their reports."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLES = ("activity_batch", "activity_pairing", "activity_visit")


def upgrade() -> None:
    op.execute(
        "CREATE TABLE activity_visit (at_us INTEGER NOT NULL, name VARCHAR NOT NULL, duration_ms INTEGER NOT NULL, "
        "PRIMARY KEY (at_us, name)) WITHOUT ROWID"
    )
    op.execute(
        "CREATE TABLE activity_pairing (id INTEGER NOT NULL, token VARCHAR NOT NULL, created_at INTEGER NOT NULL, "
        "browser VARCHAR, paired_at INTEGER, last_at INTEGER, until_ms INTEGER NOT NULL, ended_at INTEGER, "
        "PRIMARY KEY (id), UNIQUE (token))"
    )
    op.execute(
        "CREATE TABLE activity_batch (pairing INTEGER NOT NULL, batch VARCHAR NOT NULL, at INTEGER NOT NULL, "
        "PRIMARY KEY (pairing, batch)) WITHOUT ROWID"
    )
    op.execute("CREATE INDEX ix_activity_batch_at ON activity_batch (at)")


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
