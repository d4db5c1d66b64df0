"""Opens a store in a folder, and imports it to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aico.core.database import Database
from aico.core.domain import CLINE, ImportReceipt, Trigger
from aico.core.repository import UsageRepository
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.importer import SessionsImporter
from aico.features.stores.steps import StoreImporter
from bench.fake_session_store import SessionStore
from tests.e2e.fake_cline_ledger import now_ms

MAX_BYTES = 1 << 26


def store_path(folder: Path) -> Path:
    """Return where the store of a test lies."""
    return folder.resolve() / "cline" / "data" / "db" / "sessions.db"


@contextmanager
def opened(path: Path) -> Iterator[SessionStore]:
    """Yield a store that Cline holds open."""
    store = SessionStore(path)
    try:
        yield store
    finally:
        store.close()


def sessions_importer(path: Path, repository: UsageRepository, clock: Callable[[], int] = now_ms) -> SessionsImporter:
    """Return an importer of the store at ``path``."""
    return SessionsImporter(SessionsGuard(str(path), MAX_BYTES), repository, max_entries_per_run=10_000, now_ms=clock)


def ledger_importer(path: Path, repository: UsageRepository) -> LedgerImporter:
    """Return an importer of the ledger at ``path``."""
    guard = LedgerGuard(str(path), MAX_BYTES)
    return LedgerImporter(guard, repository, read_attempts=2, max_entries_per_run=10_000, now_ms=now_ms)


def new_repository(database: Database) -> UsageRepository:
    """Return a repository that knows nothing yet, as after a restart."""
    return UsageRepository(database, CLINE, now_ms)


async def run(importer: StoreImporter, trigger: Trigger = Trigger.CLI) -> ImportReceipt:
    """Import to the end and return the sum."""
    receipts = [step.receipt async for step in importer.run(trigger)]
    total = receipts[0]
    for receipt in receipts[1:]:
        total = total.plus(receipt)
    return total
