"""Alembic's entry: runs the migrations on the connection that the caller hands in, or on ``AICO_DATABASE_PATH``."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import context
from sqlalchemy.engine import Connection
from sqlalchemy.sql.schema import MetaData

from aico.core.db.upgrading import migration_engine


def described() -> MetaData:
    """Return the schema that the classes of tables describe, for commands that compare; a service only migrates."""
    from sqlmodel import SQLModel

    import aico.core.db.activity_schema
    import aico.core.db.browser_schema
    import aico.core.db.schema  # noqa: F401  # fill the metadata

    return SQLModel.metadata


def run_on(connection: Connection, metadata: MetaData | None) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite can take schema changes back, but Alembic does not believe it unless told. One transaction per step.
        transactional_ddl=True,
        transaction_per_migration=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    connection = context.config.attributes.get("connection")
    if isinstance(connection, Connection):
        run_on(connection, None)
        return
    path = context.config.attributes.get("database_path") or os.environ["AICO_DATABASE_PATH"]
    with migration_engine(Path(path)).connect() as own:
        run_on(own, described())


main()
