"""Prepares a database before it is used: finishes interrupted work, looks at the file, mends it, migrates it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from aico.core.db.migrations import migrate
from aico.core.db.revisions import list_revisions
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.inspection import Condition, Inspection, inspect
from aico.core.db.upkeep.recovery import Recovery, find_recovery, recover
from aico.core.db.upkeep.replacement import finish_interrupted
from aico.core.db.upkeep.soundness import END, read_note, remove_note
from aico.core.db.upkeep.sqlite_files import COMPANIONS, connect, in_our_words
from aico.core.private_file import open_private, refuse_planted

_log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """A database that is ready for use."""

    recovery: Recovery | None
    """The last one that is still to be told."""
    checked_at: int
    """When every page was read last, epoch milliseconds."""


def prepare_database(path: Path, now_ms: Callable[[], int]) -> Prepared:
    """Leave a sound database of the newest schema at ``path``.

    Only a damaged file, or one that is no database, is set aside. A locked, read-only or full one is an error, and so
    is another program's database, or one of a newer version: they stay as they are. Raises StorageBusy, StorageError.
    Blocking: call it in a thread.
    """
    if path.parent.is_dir():
        finish_interrupted(path)
    for end in (*COMPANIONS, END):
        # SQLite would take it for the end of our own database, or write it back over that.
        refuse_planted(path.with_name(path.name + end))
    existed = path.exists()
    # Folder 0700 and file 0600 before SQLite would make them readable by others.
    os.close(open_private(path, create=True))
    now = now_ms()
    checked_at = read_note(path, now)
    inspection = inspect(path, was_sound=checked_at is not None)
    remove_note(path)
    checked_at = now if checked_at is None else checked_at
    backups = BackupFolder(path)
    lost = inspection.condition in {Condition.DAMAGED, Condition.GARBAGE}
    # No start of ours leaves a file without a byte where backups were made before.
    lost |= existed and inspection.condition is Condition.BLANK and backups.find_intact() is not None
    if lost:
        lately = recover(path, inspection.condition, now)
        _log.warning("%s", lately.describe())
        return Prepared(lately, now)
    if not existed and backups.list_all():
        _log.warning("the database was not there; a new one begins. `aico db restore` takes a backup back")
    _migrate(path, inspection, backups)
    recovery = find_recovery(path)
    if recovery is not None:
        _log.warning("%s Remove that file to end this warning.", recovery.describe())
    return Prepared(recovery, checked_at)


def _migrate(path: Path, inspection: Inspection, backups: BackupFolder) -> None:
    if inspection.condition is Condition.SOUND:
        if inspection.revision is not None and inspection.revision != list_revisions()[-1]:
            backups.make_before_migration(inspection.revision)
        if not inspection.has_wal:
            # A backup that somebody copied here by hand: without the log, reading and writing would block each other.
            with in_our_words(), closing(connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
    migrate(path)
