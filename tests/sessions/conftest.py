"""A store in a folder of its own, and an empty database of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aico.core.database import Database
from bench.fake_session_store import SessionStore
from tests.core.repository_on_file import copy_of_template
from tests.sessions.store_imports import opened, store_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store lies."""
    return store_path(tmp_path)


@pytest.fixture
def store(path: Path) -> Iterator[SessionStore]:
    """Open the store as Cline does."""
    with opened(path) as store:
        yield store


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Open an empty database of ours."""
    folder = tmp_path / "own"
    folder.mkdir()
    database = Database(copy_of_template(folder))
    await database.open()
    yield database
    await database.close()
