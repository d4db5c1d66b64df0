"""The facts of ``stat`` on a moment of a file. No I/O."""

from __future__ import annotations

import json
import os
from typing import NamedTuple


class FileIdentity(NamedTuple):
    """The facts of ``stat`` on a moment of a file; compared by inequality only."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def text(self) -> str:
        """JSON of it, as a checkpoint holds it."""
        return json.dumps(self)


def identity_of(status: os.stat_result) -> FileIdentity:
    """Return the part of ``status`` that changes when the file does."""
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def find_identity(text: str | None) -> FileIdentity | None:
    """Return the identity that ``text`` holds; None if it holds none."""
    try:
        values: object = json.loads(text or "null")
    except ValueError:
        return None
    if isinstance(values, list) and len(values) == len(FileIdentity._fields):
        numbers = [value for value in values if type(value) is int]
        if len(numbers) == len(values):
            return FileIdentity(*numbers)
    return None
