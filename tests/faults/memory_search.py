"""Searches the memory of another process for a few bytes, in every readable mapping. Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_PIECE_BYTES = 1 << 22
_OVERLAP_BYTES = 256
_CONTEXT_BYTES = 48
_NOT_MEMORY = ("[vvar", "[vsyscall]", "/dev/")


def encodings_of(text: str) -> tuple[bytes, ...]:
    """Return ``text`` as Python, databases and other libraries keep it."""
    return text.encode(), text.encode("utf-16-le"), text.encode("utf-32-le")


def search_memory(pid: int, *texts: str) -> list[list[str]]:
    """Return for each of ``texts``, none longer than 60 characters, a line for each place where it stands.

    Raises PermissionError where the process may not be looked into.
    """
    found: list[list[str]] = [[] for _ in texts]
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for start, end, name in _mappings(pid):
            for base, piece in _pieces(descriptor, start, end):
                for text, lines in zip(texts, found, strict=True):
                    lines += [f"{name or 'anonymous'} {line}" for line in _places(base, piece, encodings_of(text))]
    finally:
        os.close(descriptor)
    return found


def _mappings(pid: int) -> Iterator[tuple[int, int, str]]:
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        extent, permissions, _offset, _device, _inode, *name = line.split(maxsplit=5)
        start, _, end = extent.partition("-")
        place = name[0] if name else ""
        if permissions.startswith("r") and not place.startswith(_NOT_MEMORY):
            yield int(start, 16), int(end, 16), place


def _pieces(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes from ``start`` to ``end`` with their addresses; what was unmapped meanwhile is left out."""
    while start < end:
        try:
            piece = os.pread(descriptor, min(_PIECE_BYTES, end - start), start)
        except OSError:
            return
        if not piece:
            return
        yield start, piece
        start += (
            len(piece) if len(piece) <= _OVERLAP_BYTES or start + len(piece) >= end else len(piece) - _OVERLAP_BYTES
        )


def _places(base: int, piece: bytes, needles: Sequence[bytes]) -> Iterator[str]:
    for needle in needles:
        at = piece.find(needle)
        while at >= 0:
            around = piece[max(0, at - _CONTEXT_BYTES) : at + len(needle) + _CONTEXT_BYTES]
            yield f"{base + at:#x} {around!r}"
            at = piece.find(needle, at + 256)
