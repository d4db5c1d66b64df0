"""How the C library keeps memory: free memory shall go back to the system. Nothing happens with another library."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # Source: mallopt(3)
_LARGE_BYTES = 1 << 17
"""The GNU library begins with this, and takes the size of any larger block that is freed for the new one."""


def keep_little() -> None:
    """Let threads share one arena, and large blocks have pages of their own, however large earlier ones were.

    Without it a window for lines, once freed, is kept, and split up among small blocks: 8 MB more after 1 GB of logs.
    For a process that is ours; it changes all of it.
    """
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _LARGE_BYTES)):
        _call("mallopt", option, value)


def give_back() -> None:
    """Give back whole pages that nobody uses, also those between others. Blocks for some milliseconds."""
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*values)
