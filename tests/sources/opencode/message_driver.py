"""Reads the messages of databases at once, in any order and in any parts, into a real database of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from aico.features.files.sqlite_child import _sayable
from aico.features.files.sqlite_process import Row
from aico.features.sources.opencode import MESSAGES
from aico.features.sources.opencode.messages import judge_rows
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import Store, copy_of_template, open_store, read_rows
from tests.sources.feeds import NOW_MS

SOURCE = "opencode"
_SUMS = """
    SELECT {name}, SUM(d.requests), SUM(d.unmeasured), SUM(d.input), SUM(d.cache_read), SUM(d.output), SUM(d.reasoning)
    FROM usage_session_day AS d JOIN session AS s ON s.id = d.session JOIN model AS m ON m.id = d.model
    GROUP BY 1 HAVING SUM(d.requests) <> 0
"""


def rows_in(connection: sqlite3.Connection) -> list[Row]:
    """Return what our statement answers in a database of a test's own, the newest rows first."""
    # With the SQLite that the child has: the one of Python may be older.
    asking = apsw.Connection(":memory:")
    asking.deserialize("main", connection.serialize())
    found = asking.execute(MESSAGES.statement, (0, 0, 0, 0, 0, 10**6)).fetchall()
    asking.close()
    return [[_sayable(cell) for cell in row[3:]] for row in found]


class Booked:
    """The records of rows, in a database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.now_ms = NOW_MS

    async def take(self, rows: Sequence[Row]) -> None:
        """Take rows as one reading hands them over."""
        await self.store.take_in_of(SOURCE, judge_rows(rows).records, "messages")
        assert failed_checks(self.store.path) == []

    def by(self, name: str) -> dict[str, tuple[int, ...]]:
        """Return requests, unmeasured ones and tokens by ``s.key``, ``m.name`` or another column."""
        rows = read_rows(self.store.path, _SUMS.format(name=name))
        return {str(name): tuple(int(str(number)) for number in numbers) for name, *numbers in rows}

    @property
    def everything(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """Return what must not depend on the order in which rows are read."""
        return self.by("m.name || ' ' || d.day"), self.by("s.key")


@asynccontextmanager
async def booked() -> AsyncIterator[Booked]:
    """Yield an empty database."""
    with TemporaryDirectory() as folder:
        async with open_store(copy_of_template(Path(folder))) as store:
            yield Booked(store)
