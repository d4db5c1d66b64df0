"""Events in directories, as the kernel tells them: every open, read, write, change of traits, creation."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_ALL = 0xFFF
_EVENT = struct.Struct("iIII")
_NAMES = {
    0x1: "access",
    0x2: "modify",
    0x4: "attrib",
    0x8: "close_write",
    0x10: "close",
    0x20: "open",
    0x40: "moved_from",
    0x80: "moved_to",
    0x100: "create",
    0x200: "delete",
    0x400: "delete_self",
    0x800: "move_self",
}
READING = {"open", "access", "close"}
"""The deeds that a reader may do."""


class Deed(NamedTuple):
    """One thing that was done to a file of a watched directory, or to the directory itself (without a name)."""

    kind: str
    name: str


class Witness:
    """Collects the deeds; the kernel keeps them until they are read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def deeds(self) -> set[Deed]:
        """Return what was done since the last call."""
        found: set[Deed] = set()
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return found
            found |= set(_parse(data))


def _parse(data: bytes) -> Iterator[Deed]:
    start = 0
    while start < len(data):
        _watch, mask, _cookie, length = _EVENT.unpack_from(data, start)
        start += _EVENT.size
        name = data[start : start + length].rstrip(b"\0").decode()
        start += length
        yield from (Deed(kind, name) for bit, kind in _NAMES.items() if mask & bit)


@contextmanager
def witnessing(*directories: Path) -> Iterator[Witness]:
    """Watch ``directories``, with any process that acts in them."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert descriptor >= 0
    try:
        for directory in directories:
            assert libc.inotify_add_watch(descriptor, os.fsencode(directory), _ALL) >= 0
        yield Witness(descriptor)
    finally:
        os.close(descriptor)
