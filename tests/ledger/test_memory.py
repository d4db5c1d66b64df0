"""The memory of large ledgers: it can be searched and altered as any other, and nothing stays in it."""

from __future__ import annotations

import mmap
import sys

import pytest

from aico.features.ledger.memory import OWN_PAGES_BYTES, LedgerBytes, allocate, give_back, is_used_up, wipe
from aico.features.ledger.parser import parse_ledger
from aico.features.ledger.pieces import cut, parse_pieces, spans_of
from tests.ledger.handmade_ledgers import entry

_FLAWS = {
    "whole": b"",
    "lone surrogate": rb'{"id":"flawed","task":"\ud83d"},',
    "bare word": b'{"id":"flawed","totalCost":NaN},',
    "control byte": b'{"id":"flawed","task":"\x01"},',
    "zeros": b'{"id":"fl\0\0\0awed"},',
    "depth": b'{"id":"flawed","task":' + b"[" * 2_000 + b"]" * 2_000 + b"},",
}


def pages_with(data: bytes) -> LedgerBytes:
    """Return ``data``, as long as it takes to get pages of its own."""
    size = max(len(data), OWN_PAGES_BYTES)
    pages = allocate(size)
    pages[:] = data + b" " * (size - len(data))
    return pages


@pytest.mark.parametrize("flaw", _FLAWS.values(), ids=_FLAWS.keys())
def test_large_ledger_is_parsed_as_a_small_one(flaw: bytes) -> None:
    """Whatever holds the bytes, they say the same, also when they have to be mended."""
    data = b"\xef\xbb\xbf[" + flaw + b",".join(_entry(number) for number in range(3)) + b"]"
    pages = pages_with(data)
    assert isinstance(pages, mmap.mmap) == (sys.platform == "linux")
    assert parse_ledger(pages) == parse_ledger(bytearray(data))


def test_large_ledger_is_cut_as_a_small_one() -> None:
    """Pieces are found and parsed in its pages, too."""
    data = b"[" + b",".join(_entry(number) for number in range(100)) + b"]"
    pages = pages_with(data)
    cuts = cut(pages, 1_000)
    assert cuts == cut(bytearray(data), 1_000)
    parsed = parse_pieces(pages, spans_of(cuts, [bytes([number]) for number in range(len(cuts) - 1)]), {}, ())
    assert parsed is not None
    assert parsed.fresh == parse_ledger(bytearray(data))


@pytest.mark.parametrize("size", [0, 1, OWN_PAGES_BYTES - 1, OWN_PAGES_BYTES, OWN_PAGES_BYTES * 3 + 1])
def test_wiped_memory_holds_zeros(size: int) -> None:
    """Nothing of it can be read any more, not even by whoever still holds a view."""
    buffer = allocate(size)
    assert bytes(buffer) == bytes(size)
    buffer[:] = b"x" * size
    with memoryview(buffer) as view:
        wipe(buffer)
        assert bytes(view) == bytes(size)


def test_pages_given_back_are_zeros_and_the_rest_stays() -> None:
    """Only whole huge pages go, and only when they are many; what follows them is read as before. Linux only."""
    size = 11 << 20
    buffer = allocate(size)
    buffer[:] = b"x" * size
    assert give_back(buffer, 0, (8 << 20) - 1) == 0
    assert not is_used_up(buffer)
    rest = give_back(buffer, 0, size - 1)
    assert rest == (10 << 20 if sys.platform == "linux" else 0)
    assert is_used_up(buffer) == (rest > 0)
    assert buffer[:rest] == bytes(rest)
    assert buffer[rest:] == b"x" * (size - rest)
    assert give_back(buffer, rest, size) == rest


def test_small_ledger_is_kept_whole() -> None:
    """What shares its pages with others is not given back."""
    buffer = bytearray(b"x" * 100)
    assert give_back(buffer, 0, 100) == 0
    assert buffer == b"x" * 100


def _entry(number: int) -> bytes:
    return entry(id=f'"{number:013}"')
