"""The fields of a JSON line as they stand, before a text or a number is made of them. Pure.

A line is held against JSON's grammar and cut into raw fields: views of the reader's memory. Only what tells of usage is
made into a number or a text, and only up to the length that can be used.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from aico.core.usage import MODEL_LENGTH_MAX, Tokens
from aico.features.files.cells import RowJudge
from aico.features.files.sqlite_question import NOT_FINITE, NOT_UTF8, Cell

S = TypeVar("S", bound=msgspec.Struct)
NOTHING = Raw()
"""A field that is not there."""
_NOWHERE = (NOTHING, Raw(b"null"))
UNUSABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions of a decoder at bytes that it does not expect."""
_TEXT_BYTES_MAX = 6 * MODEL_LENGTH_MAX + 2
"""A longer text has more characters than any that is taken, with any escapes."""
_QUOTE = ord('"')
_MOMENT_LENGTH = len('"2026-11-28T14:31:49.432Z"')
_MINUTE = re.compile(rb'"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):')
_SECONDS = {b"%02d." % second: second * 1_000 for second in range(60)}
_MILLISECONDS = {b'%03dZ"' % rest_ms: rest_ms for rest_ms in range(1_000)}
"""The text behind the point, with its milliseconds; that behind the minute is in ``_SECONDS``."""
_FIRST_YEAR = 1970
_TEXT = msgspec.json.Decoder(str)
_NUMBER = msgspec.json.Decoder(int | float)


def is_there(raw: Raw) -> bool:
    """Return whether a field has a value other than null."""
    # Not by its bytes: a view of them takes twenty times as long.
    return raw not in _NOWHERE


@lru_cache(maxsize=64)
def _decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind)


def decode_part(raw: Raw, kind: type[S]) -> S | None:
    """Return the fields of a part of a line; None if it is no object, or not there."""
    if not is_there(raw):
        return None
    try:
        fields: S = _decoder(kind).decode(raw)
    except UNUSABLE:
        return None
    return fields


def says(raw: Raw, word: bytes) -> bool:
    """Return whether a field's JSON is ``word``, one of the few that tools are known to write."""
    return raw == _raw_of(word)


@lru_cache(maxsize=256)
def _raw_of(word: bytes) -> Raw:
    return Raw(word)


def identity_of(raw: Raw) -> bytes | None:
    """Return the bytes of a text that names something, as they stand; None where there is none. No text is made."""
    data = bytes(raw)
    return data if len(data) > len('""') and data[0] == _QUOTE else None


def cell_of(raw: Raw) -> Cell:
    """Return a text or a number; 0 for a value that is neither, None for null."""
    if not is_there(raw):
        return None
    data = bytes(raw) if len(raw) <= _TEXT_BYTES_MAX else bytes(memoryview(raw)[: _TEXT_BYTES_MAX + 1])
    if data[:1] == b'"':
        if len(data) > _TEXT_BYTES_MAX:
            return "?" * (MODEL_LENGTH_MAX + 1)
        try:
            return _TEXT.decode(data)
        except UNUSABLE:
            return NOT_UTF8
    return 0 if data[:1] in b'[{tf"' else _number(data)


def read_number(raw: Raw) -> Cell:
    """Return a number, or a text of digits as one; any other value as a text, which no judge takes for a number."""
    if not is_there(raw):
        return None
    data = bytes(memoryview(raw)[:64])
    if data[:1] == b'"' and data[-1:] == b'"' and data[1:-1].isdigit():
        data = data[1:-1]
    return "other" if data[:1] in b'[{tf"' else _number(data)


def read_count(raw: Raw, field: str, judge: RowJudge) -> int | None:
    """Return a whole number from 0 to ``COUNT_MAX``."""
    return judge.read_count(read_number(raw), field)


class Count(NamedTuple):
    """A count as it stands, and its name in the tool."""

    raw: Raw
    field: str


def read_tokens(fresh: Count, cached: Count, written: Count, output: Count, judge: RowJudge) -> Tokens:
    """Return the numbers of a usage of disjoint kinds; the life of tokens written to a cache is unknown."""
    known = read_count(*written, judge)
    return Tokens(
        read_count(*fresh, judge),
        read_count(*cached, judge),
        known,
        None if known is None else 0,
        read_count(*output, judge),
    )


def read_moment(raw: Raw, judge: RowJudge) -> int | None:
    """Return epoch milliseconds; None where there are none that can be used."""
    moment_ms = plain_moment(raw)
    if moment_ms is not None:
        return moment_ms
    cell = cell_of(raw)
    if isinstance(cell, str):
        return judge.read_iso_moment_ms(cell, "timestamp")
    return judge.read_moment_ms(cell, "timestamp")


def plain_moment(raw: Raw) -> int | None:
    """Return the epoch milliseconds of a moment as JavaScript writes it; None for any other spelling of one."""
    return _moment_of(bytes(raw)) if len(raw) == _MOMENT_LENGTH else None


def _moment_of(data: bytes) -> int | None:
    """Return the epoch milliseconds of a moment as JavaScript writes it; None for any other spelling of one."""
    minute_ms, second_ms, rest_ms = _minute_ms(data[:18]), _SECONDS.get(data[18:21]), _MILLISECONDS.get(data[21:])
    if minute_ms is None or second_ms is None or rest_ms is None:
        return None
    return minute_ms + second_ms + rest_ms


@lru_cache(maxsize=256)
def _minute_ms(data: bytes) -> int | None:
    found = _MINUTE.fullmatch(data)
    if found is None:
        return None
    year, month, day, hour, minute = map(int, found.groups())
    try:
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000 if moment.year >= _FIRST_YEAR else None


def _number(data: bytes) -> Cell:
    try:
        number: int | float = _NUMBER.decode(data)
    except UNUSABLE:
        return NOT_FINITE
    return number
