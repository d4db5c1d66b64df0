"""A writer and a reader on a real file, and what a second program reads in that file."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, TypedDict, Unpack

from aico.core.db.database import Database
from aico.core.db.migrations import migrate
from aico.core.db.reader import UsageReader
from aico.core.db.writer import Batch, UsageWriter
from aico.core.own_prices import OwnPrice
from aico.core.pricing import Pricer
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.sums import Sums
from aico.core.usage import (
    AnyRecord,
    MeterReading,
    ReadingCounts,
    Record,
    RequestState,
    Tokens,
    Trigger,
    UsageEvent,
    digest,
)

NOW_MS = 1_772_000_100_000
"""The moment of the first import, in the middle of a slot."""
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


class RequestNumbers(TypedDict, total=False):
    """Further facts about a request."""

    input: int | None
    cache_read: int | None
    output: int | None
    nano: int | None
    state: RequestState
    unknown: tuple[str, ...]


class Store:
    """One program's view of one database, with a clock that only tests move."""

    def __init__(self, path: Path, now_ms: int = NOW_MS, pricer: Pricer | None = None) -> None:
        self.path = path
        self.now_ms = now_ms
        self.is_heard = True
        """True if somebody listens to committed facts."""
        self.pricer = pricer
        """Says what requests cost by a list; after a change of it, :meth:`forget_what_is_known` makes it known."""
        self.fixed_prices: Sequence[OwnPrice] = ()
        """Own prices of the settings; likewise."""
        self.database = Database(path)
        self.writer = self._new_writer()
        self.reader = UsageReader(self.database)

    def _new_writer(self) -> UsageWriter:
        return UsageWriter(
            self.database,
            lambda: self.now_ms,
            self.pricer,
            is_heard=lambda: self.is_heard,
            fixed_prices=self.fixed_prices,
        )

    def forget_what_is_known(self) -> None:
        """Go on as after a restart: with nothing but what the file says."""
        self.writer = self._new_writer()

    def batch(
        self,
        records: Sequence[AnyRecord],
        origin: str = "ledger",
        source: str = "cline",
        remaining_count: int = 0,
        checkpoints: tuple[tuple[str, str | None], ...] = (),
    ) -> Batch:
        """Return a part of a reading, by default a whole one of Cline's ledger."""
        meter = "sessions" if origin == "hub" else origin
        return Batch(
            source=source,
            origin=origin,
            meter=meter,
            meters=("ledger", "sessions") if source == "cline" else (meter,),
            records=records,
            counts=ReadingCounts(Trigger.WATCH),
            is_joint=meter != origin,
            checkpoints=checkpoints,
            remaining_count=remaining_count,
            has_task_rows=source == "cline",
        )

    async def take_in(
        self, records: Sequence[Record], origin: str = "ledger", run_limit: int = 10_000
    ) -> list[UsageCommitted]:
        """Store what one of Cline's origins says, in runs of ``run_limit``; return what each has changed."""
        done: list[UsageCommitted] = []
        for start in range(0, len(records), run_limit):
            left = max(0, len(records) - start - run_limit)
            part = self.batch(records[start : start + run_limit], origin, remaining_count=left)
            _receipt, committed = await self.writer.apply(part)
            done += [] if committed is None else [committed]
        return done

    async def take_in_of(
        self, source: str, records: Sequence[AnyRecord], origin: str = "files"
    ) -> UsageCommitted | None:
        """Store what another source says; return what changed."""
        _receipt, committed = await self.writer.apply(self.batch(records, origin, source=source))
        return committed

    async def list_counters(self) -> dict[tuple[str, str], Sums]:
        """Return what counters show."""
        async with self.reader.snapshot() as snapshot:
            return await snapshot.list_counters()

    def receipt(self, added_count: int = 0, updated_count: int = 0) -> ImportReceipt:
        """Return the receipt of a run that ends now."""
        return ImportReceipt(
            source="cline",
            origin="ledger",
            trigger=Trigger.WATCH,
            finished_at_ms=self.now_ms,
            duration_ms=1.5,
            added_count=added_count,
            updated_count=updated_count,
        )


@asynccontextmanager
async def open_store(path: Path, pricer: Pricer | None = None) -> AsyncIterator[Store]:
    """Yield a store on the migrated database at ``path`` and close it."""
    store = Store(path, pricer=pricer)
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
    ts: int | None = NOW_MS,
    model_id: str | None = "m",
    tokens_in: int | None = 100,
    tokens_out: int | None = 10,
    total_cost: float | None = 0.25,
) -> MeterReading:
    """Return the totals of a task in which only what matters needs to be said."""
    return MeterReading(task_id, ts, model_id, tokens_in, None, None, None, tokens_out, None, total_cost)


def request(
    name: str = "r", session: str = "s", ts: int = NOW_MS, model: str | None = "m", **numbers: Unpack[RequestNumbers]
) -> UsageEvent:
    """Return a request, by default one of 100 tokens in and 10 out without a cost."""
    tokens = Tokens(
        input=numbers.get("input", 100), cache_read=numbers.get("cache_read"), output=numbers.get("output", 10)
    )
    return UsageEvent(
        digest(name),
        session,
        ts,
        model,
        tokens,
        numbers.get("nano"),
        numbers.get("state", RequestState.FINAL),
        unknown=numbers.get("unknown", ()),
    )
