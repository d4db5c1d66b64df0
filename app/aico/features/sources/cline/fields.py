"""The rules of the six fields, applied one by one: what a number, a time or a name may look like, and why not.

Pure: no I/O, no clock, no logging; of this machine only the time zone is asked for. Source: the fields of Cline's
``HistoryItem``; the bounds are ours, so that no entry can make a sum overflow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

import msgspec

from aico.core.usage import (
    COST_MAX,
    COUNT_MAX,
    ID_LENGTH_MAX,
    MODEL_LENGTH_MAX,
    TS_MAX,
    TS_SECONDS_BELOW,
    MeterReading,
    Rejection,
    RejectionCode,
)

NOT_FINITE_MARK = "\x7f"
"""The module beside this writes it in the place of ``NaN`` and ``Infinity``; no other text consists of it."""

T = TypeVar("T")

_NUMBER_LENGTH_MAX = 400
"""No integer within the bounds needs more characters; a longer one is not worth converting."""
_TEXT_LENGTH_MAX = 12 * MODEL_LENGTH_MAX + 2
"""Bytes of the longest JSON text that can be within the bounds: every character as two ``\\uXXXX`` escapes."""
_INTEGER_TEXT = re.compile(r"-?[0-9]+\Z")
_NUMBER_TEXT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_NOT_FINITE_TEXT = re.compile(r"[+-]?(?:nan|inf|infinity)\Z", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_ABSENT = msgspec.Raw(b"")


class _Fields(msgspec.Struct, gc=False):
    """The six fields, undecoded."""

    id: msgspec.Raw = _ABSENT
    ts: msgspec.Raw = _ABSENT
    tokensIn: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key
    tokensOut: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key
    totalCost: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key
    modelId: msgspec.Raw = _ABSENT  # noqa: N815  # Cline's key


_BEGINS_WITH_START = re.compile(r"[1-9][0-9]{12}(?![0-9])")
_FIELDS = msgspec.json.Decoder(_Fields)
_TEXT = msgspec.json.Decoder(str)


class Judged(NamedTuple):
    """The reading of one entry, and its fields that could not be used."""

    reading: MeterReading
    partials: tuple[Rejection, ...]


class _Unusable(Exception):  # never leaves this module
    def __init__(self, code: RejectionCode) -> None:
        super().__init__(code)
        self.code = code


def judge_entry(raw: msgspec.Raw, index: int, zone: tzinfo | None = None) -> Judged | Rejection:
    """Return the reading of one element of the array, or the reason of its refusal.

    An element is refused only if it is no object, or has no usable ``id`` or ``ts``. Any other field that cannot be
    used is unknown and costs nothing else. A moment without a time zone is of ``zone``, or of this machine's. Any
    exception is a bug.
    """
    try:
        fields = _FIELDS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return Rejection(index, RejectionCode.NOT_AN_OBJECT, None)
    name = "id"
    try:
        session = _read_id(fields.id)
        name = "ts"
        ts = _read_ts(fields.ts, zone)
    except _Unusable as unusable:
        return Rejection(index, unusable.code, name)
    partials: list[Rejection] = []

    def known(field: str, raw: msgspec.Raw, read: Callable[[msgspec.Raw], T]) -> T | None:
        try:
            return read(raw)
        except _Unusable as unusable:
            partials.append(Rejection(index, unusable.code, field))
            return None

    tokens_in = known("tokensIn", fields.tokensIn, _read_count)
    tokens_out = known("tokensOut", fields.tokensOut, _read_count)
    cost = known("totalCost", fields.totalCost, _read_cost)
    model = known("modelId", fields.modelId, _read_model)
    reading = MeterReading(
        session,
        ts or None,
        model,
        tokens_in,
        None,
        None,
        None,
        tokens_out,
        None,
        cost,
        unknown=tuple(each.field or "" for each in partials),
        started_ts=start_of(session),
    )
    return Judged(reading, tuple(partials))


def start_of(session: str) -> int | None:
    """Return the start of a session in epoch milliseconds, with which Cline begins its id; None for any other id."""
    return int(session[:13]) if _BEGINS_WITH_START.match(session) else None


def has_control_character(text: str) -> bool:
    """Return whether ``text`` holds a character of Unicode's category Cc."""
    return not text.isprintable() and any(unicodedata.category(character) == "Cc" for character in text)


def _read_text(raw: msgspec.Raw) -> str:
    """Return the text of a JSON string within the length that any field may have."""
    if len(memoryview(raw)) > _TEXT_LENGTH_MAX:
        raise _Unusable(RejectionCode.TOO_LONG)
    try:
        return _TEXT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise _Unusable(RejectionCode.NOT_UTF8)


def _kind(raw: msgspec.Raw) -> str:
    """Return ``"`` for text, ``0`` for a number, and refuse everything else."""
    view = memoryview(raw)
    if not view:
        raise _Unusable(RejectionCode.MISSING)
    first = chr(view[0])
    if first == '"':
        return first
    if first == "-" or first.isdigit():
        return "0"
    raise _Unusable(RejectionCode.WRONG_TYPE)


def _read_id(raw: msgspec.Raw) -> str:
    session = _read_name(raw)
    if not session:
        raise _Unusable(RejectionCode.EMPTY)
    if len(session) > ID_LENGTH_MAX:
        raise _Unusable(RejectionCode.TOO_LONG)
    return session


def _read_model(raw: msgspec.Raw) -> str | None:
    view = memoryview(raw)
    if not view or chr(view[0]) == "n":  # null
        return None
    model = _read_name(raw).strip()
    if len(model) > MODEL_LENGTH_MAX:
        raise _Unusable(RejectionCode.TOO_LONG)
    return model or None


def _read_name(raw: msgspec.Raw) -> str:
    if _kind(raw) != '"':
        raise _Unusable(RejectionCode.WRONG_TYPE)
    text = _read_text(raw)
    if text and not text.strip(NOT_FINITE_MARK):
        raise _Unusable(RejectionCode.WRONG_TYPE)
    if has_control_character(text):
        raise _Unusable(RejectionCode.CONTROL_CHARACTER)
    return text


def _numeric_text(raw: msgspec.Raw) -> tuple[str, bool]:
    """Return a JSON number or the inside of numeric text, not NaN, not infinite; and whether it was text."""
    if _kind(raw) != '"':
        return str(memoryview(raw), "ascii"), False
    text = _read_text(raw)
    if (text and not text.strip(NOT_FINITE_MARK)) or _NOT_FINITE_TEXT.match(text):
        raise _Unusable(RejectionCode.NOT_FINITE)
    if not _NUMBER_TEXT.match(text):
        raise _Unusable(RejectionCode.NOT_A_NUMBER)
    return text, True


def _read_decimal(text: str) -> Decimal:
    """Return the number that ``text`` is, at least 0."""
    if len(text) > _NUMBER_LENGTH_MAX:
        raise _Unusable(RejectionCode.NEGATIVE if text.startswith("-") else RejectionCode.TOO_LARGE)
    try:
        number = Decimal(text)
    except InvalidOperation:
        # An exponent beyond what Decimal holds: next to zero or next to infinity, and in neither case a usable number.
        raise _Unusable(RejectionCode.TOO_LARGE) from None
    if number < 0:
        raise _Unusable(RejectionCode.NEGATIVE)
    return number


def _read_count(raw: msgspec.Raw) -> int:
    text, is_text = _numeric_text(raw)
    if is_text and not _INTEGER_TEXT.match(text):
        raise _Unusable(RejectionCode.NOT_AN_INTEGER)
    number = _read_decimal(text)
    if number > COUNT_MAX:
        raise _Unusable(RejectionCode.TOO_LARGE)
    if number != number.to_integral_value():
        raise _Unusable(RejectionCode.NOT_AN_INTEGER)
    return int(number)


def _read_cost(raw: msgspec.Raw) -> float:
    """Return the nearest float, as the decoder of a whole entry does: the other fields have no say in it."""
    cost = float(_numeric_text(raw)[0])
    if cost < 0:
        raise _Unusable(RejectionCode.NEGATIVE)
    if cost > COST_MAX:
        raise _Unusable(RejectionCode.TOO_LARGE)
    return cost + 0.0


def _read_ts(raw: msgspec.Raw, zone: tzinfo | None) -> int:
    """Return epoch milliseconds, a fraction of one cut; what is too small to be milliseconds is in seconds."""
    if _kind(raw) == '"':
        text = _read_text(raw)
        if not _NUMBER_TEXT.match(text) and text.strip(NOT_FINITE_MARK) and not _NOT_FINITE_TEXT.match(text):
            return _read_iso(text, zone)
    number = _read_decimal(_numeric_text(raw)[0])
    if number < TS_SECONDS_BELOW:
        number *= 1000
    if number >= TS_MAX + 1:
        raise _Unusable(RejectionCode.TOO_LARGE)
    return int(number)


def _read_iso(text: str, zone: tzinfo | None) -> int:
    if not (text.isascii() and text.isprintable()):
        # Python takes any character between date and time, and some versions end at a NUL.
        raise _Unusable(RejectionCode.NOT_A_TIME)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        ts = (moment - _EPOCH) // _MS
    except (ValueError, OverflowError):
        raise _Unusable(RejectionCode.NOT_A_TIME) from None
    if ts < 0:
        raise _Unusable(RejectionCode.NEGATIVE)
    if ts > TS_MAX:
        raise _Unusable(RejectionCode.TOO_LARGE)
    return ts
