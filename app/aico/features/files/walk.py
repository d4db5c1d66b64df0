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


def find_link(path: str) -> tuple[str, str] | None:
    """Return the first part of ``path`` that is a link, with where it leads; None where no part is one."""
    parts = path.split("/")
    for end in range(2, len(parts) + 1):
        part = "/".join(parts[:end])
        try:
            return part, os.readlink(part)  # noqa: PTH115  # as text
        except OSError:
            continue
    return None


def explain_link(path: str, otherwise: str) -> str:
    """Return why ``path`` is refused: its link and its real path by name, or ``otherwise`` where it has none (now)."""
    link = find_link(path)
    if link is None:
        return otherwise
    try:
        real = os.path.realpath(path, strict=False)
    except OSError:  # links that lead to each other
        return otherwise
    part, target, real = (os.fsencode(text).decode("utf-8", "backslashreplace") for text in (*link, real))
    return f"{part} is a link to {target}, and no link is followed; the real path is {real}"


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
