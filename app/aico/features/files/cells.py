"""Judges the cells of an answer: a field that cannot be used is unknown, and its neighbours are taken.

Pure: no I/O, no clock, no logging.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

from aico.core.usage import (
    COST_MAX,
    COUNT_MAX,
    ID_LENGTH_MAX,
    MODEL_LENGTH_MAX,
    TS_MAX,
    TS_SECONDS_BELOW,
    Rejection,
    RejectionCode,
)
from aico.features.files.sqlite_question import NOT_FINITE, Cell

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowRefused(Exception):
    """The row has no usable identity: nothing can be said of it."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection)
        self.rejection = rejection


class _Unusable(Exception):  # never leaves this module
    def __init__(self, code: RejectionCode) -> None:
        super().__init__(code)
        self.code = code


class RowJudge:
    """Reads the cells of one row and keeps the reasons against those that it cannot use. NULL says nothing."""

    __slots__ = ("_index", "partials")

    def __init__(self, index: int) -> None:
        self._index = index
        self.partials: list[Rejection] = []
        """One for each field that is there and cannot be used."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of those fields."""
        return tuple(each.field for each in self.partials if each.field is not None)

    def read_identifier(self, cell: Cell, field: str) -> str:
        """Return a text that is neither empty nor too long. Raises RowRefused."""
        try:
            return _identifier(cell)
        except _Unusable as unusable:
            rejection = Rejection(self._index, unusable.code, field)
        raise RowRefused(rejection)

    def read_moment(self, cell: Cell, field: str, *, is_text: bool = False) -> int:
        """Return a time like :meth:`read_moment_ms`, or like :meth:`read_iso_moment_ms`. Raises RowRefused."""
        known = len(self.partials)
        moment_ms = self.read_iso_moment_ms(cell, field) if is_text else self.read_moment_ms(cell, field)
        if moment_ms is not None:
            return moment_ms
        code = self.partials[-1].code if len(self.partials) > known else RejectionCode.MISSING
        raise self.refuse(code, field)

    def refuse(self, code: RejectionCode, field: str | None = None) -> RowRefused:
        """Return the error for a row that cannot be used as a whole."""
        return RowRefused(Rejection(self._index, code, field))

    def read_model(self, cell: Cell, field: str) -> str | None:
        """Return a model's name without the blanks around it; None for none."""
        try:
            return _text(cell, MODEL_LENGTH_MAX).strip() or None
        except _Unusable as unusable:
            self._give_up(unusable, field)
            return None

    def find_identifier(self, cell: Cell, field: str) -> str | None:
        """Return the identifier of something else; None for none."""
        try:
            return _text(cell, ID_LENGTH_MAX) or None
        except _Unusable as unusable:
            self._give_up(unusable, field)
            return None

    def read_count(self, cell: Cell, field: str) -> int | None:
        """Return a whole number from 0 to ``COUNT_MAX``."""
        try:
            return _count(cell)
        except _Unusable as unusable:
            self._give_up(unusable, field)
            return None

    def read_cost(self, cell: Cell, field: str) -> float | None:
        """Return US dollars, 0 to ``COST_MAX``."""
        try:
            number = _number(cell, COST_MAX)
        except _Unusable as unusable:
            self._give_up(unusable, field)
            return None
        return None if number is None else float(number) + 0.0

    def read_moment_ms(self, cell: Cell, field: str) -> int | None:
        """Return epoch milliseconds of a number in milliseconds, or in seconds where it is small; None for 0, too."""
        try:
            number = _number(cell, TS_MAX)
        except _Unusable as unusable:
            self._give_up(unusable, field)
            return None
        if not number:
            return None
        return int(number * 1_000 if number < TS_SECONDS_BELOW else number)

    def read_iso_moment_ms(self, cell: Cell, field: str) -> int | None:
        """Return the epoch milliseconds of ``toISOString()``; None for none."""
        try:
            return None if cell is None else _iso_ms(_text(cell, MODEL_LENGTH_MAX))
        except _Unusable as unusable:
            self._give_up(unusable, field)
            return None

    def _give_up(self, unusable: _Unusable, field: str) -> None:
        self.partials.append(Rejection(self._index, unusable.code, field))


def _number(cell: Cell, maximum: int) -> int | float | None:
    if cell is None or cell == "null":
        return None
    if cell == NOT_FINITE:
        raise _Unusable(RejectionCode.NOT_FINITE)
    if isinstance(cell, str):
        raise _Unusable(RejectionCode.WRONG_TYPE)
    if cell < 0:
        raise _Unusable(RejectionCode.NEGATIVE)
    if cell > maximum:
        raise _Unusable(RejectionCode.TOO_LARGE)
    return cell


def _count(cell: Cell) -> int | None:
    number = _number(cell, COUNT_MAX)
    if number is not None and number != int(number):
        raise _Unusable(RejectionCode.NOT_AN_INTEGER)
    return None if number is None else int(number)


def _identifier(cell: Cell) -> str:
    text = _text(cell, ID_LENGTH_MAX)
    if not text:
        raise _Unusable(RejectionCode.EMPTY)
    return text


def _text(cell: Cell, length_max: int) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str):
        raise _Unusable(RejectionCode.WRONG_TYPE)
    if len(cell) > length_max:
        raise _Unusable(RejectionCode.TOO_LONG)
    if not cell.isprintable() and any(unicodedata.category(character) == "Cc" for character in cell):
        raise _Unusable(RejectionCode.CONTROL_CHARACTER)
    return cell


def _iso_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text) if text.isascii() else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Unusable(RejectionCode.NOT_A_TIME)
    ts = (moment - _EPOCH) // timedelta(milliseconds=1)
    if ts < 0:
        raise _Unusable(RejectionCode.NEGATIVE)
    return min(ts, TS_MAX)
