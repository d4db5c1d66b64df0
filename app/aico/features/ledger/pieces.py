"""The ledger in pieces, so that what was read last time need not be parsed again. Pure: no I/O, no clock, no logging.

Cline writes the whole array for every change of one entry. Pieces are known again by their digests; of those that are,
only what must not be forgotten is kept: how many entries they hold, which ids, and what was refused. The array is cut
between two elements at fixed distances, so that an entry that grows leaves the other cuts where they were.

A cut is right if every piece is an array by itself once its ends are made brackets: JSON has one reading. A place that
only looks like a cut makes two pieces that are none, and then the ledger is parsed as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from aico.core.domain import Rejection, TaskUsage
from aico.features.ledger.memory import LedgerBytes, give_back
from aico.features.ledger.parser import ParsedLedger, merge, read_piece
from aico.features.ledger.repair import mend_surrogates

PIECE_BYTES = 1 << 18
"""Some 300 entries: quick to parse, and a ledger of 100,000 has 340 of them."""
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[")
_END = re.compile(rb"[ \t\r\n]*\Z")
_JOINT = b'},{"id":"'
"""Between two elements as Cline writes them; in a string of JSON every quote is escaped."""
_OPENING, _CLOSING = b"[]"
_TASK_ID = itemgetter(0)


class Span(NamedTuple):
    """Where a piece stands: between its two ends, which are brackets or commas of the array."""

    first: int
    last: int
    digest: bytes


class Piece(NamedTuple):
    """What is kept of a piece."""

    ids: str
    """Of its valid entries, one per line: no id holds a control character."""
    entry_count: int
    rejections: tuple[Rejection, ...]
    """Counted from the beginning of the piece."""


@dataclass(frozen=True, slots=True)
class PiecewiseLedger:
    """All that a ledger says: its fresh pieces as a ledger of their own, and what is known of the others."""

    fresh: ParsedLedger
    """The entries of pieces that were not known; the rejections of all, with their place in the whole array."""
    repeated_count: int
    """Valid entries in pieces that were known."""
    pieces: Mapping[bytes, Piece]
    """By digest, to be handed in next time; empty when entries of one id stand in the way."""


def cut(buffer: LedgerBytes, piece_bytes: int = PIECE_BYTES) -> list[int]:
    """Return where the array in ``buffer`` opens, where it may be cut, and where it closes; nothing for no array.

    Any exception is a bug.
    """
    begin = _BEGIN.match(buffer)
    end = buffer.rfind(b"]")
    if begin is None or end < begin.end() or _END.match(buffer, end + 1) is None:
        return []
    first = begin.end() - 1
    cuts = [first]
    aim = first + piece_bytes
    while (joint := buffer.find(_JOINT, aim, end)) >= 0:
        cuts.append(joint + 1)
        aim += (joint + 1 - aim) // piece_bytes * piece_bytes + piece_bytes
    return [*cuts, end]


def parse_pieces(
    buffer: LedgerBytes, spans: Sequence[Span], known: Mapping[bytes, Piece], stored: Container[str]
) -> PiecewiseLedger | None:
    """Parse the pieces of ``buffer`` at ``spans`` that are not ``known``; None when it must be parsed as a whole.

    ``stored`` holds every id of the ``known`` pieces, and others. The buffer is used up: what was parsed may be gone,
    so that a large ledger and its entries never take up memory together. Any exception is a bug.
    """
    digests = {span.digest for span in spans}
    if len(digests) < len(spans):
        return None
    pieces: dict[bytes, Piece] = {}
    entries: list[TaskUsage] = []
    rejections: list[Rejection] = []
    length = repeated_count = done = 0
    for span in spans:
        piece = known.get(span.digest)
        if piece is None:
            outcome = _read(buffer, span)
            if outcome is None:
                return None
            entries += outcome[0]
            piece = Piece("\n".join(map(_TASK_ID, outcome[0])), len(outcome[0]), outcome[1])
            done = give_back(buffer, done, span.last)
        else:
            repeated_count += piece.entry_count
        pieces[span.digest] = piece
        rejections += [each if not length else _moved(each, length) for each in piece.rejections]
        length += piece.entry_count + len(piece.rejections)
    fresh_ids = set(map(_TASK_ID, entries))
    if len(fresh_ids) < len(entries) and not repeated_count:
        merged = merge(entries)
        return PiecewiseLedger(ParsedLedger(merged.entries, merged.duplicate_count, tuple(rejections)), 0, {})
    if len(fresh_ids) < len(entries) or (repeated_count and _may_repeat(fresh_ids, digests, known, stored)):
        return None
    return PiecewiseLedger(ParsedLedger(tuple(entries), 0, tuple(rejections)), repeated_count, pieces)


def _may_repeat(fresh_ids: set[str], digests: set[bytes], known: Mapping[bytes, Piece], stored: Container[str]) -> bool:
    """Return whether one of ``fresh_ids`` may stand in a piece that was known, too.

    One that stood in a piece that is gone does not: last time no id stood in two pieces.
    """
    gone: set[str] = set()
    for digest, piece in known.items():
        if digest not in digests:
            gone.update(piece.ids.split("\n"))
    return any(task_id in stored for task_id in fresh_ids - gone)


def _read(buffer: LedgerBytes, span: Span) -> tuple[tuple[TaskUsage, ...], tuple[Rejection, ...]] | None:
    """Parse one piece, whose ends are brackets as long as that takes."""
    ends = buffer[span.first], buffer[span.last]
    buffer[span.first], buffer[span.last] = _OPENING, _CLOSING
    try:
        with memoryview(buffer) as whole, whole[span.first : span.last + 1] as view:
            outcome = read_piece(view)
            if outcome is None and mend_surrogates(buffer):
                outcome = read_piece(view)
            return outcome
    finally:
        buffer[span.first], buffer[span.last] = ends


def spans_of(cuts: Sequence[int], digests: Sequence[bytes]) -> tuple[Span, ...]:
    """Return the pieces between ``cuts``."""
    return tuple(Span(first, last, digest) for (first, last), digest in zip(pairwise(cuts), digests, strict=True))


def _moved(rejection: Rejection, distance: int) -> Rejection:
    return Rejection(rejection.index + distance, rejection.code, rejection.field)
