"""The two sides of the import figures: the yardstick, and the service's own import, nothing left out."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

from app.core.database import Database
from app.core.domain import CLINE, Trigger
from app.core.repository import UsageRepository
from app.core.settings import Settings
from app.features.demo.generator import LedgerGenerator
from app.features.demo.js_json import stringify
from app.features.ledger.importer import LedgerImporter
from app.features.ledger.path_guard import LedgerGuard
from app.features.stores.steps import ImportStep
from bench.pairs import Side, Timed
from bench.yardstick import open_yardstick, run_yardstick

_SEED = 1
_NOW_MS = 1_772_000_000_000


def write_ledger(folder: Path, entry_count: int) -> Path:
    """Write a ledger of ``entry_count`` entries into a new folder below ``folder`` and return its path."""
    path = folder / f"ledger-{entry_count}" / "taskHistory.json"
    path.parent.mkdir()
    path.write_bytes(stringify(LedgerGenerator(_SEED, _NOW_MS, days=365).entries(entry_count)))
    return path


class FirstYardstick:
    """Y(n) into a fresh file each time."""

    def __init__(self, ledger: Path, folder: Path) -> None:
        self._data = ledger.read_bytes()
        self._count = self._data.count(b'"tokensIn":')
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


class FirstImport:
    """The real import into a fresh, migrated database: guard, read, parse, diff, rows, deltas, commit, event."""

    def __init__(self, ledger: Path, folder: Path, entry_count: int) -> None:
        self._ledger = ledger
        self._entry_count = entry_count
        self._folder = folder / "import"
        self._database: Database | None = None
        self._steps: list[ImportStep] = []
        self.side = Side("first import", self._prepare, self._clear)

    async def _prepare(self) -> Timed:
        settings = Settings(ledger_path=str(self._ledger), database_path=self._folder / "observer.db")
        database = self._database = Database(settings.database_path)
        await database.open()
        importer = LedgerImporter(
            LedgerGuard(settings.ledger_path, settings.max_ledger_bytes),
            UsageRepository(database, CLINE, _now_ms),
            read_attempts=settings.read_attempts,
            max_entries_per_run=settings.max_entries_per_run,
            now_ms=_now_ms,
        )

        async def timed() -> None:
            self._steps = [step async for step in importer.run(Trigger.STARTUP)]

        return timed

    async def _clear(self) -> None:
        if self._database is not None:
            await self._database.close()
        shutil.rmtree(self._folder)
        imported_count = sum(step.receipt.imported_count for step in self._steps)
        if imported_count != self._entry_count or any(step.imported is None for step in self._steps):
            raise AssertionError(f"the import stored {imported_count} of {self._entry_count} entries")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
