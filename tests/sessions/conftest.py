"""A store in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.fake_session_store import SessionStore
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
