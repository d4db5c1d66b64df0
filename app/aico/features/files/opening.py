"""The only place that opens a foreign database: plain files of one owner beside each other, no link anywhere.

Runs in the reading child and, for looks that open nothing, in the service. Standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aico.features.files.walk import explain_link, open_directory

WAL, SHM, JOURNAL = "-wal", "-shm", "-journal"
"""SQLite's files beside a database: the newest pages, an index of them that is not needed here, a rollback."""
ANY_SIZE = 1 << 62
_O_NOATIME: int = getattr(os, "O_NOATIME", 0)
# NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: a terminal must not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINK_ERRORS = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}


class Refused(Exception):
    """The database cannot be read; ``code`` is the end of the error code that is told, ``reason`` is in our words.

    ``missing`` names tables and columns that we know and that the database has not.
    """

    def __init__(self, code: str, reason: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(code, reason, missing)
        self.code = code
        self.reason = reason
        self.missing = missing


@contextmanager
def translated(path: str = "") -> Iterator[None]:
    """Turn an OSError of the block into a Refused; of names it holds those of a link on ``path`` alone."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
    else:
        return
    if number == errno.ENOENT:
        raise Refused("not_found", "")
    if number in _LINK_ERRORS:
        raise Refused("path_refused", explain_link(path, "a part of its path is a link or no directory"))
    if number == errno.ENXIO:
        raise Refused("path_refused", "it is a socket or a device")
    raise Refused("unreadable", errno.errorcode.get(number, "unknown error"))


class DatabaseFiles:
    """A database and the files beside it, named relative to their directory, which is held by a descriptor."""

    def __init__(self, path: str, max_bytes: int = ANY_SIZE) -> None:
        """Open the directory. Raises Refused."""
        folder, _, self.name = path.rpartition("/")
        self.max_bytes = max_bytes
        """A longer file is refused: for a reader that copies it."""
        self._path = path
        with translated(path):
            self._descriptor = open_directory(folder)
            self._owner = os.fstat(self._descriptor).st_uid

    def close(self) -> None:
        """Give the directory back."""
        os.close(self._descriptor)

    def find(self, suffix: str = "") -> os.stat_result | None:
        """Return the metadata of the database or of the file beside it; None when it is not there.

        Raises Refused unless it is a plain file with one name, of the owner of its directory.
        """
        with translated():
            try:
                status = os.stat(self.name + suffix, dir_fd=self._descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return None
        self._check(status)
        return status

    def check(self) -> os.stat_result:
        """Return the database's metadata; raise Refused when it or a file beside it breaks a rule."""
        database = self.find()
        if database is None:
            raise Refused("not_found", "")
        self.find(WAL)
        self.find(SHM)
        journal = self.find(JOURNAL)
        if journal is not None and journal.st_size > 0 and self._is_hot():
            # A rollback journal: the database may hold half a transaction, and only its writer may take that back.
            raise Refused("busy", "")
        return database

    def _is_hot(self) -> bool:
        """Return whether the journal may have to be played back.

        Its first byte is zero until it is on the disk, and only then is the database written to: a transaction may
        stay open for seconds before that, as browsers do. Source: ``hasHotJournal`` and ``writeJournalHdr`` in SQLite's
        ``pager.c``, which tells by the same byte.
        """
        with self.open(JOURNAL) as descriptor:
            return descriptor is not None and os.pread(descriptor, 1, 0) not in {b"", b"\0"}

    @contextmanager
    def open(self, suffix: str = "") -> Iterator[int | None]:
        """Yield a descriptor of the database or of the file beside it; None when it is not there. Raises Refused."""
        descriptor: int | None = None
        with translated(self._path + suffix), suppress(FileNotFoundError):
            descriptor = self._open(self.name + suffix)
        try:
            if descriptor is not None:
                self._check(os.fstat(descriptor))
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open(self, name: str) -> int:
        try:
            # The time of the last access stays as it is, where the file is ours to ask for that.
            return os.open(name, _FILE | _O_NOATIME, dir_fd=self._descriptor)
        except PermissionError:
            return os.open(name, _FILE, dir_fd=self._descriptor)

    def _check(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise Refused("path_refused", explain_link(self._path, "it is a link"))
        if not stat.S_ISREG(status.st_mode):
            raise Refused("path_refused", "it is no regular file")
        if status.st_nlink > 1:
            raise Refused("path_refused", "it has a second name (hard link)")
        if status.st_uid != self._owner:
            raise Refused("path_refused", "it belongs to somebody else than its folder")
        if status.st_size > self.max_bytes:
            raise Refused("too_large", str(status.st_size))
