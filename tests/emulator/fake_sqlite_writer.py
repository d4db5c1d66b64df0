"""``python -m tests.emulator.fake_sqlite_writer PATH``: a process that holds a database open and obeys its parent.

Tests that read a database through descriptors of their own keep the writing connection out of their process: closing
a descriptor takes away all POSIX locks that a process has on the file.
"""

from __future__ import annotations

import json
import os
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

_ROOT = Path(__file__).resolve().parents[2]

Cell: TypeAlias = "str | int | float | None"
PAIRS = "CREATE TABLE IF NOT EXISTS pair (side TEXT PRIMARY KEY, number INTEGER, padding TEXT)"

_PAIRS, _APPENDED, _APPENDED_MAX = 40, 200, 100
"""Pairs that are written anew again and again, after how many transactions one is appended, and how many are."""
OTHER_SIDE = str.maketrans("LR", "RL")


class SqliteWriter:
    """A test's handle on that process: each call returns when it is done."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.emulator.fake_sqlite_writer", str(self._path)]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    def execute(self, statement: str, *values: Cell) -> list[list[Cell]]:
        """Run one statement and return its rows."""
        return self._ask(["execute", statement, values])

    def execute_many(self, statement: str, rows: Sequence[Sequence[Cell]]) -> None:
        """Run one statement with each of ``rows``."""
        self._ask(["executemany", statement, list(rows)])

    def start_pairs(self) -> None:
        """Begin to write, at full speed and until :meth:`stop_pairs`, two rows whose numbers belong together."""
        self._ask(["pairs", "", []])

    def stop_pairs(self) -> list[list[Cell]]:
        """End it; return how many transactions were committed and how many failed."""
        return self._ask(["", "", []])

    def start_rows(self) -> None:
        """Begin to append, at full speed and until :meth:`stop_rows`, two rows that later get their numbers."""
        self._ask(["rows", "", []])

    def stop_rows(self) -> list[list[Cell]]:
        """End it; return how many transactions were committed and how often the database was locked."""
        return self._ask(["", "", []])

    def kill(self) -> None:
        """End the process as a crash does: the log stays."""
        self._process.kill()

    def _ask(self, order: list[object]) -> list[list[Cell]]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout is not None
        answer: list[list[Cell]] = json.loads(self._process.stdout.readline())
        return answer


def main(path: str) -> None:
    """Obey until standard input ends."""
    connection = sqlite3.connect(path, isolation_level=None)
    while line := next_order():
        order, statement, values = json.loads(line)
        if order == "pairs":
            say([])
            say(write_pairs(connection))
        elif order == "rows":
            say([])
            say(append_rows(connection))
        else:
            say([list(row) for row in getattr(connection, order)(statement, values)])
    connection.close()


def next_order() -> bytes:
    """Return the next line, or nothing at the end. None comes before the last one was answered, so none is cut."""
    line = bytearray()
    while not line.endswith(b"\n") and (part := os.read(0, 1 << 16)):
        line += part
    return bytes(line)


def say(answer: list[list[Cell]]) -> None:
    """Answer an order."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def write_pairs(connection: sqlite3.Connection) -> list[list[Cell]]:
    """Write pairs and check them in now and then, in every way, until the next order comes; return both counts."""
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA synchronous = OFF")  # full speed, however slow the disk is
    committed = failed = 0
    while not select.select([0], [], [], 0)[0]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for side in ("left", "right"):
                row = (side, committed, "x" * (committed * 37 % 9_000))
                connection.execute("INSERT OR REPLACE INTO pair VALUES (?, ?, ?)", row)
            connection.execute("COMMIT")
            committed += 1
            if committed % 97 == 0:
                mode = ("PASSIVE", "RESTART", "TRUNCATE")[committed % 3]
                failed += connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
        except sqlite3.OperationalError:  # database is locked
            failed += 1
    next_order()
    return [[committed, failed]]


def append_rows(connection: sqlite3.Connection) -> list[list[Cell]]:
    """Write pairs of rows anew, append others, and check in now and then, until the next order; return both counts.

    Both rows of a pair always say the same; in the end all come to :func:`sum_of_pairs`.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA synchronous = OFF")  # full speed, however slow the disk is
    committed = failed = 0
    statement = (
        "INSERT INTO said VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET updated = ?2, number = ?3, prompt = ?4"
    )
    while not select.select([0], [], [], 0)[0]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            now = time.time_ns() // 1_000_000
            for side in "LR":
                padding = "x" * (committed * 37 % 9_000)
                connection.execute(statement, (f"{side}{committed % _PAIRS}", now, committed, padding))
                if committed % _APPENDED == 0 and committed < _APPENDED * _APPENDED_MAX:
                    connection.execute(statement, (f"{side}-{committed}", now, 1, padding))
            connection.execute("COMMIT")
            committed += 1
            if committed % 97 == 0:
                mode = ("PASSIVE", "RESTART", "TRUNCATE")[committed % 3]
                failed += connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
        except sqlite3.OperationalError:  # database is locked
            failed += 1
    next_order()
    return [[committed, failed]]


def sum_of_pairs(committed: int) -> int:
    """Return the sum of the numbers after so many transactions."""
    return 2 * sum(range(max(committed - _PAIRS, 0), committed)) + 2 * min(-(-committed // _APPENDED), _APPENDED_MAX)


if __name__ == "__main__":
    main(sys.argv[1])
