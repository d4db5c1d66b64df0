"""Removes the data, for a user that asks for it by name."""

from __future__ import annotations

import contextlib
import glob
import time
from dataclasses import dataclass
from pathlib import Path

from aico.cli.service.plan import Step
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.soundness import END
from aico.core.db.upkeep.sqlite_files import COMPANIONS
from aico.core.errors import InstanceRunning, StorageError
from aico.core.export_file import ExportFile
from aico.core.instance_lock import InstanceLock
from aico.core.private_file import webhook_path

_ASIDE = (".corrupt-*", ".backup-*")
"""Files that recovery and restoring set aside, with their companions."""
PATIENCE_S = 5.0
"""How long a service that was told to stop may still hold its lock: not every supervisor waits for the end."""
_AGAIN_S = 0.1


def list_data(database_path: Path) -> list[Path]:
    """Return the files that this program keeps in, beside and below the database's folder; no others there."""
    folder, name, backups = database_path.parent, database_path.name, BackupFolder(database_path)
    named = [database_path, *(database_path.with_name(name + end) for end in (*COMPANIONS, END))]
    named += ExportFile(database_path).list_all()
    named.append(webhook_path(database_path))
    aside = [found for pattern in _ASIDE for found in sorted(folder.glob(glob.escape(name) + pattern))]
    return [*(path for path in (*named, *aside) if path.is_file()), *backups.list_all(), *backups.list_unfinished()]


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
                path.unlink()
            lock.path.unlink()
            for folder in (BackupFolder(self.database_path).path, self.database_path.parent):
                with contextlib.suppress(OSError):  # somebody keeps other files there
                    folder.rmdir()
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
