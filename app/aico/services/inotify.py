"""Notifications of Linux through a descriptor that the event loop waits for: nothing wakes up while nothing happens.

Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence

ADDED, MODIFIED, DELETED = 1, 2, 3
"""The same numbers as in watchfiles."""
_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_ONLY_FOLDERS, _FOLLOW_NO_LINK = 0x0100_0000, 0x0200_0000
_COMES, _GOES = _MOVED_TO | _CREATE, _MOVED_FROM | _DELETE
_ENDS = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
_MASK = _MODIFY | _ATTRIB | _CLOSE_WRITE | _COMES | _GOES | _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS | _FOLLOW_NO_LINK
_HEAD = struct.Struct("iIII")
_READ_BYTES = 1 << 16
"""Some 1,500 events, of which the kernel keeps 16,384: to take in all of them at once would hold up the event loop."""
_UNWATCHABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}
_LIBC = ctypes.PyDLL(None, use_errno=True)
"""Keeps the interpreter's lock. To let go of it for each of 5,000 short calls is to wait for it as often."""


class FolderEvents:
    """Folders that are watched by one queue of the kernel, each by itself: not what is below them, and no link."""

    def __init__(self, folders: Sequence[str]) -> None:
        """Begin to watch. ``failed`` names those that cannot be watched. Raises OSError when no watches are left."""
        self.failed: dict[str, OSError] = {}
        self._folders: dict[int, list[str]] = {}
        """Several names of one folder share a watch."""
        self._descriptor = _check(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            for folder in folders:
                self._add(folder)
        except OSError:
            self.close()
            raise

    def _add(self, folder: str) -> None:
        try:
            number = _check(_LIBC.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK))
        except OSError as error:
            if error.errno not in _UNWATCHABLE:
                raise
            self.failed[folder] = error.with_traceback(None)
        else:
            self._folders.setdefault(number, []).append(folder)

    def fileno(self) -> int:
        """Return the descriptor, which is readable when there is something to be read."""
        return self._descriptor

    def read(self) -> set[tuple[int, str]]:
        """Return a part of what has happened since the last call, as watchfiles does; at the end, nothing.

        Raises OSError. When the kernel's queue was full, something is lost: then every folder is told of.
        """
        found: set[tuple[int, str]] = set()
        while not found:  # the end of a folder that is known to have ended is no news
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                break
            for number, mask, name in _parse(data):
                self._take(number, mask, name, found)
        return found

    def _take(self, number: int, mask: int, name: str, found: set[tuple[int, str]]) -> None:
        if mask & _OVERFLOW:
            found.update((MODIFIED, folder) for folders in self._folders.values() for folder in folders)
        elif mask & _ENDS:
            found.update((DELETED, folder) for folder in self._folders.pop(number, ()))
            if mask & _MOVE_SELF:
                # It would go on under the old name.
                _LIBC.inotify_rm_watch(self._descriptor, number)
        else:
            change = DELETED if mask & _GOES else ADDED if mask & _COMES else MODIFIED
            for folder in self._folders.get(number, ()):
                found.add((change, f"{folder.rstrip('/')}/{name}" if name else folder))

    def close(self) -> None:
        """Watch nothing any more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _parse(data: bytes) -> Iterator[tuple[int, int, str]]:
    start = 0
    while start < len(data):
        number, mask, _cookie, length = _HEAD.unpack_from(data, start)
        start += _HEAD.size + length
        yield number, mask, os.fsdecode(data[start - length : start].rstrip(b"\0"))


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
