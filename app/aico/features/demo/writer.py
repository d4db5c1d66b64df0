"""Writes the made-up ledger as Cline writes its own: a temporary file in the same directory, then a rename.

Other tools append to their logs.

Source: cline/cline from 3.40 on, ``atomicWriteFile`` in ``src/core/storage/disk.ts``: no fsync and no lock.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


async def write_by_rename(path: Path, data: bytes) -> None:
    """Replace the file at ``path`` by ``data`` in one step, without blocking the event loop.

    A reader sees the old bytes or the new ones, never a mixture. The directory exists. ``OSError`` is passed on, and
    the temporary file is then gone. Any other exception is a bug.
    """
    await asyncio.to_thread(replace_file, path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Do what ``write_by_rename`` does, in the calling thread."""
    temporary = temporary_path(path)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def append_lines(home: Path, appended: Mapping[str, bytes | bytearray]) -> None:
    """Append whole lines to the files below ``home`` that ``appended`` names. ``OSError`` is passed on."""
    for path, data in appended.items():
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab", buffering=0) as log:
            log.write(data)


def temporary_path(path: Path) -> Path:
    """Return a fresh name like Cline's, ``taskHistory.json.tmp.<ms>.<base36>.json``, beside ``path``."""
    noise = "".join(secrets.choice(_BASE36) for _ in range(7))
    return path.with_name(f"{path.name}.tmp.{time.time_ns() // 1_000_000}.{noise}.json")
