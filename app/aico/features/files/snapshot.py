"""All bytes of a file at one moment, with the fingerprint by which that moment is known again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from xxhash import xxh3_128_digest

from aico.features.files.guard import FileGuard
from aico.features.files.identity import FileIdentity, identity_of
from aico.features.files.memory import FileBytes, allocate, keep, wipe

YOUNG_MS = 100
"""A file written less than this before it was read may still be being written in place."""
AHEAD_MS = 10_000
"""A file written later than our look at the clock, by up to this, is young too: this process was held up meanwhile."""
_SEED = int.from_bytes(os.urandom(8))
"""Of the digests, which live no longer than this process: nobody can make two files of one digest beforehand."""


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
            spans = _digest_pieces(buffer, cut(buffer)) if cut else ()
            # Of a file in pieces it is that of the pieces: bytes around them make no difference.
            digest = digest_of(b"".join(span.digest for span in spans) if spans else buffer)
            fingerprint = Fingerprint(identity_of(before), digest)
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


def _digest_pieces(buffer: FileBytes, cuts: Sequence[int]) -> tuple[Span, ...]:
    with memoryview(buffer) as view:
        return tuple(Span(first, last, digest_of(view[first:last])) for first, last in pairwise(cuts))


def digest_of(data: FileBytes | memoryview | bytes) -> bytes:
    """Return what tells ``data`` from any other: 128 bits, quicker than they are read from memory."""
    return xxh3_128_digest(data, _SEED)


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
