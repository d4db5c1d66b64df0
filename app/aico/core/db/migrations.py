"""Bringing a database to the newest schema with Alembic, one transaction per step.

Alembic is imported only where there is something to do: it takes a tenth of a start, and 10 MB until the end.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from aico.core.db.revisions import list_revisions, migrations_path
from aico.core.errors import StorageBusy, StorageError, StorageForeign, StorageNewer

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK_WAIT_S = 1.5
_VERSIONS = "alembic_version"


def alembic_config(path: Path) -> Config:
    """Return Alembic's configuration for the database at ``path``, independent of the working directory."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_path"] = path
    return config


def migrate(path: Path, revision: str = "head") -> None:
    """Upgrade the database at ``path``, which exists (and may be empty).

    Each step and the note that it was made are one transaction: killed anywhere, the next start goes on from there.
    Raises StorageForeign and StorageNewer, both with nothing written, StorageBusy or StorageError.
    Blocking: call it in a thread.
    """
    revisions = list_revisions()
    try:
        current = _find_revision(path)
        if current == revisions[-1]:
            return
        if current is not None and current not in revisions:
            raise StorageNewer
        from alembic import command

        config = alembic_config(path)
        engine = migration_engine(path)
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
        finally:
            engine.dispose()
    except (DBAPIError, sqlite3.Error) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(original, "sqlite_errorcode", 0)
        if code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise StorageBusy("another process holds its lock") from error
        raise StorageError(str(getattr(original, "sqlite_errorname", type(original).__name__))) from error


def _find_revision(path: Path) -> str | None:
    """Return the schema's revision, or None for an empty database. Looks only: what is not ours is not touched."""
    if not path.exists():
        return None
    # Not mode=ro: that would leave a -shm file behind beside a database in WAL mode.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_LOCK_WAIT_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        revisions = (
            connection.execute("SELECT version_num FROM alembic_version").fetchall() if _VERSIONS in tables else []
        )
        if not revisions and tables != {_VERSIONS}:
            raise StorageForeign
        return None if not revisions else str(max(revisions)[0])


def migration_engine(path: Path) -> Engine:
    """Return a blocking engine on ``path`` whose transactions begin at once, so that a step is all or nothing."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"timeout": _LOCK_WAIT_S, "isolation_level": None},
    )

    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        try:
            # WAL is a property of the file, and can be set only outside a transaction.
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()  # the engine has not taken it over yet
            raise
        cursor.close()

    def start(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine
