"""The fields of a JSON line as they stand, before a text or a number is made of them. Pure.

A line is held against JSON's grammar and cut into raw fields: views of the reader's memory. Only what tells of usage is
made into a number or a text, and only up to the length that can be used.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from aico.core.usage import MODEL_LENGTH_MAX
from aico.features.files.cells import RowJudge
from aico.features.files.sqlite_question import NOT_FINITE, NOT_UTF8, Cell

NOTHING = Raw()
"""A field that is not there."""
UNUSABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises at bytes that are not what it expects."""
_TEXT_BYTES_MAX = 6 * MODEL_LENGTH_MAX + 2
"""A longer text has more characters than any that is taken, whatever its escapes."""
_TEXT = msgspec.json.Decoder(str)
_NUMBER = msgspec.json.Decoder(int | float)


def is_there(raw: Raw) -> bool:
    """Return whether a field has a value other than null."""
    return bool(raw) and bytes(memoryview(raw)[:4]) != b"null"


def says(raw: Raw, word: bytes) -> bool:
    """Return whether a field's JSON is ``word``."""
    return bytes(memoryview(raw)[: len(word) + 1]) == word


def identity_of(raw: Raw) -> bytes | None:
    """Return the bytes of a text that names something, as they stand; None where there is none. No text is made."""
    if len(memoryview(raw)) <= len('""') or bytes(memoryview(raw)[:1]) != b'"':
        return None
    return bytes(raw)


def cell_of(raw: Raw) -> Cell:
    """Return a text or a number; 0 for what is neither, None for null."""
    if not is_there(raw):
        return None
    data = bytes(memoryview(raw)[: _TEXT_BYTES_MAX + 1])
    if data[:1] == b'"':
        if len(data) > _TEXT_BYTES_MAX:
            return "?" * (MODEL_LENGTH_MAX + 1)
        try:
            return _TEXT.decode(data)
        except UNUSABLE:
            return NOT_UTF8
    return 0 if data[:1] in b'[{tf"' else _number(data)


def read_number(raw: Raw) -> Cell:
    """Return a number, or a text of digits as one; what else there is as a text, which no judge takes for a number."""
    if not is_there(raw):
        return None
    data = bytes(memoryview(raw)[:64])
    if data[:1] == b'"' and data[-1:] == b'"' and data[1:-1].isdigit():
        data = data[1:-1]
    return "other" if data[:1] in b'[{tf"' else _number(data)


def read_count(raw: Raw, field: str, judge: RowJudge) -> int | None:
    """Return a whole number from 0 to ``COUNT_MAX``."""
    return judge.read_count(read_number(raw), field)


def read_moment(raw: Raw, judge: RowJudge) -> int | None:
    """Return epoch milliseconds; None where there are none that can be used."""
    cell = cell_of(raw)
    if isinstance(cell, str):
        return judge.read_iso_moment_ms(cell, "timestamp")
    return judge.read_moment_ms(cell, "timestamp")


def _number(data: bytes) -> Cell:
    try:
        number: int | float = _NUMBER.decode(data)
    except UNUSABLE:
        return NOT_FINITE
    return number
