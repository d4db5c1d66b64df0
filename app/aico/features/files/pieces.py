"""A file in pieces, so that pieces that were read last time need not be parsed again. Pure: no I/O, clock or logging.

Many tools write their whole file for every change of one entry. Pieces are known again by their digests; of those that
are, only what must not be forgotten is kept: how many entries they hold, which keys, and what could not be used.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aico.core.usage import Record, Rejection
from aico.features.files.memory import FileBytes, give_back
from aico.features.files.parsed import Parsed, Pieces, keys_of
from aico.features.files.snapshot import Span


class Piece(NamedTuple):
    """The facts that are kept of a piece; positions count from its beginning."""

    keys: tuple[Hashable, ...]
    valid_count: int
    rejections: tuple[Rejection, ...]
    partials: tuple[Rejection, ...]
    partial_count: int


@dataclass(frozen=True, slots=True)
class PiecewiseFile:
    """All that a file says: its fresh pieces, and the known facts of the others."""

    fresh: Parsed
    """The records of pieces that were not known; rejections and partials of all, by their place in the whole file."""
    repeated_count: int
    """Valid entries in pieces that were known."""
    pieces: Mapping[bytes, Piece]
    """By digest, to be handed in next time; empty when records of one key stand in the way."""


def parse_pieces(
    buffer: FileBytes,
    spans: Sequence[Span],
    way: Pieces,
    known: Mapping[bytes, Piece],
    known_keys: Container[Hashable],
) -> PiecewiseFile | None:
    """Parse the pieces of ``buffer`` at ``spans`` that are not ``known``; None when it must be parsed as a whole.

    ``known_keys`` holds every key of the ``known`` pieces, and others. The buffer is used up: what was parsed may be
    gone, so that a large file and its records never take up memory together. Any exception is a bug.
    """
    digests = {span.digest for span in spans}
    if len(digests) < len(spans):
        return None
    pieces: dict[bytes, Piece] = {}
    records: list[Record] = []
    rejections: list[Rejection] = []
    partials: list[Rejection] = []
    length = repeated_count = skipped_count = done = 0
    for span in spans:
        piece = known.get(span.digest)
        if piece is None:
            parsed = way.parse_piece(buffer, span.first, span.last)
            if parsed is None:
                return None
            records += parsed.records
            skipped_count += parsed.skipped_count
            piece = Piece(
                tuple(keys_of(parsed.records)),
                parsed.valid_count,
                parsed.rejections,
                parsed.partials,
                parsed.partial_count,
            )
            done = give_back(buffer, done, span.last)
        else:
            repeated_count += piece.valid_count
        pieces[span.digest] = piece
        rejections += _moved(piece.rejections, length)
        partials += _moved(piece.partials, length)
        length += piece.valid_count + len(piece.rejections)
    fresh_keys = set(keys_of(records))
    if repeated_count and (len(fresh_keys) < len(records) or _may_repeat(fresh_keys, digests, known, known_keys)):
        return None
    partial_count = sum(piece.partial_count for piece in pieces.values())
    return PiecewiseFile(
        Parsed(records, tuple(rejections), tuple(partials), partial_count, skipped_count),
        repeated_count,
        pieces if len(fresh_keys) == len(records) else {},
    )


def _may_repeat(
    fresh_keys: set[Hashable], digests: set[bytes], known: Mapping[bytes, Piece], known_keys: Container[Hashable]
) -> bool:
    """Return whether one of ``fresh_keys`` may stand in a piece that was known, too.

    One that stood in a piece that is gone does not: last time no key stood in two pieces.
    """
    gone: set[Hashable] = set()
    for digest, piece in known.items():
        if digest not in digests:
            gone.update(piece.keys)
    return any(key in known_keys for key in fresh_keys - gone)


def _moved(found: Sequence[Rejection], distance: int) -> Sequence[Rejection]:
    return [Rejection(each.index + distance, each.code, each.field) for each in found] if distance else found
