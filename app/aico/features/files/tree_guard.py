"""The only place that opens folders and files below an allowlisted root: no link is entered, at no step."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aico.core.errors import SourceError, SourceErrors
from aico.core.plain_path import check_plain_path, printable_path
from aico.features.files.shape import Rests, Shape
from aico.features.files.walk import explain_link, find_directory_identity, find_link, open_directory

FILE_BYTES_MAX = 1 << 33
"""A longer file is no log: it is refused by its metadata."""
DEPTH_MAX = 32
"""Folders below a root; deeper ones are not entered."""
_O_PATH: int = getattr(os, "O_PATH", os.O_RDONLY)  # macOS has no O_PATH: there, walking needs read permission
_STEP = _O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: a terminal must not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_EFFECTIVE = os.access in os.supports_effective_ids
_LINK_ERRORS = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}
_MOMENT_MAX = (1 << 63) - 1
_YOUNG_NS = 100_000_000
"""A folder that changed less than this before it was listed may change once more within the same time stamp."""


class FileStat(NamedTuple):
    """The facts of ``stat`` on a moment of a file, without the device: its number changes when the system starts."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class FolderStat(NamedTuple):
    """Changes when an entry of the folder comes or goes; the time is 0 while it may be that of a later change."""

    device: int
    inode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of one folder, as far as it is the tool's."""

    status: FolderStat
    files: dict[str, FileStat] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Names of files that would be the tool's and may not be read, with the reason as the rest of a sentence."""


class Refusal(Exception):
    """A file below the root may not or cannot be read; ``reason`` is the rest of a sentence, in our words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Root(NamedTuple):
    """An open root."""

    descriptor: int
    """Files and folders below are opened relative to it; it cannot be read itself."""
    owner: int
    """All files must belong to the same user."""
    identity: tuple[int, int]
    """Its device and inode."""


class TreeGuard:
    """Opens a root by its exact path, and files below it by one name after the other, none of them a link.

    Each is opened relative to the descriptor of the one before, so that no swap of a folder between check and use can
    lead elsewhere; the descriptor that is read is the one that is checked. All methods block for a few system calls.
    """

    def __init__(self, path: str, shape: Shape, errors: SourceErrors, named: str = "") -> None:
        """Take ``path``. Raises ValueError unless it is absolute and plain; nothing is looked up.

        ``named`` is the path that is told when nothing is there, if that is not the root.
        """
        self.path = check_plain_path(path)
        self._named = named or path
        self._shape = shape
        self._errors = errors

    @contextmanager
    def open(self) -> Iterator[Root]:
        """Yield the root. Raises the origin's not_found, path_refused or unreadable."""
        descriptor, number = -1, 0
        try:
            descriptor = open_directory(self.path)
        except OSError as error:
            number = error.errno or 0
        if descriptor < 0:
            raise self._translate(number)
        try:
            # Asked instead of opened for reading: a watcher of the root would be told of that at each look.
            if not os.access(".", os.R_OK | os.X_OK, dir_fd=descriptor, effective_ids=_EFFECTIVE):
                raise self._translate(errno.EACCES)
            status = os.fstat(descriptor)
            yield Root(descriptor, status.st_uid, (status.st_dev, status.st_ino))
        finally:
            os.close(descriptor)

    def find_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the root; None when it cannot be reached without a link."""
        return find_directory_identity(self.path)

    def look_at_folder(self, root: Root, folder: str) -> FolderStat | None:
        """Return the metadata of ``folder``, a path below the root; None when it is not there or no folder."""
        try:
            status = os.stat(folder or ".", dir_fd=root.descriptor, follow_symlinks=False)
        except OSError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            return None
        return FolderStat(status.st_dev, status.st_ino, _in_bounds(status.st_mtime_ns))

    def look_at_file(self, root: Root, path: str) -> FileStat | None:
        """Return the metadata of the file at ``path`` below the root; None when there is none that may be read."""
        try:
            status = os.stat(path, dir_fd=root.descriptor, follow_symlinks=False)
        except OSError:
            return None
        return None if self._judge(root, status) else _stat_of(status)

    def list_folder(self, root: Root, folder: str, rests: Rests) -> Listing | None:
        """Return the tool's part of ``folder``; None when it is not there. Raises Refusal when it cannot be read."""
        try:
            descriptor = _open_below(root.descriptor, folder, _FOLDER)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = _reason_of(error)
        else:
            try:
                return self._list(root, descriptor, folder, rests)
            finally:
                os.close(descriptor)
        raise Refusal(reason)

    def list_files(self, root: Root, is_unwanted: Callable[[], bool]) -> Iterator[FileStat]:
        """Yield the metadata of every file that may be read, folder by folder, until ``is_unwanted``; keeps none."""
        waiting = [("", self._shape.root, 0)]
        while waiting and not is_unwanted():
            folder, rests, depth = waiting.pop()
            try:
                listing = self.list_folder(root, folder, rests)
            except Refusal:
                continue
            if listing is None:
                continue
            yield from listing.files.values()
            if depth < DEPTH_MAX:
                below = f"{folder}/" if folder else ""
                waiting += [(f"{below}{name}", self._shape.descend(rests, name), depth + 1) for name in listing.folders]

    @contextmanager
    def open_file(self, root: Root, path: str) -> Iterator[tuple[int, FileStat]]:
        """Yield a descriptor of the file at ``path``, with its metadata. Raises FileNotFoundError, Refusal."""
        reason = ""
        descriptor = -1
        try:
            descriptor = _open_below(root.descriptor, path, _FILE)
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = _reason_of(error)
        if reason:
            raise Refusal(reason)
        try:
            status = os.fstat(descriptor)
            refused = self._judge(root, status)
            if refused is not None:
                raise Refusal(refused)
            yield descriptor, _stat_of(status)
        finally:
            os.close(descriptor)

    def _list(self, root: Root, descriptor: int, folder: str, rests: Rests) -> Listing:
        status = os.fstat(descriptor)
        is_young = abs(time.time_ns() - status.st_mtime_ns) < _YOUNG_NS
        listing = Listing(FolderStat(status.st_dev, status.st_ino, 0 if is_young else _in_bounds(status.st_mtime_ns)))
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    self._take(root, folder, rests, entry, listing)
                except OSError:
                    continue  # gone since it was listed
        return listing

    def _take(self, root: Root, folder: str, rests: Rests, entry: os.DirEntry[str], listing: Listing) -> None:
        name = entry.name
        if entry.is_file(follow_symlinks=False):
            if self._shape.is_file(rests, name):
                self._take_file(root, entry, listing)
        elif entry.is_symlink():
            is_file = self._shape.is_file(rests, name)
            if is_file or self._shape.descend(rests, name):
                reason = self._describe_link(f"{folder}/{name}" if folder else name, is_file=is_file)
                if reason is not None:
                    listing.refused[name] = reason
        elif entry.is_dir(follow_symlinks=False):
            if self._shape.descend(rests, name):
                listing.folders.append(name)
        elif self._shape.is_file(rests, name):
            self._take_file(root, entry, listing)

    def _take_file(self, root: Root, entry: os.DirEntry[str], listing: Listing) -> None:
        status = entry.stat(follow_symlinks=False)
        reason = self._judge(root, status)
        if reason is None:
            listing.files[entry.name] = _stat_of(status)
        else:
            listing.refused[entry.name] = reason

    def _describe_link(self, path: str, *, is_file: bool) -> str | None:
        """Return why a link is not followed; None for one that leads to nothing of the tool's."""
        try:
            real = os.path.realpath(f"{self.path}/{path}")
        except OSError:  # the link is none any more
            return None
        if not is_file and not os.path.isdir(real):  # noqa: PTH112  # only to tell the user of it
            return None
        return f"is a link to {printable_path(real)}, and no link is followed; {self._setting()} can name the real path"

    def _setting(self) -> str:
        return f"[sources.{self._errors.name.source}] roots"

    def _judge(self, root: Root, status: os.stat_result) -> str | None:
        """Return why a file may not be read, or None."""
        if stat.S_ISLNK(status.st_mode):
            return "is a link"
        if not stat.S_ISREG(status.st_mode):
            return "is no regular file"
        if status.st_nlink > 1:
            return "has a second name (hard link)"
        if status.st_uid != root.owner:
            return "belongs to somebody else than its root folder"
        if status.st_size > FILE_BYTES_MAX:
            return f"has {status.st_size} bytes; the limit is {FILE_BYTES_MAX}"
        return None

    def _translate(self, number: int) -> SourceError:
        errors, of = self._errors, self._errors.name
        if number == errno.ENOENT:
            return errors.not_found(self._named, of=of)
        if number not in _LINK_ERRORS:
            return errors.unreadable(errno.errorcode.get(number, "unknown error"), of=of)
        if find_link(self.path) is None:
            return errors.path_refused(f"{self._named} is no folder", of=of)
        reason = explain_link(self.path, f"{self._named} leads through a link")
        return errors.path_refused(f"{reason}, which {self._setting()} can name", of=of)


def _open_below(descriptor: int, path: str, flags: int) -> int:
    """Open ``path``, relative to a folder, by one name after the other and through no link. Raises OSError."""
    folder, _, name = path.rpartition("/")
    current, is_ours = descriptor, False
    try:
        for part in filter(None, folder.split("/")):
            deeper = os.open(part, _STEP, dir_fd=current)
            if is_ours:
                os.close(current)
            current, is_ours = deeper, True
        return os.open(name or ".", flags, dir_fd=current)
    finally:
        if is_ours:
            os.close(current)


def _reason_of(error: OSError) -> str:
    if error.errno in _LINK_ERRORS:
        return "is a link or no folder, or lies in one"
    if error.errno == errno.ENXIO:
        return "is a socket or a device"
    return f"cannot be read ({errno.errorcode.get(error.errno or 0, 'unknown error')})"


def _stat_of(status: os.stat_result) -> FileStat:
    return FileStat(status.st_ino, status.st_size, _in_bounds(status.st_mtime_ns), _in_bounds(status.st_ctime_ns))


def _in_bounds(moment_ns: int) -> int:
    """Return a moment as it can be kept in eight bytes: some file systems know years after 2262."""
    return moment_ns if -_MOMENT_MAX < moment_ns < _MOMENT_MAX else _MOMENT_MAX
