"""Files that real runs of Cline wrote on disk, and the bills for these runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from aico.features.sources.cline import hub, sessions

DATA = Path(__file__).parents[2] / "data" / "cline"


class Truth(msgspec.Struct):
    """The bill of one session."""

    input_gross: int
    output: int
    cache_read: int
    cache_write: int
    cost: float
    agents: dict[str, dict[str, object]]


class _Truths(msgspec.Struct):
    sessions: dict[str, Truth]


@contextmanager
def recorded_home(case: str, folder: Path) -> Iterator[Path]:
    """Yield the folder of the databases of ``case``, held open as their tool does: all rows stand in their logs."""
    folder = folder.resolve() / "db"
    folder.mkdir()
    with _opened(case, "sessions.sql", folder / sessions.NAME):
        if case == "mix":
            with _opened(case, "hub-events-hub-production.sql", folder / hub.NAME):
                yield folder
        else:
            yield folder


@contextmanager
def _opened(case: str, name: str, path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / case / name).read_text(encoding="utf-8"))
        yield


def truth_of(case: str) -> dict[str, Truth]:
    """Return what each session of ``case`` was billed."""
    return msgspec.json.decode((DATA / case / "truth.json").read_bytes(), type=_Truths).sessions
