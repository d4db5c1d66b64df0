"""A second pair of eyes on a folder: every file in it that anybody opens or reads, as Linux tells. Linux only."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

# Source: inotify(7)
ACCESS, MODIFY, OPEN = 0x1, 0x2, 0x20
CREATE, DELETE, MOVED = 0x100, 0x200, 0xC0
OVERFLOW, IS_DIRECTORY = 0x4000, 0x40000000
_HEAD = struct.Struct("iIII")
_BUFFER_BYTES = 1 << 20


class Event(NamedTuple):
    """An event of one name."""

    path: Path
    mask: int

    @property
    def overflowed(self) -> bool:
        """True if events before this one were lost."""
        return bool(self.mask & OVERFLOW)


class Inotify:
    """Watches folders; the system keeps events until they are read."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {-1: Path()}

    def add(self, folder: Path, mask: int) -> None:
        """Watch what happens to ``folder`` and to the names in it."""
        number = self._library.inotify_add_watch(self.descriptor, os.fsencode(folder), ctypes.c_uint32(mask))
        if number < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        self._folders[number] = folder

    def read(self) -> Iterator[Event]:
        """Yield what happened since the last time, in order."""
        while True:
            try:
                data = os.read(self.descriptor, _BUFFER_BYTES)
            except BlockingIOError:
                return
            start = 0
            while start < len(data):
                number, mask, _cookie, length = _HEAD.unpack_from(data, start)
                start += _HEAD.size
                name = data[start : start + length].rstrip(b"\0")
                start += length
                yield Event(self._folders[number] / os.fsdecode(name), mask)


@contextmanager
def watching_folders(root: Path, mask: int) -> Iterator[Inotify]:
    """Watch ``root`` and every folder below it until the block ends."""
    inotify = Inotify()
    try:
        for folder in (root, *(path for path in sorted(root.rglob("*")) if path.is_dir())):
            inotify.add(folder, mask)
        yield inotify
    finally:
        os.close(inotify.descriptor)
