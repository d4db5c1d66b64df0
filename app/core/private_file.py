"""Files of ours that nobody else may have had a hand in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app.core.errors import StorageError

# NONBLOCK: a FIFO in the file's place must not make us wait for its other end.
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_private(path: Path, *, create: bool) -> int:
    """Return a descriptor of ``path``: a plain file of our own with no other name, readable by us alone.

    With ``create`` file (0600) and folders (0700) are made where they are missing; otherwise FileNotFoundError is
    raised. Raises StorageError for anything that somebody else may have put there: who writes into the folder could
    otherwise have us write elsewhere, or believe what he says.
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
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink > 1:
        os.close(descriptor)
        raise StorageError(f"{path} is not a plain file of the user that runs this program, or has a second name")
    os.fchmod(descriptor, 0o600)
    return descriptor


def _make_folders(folder: Path) -> None:
    """Make what is missing of ``folder``, each for us alone: ``parents=True`` would apply the mode to the last only."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
