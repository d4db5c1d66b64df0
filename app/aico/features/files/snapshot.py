"""All bytes of a file at one moment, with the fingerprint by which that moment is known again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

from aico.features.files.guard import FileGuard
from aico.features.files.identity import FileIdentity, identity_of
from aico.features.files.memory import FileBytes, allocate, keep, wipe

YOUNG_MS = 100
"""A file written less than this before it was read may still be being written in place."""
AHEAD_MS = 10_000
"""A file written later than our look at the clock, by up to this, is young too: this process was held up meanwhile."""
_HASHERS = min(4, os.cpu_count() or 1)
_PIECES_WORTH_A_THREAD = 8
"""Hashing them takes a millisecond, starting a thread a tenth of one."""


class Span(NamedTuple):
    """The place of a piece in its file, and its digest."""

    first: int
    last: int
    """The first byte of the next piece, or behind the last one."""
    digest: bytes


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity from before the first byte was read, and the digest of all bytes that were read."""

    identity: FileIdentity
    digest: bytes


@dataclass(slots=True)
class Snapshot:
    """The bytes of a file. They may hold conversations: :meth:`wipe` removes them as soon as they are parsed."""

    buffer: FileBytes
    spans: tuple[Span, ...]
    """The pieces of ``buffer``; none if it is not cut."""
    fingerprint: Fingerprint
    stable: bool
    """False when the file changed while it was read, so that the bytes may be of two moments."""
    young: bool
    """True when the file was written so recently that a second reading is due."""

    def wipe(self) -> None:
        """Leave nothing but zeros in the buffer, and let the next file have it."""
        wipe(self.buffer)
        keep(self.buffer)


def read_snapshot(guard: FileGuard, now_ms: int, cut: Callable[[FileBytes], Sequence[int]] | None = None) -> Snapshot:
    """Read the whole file through ``guard`` into one buffer of exactly its size, and cut it into pieces. Blocking.

    Raises what the guard raises; an I/O error while reading is the origin's unreadable. That metadata is the same
    before and after does not prove a whole reading; parsing to the end does. So ``stable`` only says that it is
    worth parsing.
    """
    with guard.open() as descriptor, guard.reading():
        # Checked again: a file that grew after the guard's look would make a buffer without bound.
        before = guard.check(descriptor)
        buffer = allocate(before.st_size)
        is_whole = False
        try:
            ended_there = _fill(descriptor, buffer) == len(buffer) and not os.read(descriptor, 1)
            after = os.fstat(descriptor)
            cuts = cut(buffer) if cut else ()
            spans = _spans_of(cuts, _digests(buffer, cuts))
            fingerprint = Fingerprint(identity_of(before), _digest(buffer, spans))
            is_whole = True
        finally:
            if not is_whole:
                wipe(buffer)
    # ctime is left out: a rename over the file changes the ctime of the one we hold.
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return Snapshot(
        buffer=buffer,
        spans=spans,
        fingerprint=fingerprint,
        stable=same and ended_there,
        young=-AHEAD_MS < now_ms - before.st_mtime_ns // 1_000_000 < YOUNG_MS,
    )


def _spans_of(cuts: Sequence[int], digests: Sequence[bytes]) -> tuple[Span, ...]:
    return tuple(Span(first, last, digest) for (first, last), digest in zip(pairwise(cuts), digests, strict=True))


def _digest(buffer: FileBytes, spans: Sequence[Span]) -> bytes:
    """Return the digest of all bytes, or of all pieces: bytes around them make no difference."""
    return hashlib.sha256(b"".join(span.digest for span in spans) if spans else buffer).digest()


def _digests(buffer: FileBytes, cuts: Sequence[int]) -> list[bytes]:
    """Return the digest of every piece; those of a large file on several cores, because hashing is half of a look."""
    with memoryview(buffer) as view:

        def digests(part: Sequence[tuple[int, int]]) -> list[bytes]:
            return [hashlib.sha256(view[first:last]).digest() for first, last in part]

        ends = list(pairwise(cuts))
        share = -(-len(ends) // _HASHERS)
        if share < _PIECES_WORTH_A_THREAD:
            return digests(ends)
        with ThreadPoolExecutor(_HASHERS, "digest") as pool:
            parts = pool.map(digests, [ends[start : start + share] for start in range(0, len(ends), share)])
            return list(chain.from_iterable(parts))


def _fill(descriptor: int, buffer: FileBytes) -> int:
    """Read into ``buffer`` until it is full or the file ends; return the number of bytes."""
    view = memoryview(buffer)
    length = 0
    while length < len(view):
        count = os.readv(descriptor, [view[length:]])
        if count == 0:
            break
        length += count
    return length
