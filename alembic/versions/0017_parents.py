"""An index of the sessions that another one has started: a family is found without a walk over all sessions."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX ix_session_parent ON session (source, parent_key) WHERE parent_key IS NOT NULL")


def downgrade() -> None:
    op.drop_index("ix_session_parent")
