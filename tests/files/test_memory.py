"""The memory of large files: it can be searched and altered as any other, and nothing stays in it."""

from __future__ import annotations

import mmap
import sys

import pytest

from aico.features.files.memory import (
    OWN_PAGES_BYTES,
    WHOLE_PAGES_BYTES,
    FileBytes,
    allocate,
    give_back,
    keep,
    wipe,
)

HAS_PAGES = sys.platform == "linux"


@pytest.mark.parametrize(
    "size",
    [0, 1, WHOLE_PAGES_BYTES - 1, WHOLE_PAGES_BYTES, OWN_PAGES_BYTES - 1, OWN_PAGES_BYTES, OWN_PAGES_BYTES * 3 + 1],
)
def test_wiped_memory_holds_zeros(size: int) -> None:
    """Nothing of it can be read any more, not even by code that still holds a view."""
    buffer = allocate(size)
    assert isinstance(buffer, mmap.mmap) == (HAS_PAGES and size >= WHOLE_PAGES_BYTES)
    assert bytes(buffer) == bytes(size)
    buffer[:] = b"x" * size
    with memoryview(buffer) as view:
        wipe(buffer)
        assert bytes(view) == bytes(size)


def test_pages_given_back_are_zeros_and_the_rest_stays() -> None:
    """Only whole pages go; what follows them is read as before. Elsewhere than on Linux nothing goes."""
    size = OWN_PAGES_BYTES + 100
    buffer = allocate(size)
    buffer[:] = b"x" * size
    assert give_back(buffer, 0, mmap.PAGESIZE - 1) == 0
    assert buffer[:] == b"x" * size
    rest = give_back(buffer, 0, 3 * mmap.PAGESIZE + 1)
    assert rest == (3 * mmap.PAGESIZE if HAS_PAGES else 0)
    assert buffer[:rest] == bytes(rest)
    assert buffer[rest:] == b"x" * (size - rest)
    assert give_back(buffer, rest, rest + 1) == rest


def test_small_file_is_kept_whole() -> None:
    """Its memory serves the next one."""
    size = OWN_PAGES_BYTES - 1
    buffer = allocate(size)
    buffer[:] = b"x" * size
    assert give_back(buffer, 0, size) == 0
    assert buffer[:] == b"x" * size


def used(size: int) -> FileBytes:
    """Return memory that held a file of ``size`` bytes and is wiped."""
    buffer = allocate(size)
    buffer[:] = b"x" * size
    wipe(buffer)
    return buffer


@pytest.mark.parametrize("size", [300_000, 299_000, 330_000, 226_000])
def test_kept_memory_serves_the_next_file_of_about_its_size(size: int) -> None:
    """It has exactly the size that is asked for, holds nothing but zeros, and serves one file at a time."""
    buffer = used(300_000)
    keep(buffer)
    taken = allocate(size)
    assert (taken is buffer) == HAS_PAGES
    assert bytes(taken) == bytes(size)
    assert allocate(size) is not taken


@pytest.mark.parametrize("size", [0, 100, 200_000, 500_000])
def test_kept_memory_serves_no_file_of_another_size(size: int) -> None:
    """A small file would hold on to much, and a large one would copy it."""
    buffer = used(300_000)
    keep(buffer)
    other = allocate(size)
    assert other is not buffer
    assert bytes(other) == bytes(size)


def test_memory_that_somebody_looks_at_is_not_kept() -> None:
    """A view that is left over never shows the bytes of the next file."""
    buffer = used(300_000)
    with memoryview(buffer) as view:
        keep(buffer)
        assert allocate(300_000) is not buffer
        assert len(view) == 300_000


def test_memory_of_small_and_large_files_is_not_kept() -> None:
    """The one is made in no time, the other goes back to the system."""
    for size in (100, OWN_PAGES_BYTES + 1):
        buffer = allocate(size)
        keep(buffer)
        assert allocate(size) is not buffer
