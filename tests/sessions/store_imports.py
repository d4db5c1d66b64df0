"""Opens a store in a folder as Cline does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.fake_session_store import SessionStore


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
