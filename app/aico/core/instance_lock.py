"""The exclusive lock beside the database: one writer per database, whoever it is."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import NamedTuple, Self

from aico.core.errors import InstanceRunning
from aico.core.private_file import open_private

_PROBE_PATIENCE = 250
"""Attempts, a millisecond apart, while nobody but :meth:`InstanceLock.find_holder` is in the way."""


class LockHolder(NamedTuple):
    """What the holder of the lock wrote into it."""

    pid: int | None
    url: str | None


class InstanceLock:
    """An advisory lock of the operating system on ``<database>.lock``: it dies with its process, so it is never stale.

    The file's content (pid and URL of the holder) is information only; the lock itself is what counts.
    """

    def __init__(self, database_path: Path) -> None:
        self.path = database_path.with_name(database_path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self, url: str | None = None) -> Self:
        """Take the lock at once or raise InstanceRunning; raise StorageError where the file cannot be made."""
        descriptor = open_private(self.path, create=True)
        try:
            _lock(descriptor)
        except BlockingIOError:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            raise InstanceRunning(holder.pid, holder.url) from None
        self._descriptor = descriptor
        self.announce(url)
        return self

    def announce(self, url: str | None) -> None:
        """Write pid and URL for whoever finds the lock taken. The lock must be held."""
        if self._descriptor is None:
            raise RuntimeError("the lock is not held")
        content = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def find_holder(self) -> LockHolder | None:
        """Return who holds the lock, or None when it is free."""
        try:
            descriptor = open_private(self.path, create=False)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_holder(descriptor)
        finally:
            os.close(descriptor)
        return None


def _lock(descriptor: int) -> None:
    """Take the exclusive lock or raise BlockingIOError.

    Whoever asks for the holder holds a shared lock for an instant. Where a shared lock can be had, that is all that is
    in the way, and it is worth another attempt: a start must not fail because somebody looks.
    """
    for _ in range(_PROBE_PATIENCE):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.001)
    raise BlockingIOError


def _read_holder(descriptor: int) -> LockHolder:
    try:
        content: object = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except (ValueError, RecursionError):
        content = {}
    pid, url = (content.get("pid"), content.get("url")) if isinstance(content, dict) else (None, None)
    return LockHolder(pid if isinstance(pid, int) else None, url if isinstance(url, str) else None)
