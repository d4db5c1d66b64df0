"""Databases that older versions wrote, and what those versions answered about them."""

from __future__ import annotations

import lzma
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import msgspec

FOLDER = Path(__file__).parents[1] / "data" / "old_databases"
NAMES = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0007-restored")
"""Each begins with the schema that it has."""
Amounts: TypeAlias = tuple[int, int, int]
"""Tokens in, tokens out, nano-dollars."""
UsageRow: TypeAlias = tuple[str, int, str | None, int, int, float, int]
"""A row of Cline's: id, time, model, tokens in, tokens out, dollars, time of the first sight."""


class Answers(msgspec.Struct):
    """The answers of the last version before schema 0008."""

    rows: list[UsageRow]
    """Every item of ``/api/cline/usage``, by id."""
    fell: set[str]
    """Tasks whose totals are known to have fallen."""
    days: dict[int, tuple[int, int, int, int]]
    """Usage of the other tasks on each day of UTC since the epoch, and their number."""
    peaks: dict[str, Amounts]
    """The highest totals of the tasks whose row is below them, or gone since a backup was restored."""
    counters: dict[str, Amounts]
    """By model."""
    sessions: set[str]
    """Tasks whose row says what the session store said; the others follow the ledger."""


def open_old(name: str, folder: Path) -> Path:
    """Return the old database called ``name``, made in ``folder``."""
    path = folder / "observer.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(lzma.decompress((FOLDER / f"{name}.sql.xz").read_bytes()).decode())
        connection.execute("PRAGMA journal_mode=WAL")
    path.chmod(0o600)
    return path


@lru_cache(maxsize=1)
def read_answers() -> dict[str, Answers]:
    """Return the recorded answers by the database's name."""
    text = lzma.decompress((FOLDER / "answers.json.xz").read_bytes())
    return msgspec.json.decode(text, type=dict[str, Answers])
