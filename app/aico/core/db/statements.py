"""The statements that write rows, generated once from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Column, Table
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import SQLModel

CoreTable: TypeAlias = "Table[ReadOnlyColumnCollection[str, Column[object]]]"
"""A table whose columns are known by name only."""


def table_of(model: type[SQLModel]) -> CoreTable:
    """Return the Core table behind ``model``, for statements that the ORM has no part in."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


def insert(model: type[SQLModel], columns: Sequence[str], conflict: str = "") -> str:
    """Return the statement that inserts one row of ``columns``, in their order; ``conflict`` ends it."""
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table_of(model).name} ({', '.join(columns)}) VALUES ({places}){conflict}"  # noqa: S608  # our own names


def add(model: type[SQLModel], key: Sequence[str], numbers: Sequence[str]) -> str:
    """Return the statement that adds ``numbers`` to the row of ``key``, or makes it."""
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in numbers)
    return insert(model, (*key, *numbers), f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {more}")


def put(model: type[SQLModel], key: Sequence[str], values: Sequence[str]) -> str:
    """Return the statement that writes ``values`` over the row of ``key``, or makes it."""
    fresh = ", ".join(f"{name} = excluded.{name}" for name in values)
    return insert(model, (*key, *values), f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {fresh}")


def update(model: type[SQLModel], columns: Sequence[str], key: str = "id") -> str:
    """Return the statement that sets ``columns``, in their order, of the row whose ``key`` comes last."""
    fresh = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {table_of(model).name} SET {fresh} WHERE {key} = ?"  # noqa: S608  # our own names
