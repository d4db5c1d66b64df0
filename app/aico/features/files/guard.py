"""The place where a whole foreign file is opened: by its exact path, no link in any component, one descriptor."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from aico.core.errors import SourceError, SourceErrors
from aico.core.plain_path import check_plain_path
from aico.features.files.feed import Look
from aico.features.files.identity import identity_of
from aico.features.files.walk import explain_link, open_directory

# NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: a terminal must not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINK_ERRORS = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}


class FileGuard:
    """Decides whether the file at one allowlisted path may be opened, and opens it.

    The path is walked component by component, each relative to the descriptor of the one before and none through a
    link, so that no swap of a parent between check and use can lead elsewhere; what is checked is the descriptor
    that is read. All methods block for a few system calls.
    """

    def __init__(self, path: str, names: Collection[str], max_bytes: int, errors: SourceErrors) -> None:
        """Take ``path``, whose file has one of ``names``. Raises ValueError for any other; nothing is looked up."""
        self.path = check_plain_path(path, names)
        self.directory, _, self.name = path.rpartition("/")
        self.directory = self.directory or "/"
        self._max_bytes = max_bytes
        self._errors = errors

    @contextmanager
    def open(self) -> Iterator[int]:
        """Yield a descriptor of the file: a regular one with at most one name, at most ``max_bytes`` long.

        Raises the origin's not_found, path_refused, too_large or unreadable; any other exception is a bug.
        A file without any name was replaced while it was opened: it is a whole one, only not the newest.
        """
        with self._directory() as directory, self.reading():
            descriptor = os.open(self.name, _FILE, dir_fd=directory)
        try:
            self.check(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def check(self, descriptor: int) -> os.stat_result:
        """Return the metadata of an open file that may have changed since; raises what :meth:`open` raises."""
        status = os.fstat(descriptor)
        self._check(status)
        return status

    def stat(self) -> os.stat_result:
        """Return the metadata of the file without opening it. Raises like :meth:`open`."""
        with self._directory() as directory:
            return self._stat(directory)

    def look(self) -> Look:
        """Return the same as a watcher wants it."""
        with self._directory() as directory:
            status, around = self._stat(directory), os.fstat(directory)
        return Look(identity_of(status), status.st_mtime_ns, status.st_size, directory=(around.st_dev, around.st_ino))

    def _stat(self, directory: int) -> os.stat_result:
        with self.reading():
            status = os.stat(self.name, dir_fd=directory, follow_symlinks=False)
        self._check(status)
        return status

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the file's directory, or None when it cannot be reached without a link."""
        try:
            with self._directory() as directory:
                status = os.fstat(directory)
        except SourceError:
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

    def _translate(self, error: OSError) -> SourceError:
        if error.errno == errno.ENOENT:
            return self._errors.not_found(self.path, of=self._errors.name)
        if error.errno in _LINK_ERRORS:
            return self._refusal(explain_link(self.path, "a part of its path is a link or no directory"))
        if error.errno == errno.ENXIO:
            return self._refusal("it is a socket or a device")
        return self._errors.unreadable(errno.errorcode.get(error.errno or 0, "unknown error"), of=self._errors.name)

    def _refusal(self, reason: str) -> SourceError:
        return self._errors.path_refused(reason, of=self._errors.name)

    def _check(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise self._refusal(explain_link(self.path, "it is a link"))
        if not stat.S_ISREG(status.st_mode):
            raise self._refusal("it is no regular file")
        if status.st_nlink > 1:
            raise self._refusal("it has a second name (hard link)")
        if status.st_size > self._max_bytes:
            raise self._errors.too_large(self._max_bytes, status.st_size, of=self._errors.name)
