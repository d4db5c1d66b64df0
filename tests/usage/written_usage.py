"""Writes usage of invented sources into a database on a file, and asks it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aico.core.db.database import Database
from aico.core.db.migrations import migrate
from aico.core.db.reader import UsageReader
from aico.core.db.writer import Batch, UsageWriter
from aico.core.receipts import UsageCommitted
from aico.core.usage import (
    SLOT_MS,
    MeterReading,
    ReadingCounts,
    Record,
    RequestState,
    SessionState,
    Tokens,
    Trigger,
    UsageEvent,
    digest,
)
from aico.services.queries import UsageQueries

NOW_MS = 1_772_000_100_000
"""The moment of every write, in the middle of a slot."""
NOW_SLOT = NOW_MS // SLOT_MS


@lru_cache(maxsize=1)
def template() -> tuple[TemporaryDirectory[str], Path]:
    """Return an empty database of the newest schema, made once: a copy costs a hundredth of the migrations."""
    folder = TemporaryDirectory()
    path = Path(folder.name) / "template.db"
    path.touch()
    migrate(path)
    return folder, path


def copy_of_template(folder: Path) -> Path:
    """Return the path of an empty, migrated database in ``folder``."""
    return Path(shutil.copy(template()[1], folder / "observer.db"))


@contextmanager
def temporary_database() -> Iterator[Path]:
    """Yield the path of an empty, migrated database that goes away with the block."""
    with TemporaryDirectory() as folder:
        yield copy_of_template(Path(folder))


class WrittenUsage:
    """One program's view of one database, with a clock that only tests move."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = NOW_MS
        self.database = Database(path)
        self.writer = UsageWriter(self.database, lambda: self.now_ms)
        self.reader = UsageReader(self.database)
        self.queries = UsageQueries(self.reader, lambda: self.now_ms)

    async def write(
        self,
        source: str,
        records: Sequence[Record],
        *,
        origin: str = "log",
        stronger: tuple[str, ...] = (),
        trigger: Trigger = Trigger.WATCH,
    ) -> UsageCommitted | None:
        """Store one reading of one origin; tasks of ``cline`` get their own rows."""
        batch = Batch(
            source,
            origin,
            origin,
            records,
            ReadingCounts(trigger),
            stronger=stronger,
            checkpoints=((digest(origin).hex(), "{}"),),
            is_cline=source == "cline",
        )
        _receipt, committed = await self.writer.apply(batch)
        return committed


@asynccontextmanager
async def open_usage(path: Path) -> AsyncIterator[WrittenUsage]:
    """Yield the usage in the migrated database at ``path``, and close it."""
    usage = WrittenUsage(path)
    try:
        yield usage
    finally:
        await usage.database.close()


def task(
    name: str = "a",
    *,
    ts: int = NOW_MS,
    model: str | None = "m",
    tokens_in: int = 100,
    tokens_out: int = 10,
    cost: float | None = 0.25,
    state: SessionState = SessionState.UNKNOWN,
    unknown: tuple[str, ...] = (),
) -> MeterReading:
    """Return the running total of a task of Cline's, whose cache is not told."""
    return MeterReading(
        name, ts, model, tokens_in, None, None, None, tokens_out, None, cost, state=state, unknown=unknown
    )


def call(
    name: str,
    session: str = "s",
    *,
    ts: int = NOW_MS,
    model: str | None = "m",
    tokens: Tokens = Tokens(100, 1_000, 10, 0, 20, None),  # noqa: B008  # immutable
    nano: int | None = None,
    state: RequestState = RequestState.FINAL,
    parent: str | None = None,
) -> UsageEvent:
    """Return a single request called ``name``."""
    return UsageEvent(digest(name), session, ts, model, tokens, nano, state, parent)
