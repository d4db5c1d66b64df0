"""Memory for the bytes of a foreign file while they are looked at."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from typing import TypeAlias

FileBytes: TypeAlias = "bytearray | mmap.mmap"
"""Both can be searched, altered in place and handed to readers of buffers; neither changes its length."""
OWN_PAGES_BYTES = 1 << 20
"""From here on a file gets pages of its own, which can be given back."""
_ZEROS = bytes(1 << 16)
_SPARE_BYTES_MIN = 1 << 16
_SPARES: list[bytearray] = []
"""The wiped memory of the file that was read last, if it was small: to make it anew costs as much as to fill it."""


def allocate(size: int) -> FileBytes:
    """Return ``size`` bytes of zeros. Raises MemoryError, and OSError when the system has no pages left."""
    if size < OWN_PAGES_BYTES or sys.platform != "linux":
        return _take_spare(size) or bytearray(size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without it
        pages.madvise(mmap.MADV_DONTDUMP)
    return pages


def give_back(buffer: FileBytes, first: int, end: int) -> int:
    """Give the whole pages of ``buffer[first:end]`` back to the system; return where the rest begins.

    Pages that were given back read as zeros, and ``first`` is 0 or the result of an earlier call. So a large file and
    its records never take up memory together: 32 MB less at the peak of a ledger of 87 MB.
    """
    end -= end % mmap.PAGESIZE
    if sys.platform != "linux" or not isinstance(buffer, mmap.mmap) or end <= first:
        return first
    buffer.madvise(mmap.MADV_DONTNEED, first, end - first)
    return end


def wipe(buffer: FileBytes) -> None:
    """Leave nothing but zeros in ``buffer``: its own pages are given back to the system, others overwritten."""
    if sys.platform == "linux" and isinstance(buffer, mmap.mmap):
        buffer.madvise(mmap.MADV_DONTNEED)
        return
    with memoryview(buffer) as view:
        for start in range(0, len(view), len(_ZEROS)):
            part = view[start : start + len(_ZEROS)]
            part[:] = _ZEROS[: len(part)]


def keep(buffer: FileBytes) -> None:
    """Keep the memory of a small file, which holds nothing but zeros, for the next one. Nobody uses it any more."""
    if isinstance(buffer, bytearray) and _SPARE_BYTES_MIN <= len(buffer) < OWN_PAGES_BYTES:
        try:
            buffer.append(0)  # which memory that anybody still looks at refuses
        except BufferError:
            return
        buffer.pop()
        _SPARES[:] = [buffer]


def _take_spare(size: int) -> bytearray | None:
    """Return the kept memory with ``size`` bytes; None if there is none, or it is far from that size."""
    try:
        spare = _SPARES.pop()
    except IndexError:
        return None
    length = len(spare)
    if not length * 3 // 4 <= size <= length + length // 8:
        return None
    if size < length:
        del spare[size:]
    else:
        spare.extend(bytes(size - length))
    return spare
