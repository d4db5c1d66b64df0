"""The ways in which Cline's versions put bytes into the ledger.

Source: cline/cline, ``src/core/storage/disk.ts`` of 3.28 to 3.89; Node's ``fs.promises.writeFile`` writes in pieces.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from random import Random

from aico.features.demo.writer import replace_file, temporary_path

NODE_PIECE_BYTES = 512 * 1024
"""How much Node's ``writeFile`` hands to the system at once."""
_LEAST_PIECES = 4
_LONGEST_PAUSE_S = 0.002


class Way(StrEnum):
    """How one update reaches the disk."""

    RENAME = "rename"
    """A temporary file, then a rename: 3.40 and later."""
    TRUNCATE = "truncate"
    """The file is emptied and written in one go: 3.28 to 3.39."""
    PIECES = "pieces"
    """The same in several pieces with tiny pauses, as Node writes larger files."""
    PRETTY = "pretty"
    """Emptied and written pretty-printed, as current builds do after a deletion."""
    IN_PLACE = "inplace"
    """Written over the old bytes in pieces and cut at the end: no Cline known does it, some editors and syncs do."""
    CRASH = "crash"
    """A crash leaves half a temporary file behind; the next save is a rename."""
    BACKUP = "backup"
    """A full copy beside the ledger, then a rename."""


ALL_WAYS = tuple(Way)


def write_ledger(way: Way, path: Path, data: bytes, rng: Random) -> None:
    """Write ``data``, already in the form that ``way`` wants, so that it is complete on return."""
    if way is Way.CRASH:
        temporary_path(path).write_bytes(data[: len(data) // 2])
    elif way is Way.BACKUP:
        path.with_name(f"taskHistory.backup.{time.time_ns() // 1_000_000}.json").write_bytes(data)
    if way in {Way.TRUNCATE, Way.PRETTY}:
        path.write_bytes(data)
    elif way is Way.PIECES:
        _write_in_pieces(path, data, rng, flags=os.O_TRUNC)
    elif way is Way.IN_PLACE:
        _write_in_pieces(path, data, rng, flags=0)
    else:
        replace_file(path, data)


def _write_in_pieces(path: Path, data: bytes, rng: Random, *, flags: int) -> None:
    """Write piece after piece with pauses, then cut what is left of longer old bytes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | flags, 0o600)
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        for piece in _pieces(data):
            file.write(piece)
            time.sleep(rng.random() * _LONGEST_PAUSE_S)
        file.truncate(len(data))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut like Node, and small files too, since it is the half-written file that must be seen."""
    size = max(1, min(NODE_PIECE_BYTES, len(data) // _LEAST_PIECES))
    return (data[start : start + size] for start in range(0, len(data), size))
