"""Keys of 16 bytes as SQLite takes them in numbers: two signed integers. JSON arrays carry no blobs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from struct import Struct

UNMEASURED_REQUEST = 3
"""A kind of forgotten keys only: says of a forgotten request, beside its own row, that nothing of it was measured."""

_unpack: Callable[[bytes], tuple[int, int]] = Struct(">qq").unpack


def split_key(key: bytes) -> tuple[int, int]:
    """Return ``key``, 16 bytes, as two signed integers."""
    return _unpack(key)


def growth_key(session: str, slot: int, model: str) -> tuple[int, int]:
    """Return the key of what ``session`` grew by in ``slot`` on ``model``: the digest of the three, in one line.

    A first import makes one for each session, and :func:`aico.core.usage.digest` takes twice as long.
    """
    name, place, of = session.encode("utf-8", "surrogatepass"), b"%d" % slot, model.encode("utf-8", "surrogatepass")
    framed = b"%d:%b%d:%b%d:%b" % (len(name), name, len(place), place, len(of), of)
    return split_key(blake2b(framed, digest_size=16).digest())
