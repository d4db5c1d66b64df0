"""Bringing a database to the newest schema: a new one at once, an older one with Alembic, one transaction per step.

The modules that bring an older one there (:mod:`aico.core.db.upgrading`, with Alembic and SQLAlchemy) are imported only
if there is something to migrate: they take a third of a start, and 40 MB until the end. The schema that the steps make
of an empty database stands in ``newest.sql`` beside them; ``scripts/newest_schema.py`` writes it.
"""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path

from aico.core.db.revisions import list_revisions, migrations_path
from aico.core.db.upkeep.inspection import find_known_revision
from aico.core.db.upkeep.sqlite_files import connect, in_our_words, transaction

MIGRATION_PRAGMAS = (
    # A property of the file, which can be set only outside a transaction.
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
)
_STATE = "INSERT INTO database_state VALUES (1, ?, 0)"


def migrate(path: Path, revision: str = "head") -> None:
    """Upgrade the database at ``path``, which exists (and may be empty).

    Each step and the note that it was made are one transaction, and so is all of a new database: killed anywhere, the
    next start goes on from there.
    Raises StorageForeign and StorageNewer, both with nothing written, StorageBusy or StorageError.
    Blocking: call it in a thread.
    """
    with in_our_words():
        current = _find_revision(path)
        if current is None and revision == "head" and path.exists():
            current = _create(path)
        if current != list_revisions()[-1]:
            from aico.core.db.upgrading import upgrade

            upgrade(path, revision)


def _find_revision(path: Path) -> str | None:
    """Return the schema's revision, or None for an empty database. Looks only: another's file is not touched."""
    if not path.exists():
        return None
    # Not to look only: a log makes that leave a -shm file behind.
    with closing(connect(path)) as connection:
        return find_known_revision(connection)


def _create(path: Path) -> str | None:
    """Make the newest schema in the database at ``path`` and return its revision; None where there are tables."""
    statements = (migrations_path() / "newest.sql").read_text("utf-8").split(";\n")[:-1]
    with closing(connect(path)) as connection:
        connection.executescript(";".join(MIGRATION_PRAGMAS))
        with transaction(connection):
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                return None  # a note of Alembic's, at least: it goes on
            for statement in statements:
                connection.execute(statement)
            connection.execute(_STATE, (secrets.token_hex(8),))
            [(revision,)] = connection.execute("SELECT version_num FROM alembic_version")
    return str(revision)
