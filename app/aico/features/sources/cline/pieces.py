"""Finds the places at which the ledger may be cut into independent pieces. Pure: no I/O, no clock, no logging.

The array is cut between two elements at fixed distances, so that an entry that grows leaves the other cuts where they
were. A cut is right if every piece is an array by itself once its ends are made brackets: JSON has one reading. A
place that only looks like a cut makes two pieces that are none, and then the ledger is parsed as a whole.
"""

from __future__ import annotations

import re

from aico.features.files.memory import FileBytes

PIECE_BYTES = 1 << 18
"""Some 300 entries: quick to parse, and a ledger of 100,000 has 340 of them."""
OPENING, CLOSING = b"[]"
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[")
_END = re.compile(rb"[ \t\r\n]*\Z")
_JOINT = b'},{"id":"'
"""Between two elements as Cline writes them; in a string of JSON every quote is escaped."""


def cut(buffer: FileBytes, piece_bytes: int = PIECE_BYTES) -> list[int]:
    """Return where the array in ``buffer`` opens, where it may be cut, and where it closes; nothing for no array.

    Each cut is a comma of the array. Any exception is a bug.
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
