"""Digests of texts are what they always were, and the texts stay nowhere. Linux only: all memory is searched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aico.core.digests import end_digest

_TURNED = bytes(255 - byte for byte in range(256))


def _is_in_memory(turned: bytes) -> bool:
    """Return whether the bytes of which ``turned`` is the opposite, bit by bit, stand anywhere in this process."""
    with Path("/proc/self/maps").open(encoding="utf-8", errors="replace") as maps:
        extents = [line.split()[:2] for line in maps if not line.rstrip().endswith(("[vvar]", "[vsyscall]", "]lock"))]
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for extent, permissions in extents:
            if not permissions.startswith("rw"):
                continue
            begin, _, end = extent.partition("-")
            memory.seek(int(begin, 16))
            while memory.tell() < int(end, 16):
                piece = memory.read(min(1 << 22, int(end, 16) - memory.tell()))
                if turned in piece.translate(_TURNED):
                    return True
    return False


def _fill(size: int) -> tuple[bytearray, bytes]:
    """Return a text that nobody knows, and the opposite of its last bytes."""
    text = bytearray(size)
    with Path("/dev/urandom").open("rb", buffering=0) as random:
        random.readinto(text)
    return text, bytes(255 - byte for byte in memoryview(text)[-16:])


@pytest.mark.parametrize("size", [16, 63, 64, 65, 127, 128, 129, 250, 256, 1000, 1024])
@pytest.mark.parametrize("name", ["blake2b", "sha256"])
def test_ended_hasher_holds_no_text(name: str, size: int) -> None:
    """It goes on to live; one that was not ended would hold the last bytes."""
    text, turned = _fill(size)
    hasher = hashlib.new(name, text)
    digest = end_digest(hasher)
    text[:] = bytes(size)
    assert not _is_in_memory(turned)
    assert hasher.digest() != digest


def test_hasher_that_is_not_ended_holds_its_text() -> None:
    """So the search above is not blind."""
    text, turned = _fill(100)
    hasher = hashlib.blake2b(text)
    text[:] = bytes(100)
    assert _is_in_memory(turned)
    assert hasher.digest()


def test_digest_is_the_usual_one() -> None:
    """Those that are stored stay valid."""
    assert end_digest(hashlib.blake2b(b"text", digest_size=12)) == hashlib.blake2b(b"text", digest_size=12).digest()
