"""The rules of the six fields, applied one by one: what a number, a time or a name may look like, and why not.

Pure: no I/O, no clock, no logging. Source: the fields of Cline's ``HistoryItem``; the bounds are ours, so that no
entry can make a sum overflow.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from aico.core.domain import Rejection, RejectionCode, TaskUsage
from aico.features.stores.bounds import COST_MAX, COUNT_MAX, ID_LENGTH_MAX, MODEL_LENGTH_MAX, TS_MAX

NOT_FINITE_MARK = "\x7f"
"""What :mod:`aico.features.ledger.repair` writes in the place of ``NaN`` and ``Infinity``: text of only this."""

_COUNT_LENGTH_MAX = 400
"""No count within the bounds needs more characters; a longer one is not worth converting."""
_TEXT_LENGTH_MAX = 12 * MODEL_LENGTH_MAX + 2
"""Bytes of the longest JSON text that can be within the bounds: every character as two ``\\uXXXX`` escapes."""
_INTEGER_TEXT = re.compile(r"-?[0-9]+\Z")
_NUMBER_TEXT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_NOT_FINITE_TEXT = re.compile(r"[+-]?(?:nan|inf|infinity)\Z", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = msgspec.Raw(b"")


class _Fields(msgspec.Struct, gc=False):
    """The six fields, undecoded."""

    id: msgspec.Raw = _ABSENT
    ts: msgspec.Raw = _ABSENT
    tokensIn: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key
    tokensOut: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key
    totalCost: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key
    modelId: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key


_FIELDS = msgspec.json.Decoder(_Fields)
_TEXT = msgspec.json.Decoder(str)


class _Refused(Exception):  # never leaves this module
    def __init__(self, code: RejectionCode) -> None:
        super().__init__(code)
        self.code = code


def judge_entry(raw: msgspec.Raw, index: int) -> TaskUsage | Rejection:
    """Return the value of one element of the array, or the first reason against it, in the order of the fields.

    Any exception is a bug.
    """
    fields = _split(raw)
    if fields is None:
        return Rejection(index, RejectionCode.NOT_AN_OBJECT, None)
    name = "id"
    try:
        task_id = _read_id(fields.id)
        name = "ts"
        ts = _read_ts(fields.ts)
        name = "tokensIn"
        tokens_in = _read_count(fields.tokensIn)
        name = "tokensOut"
        tokens_out = _read_count(fields.tokensOut)
        name = "totalCost"
        total_cost = _read_cost(fields.totalCost)
        name = "modelId"
        model = _read_name(fields.modelId, MODEL_LENGTH_MAX) if memoryview(fields.modelId) else ""
    except _Refused as refused:
        return Rejection(index, refused.code, name)
    return TaskUsage(task_id, ts, model if model.strip() else None, tokens_in, tokens_out, total_cost)


def has_control_character(text: str) -> bool:
    """Return whether ``text`` holds a character of Unicode's category Cc."""
    return not text.isprintable() and any(unicodedata.category(character) == "Cc" for character in text)


def _split(raw: msgspec.Raw) -> _Fields | None:
    try:
        return _FIELDS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _read_text(raw: msgspec.Raw) -> str:
    """Return the text of a JSON string within the length that any field may have."""
    if len(memoryview(raw)) > _TEXT_LENGTH_MAX:
        raise _Refused(RejectionCode.TOO_LONG)
    try:
        return _TEXT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise _Refused(RejectionCode.NOT_UTF8)


def _kind(raw: msgspec.Raw) -> str:
    """Return ``"`` for text, ``0`` for a number, and refuse everything else."""
    view = memoryview(raw)
    if not view:
        raise _Refused(RejectionCode.MISSING)
    first = chr(view[0])
    if first == '"':
        return first
    if first == "-" or first.isdigit():
        return "0"
    raise _Refused(RejectionCode.WRONG_TYPE)


def _read_id(raw: msgspec.Raw) -> str:
    task_id = _read_name(raw, ID_LENGTH_MAX)
    if not task_id:
        raise _Refused(RejectionCode.EMPTY)
    return task_id


def _read_name(raw: msgspec.Raw, length_max: int) -> str:
    if _kind(raw) != '"':
        raise _Refused(RejectionCode.WRONG_TYPE)
    text = _read_text(raw)
    if text and not text.strip(NOT_FINITE_MARK):
        raise _Refused(RejectionCode.WRONG_TYPE)
    if len(text) > length_max:
        raise _Refused(RejectionCode.TOO_LONG)
    if has_control_character(text):
        raise _Refused(RejectionCode.CONTROL_CHARACTER)
    return text


def _numeric_text(raw: msgspec.Raw, *, integer: bool) -> str:
    """Return a JSON number or the inside of numeric text; not NaN, not infinite."""
    if _kind(raw) != '"':
        return str(memoryview(raw), "ascii")
    text = _read_text(raw)
    if (text and not text.strip(NOT_FINITE_MARK)) or _NOT_FINITE_TEXT.match(text):
        raise _Refused(RejectionCode.NOT_FINITE)
    if not _NUMBER_TEXT.match(text):
        raise _Refused(RejectionCode.NOT_A_NUMBER)
    if integer and not _INTEGER_TEXT.match(text):
        raise _Refused(RejectionCode.NOT_AN_INTEGER)
    return text


def _read_count(raw: msgspec.Raw, maximum: int = COUNT_MAX) -> int:
    text = _numeric_text(raw, integer=True)
    if len(text) > _COUNT_LENGTH_MAX:
        raise _Refused(RejectionCode.NEGATIVE if text.startswith("-") else RejectionCode.TOO_LARGE)
    try:
        number = Decimal(text)
    except InvalidOperation:
        # An exponent beyond what Decimal holds: next to zero or next to infinity, and in neither case a count.
        raise _Refused(RejectionCode.TOO_LARGE) from None
    if number < 0:
        raise _Refused(RejectionCode.NEGATIVE)
    if number > maximum:
        raise _Refused(RejectionCode.TOO_LARGE)
    if number != number.to_integral_value():
        raise _Refused(RejectionCode.NOT_AN_INTEGER)
    return int(number)


def _read_cost(raw: msgspec.Raw) -> float:
    """Return the nearest float, as the decoder of a whole entry does: the other fields have no say in it."""
    cost = float(_numeric_text(raw, integer=False))
    if cost < 0:
        raise _Refused(RejectionCode.NEGATIVE)
    if cost > COST_MAX:
        raise _Refused(RejectionCode.TOO_LARGE)
    return cost + 0.0


def _read_ts(raw: msgspec.Raw) -> int:
    if _kind(raw) == '"':
        text = _read_text(raw)
        if not _NUMBER_TEXT.match(text) and text.strip(NOT_FINITE_MARK) and not _NOT_FINITE_TEXT.match(text):
            return _read_iso(text)
    return _read_count(raw, TS_MAX)


def _read_iso(text: str) -> int:
    if not (text.isascii() and text.isprintable()):
        # Python takes any character between date and time, and some versions end at a NUL.
        raise _Refused(RejectionCode.NOT_A_TIME)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Refused(RejectionCode.NOT_A_TIME) from None
    if moment.tzinfo is None:
        raise _Refused(RejectionCode.NOT_A_TIME)
    ts = (moment - _EPOCH) // timedelta(milliseconds=1)
    if ts < 0:
        raise _Refused(RejectionCode.NEGATIVE)
    if ts > TS_MAX:
        raise _Refused(RejectionCode.TOO_LARGE)
    return ts
