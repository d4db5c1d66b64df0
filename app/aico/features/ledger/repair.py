"""Makes strict JSON of what strict decoders refuse as a whole, in place and without changing its length. Pure.

Five things cost a good ledger otherwise: a lone surrogate escape (from a prompt cut inside an emoji; once written it
stays in the ledger, so mending it must be cheap), a bare ``NaN`` or ``Infinity`` and a raw control byte or a
backslash that escapes nothing in a string (from a program that is no JSON encoder), bytes of zero (where a power cut
took what was written: the file has its length and not its contents), and nesting deeper than a decoder's stack.
"""

from __future__ import annotations

import re

from aico.features.ledger.fields import NOT_FINITE_MARK
from aico.features.ledger.memory import LedgerBytes

DEPTH_MAX = 64
"""Deeper than any entry of Cline's; what lies below is emptied, because it is none of the six fields."""

_ESCAPE = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
# A string that is no JSON runs to its closing quote or, when there is none, to the end, so that the search stays
# linear. Any other string is found by the first alternative and need not be looked at.
_TOKEN = re.compile(
    rb'(?s)"(?:[^"\\\x00-\x1f]++|' + _ESCAPE + rb')*+"|(?P<flawed>"(?:[^"\\]++|\\.)*+(?:"|\Z))'
    rb"|[\[{]|[\]}]|\x00++|-?Infinity|NaN"
)
_FLAW = re.compile(_ESCAPE + rb"|(?P<flaw>\\|[\x00-\x1f]++)")
_ZERO = b"\0"
_DELETE = b"\x7f"
"""The one control character that may stand in a JSON string as it is: in a field it is refused like any other."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ELEMENT_DEPTH = 2
"""Containers around what stands in an element of the outermost array."""
_NO_OBJECT = b'""'
_REPLACEMENT = b"\\ufffd"
_BACKSLASH = ord("\\")
_LOW = b"cdefCDEF"
_OPENING, _CLOSING, _QUOTE = b"[{", b"]}", b'"'


def mend_surrogates(buffer: LedgerBytes) -> bool:
    """Replace the escapes of lone surrogates by the replacement character's; return whether there were any.

    Only strings of JSON may hold backslashes, so escapes are found without looking for the strings around them.
    Any exception is a bug.
    """
    lone: list[int] = []
    high: int | None = None
    for escape in _SURROGATE.finditer(buffer):
        start = escape.start()
        if _is_escaped(buffer, start):
            continue
        is_low = buffer[start + 3] in _LOW
        if is_low and high == start - len(_REPLACEMENT):
            high = None
            continue
        if high is not None:
            lone.append(high)
        high = None if is_low else start
        if is_low:
            lone.append(start)
    if high is not None:
        lone.append(high)
    for start in lone:
        buffer[start : start + len(_REPLACEMENT)] = _REPLACEMENT
    return bool(lone)


def repair(buffer: LedgerBytes) -> bool:
    """Mend everything but surrogates, in one look at every token; return whether there was anything.

    ``NaN`` and ``Infinity`` are quoted, flaws of strings replaced, what is nested too deeply emptied. An
    element that holds a byte of zero is emptied as a whole: what stood there is unknown, so that its beginning and its
    end may be those of two entries. Zeros after the array become blanks; anywhere else the file is of another encoding.

    Takes ten times as long as decoding: for ledgers that cannot be decoded otherwise. Any exception is a bug.
    """
    mending = _Mending(buffer)
    for token in _TOKEN.finditer(buffer):
        start, end = token.span()
        first = buffer[start : start + 1]
        if first == _QUOTE:
            if token.lastgroup is not None:
                mending.take_flawed_string(start, end)
        elif first in _OPENING:
            mending.go_deeper(start)
        elif first in _CLOSING:
            mending.come_back(end)
        elif first == _ZERO:
            mending.take_zeros(start, end)
        else:
            mending.quote_word(start, end)
    return mending.is_altered


class _Mending:
    """Where :func:`repair` is in ``buffer``, and what it does there."""

    def __init__(self, buffer: LedgerBytes) -> None:
        self.is_altered = False
        self._buffer = buffer
        self._depth = 0
        self._element = 0
        """Where the present element of the outermost array begins."""
        self._has_zeros = False
        """Whether something is missing in it."""
        self._hole = 0
        """Where the inside of the present container at the greatest depth begins."""

    def go_deeper(self, start: int) -> None:
        """Enter a container."""
        self._depth += 1
        if self._depth == _ELEMENT_DEPTH:
            self._element, self._has_zeros = start, False
        elif self._depth == DEPTH_MAX:
            self._hole = start + 1

    def come_back(self, end: int) -> None:
        """Leave a container."""
        if self._depth == DEPTH_MAX:
            self.is_altered |= _empty(self._buffer, self._hole, end - 1)
        elif self._depth == _ELEMENT_DEPTH and self._has_zeros:
            self._fill(self._element, end, b" ")
            self._buffer[self._element : self._element + len(_NO_OBJECT)] = _NO_OBJECT
        self._depth -= 1

    def take_flawed_string(self, start: int, end: int) -> None:
        """Replace the control bytes of a string, and each backslash that escapes nothing."""
        for flaw in _FLAW.finditer(self._buffer, start, end):
            if flaw.lastgroup is not None:
                first, last = flaw.span()
                self._has_zeros |= self._buffer.find(_ZERO, first, last) >= 0
                self._fill(first, last, _DELETE)

    def take_zeros(self, start: int, end: int) -> None:
        """Blank zeros that stand in an element, but in no string, or at the end of the file."""
        if self._depth >= _ELEMENT_DEPTH or end == len(self._buffer):
            self._has_zeros = True
            self._fill(start, end, b" ")

    def quote_word(self, start: int, end: int) -> None:
        """Make a text of a bare word."""
        self._buffer[start:end] = b'"' + NOT_FINITE_MARK.encode() * (end - start - 2) + b'"'
        self.is_altered = True

    def _fill(self, start: int, end: int, filling: bytes) -> None:
        self._buffer[start:end] = filling * (end - start)
        self.is_altered = True


def _is_escaped(buffer: LedgerBytes, start: int) -> bool:
    """Return whether the backslash at ``start`` is itself escaped: an odd number of backslashes stands before it."""
    before = start
    while before and buffer[before - 1] == _BACKSLASH:
        before -= 1
    return (start - before) % 2 == 1


def _empty(buffer: LedgerBytes, start: int, end: int) -> bool:
    """Blank the inside of a container at the greatest depth, if it holds containers itself."""
    if buffer.find(b"[", start, end) < 0 and buffer.find(b"{", start, end) < 0:
        return False
    memoryview(buffer)[start:end] = b" " * (end - start)
    return True
