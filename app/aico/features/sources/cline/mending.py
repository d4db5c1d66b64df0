"""Makes strict JSON of the two things that cost a good ledger otherwise, in place and of the same length. Pure.

Cline itself writes the escape of a lone surrogate when it cuts a prompt inside an emoji; once written it stays in the
ledger, so mending it must be cheap. Programs whose encoder is not strict write bare ``NaN`` and ``Infinity``.
"""

from __future__ import annotations

import re

from aico.features.sources.cline.fields import NOT_FINITE_MARK

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_REPLACEMENT = b"\\ufffd"
_BACKSLASH = ord("\\")
_LOW = b"cdefCDEF"
_QUOTE = b'"'
_WORD = re.compile(rb"Infinity|NaN")
# A string without its closing quote runs to the end, so that the search stays linear.
_TOKEN = re.compile(rb'(?s)"(?:[^"\\]++|\\.)*+(?:"|\Z)|-?Infinity|NaN')


def mend_surrogates(buffer: memoryview) -> bool:
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


def quote_words(buffer: memoryview) -> bool:
    """Make a text of every bare ``NaN`` and ``Infinity``; return whether there were any.

    Takes several times as long as decoding: for what cannot be decoded otherwise. Any exception is a bug.
    """
    is_altered = False
    if _WORD.search(buffer) is None:
        return False
    for token in _TOKEN.finditer(buffer):
        start, end = token.span()
        if buffer[start : start + 1] != _QUOTE:
            buffer[start:end] = _QUOTE + NOT_FINITE_MARK.encode() * (end - start - 2) + _QUOTE
            is_altered = True
    return is_altered


def _is_escaped(buffer: memoryview, start: int) -> bool:
    """Return whether the backslash at ``start`` is itself escaped: an odd number of backslashes stands before it."""
    before = start
    while before and buffer[before - 1] == _BACKSLASH:
        before -= 1
    return (start - before) % 2 == 1
