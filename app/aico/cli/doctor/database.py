"""The database, its folder and the room that it has."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from aico.cli.box import describe_size
from aico.cli.doctor.finding import Finding, advise, fail, ok, warn
from aico.cli.doctor.mounts import find_file_system, is_remote
from aico.core.db.revisions import list_revisions
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.db.upkeep.recovery import find_recovery
from aico.core.db.upkeep.soundness import spoil_note
from aico.core.errors import StorageError
from aico.core.settings import Settings

_FREE_SCARCE_BYTES = 200 * 1024 * 1024
_FREE_NONE_BYTES = 10 * 1024 * 1024


def examine_database(settings: Settings) -> Iterator[Finding]:
    """Look at the file, its permissions and its content, and at the disk."""
    path = settings.database_path
    try:
        status = path.stat()
    except FileNotFoundError:
        yield ok("database", f"{path} will be made at the first start")
        yield from _disk(path.parent)
        return
    except OSError as error:
        yield fail("database", f"{path} cannot be looked at: {error.strerror}. See the permissions of its folders")
        return
    yield from _privacy(path, status)
    yield from _content(path)
    yield from _losses(path)
    yield from _disk(path.parent)


def _losses(path: Path) -> Iterator[Finding]:
    """Tell losses that nobody has dealt with yet, and the backups against the next one."""
    recovery = find_recovery(path)
    if recovery is not None:
        yield warn("recovery", f"{recovery.describe()} Remove that file when nothing of it is needed any more")
    try:
        daily = BackupFolder(path).list_daily()
    except StorageError as error:
        yield warn("backups", advise(error))
        return
    if daily:
        yield ok("backups", f"{len(daily)}, the newest {daily[0]}")


def _privacy(path: Path, status: os.stat_result) -> Iterator[Finding]:
    mode, folder_mode = stat.S_IMODE(status.st_mode), stat.S_IMODE(path.parent.stat().st_mode)
    if status.st_uid != os.geteuid():
        yield fail("privacy", f"{path} belongs to another user: run as that user, or set AICO_DATABASE_PATH")
    elif mode & 0o077:
        yield warn("privacy", f"{path} has mode {mode:04o}; the service sets it to 0600 at its start")
    elif folder_mode & 0o077:
        text = f"the folder of {path} has mode {folder_mode:04o}: others can see it"
        yield warn("privacy", f"{text}. chmod 700 {shlex.quote(str(path.parent))}")
    else:
        yield ok("privacy", "database 0600, its folder 0700")


def _content(path: Path) -> Iterator[Finding]:
    """Tell the finding of the next start there, in its own words."""
    try:
        found = inspect(path)
    except StorageError as error:
        yield fail("database", f"{path}: {advise(error)}")
        return
    except OSError as error:
        yield fail("database", f"{path} cannot be read: {error.strerror}. See its permissions")
        return
    if found.condition in {Condition.DAMAGED, Condition.GARBAGE}:
        if found.condition is Condition.DAMAGED:
            spoil_note(path)  # else a start after a good end might not look for what was found here
        what = "is damaged" if found.condition is Condition.DAMAGED else "is not a database"
        yield fail(
            "database", f"{path} {what}. Restart the service: it sets the file aside and takes the newest backup"
        )
        return
    yield ok("database", f"{path}, {describe_size(path.stat().st_size)}, is intact")
    yield _schema(found.revision)


def _schema(revision: str | None) -> Finding:
    newest = list_revisions()[-1]
    if revision is None:
        return ok("schema", "empty; the service makes it at its start")
    if revision != newest:
        return ok("schema", f"{revision}; the service brings it to {newest} at its start")
    return ok("schema", f"{revision}, the newest")


def _disk(folder: Path) -> Iterator[Finding]:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{describe_size(free)} free in {folder}"
    if free < _FREE_NONE_BYTES:
        yield fail("disk", f"only {text}: nothing can be stored. Make room")
    elif free < _FREE_SCARCE_BYTES:
        yield warn("disk", f"only {text}: make room before it is full")
    else:
        yield ok("disk", text)
    file_system = find_file_system(str(folder))
    if is_remote(file_system):
        text = f"the database would lie on {file_system}, which SQLite cannot lock safely"
        yield warn("database disk", f"{text}. Set AICO_DATABASE_PATH to a file on a disk of this machine")
    elif file_system is not None:
        yield ok("database disk", f"the database lies on {file_system}")
