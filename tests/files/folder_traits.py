"""Every trait of the files below a folder: a reader that leaves a trace changes one of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple


class Traits(NamedTuple):
    """Everything of a file that a reader could leave a trace in."""

    inode: int
    size: int
    mode: int
    owner: int
    links: int
    mtime_ns: int
    ctime_ns: int
    atime_ns: int
    digest: str


def traits_of(folder: Path) -> dict[str, Traits]:
    """Return the traits of everything below ``folder``. Looking at the contents comes last: it may move the atime."""
    found: dict[str, Traits] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = Traits(
            status.st_ino,
            status.st_size,
            status.st_mode,
            status.st_uid,
            status.st_nlink,
            *(status.st_mtime_ns, status.st_ctime_ns, path.lstat().st_atime_ns),
            digest,
        )
    return found
