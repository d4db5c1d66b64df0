"""The two sides of the import figures: the yardstick, and the service's own import, nothing left out."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from aico.core.db.database import Database
from aico.core.db.writer import UsageWriter
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.settings import Settings
from aico.core.usage import Trigger
from aico.features.files.feed import Reading, ReadLimits
from aico.features.sources.cline import LEDGER, SOURCE
from aico.services import messages
from aico.services.hub import Hub
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from bench.ledgers import LedgerFile
from bench.pairs import Side, Timed
from bench.yardstick import open_yardstick, run_yardstick


class Importing:
    """The service's way from a ledger to the message, without its watcher."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.hub = Hub(messages.encode, "bench", 1)
        self.writer = UsageWriter(database, now_ms, is_heard=lambda: self.hub.subscription_count > 0)
        limits = ReadLimits(settings.max_ledger_bytes, settings.read_attempts, now_ms)
        self.intake = Intake(SOURCE, LEDGER, LEDGER.open(settings.ledger_path, limits))
        self.ingest = Ingest(self.writer, self._publish, now_ms, settings.max_entries_per_run)
        self.ingest.add(self.intake)
        self.stored_count = 0

    async def run(self, trigger: Trigger) -> ImportReceipt:
        """Import to the end, follow-up runs included, and return the first receipt."""
        [receipt] = await self.ingest.run(trigger, [self.intake.key])
        failure = await self.ingest.finish(self.intake.key)
        if failure is not None:
            raise failure
        return receipt

    def _publish(self, event: UsageCommitted, _intake: Intake, _reading: Reading) -> None:
        self.stored_count = event.session_count
        self.hub.publish_lazily(event.receipt.revision, partial(messages.of_commit, event), messages.weigh(event))


@asynccontextmanager
async def open_importing(ledger: Path, folder: Path) -> AsyncIterator[Importing]:
    """Yield everything that imports ``ledger`` into a new, migrated database in ``folder``, which goes away after it.

    The database's position was read before, as the service does at its start.
    """
    settings = Settings(ledger_path=str(ledger), database_path=folder / "observer.db")
    database = Database(settings.database_path)
    await database.open()
    importing = Importing(database, settings)
    try:
        importing.hub.open(*await importing.writer.get_position())
        yield importing
    finally:
        await importing.ingest.close()
        await database.close()
        shutil.rmtree(folder)


class FirstYardstick:
    """Y(n) into a fresh file each time."""

    def __init__(self, ledger: LedgerFile, folder: Path) -> None:
        self._data = bytes(ledger.data)
        self._count = ledger.entry_count
        self._folder = folder / "yardstick"
        self._connection: sqlite3.Connection | None = None
        self.side = Side("json.loads + executemany", self._prepare, self._clear)

    async def _prepare(self) -> Timed:
        self._folder.mkdir()
        connection = self._connection = open_yardstick(self._folder / "usage.db")

        async def timed() -> None:
            run_yardstick(connection, self._data)

        return timed

    async def _clear(self) -> None:
        if self._connection is not None:
            count = self._connection.execute("SELECT COUNT(*) FROM usage").fetchone()[0]
            self._connection.close()
            if count != self._count:
                raise AssertionError(f"the yardstick stored {count} of {self._count} entries")
        shutil.rmtree(self._folder)


class WarmYardstick:
    """Warm Y(n): all rows exist already, and are written again."""

    def __init__(self, ledger: LedgerFile, folder: Path) -> None:
        self._data = bytes(ledger.data)
        self._connection = open_yardstick(folder / "warm-yardstick.db")
        run_yardstick(self._connection, self._data)
        self.side = Side("warm json.loads + executemany", self._prepare, _nothing)

    async def _prepare(self) -> Timed:
        async def timed() -> None:
            run_yardstick(self._connection, self._data)

        return timed

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class FirstImport:
    """The real import into a fresh, migrated database."""

    def __init__(self, ledger: LedgerFile, folder: Path) -> None:
        self._ledger = ledger
        self._folder = folder / "import"
        self._open: AbstractAsyncContextManager[Importing] | None = None
        self._importing: Importing | None = None
        self.side = Side("first import", self._prepare, self._clear)

    async def _prepare(self) -> Timed:
        self._open = open_importing(self._ledger.path, self._folder)
        importing = self._importing = await self._open.__aenter__()

        async def timed() -> None:
            await importing.run(Trigger.STARTUP)

        return timed

    async def _clear(self) -> None:
        if self._open is not None and self._importing is not None:
            stored = self._importing.stored_count
            await self._open.__aexit__(None, None, None)
            if stored != self._ledger.entry_count:
                raise AssertionError(f"the import stored {stored} of {self._ledger.entry_count} entries")


class LaterImport:
    """An import of a ledger that was imported before: one entry of it ``changed``, or only its time."""

    def __init__(self, importing: Importing, ledger: LedgerFile, *, changed: bool) -> None:
        self._importing = importing
        self._ledger = ledger
        self._changed = changed
        self._receipt: ImportReceipt | None = None
        self.side = Side("one entry changed" if changed else "touched", self._prepare, self._clear)

    async def _prepare(self) -> Timed:
        if self._changed:
            self._ledger.change_one()
            self._ledger.write()
        else:
            self._ledger.rest()

        async def timed() -> None:
            self._receipt = await self._importing.run(Trigger.WATCH)

        return timed

    async def _clear(self) -> None:
        if self._receipt is None or self._receipt.imported_count != self._changed:
            raise AssertionError(f"another import than expected: {self._receipt}")


def now_ms() -> int:
    """Return the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


async def _nothing() -> None:
    pass
