"""The allowlisted session store, looked at from the service: metadata only. Opening it is the reading child's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aico.core.errors import (
    SessionsBusy,
    SessionsError,
    SessionsFormat,
    SessionsNotFound,
    SessionsPathRefused,
    SessionsTooLarge,
    SessionsUnreadable,
)
from aico.core.settings import SESSIONS_NAME, check_sessions_path
from aico.features.files.opening import WAL, DatabaseFiles, Refused
from aico.features.files.walk import open_directory
from aico.features.stores.identity import Look, identity_of


class SessionsGuard:
    """Says where the session store is and whether it is what it must be. All methods block for a few system calls."""

    title = "session store"
    names = (SESSIONS_NAME, SESSIONS_NAME + WAL)
    """Whose change is a change of the store."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self.path = check_sessions_path(path)
        self.max_bytes = max_bytes

    @property
    def directory(self) -> str:
        """The directory that holds the store."""
        return self.path.rpartition("/")[0] or "/"

    def look(self) -> Look:
        """Return what is there without opening it. Raises SessionsError."""
        with self.translated():
            directory = DatabaseFiles(self.path, self.max_bytes)
            try:
                database, log = directory.check(), directory.find(WAL)
            finally:
                directory.close()
        written = [status for status in (database, log) if status is not None]
        return Look(
            identity=tuple(map(identity_of, written)),
            written_ns=max(status.st_mtime_ns for status in written),
            size_bytes=sum(status.st_size for status in written),
        )

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the directory, or None when it cannot be reached without a link."""
        try:
            descriptor = open_directory(self.directory)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return status.st_dev, status.st_ino

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn a Refused of the block into the error that is told."""
        try:
            yield
        except Refused as refused:
            error = self.error_of(refused.code, refused.reason, refused.missing)
        else:
            return
        raise error

    def error_of(self, code: str, reason: str, missing: tuple[str, ...] = ()) -> SessionsError:
        """Return the error for what the opening module calls ``code``."""
        if code == "not_found":
            return SessionsNotFound(self.path)
        if code == "too_large":
            return SessionsTooLarge(self.max_bytes)
        if code == "busy":
            return SessionsBusy()
        if code == "format":
            return SessionsFormat(reason, missing)
        return (SessionsPathRefused if code == "path_refused" else SessionsUnreadable)(reason)
