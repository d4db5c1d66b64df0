"""The exclusive lock beside the database: one writer per database."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from aico.core.errors import InstanceRunning
from aico.core.private_file import open_private

_PROBE_PATIENCE = 250
"""Attempts, a millisecond apart, while nobody but :meth:`InstanceLock.find_holder` is in the way."""
_ENDED_AT = "ended_at"
_MOMENTS = range(253_370_764_800_000)
"""Up to the year 9999, beyond which there are no dates."""


class LockHolder(NamedTuple):
    """The content of the lock file, as the holder wrote it."""

    pid: int | None
    url: str | None


class InstanceLock:
    """An advisory lock of the operating system on ``<database>.lock``: it dies with its process, so it is never stale.

    The file's content (pid and URL of the holder) is information only; the lock itself is what counts.
    """

    def __init__(self, database_path: Path) -> None:
        self.path = database_path.with_name(database_path.name + ".lock")
        self._descriptor: int | None = None
        self._is_watching = False
        self._ended_at_ms: int | None = None

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
        self._ended_at_ms = _read_end(descriptor)
        self.announce(url)
        return self

    def announce(self, url: str | None) -> None:
        """Write pid and URL for a process that finds the lock taken. The lock must be held."""
        if self._descriptor is None:
            raise RuntimeError("the lock is not held")
        self._is_watching = self._is_watching or url is not None
        _write(self._descriptor, {"pid": os.getpid(), "url": url, _ENDED_AT: self._ended_at_ms})

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name.

        In it stands when the last service ended, as far as one has.
        """
        if self._descriptor is not None:
            ended_at = time.time_ns() // 1_000_000 if self._is_watching else self._ended_at_ms
            with suppress(OSError):  # a full disk; an end does not fail for that
                _write(self._descriptor, {} if ended_at is None else {_ENDED_AT: ended_at})
            os.close(self._descriptor)
            self._descriptor, self._is_watching = None, False

    def find_end(self) -> int | None:
        """Return when the last service ended, epoch milliseconds; None if it is not known."""
        try:
            descriptor = open_private(self.path, create=False)
        except FileNotFoundError:
            return None
        try:
            return _read_end(descriptor)
        finally:
            os.close(descriptor)

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

    A process that asks for the holder holds a shared lock for an instant. If a shared lock can be had, nothing else is
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


def _write(descriptor: int, content: Mapping[str, object]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(content).encode() if content else b"", 0)


def _read_holder(descriptor: int) -> LockHolder:
    content = _read(descriptor)
    pid, url = content.get("pid"), content.get("url")
    return LockHolder(pid if isinstance(pid, int) else None, url if isinstance(url, str) else None)


def _read_end(descriptor: int) -> int | None:
    ended_at = _read(descriptor).get(_ENDED_AT)
    return ended_at if isinstance(ended_at, int) and ended_at in _MOMENTS else None


def _read(descriptor: int) -> Mapping[str, object]:
    """Return what stands in the file; nothing where it is none of ours."""
    try:
        content: object = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
