"""Removing the data, for who asks for it by name."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from app.cli.service.plan import Step
from app.core.errors import InstanceRunning, StorageError
from app.core.instance_lock import InstanceLock

_COMPANIONS = ("-wal", "-shm", "-journal")
_PATTERNS = (".corrupt-*", ".backup-*")
_BACKUPS = "backups"
PATIENCE_S = 5.0
"""How long a service that was told to stop may still hold its lock: not every supervisor waits for the end."""
_AGAIN_S = 0.1


def list_data(database_path: Path) -> list[Path]:
    """Return what this program keeps beside and in ``database_path`` and is there; nothing else in the folder."""
    named = [database_path, *(database_path.with_name(database_path.name + end) for end in _COMPANIONS)]
    matching = [found for end in _PATTERNS for found in sorted(database_path.parent.glob(database_path.name + end))]
    return [path for path in (*named, *matching, database_path.parent / _BACKUPS) if path.exists() or path.is_symlink()]


@dataclass(frozen=True, slots=True)
class Purge:
    """The database with all that belongs to it, removed while nobody writes."""

    database_path: Path

    def describe(self) -> list[str]:
        """Return every file that would go."""
        return [f"remove {path}" for path in list_data(self.database_path)]

    def take(self) -> None:
        """Remove it. Raises InstanceRunning, StorageError."""
        if not self.database_path.parent.is_dir():
            return
        lock = _acquire(InstanceLock(self.database_path))
        try:
            for path in list_data(self.database_path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            lock.path.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {error.filename}: {error.strerror}") from error
        finally:
            lock.release()


def _acquire(lock: InstanceLock) -> InstanceLock:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return lock.acquire()
        except InstanceRunning:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_AGAIN_S)


def plan_purge(database_path: Path) -> list[Step]:
    """Return the steps that remove the data."""
    return [Purge(database_path)]
