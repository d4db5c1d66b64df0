"""Kills the writer before each of its statements in turn, and says how many there were. Run as a program.

A file of its own: forking is safe only in a process without threads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeAlias
from unittest.mock import patch

from tests.core.repository_on_file import NOW_MS, open_store, request, usage

_Values: TypeAlias = Iterable[str | int | float | None]


class MortalConnection(sqlite3.Connection):
    """A connection whose process dies before one of its statements."""

    numbers = count()
    fatal = -1

    def execute(self, sql: str, parameters: _Values = (), /) -> sqlite3.Cursor:  # type: ignore[override]  # our values
        """Run one statement, or die."""
        self._live_on()
        return super().execute(sql, tuple(parameters))

    def executemany(self, sql: str, parameters: Iterable[_Values], /) -> sqlite3.Cursor:  # type: ignore[override]
        """Run one statement for each of many rows, or die."""
        self._live_on()
        return super().executemany(sql, [tuple(row) for row in parameters])

    def _live_on(self) -> None:
        if next(self.numbers) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


async def write(path: Path, fatal: int | None = None) -> None:
    """Store growth, a new task, a fall and a better record of a request, in two transactions."""
    async with open_store(path) as store:
        store.now_ms += 1_000
        if fatal is not None:
            MortalConnection.fatal = fatal
        await store.take_in(
            [usage("a", tokens_in=150, model_id="new", ts=NOW_MS + 900_000), usage("b"), usage("c", total_cost=0.125)]
        )
        await store.take_in_of("tool", [request("1", output=20), request("2", session="t")])


async def prepare(path: Path) -> None:
    """Store what is there before."""
    async with open_store(path) as store:
        await store.take_in([usage("a"), usage("c")])
        await store.take_in_of("tool", [request("1")])


def write_until(path: Path, fatal: int) -> bool:
    """Write to ``path`` in a process that dies before statement ``fatal``; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        mortal = partial(sqlite3.connect, factory=MortalConnection)
        with patch("aico.core.db.database.sqlite3.connect", mortal):
            asyncio.run(write(path, fatal))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(begin: Path, folder: Path, step: int) -> None:
    """Leave a database in ``folder`` for every moment of death, or for each that is a multiple of ``step``."""
    for fatal in count(step=step):
        path = Path(shutil.copy(begin, folder / f"{fatal:03}.db"))
        if write_until(path, fatal):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
