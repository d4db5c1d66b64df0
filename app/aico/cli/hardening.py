"""Closes the service's process to others: private files, no core dump, nothing to attach to."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys

_DESCRIPTORS = 65_536
"""File descriptors that are asked for; idle connections must not take those that the tools' files need."""
_PR_SET_DUMPABLE = 4  # Source: prctl(2)


def prepare_process() -> None:
    """Let nobody else read the files of this process, and give it all the descriptors that it may have."""
    os.umask(0o077)
    forbid_dumps()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    with contextlib.suppress(ValueError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, _soft), hard))


def forbid_dumps() -> None:
    """Let nobody else read the memory of this process: a dump would hold the tools' files that are being read."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _forbid_dumps()


def _forbid_dumps() -> None:
    """Forbid dumps that no limit forbids, those to a collecting program, and other programs to attach. Linux only."""
    if sys.platform == "linux":
        # If the call is barred, the limit above must do.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
