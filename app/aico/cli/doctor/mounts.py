"""On which file system a path lies. Pure but for one reading of ``/proc``."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""Linux only; elsewhere nothing is known."""
_REMOTE = re.compile(r"nfs\d?|cifs|smb\w*|9p|drvfs|fuse(blk|\..*)?|afs|ceph|lustre|glusterfs|vboxsf|virtiofs|prl_fs")
"""File systems that another machine, a host around this one or a program may change without inotify hearing of it."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


def find_file_system(path: str) -> str | None:
    """Return the type of the file system that ``path`` lies on, or None where that cannot be known."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return file_system_of(os.path.realpath(path), mounts)


def file_system_of(path: str, mounts: str) -> str | None:
    """Return the type of the innermost, latest mount above ``path``. Source: proc(5), /proc/pid/mountinfo."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[4]).rstrip("/")
        is_above = path == point or path.startswith(f"{point}/")
        if is_above and (found is None or len(point) >= found[0]):
            found = (len(point), after.split(" ")[0])
    return found[1] if found else None


def is_remote(file_system: str | None) -> bool:
    """Return whether changes of such a file system may come from elsewhere."""
    return file_system is not None and _REMOTE.fullmatch(file_system) is not None
