"""The ledger in pieces says what the whole ledger says, whatever stands in it and whatever is known already."""

from __future__ import annotations

import mmap
from collections.abc import Container, Hashable, Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aico.core.usage import MeterReading
from aico.features.files.memory import allocate
from aico.features.files.parsed import Parsed, Unparsable, keep_newest, keys_of
from aico.features.files.pieces import Piece, PiecewiseFile, parse_pieces
from aico.features.files.snapshot import Span, digest_of
from aico.features.sources.cline.pieces import cut
from tests.sources.cline.ledgers import GOOD, GOOD_TS, PARSER, entry, entry_of, ledger, ledger_of, parse, tasks
from tests.sources.cline.test_ledger_properties import BAD_ELEMENTS

SMALL = 500
"""Bytes of a piece of two or three entries."""
GOOD_ELEMENTS = st.builds(
    lambda task_id, tokens: entry_of(GOOD._replace(session=f"t{task_id}", input=tokens)),
    st.integers(0, 40),
    st.integers(0, 3),
)
LEDGERS = st.lists(st.one_of(*[GOOD_ELEMENTS] * 5, BAD_ELEMENTS), max_size=14)


def spans_of(buffer: bytearray, size: int = SMALL) -> list[Span]:
    """Return the pieces of ``buffer``."""
    return [Span(first, last, digest_of(buffer[first:last])) for first, last in pairwise(cut(buffer, size))]


def piecewise(
    data: bytes, known: Mapping[bytes, Piece] | None = None, known_keys: Container[Hashable] = ()
) -> PiecewiseFile | None:
    """Parse a copy of ``data`` in small pieces; what can not be cut is None, too."""
    buffer = bytearray(data)
    spans = spans_of(buffer)
    return parse_pieces(buffer, spans, PARSER, known or {}, known_keys) if spans else None


def whole(data: bytes) -> Parsed | None:
    """Parse a copy of ``data`` as a whole."""
    try:
        return parse(data)
    except Unparsable:
        return None


def changes(known: Mapping[Hashable, object], parsed: Parsed) -> list[object]:
    """Return the records that are not known as they are."""
    newest = keep_newest(parsed.records)
    changed = [record for key, record in zip(keys_of(newest), newest, strict=True) if known.get(key) != record]
    return sorted(changed, key=str)


def listed(count: int) -> tuple[list[MeterReading], PiecewiseFile]:
    """Return tasks and their ledger, read for the first time."""
    usages = tasks(count)
    first = piecewise(ledger_of(*usages))
    assert first is not None
    assert len(first.pieces) > 3
    return usages, first


@given(LEDGERS)
def test_pieces_say_what_the_whole_says(elements: list[bytes]) -> None:
    """Entries, lost duplicates and rejections are the same, in the same order and at the same places."""
    data = ledger(*elements)
    outcome = piecewise(data)
    if outcome is not None:
        assert outcome.fresh == whole(data)
        assert outcome.repeated_count == 0


@given(LEDGERS, LEDGERS, st.integers(0, 14), st.integers(0, 14))
def test_known_pieces_change_nothing(elements: list[bytes], others: list[bytes], start: int, end: int) -> None:
    """A ledger that goes on from a known one leads to the same changes, counts and rejections as when read whole."""
    before = piecewise(ledger(*elements))
    if before is None or not before.pieces:
        return
    stored = dict(zip(keys_of(before.fresh.records), before.fresh.records, strict=True))
    data = ledger(*elements[:start], *others, *elements[end:])
    outcome = piecewise(data, before.pieces, stored)
    if outcome is None:
        return
    expected, fresh = parse(data), outcome.fresh
    assert changes(stored, fresh) == changes(stored, expected)
    assert (fresh.rejections, fresh.partials) == (expected.rejections, expected.partials)
    assert fresh.partial_count == expected.partial_count
    assert fresh.valid_count + outcome.repeated_count == expected.valid_count


def test_one_grown_entry_leaves_all_but_its_piece_known() -> None:
    """Only the piece of the entry is parsed again; the others are counted."""
    usages, first = listed(40)
    usages[20] = usages[20]._replace(input=999)
    second = piecewise(ledger_of(*usages), first.pieces, {usage.session for usage in usages})
    assert second is not None
    assert usages[20] in second.fresh.records
    assert len(second.fresh.records) < 8
    assert second.repeated_count == 40 - len(second.fresh.records)


def test_entry_that_stands_in_a_known_piece_too_leads_to_the_whole_ledger() -> None:
    """Which of two entries of one id counts is not decided by pieces."""
    usages, first = listed(40)
    data = ledger_of(*usages, usages[0]._replace(ts=GOOD_TS + 10**6))
    assert piecewise(data, first.pieces, {usage.session for usage in usages}) is None


def test_entry_may_move_from_a_piece_that_is_gone_into_another() -> None:
    """An id that is stored does not stand in the way when its old piece is gone."""
    usages, first = listed(40)
    moved = [*usages[1:], usages[0]]
    second = piecewise(ledger_of(*moved), first.pieces, {usage.session for usage in usages})
    assert second is not None
    assert usages[0] in second.fresh.records


def test_piece_that_comes_twice_leads_to_the_whole_ledger() -> None:
    """The same bytes twice are the same entries twice."""
    elements = [entry_of(usage) for usage in tasks(40)]
    assert piecewise(ledger(*elements, *elements)) is None


def test_nested_array_that_looks_like_a_cut_leads_to_the_whole_ledger() -> None:
    """The value of an unknown key may look like the space between two entries."""
    nested = entry(more="[" + ",".join('{"id":"x"}' for _ in range(400)) + "]")
    assert len(cut(bytearray(ledger(nested)), SMALL)) > 3
    assert piecewise(ledger(nested)) is None


def test_cut_prompt_costs_no_other_piece() -> None:
    """A lone surrogate is mended where it stands."""
    elements = [entry_of(usage) for usage in tasks(40)]
    elements[30] = entry(id='"cut"', task='"\\ud83d"')
    outcome = piecewise(ledger(*elements))
    assert outcome is not None
    assert outcome.fresh == whole(ledger(*elements))


def test_bytes_that_are_no_array_are_not_cut() -> None:
    """A file without a bracket at either end, or with anything behind it, is left to the parser of the whole."""
    for data in (b"", b"[", b"]", b"][", b"{}", b"[1] x", b"[1]\0", b"x[1]"):
        assert cut(bytearray(data)) == []
    assert cut(bytearray(b"\xef\xbb\xbf [1] \n")) == [4, 6]


def test_bare_word_costs_no_other_piece() -> None:
    """A field that is no number is mended where it stands, too."""
    elements = [entry_of(usage) for usage in tasks(40)]
    elements[30] = entry(id='"cut"', totalCost="NaN")
    outcome = piecewise(ledger(*elements))
    assert outcome is not None
    assert outcome.fresh == whole(ledger(*elements))
    assert outcome.fresh.partial_count == 1


def test_large_file_is_given_back_while_it_is_parsed() -> None:
    """Parsed bytes are gone from the pages of a large file, and its records are complete."""
    usages = tasks(9_000)
    data = ledger_of(*usages)
    buffer = allocate(len(data))
    buffer[:] = data
    spans = spans_of(bytearray(data), 50_000)
    outcome = parse_pieces(buffer, spans, PARSER, {}, ())
    assert outcome is not None
    assert outcome.fresh.records == usages
    assert any(buffer[:100]) is not isinstance(buffer, mmap.mmap)


def test_buffer_is_left_as_it_was() -> None:
    """Commas that served as brackets are commas again, for the parser of the next piece."""
    data = ledger_of(*tasks(40))
    buffer = bytearray(data)
    assert parse_pieces(buffer, spans_of(buffer), PARSER, {}, ()) is not None
    assert buffer == data
