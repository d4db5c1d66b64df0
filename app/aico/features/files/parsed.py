"""The result of parsing the bytes of a file, and how records are told apart. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol, TypeAlias

from aico.core.usage import GapReading, MeterReading, PromptSeen, Record, Rejection, UsageEvent
from aico.features.files.memory import FileBytes

_FIRST = itemgetter(0)


class Unparsable(Exception):
    """The bytes are no file of the tool's. The reason is a part of a sentence, and holds nothing of the bytes."""

    def __init__(self, reason: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.missing = missing
        """Names of fields that are not there."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """All that a file, or a piece of one, says: every entry is a record, skipped or rejected."""

    records: Sequence[Record]
    """In the order of the file. Of several with one key the newest counts, which is not the parser's to judge."""
    rejections: tuple[Rejection, ...] = ()
    """In the order of the file."""
    partials: tuple[Rejection, ...] = ()
    """Fields that could not be used, of entries that became records; in the order of the file."""
    partial_count: int = 0
    """Entries with such fields."""
    skipped_count: int = 0
    """Valid entries that say nothing of usage."""

    @property
    def valid_count(self) -> int:
        """Number of the entries that were not rejected."""
        return len(self.records) + self.skipped_count

    @property
    def length(self) -> int:
        """Number of all entries."""
        return self.valid_count + len(self.rejections)


Parse: TypeAlias = Callable[[FileBytes], Parsed]
"""Parses a whole file, whose bytes it may alter in place and must not keep. Raises Unparsable; else it is a bug."""


class Pieces(Protocol):
    """A parser's second way: a file in pieces, so that pieces that were read last time need not be parsed again."""

    def cut(self, buffer: FileBytes) -> Sequence[int]:
        """Return where each piece begins, and where the last one ends; nothing where the file cannot be cut.

        Cuts should stay where they were when something between two others grows.
        """

    def parse_piece(self, buffer: FileBytes, first: int, last: int) -> Parsed | None:
        """Parse the piece from ``first`` to before ``last``; None when it does not stand by itself.

        Positions count from the beginning of the piece. The piece may be altered; the rest of ``buffer`` may not.
        """


def keys_of(records: Sequence[Record]) -> list[Hashable]:
    """Return the key of each record: of a meter its session, of all else its own key."""
    if set(map(type, records)) <= {MeterReading, UsageEvent}:
        return list(map(_FIRST, records))
    return list(map(_key_of, records))


def keep_newest(records: Sequence[Record]) -> Sequence[Record]:
    """Let one record of each key win: the one with the greatest time, at equal times the later in ``records``."""
    keys = keys_of(records)
    if len(set(keys)) == len(keys):
        return records
    kept: dict[Hashable, Record] = {}
    for key, record in zip(keys, records, strict=True):
        if moment_of(record) >= moment_of(kept.setdefault(key, record)):
            kept[key] = record
    return list(kept.values())


def moment_of(record: Record) -> int:
    """Return the time of ``record``, epoch milliseconds; 0 if it has none."""
    return 0 if isinstance(record, GapReading) else record.ts or 0


def _key_of(record: Record) -> Hashable:
    match record:
        case GapReading():
            return ("gap", record.session, record.model, record.kind)
        case PromptSeen():
            return ("prompt", record.key)
        case _:
            return record[0]
