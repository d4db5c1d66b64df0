"""Keys of 16 bytes as SQLite takes them in numbers: two signed integers. JSON arrays carry no blobs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from struct import Struct

_unpack: Callable[[bytes], tuple[int, int]] = Struct(">qq").unpack


def split_key(key: bytes) -> tuple[int, int]:
    """Return ``key``, 16 bytes, as two signed integers."""
    return _unpack(key)


def later_key(session: str, request: bytes | None) -> tuple[int, int]:
    """Return the key of a ``request``, or of usage in totals, that came to ``session`` after it was forgotten."""
    name = blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return split_key(name)[0], 0 if request is None else split_key(request)[1]


def growth_key(session: str, slot: int, model: str) -> tuple[int, int]:
    """Return the key of what ``session`` grew by in ``slot`` on ``model``: the digest of the three, in one line.

    A first import makes one for each session, and :func:`aico.core.usage.digest` takes twice as long.
    """
    name, place, of = session.encode("utf-8", "surrogatepass"), b"%d" % slot, model.encode("utf-8", "surrogatepass")
    framed = b"%d:%b%d:%b%d:%b" % (len(name), name, len(place), place, len(of), of)
    return split_key(blake2b(framed, digest_size=16).digest())
