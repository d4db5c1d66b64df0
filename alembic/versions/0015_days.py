"""Sums by day and model, over sessions: a year is read from a few thousand rows."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_DAY_SLOTS = 96
_SUM_COLUMNS = (
    *("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"),
    *("requests", "prompts", "unpriced", "unmeasured", "interrupted", "at_least", "lacking_cache", "partial"),
    *(f"{money}_{unit}" for money in ("recorded", "own", "listed", "list") for unit in ("usd", "nano")),
)


def upgrade() -> None:
    op.execute(
        "CREATE TABLE usage_day (source INTEGER NOT NULL, day INTEGER NOT NULL, model INTEGER NOT NULL, "
        f"{', '.join(f'{name} INTEGER NOT NULL' for name in _SUM_COLUMNS)}, "
        "PRIMARY KEY (source, day, model)) WITHOUT ROWID"
    )
    op.execute(
        f"INSERT INTO usage_day (source, day, model, {', '.join(_SUM_COLUMNS)}) "  # noqa: S608  # our own names
        f"SELECT source, slot / {_DAY_SLOTS}, model, {', '.join(f'SUM({name})' for name in _SUM_COLUMNS)} "
        f"FROM usage_slot GROUP BY source, slot / {_DAY_SLOTS}, model"
    )


def downgrade() -> None:
    op.drop_table("usage_day")
