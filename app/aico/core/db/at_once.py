"""Runs in one go what awaits nothing but its own questions to SQLite: without a loop of events."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

from aico.core.db.sums_reader import Ask, Value

T = TypeVar("T")


def run_at_once(connection: sqlite3.Connection, work: Callable[[Ask], Coroutine[None, None, T]]) -> T:
    """Return what ``work`` makes of the answers of ``connection``, in this thread. Raises sqlite3.Error. Blocking.

    Work that waits for something else is a bug: RuntimeError.
    """

    async def ask(statement: str, values: Sequence[Value] = (), /) -> list[sqlite3.Row]:
        return connection.execute(statement, values).fetchall()

    answer = work(ask)
    try:
        answer.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    answer.close()
    raise RuntimeError("a look at the database waited for something else")
