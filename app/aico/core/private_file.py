"""Files of ours that nobody else may have had a hand in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from aico.core.errors import StorageError

_WEBHOOK = "webhook.json"
# NONBLOCK: a FIFO in the file's place must not make us wait for its other end.
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def webhook_path(database_path: Path) -> Path:
    """Return where ``aico webhook`` keeps its word, beside the database."""
    return database_path.with_name(_WEBHOOK)


def open_private(path: Path, *, create: bool) -> int:
    """Return a descriptor of ``path``: a plain file of our own with no other name, readable by us alone.

    With ``create`` file (0600) and folders (0700) are made where they are missing; otherwise FileNotFoundError is
    raised. Raises StorageError for anything that somebody else may have put there: a person who can write into the
    folder could otherwise have us write elsewhere, or believe a false file.
    """
    try:
        if create:
            _make_folders(path.parent)
        descriptor = os.open(path, _FLAGS | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        verb = "create" if create else "open"
        raise StorageError(f"cannot {verb} {path}: {error.strerror}") from error
    if not _is_own_file(os.fstat(descriptor)):
        os.close(descriptor)
        raise _planted(path)
    os.fchmod(descriptor, 0o600)
    return descriptor


def refuse_planted(path: Path) -> None:
    """Raise StorageError when ``path`` is there and :func:`open_private` would refuse it. Nothing is opened."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not _is_own_file(status):
        raise _planted(path)


def copy_own(source: Path, target: Path) -> None:
    """Copy ``source``, a plain file of our own; where there is none, do nothing.

    Raises StorageError for anything that somebody else may have put there, and OSError.
    """
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        if not _is_own_file(os.fstat(descriptor)):
            raise _planted(source)
        import shutil  # noqa: PLC0415  # with its archives, which a command at a prompt has no use for

        with target.open("xb") as copy:
            shutil.copyfileobj(file, copy)


def is_own_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder of our own, or our own link to one. Raises OSError where it cannot tell."""
    try:
        name, folder = path.lstat(), path.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(folder.st_mode) and {name.st_uid, folder.st_uid} == {os.geteuid()}


def _is_own_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink <= 1


def _planted(path: Path) -> StorageError:
    return StorageError(f"{path} is not a plain file of the user that runs this program, or has a second name")


def _make_folders(folder: Path) -> None:
    """Make what is missing of ``folder``, each for us alone: ``parents=True`` would apply the mode to the last only."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
