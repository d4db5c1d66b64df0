"""Bringing a database to the newest schema: a new one at once, an older one with Alembic, one transaction per step.

Alembic is imported only where there is something to migrate: its steps take half a second of a start, and 15 MB until
the end. What they make of nothing is written down in ``newest.sql`` beside them (``scripts/newest_schema.py`` does it).
"""

from __future__ import annotations

import secrets
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
_STATE = "INSERT INTO database_state VALUES (1, ?, 0)"


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

    Each step and the note that it was made are one transaction, and so is all of a new database: killed anywhere, the
    next start goes on from there.
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
        if current is None and revision == "head" and path.exists():
            current = _create(path)
            if current == revisions[-1]:
                return
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


def newest_statements() -> list[str]:
    """Return what makes the newest schema in an empty database, all but the row that says which database it is."""
    return (migrations_path() / "newest.sql").read_text("utf-8").split(";\n")[:-1]


def _create(path: Path) -> str | None:
    """Make the newest schema in the database at ``path`` and return its revision; None where there are tables."""
    with closing(sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None)) as connection:
        _prepare(connection)
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                if cursor.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                    return None  # a note of Alembic's, at least: it goes on
                for statement in newest_statements():
                    cursor.execute(statement)
                cursor.execute(_STATE, (secrets.token_hex(8),))
                [(revision,)] = cursor.execute("SELECT version_num FROM alembic_version")
                cursor.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    cursor.execute("ROLLBACK")
    return str(revision)


def _prepare(connection: sqlite3.Connection | DBAPIConnection) -> None:
    """Set how the database is written. Raises sqlite3.Error."""
    cursor = connection.cursor()
    # WAL is a property of the file, and can be set only outside a transaction.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


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
        try:
            _prepare(connection)
        except sqlite3.Error:
            connection.close()  # the engine has not taken it over yet
            raise

    def start(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine
