"""The user's own prices, how far they were brought to the stored events, and the currency that amounts are shown in.

The counted cost of an event stays in counters, even if its price changes: ``counted_cost`` and ``counter_shift``.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SUM_COLUMNS = (
    *("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"),
    *("requests", "prompts", "unpriced", "unmeasured", "interrupted", "at_least", "lacking_cache", "partial"),
    *(f"{money}_{unit}" for money in ("recorded", "own", "listed", "list") for unit in ("usd", "nano")),
)
_MADE = (
    (
        "CREATE TABLE own_price (model VARCHAR NOT NULL, valid_from INTEGER NOT NULL, input INTEGER NOT NULL, "
        "output INTEGER NOT NULL, cache_read INTEGER, cache_write_5m INTEGER, cache_write_1h INTEGER, "
        "PRIMARY KEY (model, valid_from)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE pricing_job (name VARCHAR NOT NULL, goal VARCHAR NOT NULL, source INTEGER NOT NULL, "
        '"after" INTEGER NOT NULL, is_done BOOLEAN NOT NULL, PRIMARY KEY (name)) WITHOUT ROWID'
    ),
    (
        "CREATE TABLE price_review (id INTEGER NOT NULL, at INTEGER NOT NULL, list VARCHAR NOT NULL, "
        "requests INTEGER NOT NULL, before_usd INTEGER NOT NULL, before_nano INTEGER NOT NULL, "
        "after_usd INTEGER NOT NULL, after_nano INTEGER NOT NULL, PRIMARY KEY (id))"
    ),
    (
        "CREATE TABLE counted_cost (event INTEGER NOT NULL, basis INTEGER NOT NULL, nano INTEGER NOT NULL, "
        "PRIMARY KEY (event)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE rate (code VARCHAR NOT NULL, per_usd VARCHAR NOT NULL, as_of INTEGER NOT NULL, "
        "PRIMARY KEY (code)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE counter_shift (source INTEGER NOT NULL, model INTEGER NOT NULL, "
        f"{', '.join(f'{name} INTEGER NOT NULL' for name in _SUM_COLUMNS)}, PRIMARY KEY (source, model)) WITHOUT ROWID"
    ),
    "CREATE INDEX ix_usage_event_own ON usage_event (source) WHERE own_nano IS NOT NULL",
)


def upgrade() -> None:
    for statement in _MADE:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("ix_usage_event_own")
    for table in ("counter_shift", "rate", "counted_cost", "price_review", "pricing_job", "own_price"):
        op.drop_table(table)
