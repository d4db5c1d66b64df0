"""A repository on a real file, and what a second program reads in that file."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from aico.core.database import Database
from aico.core.domain import CLINE, ImportReceipt, TaskUsage, Trigger
from aico.core.events import UsageImported
from aico.core.migrations import migrate
from aico.core.repository import UsageRepository
from aico.core.usage_reader import UsageReader
from aico.features.stores.diff import diff_usage

NOW_MS = 1_772_000_100_000
"""The moment of the first import, in the middle of a quarter of an hour."""
Row: TypeAlias = tuple[str | int | float | None, ...]


@lru_cache(maxsize=1)
def template() -> tuple[TemporaryDirectory[str], Path]:
    """Return an empty database of the newest schema, made once: a copy costs a hundredth of the migrations."""
    folder = TemporaryDirectory()
    path = Path(folder.name) / "template.db"
    migrate(path)
    return folder, path


@contextmanager
def temporary_database() -> Iterator[Path]:
    """Yield the path of an empty, migrated database that goes away with the block."""
    with TemporaryDirectory() as folder:
        yield copy_of_template(Path(folder))


def copy_of_template(folder: Path) -> Path:
    """Return the path of an empty, migrated database in ``folder``."""
    return Path(shutil.copy(template()[1], folder / "observer.db"))


class Store:
    """One program's view of one database, with a clock that only tests move."""

    def __init__(self, path: Path, now_ms: int = NOW_MS) -> None:
        self.path = path
        self.now_ms = now_ms
        self.database = Database(path)
        self.repository = self._new_repository()
        self.reader = UsageReader(self.database, CLINE)

    def _new_repository(self) -> UsageRepository:
        return UsageRepository(self.database, CLINE, lambda: self.now_ms)

    def forget_what_is_known(self) -> None:
        """Go on as after a restart: with nothing but what the file says."""
        self.repository = self._new_repository()

    async def take_in(self, entries: Sequence[TaskUsage], run_limit: int = 10_000) -> list[UsageImported]:
        """Import ``entries`` as the importer does: compare with what is known, write in runs of ``run_limit``."""
        known = await self.repository.get_known()
        changes = diff_usage(known.tasks, entries).changes
        parts = [changes[start : start + run_limit] for start in range(0, len(changes), run_limit)]
        done: list[UsageImported] = []
        for part, following in zip_longest(parts, parts[1:], fillvalue=()):
            added_count = sum(change.before is None for change in part)
            receipt = self.receipt(added_count, len(part) - added_count)
            done.append(await self.repository.apply(part, receipt, following=following))
        return done

    def receipt(self, added_count: int = 0, updated_count: int = 0) -> ImportReceipt:
        """Return the receipt of a run that ends now."""
        return ImportReceipt(
            trigger=Trigger.WATCH,
            finished_at_ms=self.now_ms,
            duration_ms=1.5,
            added_count=added_count,
            updated_count=updated_count,
            skipped_count=0,
            error_count=0,
            remaining_count=0,
            latest_ts=None,
            revision=0,
        )


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[Store]:
    """Yield a store on the migrated database at ``path`` and close it."""
    store = Store(path)
    try:
        yield store
    finally:
        await store.database.close()


def read_rows(path: Path, statement: str, *values: str | int) -> list[Row]:
    """Return what a second program reads with ``statement``."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.execute(statement, values))


def list_names(folder: Path) -> set[str]:
    """Return the names of what lies in ``folder``."""
    return {path.name for path in folder.iterdir()}


def usage(
    task_id: str = "a",
    ts: int = NOW_MS,
    model_id: str | None = "m",
    tokens_in: int = 100,
    tokens_out: int = 10,
    total_cost: float = 0.25,
) -> TaskUsage:
    """Return an entry in which only what matters needs to be said."""
    return TaskUsage(task_id, ts, model_id, tokens_in, tokens_out, total_cost)
