"""Digests of what may be text of somebody's files, none of which stays in memory."""

from __future__ import annotations

from typing import Final, Protocol

_ZEROS: Final = bytes(256)
"""Two blocks of the largest kind: as many as it takes to write over a block that is not full."""


class _Hasher(Protocol):
    def digest(self) -> bytes: ...

    def update(self, data: bytes, /) -> None: ...


def end_digest(hasher: _Hasher) -> bytes:
    """Return the digest of what ``hasher``, one of ``hashlib``, was told, and let it forget that.

    A hasher keeps a copy of the last bytes, up to a block of 64 or 128, and many a Python frees it as it is.
    """
    digest = hasher.digest()
    hasher.update(_ZEROS)
    return digest
