"""The only place that opens the ledger: the exact allowlisted path, no link in any component, one descriptor."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from aico.core.errors import LedgerError, LedgerNotFound, LedgerPathRefused, LedgerTooLarge, LedgerUnreadable
from aico.core.settings import LEDGER_NAME, check_ledger_path
from aico.features.files.walk import open_directory
from aico.features.stores.identity import Look, identity_of

# NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: a terminal must not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINK_ERRORS = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}


class LedgerGuard:
    """Decides what may be opened, and opens it.

    The path is walked component by component, each relative to the descriptor of the one before and none through a
    link, so that no swap of a parent between check and use can lead elsewhere; what is checked is the descriptor
    that is read. All methods block for a few system calls.
    """

    title = "ledger"
    names = (LEDGER_NAME,)
    """Whose change in the directory may be a change of the ledger."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self.path = check_ledger_path(path)
        self._name = path.rpartition("/")[2]
        self._max_bytes = max_bytes

    @property
    def directory(self) -> str:
        """The directory that holds the ledger."""
        return self.path.rpartition("/")[0] or "/"

    def check_request(self, requested: str | None) -> None:
        """Raise LedgerPathRefused unless a request names no path or, letter for letter, the allowlisted one."""
        if requested is not None and requested != self.path:
            raise LedgerPathRefused("this is not the path of the ledger")

    @contextmanager
    def open(self) -> Iterator[int]:
        """Yield a descriptor of the ledger: a regular file with at most one name, at most ``max_bytes`` long.

        Raises LedgerNotFound, LedgerPathRefused, LedgerTooLarge or LedgerUnreadable; any other exception is a bug.
        A file without any name was replaced while it was opened: it is a whole ledger, only not the newest.
        """
        with self._directory() as directory, self.reading():
            descriptor = os.open(self._name, _FILE, dir_fd=directory)
        try:
            self.check(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def check(self, descriptor: int) -> os.stat_result:
        """Return the metadata of an open ledger that may have changed since; raises what :meth:`open` raises."""
        status = os.fstat(descriptor)
        self._check(status)
        return status

    def stat(self) -> os.stat_result:
        """Return the metadata of the ledger without opening it. Raises like :meth:`open`."""
        with self._directory() as directory:
            try:
                status = os.stat(self._name, dir_fd=directory, follow_symlinks=False)
            except OSError as error:
                reason = error
            else:
                self._check(status)
                return status
        raise self._translate(reason)

    def look(self) -> Look:
        """Return the same as a watcher wants it."""
        status = self.stat()
        return Look(identity_of(status), status.st_mtime_ns, status.st_size)

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the ledger's directory, or None when it cannot be reached without a link."""
        try:
            with self._directory() as directory:
                status = os.fstat(directory)
        except LedgerError:
            return None
        return status.st_dev, status.st_ino

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Translate the operating system's failures of the block."""
        try:
            yield
        except OSError as error:
            reason = error
        else:
            return
        raise self._translate(reason)

    @contextmanager
    def _directory(self) -> Iterator[int]:
        with self.reading():
            descriptor = open_directory(self.directory)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _translate(self, error: OSError) -> LedgerError:
        if error.errno == errno.ENOENT:
            return LedgerNotFound(self.path)
        if error.errno in _LINK_ERRORS:
            return LedgerPathRefused("a part of its path is a link or no directory")
        if error.errno == errno.ENXIO:
            return LedgerPathRefused("it is a socket or a device")
        return LedgerUnreadable(errno.errorcode.get(error.errno or 0, "unknown error"))

    def _check(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise LedgerPathRefused("it is a link")
        if not stat.S_ISREG(status.st_mode):
            raise LedgerPathRefused("it is no regular file")
        if status.st_nlink > 1:
            raise LedgerPathRefused("it has a second name (hard link)")
        if status.st_size > self._max_bytes:
            raise LedgerTooLarge(self._max_bytes, status.st_size)
