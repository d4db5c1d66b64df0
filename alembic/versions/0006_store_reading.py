"""The file of each store's last reading: a service that starts knows if the stored usage is that of the file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "store_reading",
        sa.Column("source", sa.String(), primary_key=True, nullable=False),
        sa.Column("store", sa.String(), primary_key=True, nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("store_reading")
