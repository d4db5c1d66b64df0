"""What ``stat`` can tell of a moment of a file, and of everything that a watcher looks at. No I/O."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable
from typing import NamedTuple


class FileIdentity(NamedTuple):
    """What ``stat`` can tell of a moment of the file; compared by inequality only."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Look(NamedTuple):
    """What a look at a store's metadata found; nothing was opened."""

    identity: Hashable
    """Differs when the store does; compared by inequality only."""
    written_ns: int
    """The last write, nanoseconds since 1970."""
    size_bytes: int


def text_of(identity: Hashable) -> str:
    """Return ``identity``, of integers, as it is stored; equal ones have equal texts."""
    return json.dumps(identity)


def identity_of(status: os.stat_result) -> FileIdentity:
    """Return the part of ``status`` that changes when the file does."""
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
