"""The note that a database was found sound and ended well, so that the next start need not read every page of it.

It lies beside the database and holds the metadata that the file had in the end. A start takes it away before anything
is written. So there is none after a kill or a loss of power, and none counts for a file that anybody has touched since.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from aico.core.db.upkeep.sqlite_files import COMPANIONS, sync
from aico.core.errors import StorageError
from aico.core.private_file import open_private

END = ".sound"
VALID_MS = 7 * 86_400_000
"""After so long every page is read again, whatever the note says: disks change bytes that nobody touches."""
_BYTES_MAX = 1_000


class _Note(msgspec.Struct, frozen=True):
    """The file, and when all of it was read last, epoch milliseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    checked_at: int


def read_note(path: Path, now_ms: int) -> int | None:
    """Return when all of the database at ``path`` was read last, as the note beside it says.

    None where there is no note, or it does not hold for the file any more. Raises StorageError for a note that somebody
    else may have put there. Blocking.
    """
    try:
        descriptor = open_private(path.with_name(path.name + END), create=False)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        said = file.read(_BYTES_MAX)
    try:
        note = msgspec.json.decode(said, type=_Note)
        is_same = note == _note_of(path, note.checked_at)
    except (msgspec.DecodeError, OSError):
        return None
    return note.checked_at if is_same and 0 <= now_ms - note.checked_at < VALID_MS else None


def remove_note(path: Path) -> None:
    """Take the note away for good, before the database at ``path`` is written to. Raises StorageError. Blocking."""
    place = path.with_name(path.name + END)
    try:
        place.unlink()
        sync(path.parent)  # else it might be there again after a loss of power
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{place} cannot be removed: {error.strerror}") from error


def leave_note(path: Path, checked_at: int) -> None:
    """Note that the database at ``path``, which is closed now and was sound at ``checked_at``, has ended well.

    Does nothing where somebody has it open or in doubt, or no note can be written: the next start reads all. Blocking.
    """
    place = path.with_name(path.name + END)
    with suppress(OSError, StorageError):
        note = _note_of(path, checked_at)
        # A start takes the note away: one that is there again was spoiled.
        if note is not None and not place.exists():
            with os.fdopen(open_private(place, create=True), "r+b") as file:
                file.write(msgspec.json.encode(note))


def spoil_note(path: Path) -> None:
    """Have the next start read every page of the database at ``path``: it was found damaged. Blocking.

    Also where a service runs, which would note at its end what it has not met. Of another user's database the note is
    only taken away: a start refuses a file of ours in its place. Where no file can be written, nothing is promised.
    """
    place = path.with_name(path.name + END)
    with suppress(OSError, StorageError):
        if path.stat().st_uid != os.geteuid():
            place.unlink()
            return
        with os.fdopen(open_private(place, create=True), "r+b") as file:
            file.truncate()


def _note_of(path: Path, checked_at: int) -> _Note | None:
    """Return the note for the file as it is; None where a part of it may lie in a log. Raises OSError."""
    if any(path.with_name(path.name + end).exists() for end in COMPANIONS):
        return None
    status = path.stat()
    return _Note(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, checked_at)
