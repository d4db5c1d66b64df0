"""A source's description of its lines: which are of use, and their parser. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from aico.core.usage import AnyRecord, Rejection

PlainState: TypeAlias = "bool | int | float | str | list[PlainState] | dict[str, PlainState] | None"
"""A value that a checkpoint can keep."""


class LineFile(NamedTuple):
    """The facts about a file that are known before it is opened."""

    parts: tuple[str, ...]
    """The names on its path below the root. Never stored, never logged."""
    first_seen_ms: int
    """When it was first read, epoch milliseconds."""
    written_ms: int
    """The last write, epoch milliseconds."""


class LineParser(Protocol):
    """Reads one file from its beginning, or from where a state was taken. Pure: no I/O, no clock."""

    def parse(self, line: memoryview, index: int) -> Iterable[AnyRecord | Rejection]:
        """Return the records of a line that holds a needle; ``index`` counts all lines of the file from 0.

        The memory is the reader's, and no view of it outlives the result. A rejection beside a record names a
        field that could not be used; alone, it refuses the line. Any exception is a bug; it refuses
        the line, too, and the parser goes on behind it.
        """

    @property
    def state(self) -> PlainState:
        """The state that is needed to go on behind the last line, in a few kilobytes at most."""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """The form of a tool's lines."""

    version: int
    """Another one than that of a checkpoint: the file is read again from its beginning, which counts nothing twice."""
    needles: tuple[bytes, ...]
    """A line that holds none of them is passed by in the buffer and never becomes an object. At least one."""
    open: Callable[[LineFile, PlainState], LineParser]
    """Make the parser of a file: from its beginning with None, else with the state that was kept."""
    head: re.Pattern[bytes] | None = None
    """A pattern of the beginning of a line, so that nothing is looked for in the rest.

    A match with its group ``other`` passes the line by, one without takes it; of any other line the needles decide.
    """
    states_folder: bool = False
    """True if lines that are parsed state the working folder, as ``cwd`` on the line or in its ``payload``."""

    def is_of_use(self, data: bytes | bytearray, begin: int, end: int) -> bool:
        """Return whether the line in ``data`` from ``begin`` to ``end`` is to be parsed."""
        head = self.find_head(data, begin, end)
        if head is not None:
            return head.lastgroup is None
        return self.has_needle(data, begin, end)

    def find_head(self, data: bytes | bytearray, begin: int, end: int) -> re.Match[bytes] | None:
        """Return the match of :attr:`head` with the beginning of a line, None if there is none."""
        return None if self.head is None else self.head.match(data, begin, end)

    def has_needle(self, data: bytes | bytearray, begin: int, end: int) -> bool:
        """Return whether a needle is in a part of ``data``."""
        return any(data.find(needle, begin, end) >= 0 for needle in self.needles)
