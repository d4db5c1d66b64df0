"""Statements name tables and columns; the database that Alembic makes has them."""

from __future__ import annotations

import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path

import aico.core.db
from tests.core.repository_on_file import copy_of_template

WRITING = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")
OWN_TABLES = re.compile(r"no such table: (main\.)?(first_reading|chosen)\b")
"""Temporary tables, which are made where they are used."""


def list_statements() -> Iterator[tuple[str, str]]:
    """Yield the statements that write and stand in constants of the repository, each with its name."""
    for found in pkgutil.walk_packages(aico.core.db.__path__, "aico.core.db."):
        for name, value in vars(import_module(found.name)).items():
            if isinstance(value, str) and not name.startswith("__") and WRITING.match(value):
                yield f"{found.name}.{name}", value


def test_statements_name_what_is_there(tmp_path: Path) -> None:
    """SQLite can prepare every statement that writes, on a new database."""
    wrong, count = [], 0
    with closing(sqlite3.connect(copy_of_template(tmp_path))) as connection:
        for name, statement in list_statements():
            count += 1
            try:
                connection.execute(f"EXPLAIN {statement}", (None,) * count_places(statement))
            except sqlite3.Error as error:
                if not OWN_TABLES.search(str(error)):
                    wrong.append(f"{name}: {error}")
    assert wrong == []
    assert count > 60


def count_places(statement: str) -> int:
    """Return how many values ``statement`` takes."""
    numbered = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    return max(numbered) if numbered else statement.count("?")
