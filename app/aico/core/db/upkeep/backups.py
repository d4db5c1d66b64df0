"""Copies of the database in the folder ``backups`` beside it: one a day, and one before each migration.

Their names say what they are: ``observer-2026-03-01.db``, ``observer-schema-0003.db``. All functions block: call them
in a thread.
"""

from __future__ import annotations

import glob
import re
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.db.upkeep.sqlite_files import connect, copy_database, in_our_words, remove, sync
from aico.core.errors import OutputFailed, StorageError
from aico.core.private_file import is_own_folder

DAILY_KEPT = 3
"""Daily backups that are kept."""
ACTIVITY = """
    SELECT (SELECT IFNULL(SUM(duration_ms), 0) + IFNULL(SUM(count), 0) FROM activity_total),
        (SELECT IFNULL(SUM(duration_ms), 0) + IFNULL(SUM(count), 0) FROM activity_forgotten_total)
"""
"""The sums of the time in apps, commands and sites, and of its forgotten part: no position tells of these."""
_HAS_ACTIVITY = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'activity_forgotten_total'"
"""Older schemas have no such tables."""
_NO_ACTIVITY = (0, 0)
_FOLDER = "backups"
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a database: two of equal position hold the same usage."""

    epoch: str
    revision: int


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a database: two of equal content need one backup."""

    position: Position
    activity: tuple[int, int] = _NO_ACTIVITY
    """As :data:`ACTIVITY` tells it."""


class BackupFolder:
    """The backups of one database. A file has its final name only when it is whole, checked and on the disk."""

    def __init__(self, database_path: Path) -> None:
        self._database_path = database_path
        self.path = database_path.parent / _FOLDER
        stem, suffix = re.escape(database_path.stem), re.escape(database_path.suffix)
        self._daily = re.compile(rf"{stem}-(\d{{4}}-\d\d-\d\d){suffix}")
        self._schema = re.compile(rf"{stem}-schema-\w+{suffix}")

    def list_daily(self) -> list[Path]:
        """Return the daily backups, the one of the latest day first."""
        return self._list(self._daily)[::-1]

    def list_all(self) -> list[Path]:
        """Return every backup, the one that was written last first."""
        found = self._list(self._daily) + self._list(self._schema)
        with in_our_words():
            return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def has_daily(self, day: date) -> bool:
        """Return whether there is a backup of ``day``. Raises StorageError."""
        with in_our_words():
            return self._path_of(day).exists()

    def make_daily(self, day: date) -> Path:
        """Back up the database as that of ``day`` and let the oldest ones go. Raises StorageBusy, StorageError."""
        made = self._make(self._path_of(day))
        others = [path for path in self.list_daily() if path != made]
        # The newest by their names, whatever day it was by a clock that has been corrected since.
        for path in others[DAILY_KEPT - 1 :]:
            remove(path)
        return made

    def make_before_migration(self, revision: str) -> Path:
        """Back up the database as it is with schema ``revision``. Raises StorageBusy, StorageError."""
        made = self._make(self._path_named(f"schema-{revision}"))
        for path in self._list(self._schema):
            if path != made:
                remove(path)
        return made

    def find_intact(self) -> Path | None:
        """Return the newest backup that a database can be made from.

        Of one epoch that is the one with the highest revision: a file's time may be that of a clock that was wrong.
        """
        sound: list[tuple[Path, Position]] = []
        for path in self.list_all():
            with suppress(StorageError):
                if inspect(path).condition is Condition.SOUND:
                    sound.append((path, get_position(path)))
        of_the_last_epoch = [(path, at) for path, at in sound if at.epoch == sound[0][1].epoch]
        return max(of_the_last_epoch, key=lambda found: found[1].revision)[0] if sound else None

    def find_last_content(self) -> Content | None:
        """Return what the latest daily backup holds; None when there is none that can be read."""
        for path in self.list_daily():
            with suppress(StorageError):
                return get_content(path)
        return None

    def list_unfinished(self) -> list[Path]:
        """Return what a backup that was killed has left: as much of the database as it had copied."""
        with in_our_words():
            if not is_own_folder(self.path):
                return []
            return sorted(self.path.glob(f"{glob.escape(self._database_path.stem)}-*{_UNFINISHED}*"))

    def clear(self) -> None:
        """Remove every backup: forgotten usage is forgotten there, too. Raises StorageError."""
        with in_our_words():
            for path in [*self.list_all(), *self.list_unfinished()]:
                remove(path)

    def _make(self, target: Path) -> Path:
        with in_our_words():
            self.path.mkdir(mode=0o700, exist_ok=True)
            if not is_own_folder(self.path):
                raise StorageError(f"{self.path} is not a folder of the user that runs this program")
            self.path.chmod(0o700)
            for left in self.list_unfinished():
                left.unlink(missing_ok=True)
            unfinished = target.with_name(target.name + _UNFINISHED)
            copy_database(self._database_path, unfinished)
            unfinished.replace(target)
            sync(self.path)
        return target

    def _list(self, names: re.Pattern[str]) -> list[Path]:
        try:
            # Nobody else's: a database is made from what is listed here.
            if not is_own_folder(self.path):
                return []
            return sorted(path for path in self.path.iterdir() if names.fullmatch(path.name) and path.is_file())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror}") from error

    def _path_of(self, day: date) -> Path:
        return self._path_named(day.isoformat())

    def _path_named(self, what: str) -> Path:
        return self.path / f"{self._database_path.stem}-{what}{self._database_path.suffix}"


def write_backup(source: Path, target: Path) -> None:
    """Back up ``source``, which may be in use, to the new file ``target`` (0600).

    Raises OutputFailed for a target that is there already or cannot be made, StorageBusy and StorageError.
    """
    try:
        # An empty file holds the name, so that nobody else's is replaced at the end.
        target.touch(0o600, exist_ok=False)
    except FileExistsError as error:
        raise OutputFailed(str(target), "it is there already") from error
    except OSError as error:
        raise OutputFailed(str(target), error.strerror or type(error).__name__) from error
    try:
        # In a folder of its own: where others may write, they could put a journal beside it that SQLite takes for ours.
        with in_our_words(), TemporaryDirectory(dir=target.parent, prefix=f".{target.name[:100]}.") as folder:
            unfinished = Path(folder) / "copy"
            copy_database(source, unfinished)
            unfinished.replace(target)
            sync(target.parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def get_content(path: Path) -> Content:
    """Return what the sound database at ``path`` holds. Raises StorageBusy, StorageError."""
    position = get_position(path)
    with in_our_words(), closing(connect(path, "ro")) as connection:
        has_activity = connection.execute(_HAS_ACTIVITY).fetchone() is not None
        spent, forgotten = connection.execute(ACTIVITY).fetchone() if has_activity else _NO_ACTIVITY
    return Content(position, (spent, forgotten))


def get_position(path: Path) -> Position:
    """Return where the sound database at ``path`` stands. Raises StorageBusy, StorageError."""
    with in_our_words(), closing(connect(path, "ro")) as connection:
        return Position(*connection.execute("SELECT epoch, revision FROM database_state").fetchone())
