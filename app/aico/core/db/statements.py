"""The statements that write rows, generated once from the names of a table and its columns.

The classes in :mod:`aico.core.db.schema` and beside it describe the tables to Alembic. They are not imported here: a
statement needs nothing of them but names, and to make 50 classes takes a fifth of a second of a start, and 5 MB until
the end. A test prepares every statement on a database that Alembic has made.
"""

from __future__ import annotations

from collections.abc import Sequence


def insert(table: str, columns: Sequence[str], conflict: str = "") -> str:
    """Return the statement that inserts one row of ``columns``, in their order; ``conflict`` ends it."""
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}){conflict}"  # noqa: S608  # our own names


def add(table: str, key: Sequence[str], numbers: Sequence[str]) -> str:
    """Return the statement that adds ``numbers`` to the row of ``key``, or makes it."""
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in numbers)
    return insert(table, (*key, *numbers), f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {more}")


def put(table: str, key: Sequence[str], values: Sequence[str]) -> str:
    """Return the statement that writes ``values`` over the row of ``key``, or makes it."""
    fresh = ", ".join(f"{name} = excluded.{name}" for name in values)
    return insert(table, (*key, *values), f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {fresh}")


def update(table: str, columns: Sequence[str], key: str = "id") -> str:
    """Return the statement that sets ``columns``, in their order, of the row whose ``key`` comes last."""
    fresh = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {table} SET {fresh} WHERE {key} = ?"  # noqa: S608  # our own names
