"""The common part of tests of foreign databases: a table with cells that nobody may read, and questions about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import MeterReading
from aico.features.files.sqlite import Judged, SqliteFeed, SqliteQuery
from aico.features.files.sqlite_child import read_database
from aico.features.files.sqlite_process import Row
from aico.features.files.sqlite_question import Cell, Question
from aico.features.sources.source import ReadLimits
from tests.e2e.fake_cline_ledger import now_ms
from tests.emulator.fake_sqlite_writer import SqliteWriter
from tests.faults.canary_ledger import MARK

NAME = "usage.db"
MAX_BYTES = 1 << 26
LIMITS = ReadLimits(MAX_BYTES, 2, now_ms)
TABLE = "CREATE TABLE IF NOT EXISTS usage (id INTEGER PRIMARY KEY, session TEXT, number INTEGER, prompt TEXT)"
STATEMENT = "SELECT id, session, number FROM usage WHERE id > ? ORDER BY id"
COLUMNS = ["id", "session", "number"]


def question(path: Path, statement: str = STATEMENT, value: Cell = -1, **more: object) -> Question:
    """Return what is asked of the table, or something else."""
    asked = Question(str(path), statement, [value], {"usage": COLUMNS}, [], [], MAX_BYTES)
    return asked._replace(**more)  # type: ignore[arg-type]  # names and types are those of the question


def rows_of(path: Path, statement: str = STATEMENT, value: Cell = -1, **more: object) -> list[list[Cell]]:
    """Return the child's answer, asked in this process."""
    return [json.loads(row) for row in read_database(question(path, statement, value, **more))]


def make_table(writer: SqliteWriter, page_size: int = 4096) -> None:
    """Make the table, in a log that nothing checks in."""
    writer.execute(f"PRAGMA page_size = {page_size}")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute(TABLE)


def put(writer: SqliteWriter, session: str, number: int | None) -> None:
    """Write a row with a prompt."""
    writer.execute("INSERT INTO usage (session, number, prompt) VALUES (?, ?, ?)", session, number, f"{MARK} " * 20)


def judge(rows: Sequence[Row]) -> Judged:
    """Return the running total of each session, the last row of a session winning."""
    sums = {str(session): number for _id, session, number in rows}
    readings = [
        MeterReading(session, 1_000, None, number if isinstance(number, int) else None, *[None] * 6)  # type: ignore[arg-type]  # six of them
        for session, number in sums.items()
    ]
    return Judged(readings[::-1])


def last_id(rows: Sequence[Row], _now_ms: int) -> Cell:
    """Return the cursor behind ``rows``."""
    return rows[-1][0] if rows else None


def make_query(*, rest_s: float = 0.0) -> SqliteQuery:
    """Return the query of the table."""
    return SqliteQuery(
        errors=SourceErrors(OriginName("example", "usage", "table of usage")),
        name=NAME,
        other_names=r"usage-[a-z]+\.db",
        statement=STATEMENT,
        tables={"usage": COLUMNS},
        judge=judge,
        cursor_after=last_id,
        first=-1,
        rest_s=rest_s,
    )


def open_feed(path: Path, *, rest_s: float = 0.0) -> SqliteFeed:
    """Return a feed of the table at ``path``."""
    return make_query(rest_s=rest_s).open(str(path), LIMITS)
