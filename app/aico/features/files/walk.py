"""Reaching a directory by its exact path, no component of which is a link. Standard library only."""

from __future__ import annotations

import os

_O_PATH: int = getattr(os, "O_PATH", os.O_RDONLY)  # macOS has no O_PATH: there, walking needs read permission
_DIRECTORY = _O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_directory(path: str) -> int:
    """Return a descriptor of the directory at ``path``, absolute and without ``.``, ``..`` and ``//``.

    Each component is opened relative to the descriptor of the one before and none through a link, so that no swap of
    a parent between check and use can lead elsewhere. Raises OSError; with ELOOP, EMLINK or ENOTDIR a component is a
    link or no directory. Any other exception is a bug.
    """
    current = os.open("/", _DIRECTORY)
    try:
        for name in filter(None, path.split("/")):
            deeper = os.open(name, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = deeper
    except BaseException:
        os.close(current)
        raise
    return current


def find_directory_identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of the directory at ``path``, or None when it cannot be reached without a link."""
    try:
        descriptor = open_directory(path)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return status.st_dev, status.st_ino
