"""Writes down what all migrations make of nothing: ``python scripts/newest_schema.py``, after a new migration.

A new database is made from ``alembic/newest.sql`` at once; a test holds the two ways together.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command

from aico.core.db.revisions import migrations_path
from aico.core.db.upgrading import alembic_config

_SCHEMA = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'database_state' ORDER BY rowid"


def describe() -> str:
    """Return the statements that make the same schema as the migrations, except the row that names the database."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "new.db")
        path.touch()
        command.upgrade(alembic_config(path), "head")
        with closing(sqlite3.connect(path)) as connection:
            statements = [" ".join(sql.split()) for (sql,) in connection.execute(_SCHEMA)]
            for (table,) in connection.execute(_TABLES).fetchall():
                for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608  # our own names
                    values = ", ".join("NULL" if each is None else repr(each) for each in row)
                    statements.append(f"INSERT INTO {table} VALUES ({values})")  # noqa: S608  # as above
    return "".join(f"{statement};\n" for statement in statements)


if __name__ == "__main__":
    (migrations_path() / "newest.sql").write_text(describe(), "utf-8")
