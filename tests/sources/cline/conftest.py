"""The place of a test's ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.cline.ledgers import LedgerFile


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    """Return a ledger's file, not written yet, at a path like the one in a person's home."""
    path = tmp_path.resolve() / ".cline" / "data" / "state" / "taskHistory.json"
    path.parent.mkdir(parents=True)
    return LedgerFile(path)
