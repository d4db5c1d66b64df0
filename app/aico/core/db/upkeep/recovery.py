"""What takes the place of a database that is lost: the newest intact backup, else an empty one; and a restore."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from aico.core.accounting import ZERO, Amount, amount_of
from aico.core.db.migrations import list_revisions
from aico.core.db.upkeep import rebuilding
from aico.core.db.upkeep.backups import BackupFolder, get_position
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.db.upkeep.replacement import CORRUPT, REPLACED, aside_path, build, list_aside, put_in_place
from aico.core.db.upkeep.sqlite_files import LOGS, connect, in_our_words, sync
from aico.core.domain import CLINE, TaskUsage
from aico.core.errors import BackupUnusable, StorageNewer
from aico.core.private_file import copy_own

_NOTE = ".json"
_ADDITIONS = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view'))"
_ROWS = "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
_PEAKS = "SELECT task_id, tokens_in, tokens_out, cost_nano_usd FROM task_peak WHERE source = ?"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done about a lost database."""

    at_ms: int
    condition: str
    set_aside: str
    """Name of the lost file, beside the database. As long as it lies there, the loss is told."""
    backup: str | None
    """Name of the backup that took its place; None when there was none."""
    backup_at_ms: int | None

    def describe(self) -> str:
        """Return what happened and what may be missing, in sentences."""
        text = f"The database was lost ({self.condition}) and set aside as {self.set_aside}; "
        if self.backup is None or self.backup_at_ms is None:
            return text + (
                "there was no intact backup, so an empty one took its place. Usage stored before is missing unless "
                "the tool's files still hold it, and tasks forgotten before may be back."
            )
        moment = datetime.fromtimestamp(self.backup_at_ms / 1000, UTC)
        return text + (
            f"the backup {self.backup} of {moment:%Y-%m-%d %H:%M} UTC took its place. Usage stored after that backup "
            "is missing unless the tool's files still hold it."
        )


def recover(path: Path, condition: Condition, now_ms: int) -> Recovery:
    """Set the lost database at ``path`` aside and put the newest intact backup in its place, under a new epoch.

    Without a backup an empty database takes the place. Nothing of the lost file is read. Raises StorageBusy or
    StorageError with everything as it was. Blocking: call it in a thread.
    """
    with in_our_words():
        origin = BackupFolder(path).find_intact()
        aside = aside_path(path, CORRUPT, now_ms)
        ready = build(aside, origin, lambda connection: rebuilding.begin_epoch(connection, 0))
        recovery = Recovery(
            at_ms=now_ms,
            condition=condition.value,
            set_aside=aside.name,
            backup=None if origin is None else origin.name,
            backup_at_ms=None if origin is None else origin.stat().st_mtime_ns // 1_000_000,
        )
        _write_note(aside, recovery)
        put_in_place(path, ready)
    return recovery


def find_recovery(path: Path) -> Recovery | None:
    """Return the last recovery of the database at ``path`` whose lost file still lies beside it."""
    known = {each.name for each in fields(Recovery)}
    for aside in reversed(list_aside(path)):
        try:
            note = json.loads(aside.with_name(aside.name + _NOTE).read_text(encoding="utf-8"))
            # An older version noted more: how much it had read of the lost file.
            return Recovery(**{name: value for name, value in note.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError):
            continue
    return None


def _write_note(aside: Path, recovery: Recovery) -> None:
    note = aside.with_name(aside.name + _NOTE)
    descriptor = os.open(note, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(recovery), file)
    sync(note)


def check_backup(origin: Path) -> None:
    """Raise BackupUnusable, StorageForeign, StorageNewer or StorageError for a file that cannot be restored."""
    with _checked_copy(origin):
        pass


@contextmanager
def _checked_copy(origin: Path) -> Iterator[Path]:
    """Yield a copy of ``origin`` that can be restored, in a folder of our own. Raises like :func:`check_backup`.

    SQLite never gets ``origin`` itself: it would take a log for the end of that file, and play a journal back, which
    may even name other files to be removed. Whoever can write beside a backup could put one there.
    """
    if not origin.is_file():
        raise BackupUnusable(str(origin), "there is no such file")
    with in_our_words(), TemporaryDirectory(prefix="aico-") as folder:
        copy = Path(folder) / "backup"
        copyfile(origin, copy)
        for end in LOGS:
            copy_own(origin.with_name(origin.name + end), copy.with_name(copy.name + end))
        condition = inspect(copy).condition
        if condition is not Condition.SOUND:
            raise BackupUnusable(str(origin), f"it is {condition.value}")
        with closing(connect(copy, "ro")) as connection:
            # A trigger would run with every write from now on.
            if connection.execute(_ADDITIONS).fetchone()[0]:
                raise BackupUnusable(str(origin), "it holds triggers or views, and no backup of ours does")
        yield copy


def restore(path: Path, origin: Path, now_ms: int) -> Path | None:
    """Put a copy of the backup ``origin`` in the place of the database at ``path``, under a new epoch.

    Returns where the old one was set aside, None when there was none. Counters keep what they have shown. Raises like
    :func:`check_backup`, and StorageBusy, with everything as it was. Blocking: call it in a thread.
    """
    had_old = path.exists()
    before = _read_shown(path)
    with _checked_copy(origin) as copy, in_our_words():
        aside = aside_path(path, REPLACED, now_ms)

        def change(connection: sqlite3.Connection) -> None:
            rebuilding.raise_counters(connection, CLINE, before.counters)
            _keep_peaks(connection, before)
            rebuilding.begin_epoch(connection, before.revision)

        put_in_place(path, build(aside, copy, change))
    return aside if had_old else None


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the database that is replaced has shown."""

    counters: dict[str, Amount] = field(default_factory=dict)
    highest: dict[str, Amount] = field(default_factory=dict)
    """By task."""
    revision: int = 0


def _read_shown(path: Path) -> _Shown:
    """Return what the database at ``path`` has shown; nothing of one that is absent, damaged or of another version.

    Raises StorageForeign: another program's database is not ours to replace. Raises StorageBusy, StorageError.
    """
    with suppress(StorageNewer):
        found = inspect(path)
        if found.condition is Condition.SOUND and found.revision == list_revisions()[-1]:
            with in_our_words(), closing(connect(path, "ro")) as connection:
                counters = rebuilding.get_counters(connection, CLINE)
                return _Shown(counters, _get_highest(connection), get_position(path).revision)
    return _Shown()


def _get_highest(connection: sqlite3.Connection) -> dict[str, Amount]:
    """Return the highest totals that each task ever had."""
    highest = {row[0]: amount_of(TaskUsage(*row)) for row in connection.execute(_ROWS)}
    for task_id, *amount in connection.execute(_PEAKS, (CLINE,)):
        highest[task_id] = Amount(*map(max, amount, highest.get(task_id, ZERO)))
    return highest


def _keep_peaks(connection: sqlite3.Connection, before: _Shown) -> None:
    """Remember the highest totals of every task of ``before``: what counters have shown is not growth once more.

    That holds for tasks, too, that the backup does not know: the next import brings them back. Where the counters do
    not include all of it, one of the two is of another history, or could not be read; then everything counts anew.
    """
    now = {row[0]: amount_of(TaskUsage(*row)) for row in connection.execute(_ROWS)}
    highest = _get_highest(connection)
    for task_id, amount in before.highest.items():
        highest[task_id] = Amount(*map(max, amount, highest.get(task_id, ZERO)))
    shown = rebuilding.get_counters(connection, CLINE).values()
    sums = zip(zip(ZERO, *shown, strict=True), zip(ZERO, *highest.values(), strict=True), strict=True)
    if all(sum(have) >= sum(need) for have, need in sums):
        peaks = [(CLINE, task_id, *amount) for task_id, amount in highest.items() if amount != now.get(task_id)]
        connection.executemany("INSERT OR REPLACE INTO task_peak VALUES (?, ?, ?, ?, ?)", peaks)
