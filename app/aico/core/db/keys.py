"""Keys of 16 bytes as SQLite takes them in numbers: two signed integers. JSON arrays carry no blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from struct import Struct

_KEY = Struct(">qq")
_unpack: Callable[[bytes], tuple[int, int]] = _KEY.unpack


def split_key(key: bytes) -> tuple[int, int]:
    """Return ``key``, 16 bytes, as two signed integers."""
    return _unpack(key)


def later_key(session: str, request: bytes | None) -> tuple[int, int]:
    """Return the key of a ``request``, or of usage in totals, that came to ``session`` after it was forgotten."""
    name = blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return split_key(name)[0], 0 if request is None else split_key(request)[1]


def growth_keys(sessions: Iterable[str], slots: Iterable[int], models: Sequence[str]) -> list[tuple[int, int]]:
    """Return the keys of what each of ``sessions`` grew by in its slot on its model: the digests of the three.

    A first import makes one for each session, and :func:`aico.core.usage.digest` takes twice as long.
    """
    ends = {model: _framed(model) for model in set(models)}
    empty, digests = blake2b(digest_size=16), []
    for session, slot, model in zip(sessions, slots, models, strict=True):
        start = f"{len(session)}:{session}".encode() if session.isascii() else _framed(session)
        hasher = empty.copy()
        hasher.update(b"%b%d:%d%b" % (start, len(str(slot)), slot, ends[model]))
        digests.append(hasher.digest())
    return list(_KEY.iter_unpack(b"".join(digests)))


def _framed(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)
