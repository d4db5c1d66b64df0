"""Makes strict JSON of what strict decoders refuse as a whole, in place and without changing its length. Pure.

Three things cost a good ledger otherwise: a lone surrogate escape (from a prompt cut inside an emoji; once written it
stays in the ledger, so mending it must be cheap), a bare ``NaN`` or ``Infinity`` (from a program that is no JSON
encoder), and nesting deeper than a decoder's stack.
"""

from __future__ import annotations

import re

from app.features.ledger.fields import NOT_FINITE_MARK

DEPTH_MAX = 64
"""Deeper than any entry of Cline's; what lies below is emptied, because it is none of the six fields."""

# A string runs to its closing quote or, when there is none, to the end: so that the search stays linear.
_TOKEN = re.compile(rb'(?s)"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[{]|[\]}]|-?Infinity|NaN')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_REPLACEMENT = b"\\ufffd"
_BACKSLASH = ord("\\")
_LOW = b"cdefCDEF"
_OPENING, _CLOSING, _QUOTE = b"[{", b"]}", b'"'


def mend_surrogates(buffer: bytearray) -> bool:
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


def repair(buffer: bytearray) -> bool:
    """Quote bare ``NaN`` and ``Infinity`` and empty what is nested too deeply; return whether there was anything.

    Looks at every token, which takes ten times as long as decoding: for ledgers that cannot be decoded otherwise.
    Any exception is a bug.
    """
    altered = False
    depth = 0
    hole = 0
    for token in _TOKEN.finditer(buffer):
        start, end = token.span()
        first = buffer[start : start + 1]
        if first == _QUOTE:
            continue
        if first in _OPENING:
            depth += 1
            if depth == DEPTH_MAX:
                hole = end
        elif first in _CLOSING:
            if depth == DEPTH_MAX:
                altered |= _empty(buffer, hole, start)
            depth -= 1
        else:
            buffer[start:end] = b'"' + NOT_FINITE_MARK.encode() * (end - start - 2) + b'"'
            altered = True
    return altered


def _is_escaped(buffer: bytearray, start: int) -> bool:
    """Return whether the backslash at ``start`` is itself escaped: an odd number of backslashes stands before it."""
    before = start
    while before and buffer[before - 1] == _BACKSLASH:
        before -= 1
    return (start - before) % 2 == 1


def _empty(buffer: bytearray, start: int, end: int) -> bool:
    """Blank the inside of a container at the greatest depth, if it holds containers itself."""
    if buffer.find(b"[", start, end) < 0 and buffer.find(b"{", start, end) < 0:
        return False
    memoryview(buffer)[start:end] = b" " * (end - start)
    return True
