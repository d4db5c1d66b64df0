"""A fresh database for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.repository_on_file import Store, copy_of_template, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Yield a store on an empty, migrated database."""
    async with open_store(copy_of_template(tmp_path)) as opened:
        yield opened
