"""Bringing a database to the newest schema: a new one at once, an older one with Alembic, one transaction per step.

The modules that bring an older one there (:mod:`aico.core.db.upgrading`, with Alembic and SQLAlchemy) are imported only
if there is something to migrate: they take a third of a start, and 40 MB until the end. The schema that the steps make
of an empty database stands in ``newest.sql`` beside them; ``scripts/newest_schema.py`` writes it.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from aico.core.db.revisions import list_revisions, migrations_path
from aico.core.errors import StorageBusy, StorageError, StorageForeign, StorageNewer

LOCK_WAIT_S = 1.5
MIGRATION_PRAGMAS = (
    # A property of the file, which can be set only outside a transaction.
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
)
_VERSIONS = "alembic_version"
_STATE = "INSERT INTO database_state VALUES (1, ?, 0)"


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
        from aico.core.db.upgrading import upgrade

        upgrade(path, revision)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise StorageBusy("another process holds its lock") from error
        raise StorageError(str(getattr(error, "sqlite_errorname", type(error).__name__))) from error


def newest_statements() -> list[str]:
    """Return what makes the newest schema in an empty database, all but the row that says which database it is."""
    return (migrations_path() / "newest.sql").read_text("utf-8").split(";\n")[:-1]


def _create(path: Path) -> str | None:
    """Make the newest schema in the database at ``path`` and return its revision; None where there are tables."""
    with closing(sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)) as connection:
        connection.executescript(";".join(MIGRATION_PRAGMAS))
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


def _find_revision(path: Path) -> str | None:
    """Return the schema's revision, or None for an empty database. Looks only: another's file is not touched."""
    if not path.exists():
        return None
    # Not mode=ro: that would leave a -shm file behind beside a database in WAL mode.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=LOCK_WAIT_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        revisions = (
            connection.execute("SELECT version_num FROM alembic_version").fetchall() if _VERSIONS in tables else []
        )
        if not revisions and tables != {_VERSIONS}:
            raise StorageForeign
        return None if not revisions else str(max(revisions)[0])
