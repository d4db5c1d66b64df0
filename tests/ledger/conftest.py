"""Where a test's ledger stands, and the database that it is imported into."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aico.core.database import Database
from aico.core.domain import CLINE
from aico.core.repository import UsageRepository
from tests.core.repository_on_file import copy_of_template
from tests.ledger.stored_rows import NOW_MS, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a ledger may be written: a path like the one in a person's home, its directory made."""
    path = tmp_path.resolve() / ".cline" / "data" / "state" / "taskHistory.json"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Return an open, empty database in a folder of its own."""
    folder = tmp_path / "database"
    folder.mkdir(mode=0o700)
    database = Database(copy_of_template(folder))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def repository(database: Database) -> UsageRepository:
    """Return the repository of the database."""
    return UsageRepository(database, CLINE, lambda: NOW_MS)


@pytest.fixture
def store(database: Database) -> Store:
    """Return a second look at the database."""
    return Store(database.path)
