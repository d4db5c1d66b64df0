"""Bringing a database to the newest schema with Alembic, one transaction per step."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from aico.core.db.migrations import MIGRATION_PRAGMAS
from aico.core.db.revisions import migrations_path
from aico.core.db.upkeep.sqlite_files import BUSY_TIMEOUT_S
from aico.core.errors import StorageError


def alembic_config(path: Path) -> Config:
    """Return Alembic's configuration for the database at ``path``, independent of the working directory."""
    config = Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_path"] = path
    return config


def upgrade(path: Path, revision: str) -> None:
    """Run the steps up to ``revision``. Raises sqlite3.Error, and StorageError for what SQLite has no part in."""
    config = alembic_config(path)
    engine = migration_engine(path)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise error.orig from error
        raise StorageError(type(error.orig).__name__) from error
    finally:
        engine.dispose()


def migration_engine(path: Path) -> Engine:
    """Return a blocking engine on ``path`` whose transactions begin at once, so that a step is all or nothing."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )

    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        try:
            for pragma in MIGRATION_PRAGMAS:
                cursor.execute(pragma)
        except sqlite3.Error:
            connection.close()  # the engine has not taken it over yet
            raise
        cursor.close()

    def start(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine
