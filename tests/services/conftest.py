"""A database and a ledger for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aico.core.db.database import Database
from aico.services import sources as sources_module
from tests.core.repository_on_file import copy_of_template
from tests.e2e.fake_cline_ledger import LedgerFile
from tests.services.recorded_watcher import HANG_S


@pytest.fixture(autouse=True)
def patient_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let answers wait for the count of what is off: on a busy machine it takes longer than people are let wait."""
    monkeypatch.setattr(sources_module, "PATIENCE_S", HANG_S)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Open an empty database."""
    database = Database(copy_of_template(tmp_path))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger that does not exist yet, in a directory that does."""
    return LedgerFile(tmp_path.resolve() / "cline" / "state" / "taskHistory.json")
