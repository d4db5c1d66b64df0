"""A ledger that a test writes, in the ways that Cline and accidents do."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from aico.features.demo.writer import replace_file

PRIVATE = "CANARY-private-prompt"
"""Stands in every entry where Cline keeps the prompt; nothing that leaves the service may hold it."""


def now_ms() -> int:
    """Return the present as the ledger counts it."""
    return time.time_ns() // 1_000_000


def entry(
    task_id: str,
    *,
    ts: int = 1_772_000_000_000,
    model: str | None = "moonshotai/kimi-k2.6",
    tokens_in: int = 1000,
    tokens_out: int = 100,
    cost: float = 0.5,
) -> dict[str, object]:
    """Return one entry as Cline writes it."""
    fields = {"id": task_id, "ts": ts, "task": PRIVATE, "tokensIn": tokens_in, "tokensOut": tokens_out}
    return {**fields, "totalCost": cost, **({"modelId": model} if model is not None else {})}


def ledger_bytes(*entries: object) -> bytes:
    """Return the bytes of a ledger of ``entries``."""
    return json.dumps(entries).encode()


class LedgerFile:
    """The file of one test. Every method blocks for a few system calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Path:
        """The directory that holds the file."""
        return self.path.parent

    @property
    def size_bytes(self) -> int:
        """The file's size."""
        return self.path.stat().st_size

    def write(self, *entries: object) -> None:
        """Make the file a ledger of ``entries`` by an atomic rename, as newer versions of Cline do."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, ledger_bytes(*entries))

    def overwrite(self, data: bytes) -> None:
        """Truncate the file and write ``data``, as older versions do."""
        self.path.write_bytes(data)

    def rewrite_unseen(self, *entries: object) -> None:
        """Write in place, and give the file the times it had before."""
        before = self.path.stat()
        self.path.write_bytes(ledger_bytes(*entries))
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def touch(self) -> None:
        """Give the file a new time and nothing else."""
        self.path.touch()

    def unlink(self) -> None:
        """Remove the file."""
        self.path.unlink()

    def link_to(self, target: Path) -> None:
        """Put a symbolic link in the file's place, by a rename."""
        link = self.path.with_name("link")
        link.symlink_to(target)
        link.replace(self.path)

    def remove_folder(self) -> None:
        """Remove the directory and what is in it."""
        shutil.rmtree(self.folder)

    def rename_folder(self, name: str) -> Path:
        """Rename the directory, and return its new path."""
        return self.folder.rename(self.folder.with_name(name))

    def link_folder_to(self, target: Path) -> None:
        """Make the directory's name a symbolic link."""
        self.folder.symlink_to(target)

    def unlink_folder(self) -> None:
        """Remove the symbolic link that stands for the directory."""
        self.folder.unlink()
