"""How the C library keeps memory of the service's process, which is ours: what is let go shall go back."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # Source: mallopt(3)
_LARGE_BYTES = 1 << 17
"""The GNU library begins with this, and takes the size of any larger block that is freed for the new one."""


def keep_little() -> None:
    """Let threads share one arena, and large blocks have pages of their own, however large earlier ones were.

    Without it a window for lines, once freed, is kept, and split up among small blocks: 8 MB more after 1 GB of logs.
    Nothing happens where the C library is another one.
    """
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 1)
        set_option(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        set_option(_M_TRIM_THRESHOLD, _LARGE_BYTES)
