"""The ledger in pieces says what the whole ledger says, whatever stands in it and whatever is known already."""

from __future__ import annotations

from collections.abc import Container, Mapping
from hashlib import sha256
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aico.core.domain import TaskUsage
from aico.core.errors import LedgerFormat
from aico.features.ledger.parser import ParsedLedger
from aico.features.ledger.pieces import Piece, PiecewiseLedger, cut, parse_pieces, spans_of
from aico.features.stores.diff import diff_usage
from tests.ledger.handmade_ledgers import GOOD, entry, entry_of, ledger, ledger_of, parse, tasks
from tests.ledger.test_parser_properties import BAD_ELEMENTS

SMALL = 500
"""Bytes of a piece of two or three entries."""
GOOD_ELEMENTS = st.builds(
    lambda task_id, tokens: entry_of(GOOD._replace(task_id=f"t{task_id}", tokens_in=tokens)),
    st.integers(0, 40),
    st.integers(0, 3),
)
LEDGERS = st.lists(st.one_of(*[GOOD_ELEMENTS] * 5, BAD_ELEMENTS), max_size=14)


def piecewise(
    data: bytes, known: Mapping[bytes, Piece] | None = None, stored: Container[str] = (), size: int = SMALL
) -> PiecewiseLedger | None:
    """Parse a copy of ``data`` in pieces of ``size`` bytes; what can not be cut is None, too."""
    buffer = bytearray(data)
    cuts = cut(buffer, size)
    digests = [sha256(buffer[first + 1 : last]).digest() for first, last in pairwise(cuts)]
    return parse_pieces(buffer, spans_of(cuts, digests), known or {}, stored) if cuts else None


def whole(data: bytes) -> ParsedLedger | None:
    """Parse a copy of ``data`` as a whole."""
    try:
        return parse(data)
    except LedgerFormat:
        return None


def listed(count: int) -> tuple[list[TaskUsage], PiecewiseLedger]:
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
    stored = {usage.task_id: usage for usage in before.fresh.entries}
    data = ledger(*elements[:start], *others, *elements[end:])
    outcome = piecewise(data, before.pieces, stored)
    if outcome is None:
        return
    expected = parse(data)
    fresh = outcome.fresh
    assert diff_usage(stored, fresh.entries).changes == diff_usage(stored, expected.entries).changes
    assert fresh.rejections == expected.rejections
    counted = len(fresh.entries) + outcome.repeated_count, fresh.duplicate_count
    assert counted == (len(expected.entries), expected.duplicate_count)


def test_one_grown_entry_leaves_all_but_its_piece_known() -> None:
    """Only the piece of the entry is parsed again; the others are counted."""
    usages, first = listed(40)
    usages[20] = usages[20]._replace(tokens_in=999)
    second = piecewise(ledger_of(*usages), first.pieces, {usage.task_id for usage in usages})
    assert second is not None
    assert usages[20] in second.fresh.entries
    assert len(second.fresh.entries) < 8
    assert second.repeated_count == 40 - len(second.fresh.entries)


def test_entry_that_stands_in_a_known_piece_too_leads_to_the_whole_ledger() -> None:
    """Which of two entries of one id counts is not decided by pieces."""
    usages, first = listed(40)
    data = ledger_of(*usages, usages[0]._replace(ts=GOOD.ts + 10**6))
    assert piecewise(data, first.pieces, {usage.task_id for usage in usages}) is None


def test_entry_may_move_from_a_piece_that_is_gone_into_another() -> None:
    """An id that is stored does not stand in the way when its old piece is gone."""
    usages, first = listed(40)
    moved = [*usages[1:], usages[0]]
    second = piecewise(ledger_of(*moved), first.pieces, {usage.task_id for usage in usages})
    assert second is not None
    assert usages[0] in second.fresh.entries


def test_piece_that_comes_twice_leads_to_the_whole_ledger() -> None:
    """The same bytes twice are the same entries twice."""
    elements = [entry_of(usage) for usage in tasks(40)]
    assert piecewise(ledger(*elements, *elements)) is None


def test_nested_array_that_looks_like_a_cut_leads_to_the_whole_ledger() -> None:
    """What an unknown key holds may look like the space between two entries."""
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
    """What has no bracket at either end, or anything behind it, is left to the parser of the whole."""
    for data in (b"", b"[", b"]", b"][", b"{}", b"[1] x", b"[1]\0", b"x[1]"):
        assert cut(bytearray(data)) == []
    assert cut(bytearray(b"\xef\xbb\xbf [1] \n")) == [4, 6]


def test_buffer_is_left_as_it_was() -> None:
    """Commas that served as brackets are commas again, for whoever parses the whole."""
    data = ledger_of(*tasks(40))
    buffer = bytearray(data)
    cuts = cut(buffer, SMALL)
    assert parse_pieces(buffer, spans_of(cuts, [bytes([n]) for n in range(len(cuts) - 1)]), {}, ()) is not None
    assert buffer == data
