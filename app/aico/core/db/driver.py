"""Statements given to SQLite's driver as they are: a fifth of the time that they take by way of SQLAlchemy.

SQLAlchemy opens the connection and its transaction; each statement after that is one change of thread, not three.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

import aiosqlite
from sqlalchemy.engine import AdaptedConnection, Connection
from sqlalchemy.ext.asyncio import AsyncConnection

Value: TypeAlias = str | int | float | None


async def fetch(connection: AsyncConnection, statement: str, values: Sequence[Value] = ()) -> list[sqlite3.Row]:
    """Run one statement and return its rows, as plain tuples. Raises sqlite3.Error, as a transaction expects it."""
    return list(await _driver(connection).execute_fetchall(statement, values))


def run_inside(connection: Connection, statement: str) -> None:
    """Run one statement from inside a hook of SQLAlchemy's, where nothing can be awaited. Raises sqlite3.Error."""
    adapted: object = connection.connection.dbapi_connection
    if not isinstance(adapted, AdaptedConnection):
        raise TypeError("the database is not SQLite's")
    adapted.run_async(lambda driver: driver.execute_fetchall(statement))


def _driver(connection: AsyncConnection) -> aiosqlite.Connection:
    # Without the greenlet that `get_raw_connection` would wait in: it takes as long as the statement.
    opened = connection.sync_connection
    driver = None if opened is None else opened.connection.driver_connection
    if not isinstance(driver, aiosqlite.Connection):
        raise TypeError("the database is not SQLite's")
    return driver


# The driver looks for an adapter of every value that is no number or text, also of None; where there is none it makes
# an error, and drops it: a microsecond for each. This one gives None back. It holds for the whole process, and changes
# nothing but that.
sqlite3.register_adapter(type(None), {None: None}.get)
