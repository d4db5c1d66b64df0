"""A visit to a listed site, as any browser tells it, and the position to ask from next. No I/O, clock or logging."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aico.features.files.sqlite_question import Cell, Question

MAX_BYTES = 32 << 20
"""Of an answer: some 600,000 visits."""
OPEN_MAX = 500
"""Visits whose end is waited for; older ones are given up."""
OPEN_DAYS = 7
_DAY_US = 86_400_000_000
_OPEN_US = OPEN_DAYS * _DAY_US
_YEAR_9999_US = 253_370_764_800_000_000


class Visit(NamedTuple):
    """A page of a listed site that was looked at."""

    id: int
    """The history's own."""
    at_us: int
    """When it began, epoch microseconds."""
    name: str
    """The listed one. Nothing else of the address is known."""
    foreground_us: int | None
    """How long it was in front so far; None while nobody knows."""


class Position(NamedTuple):
    """How far a history was read."""

    last: int = 0
    """The greatest id, or the newest change; rows behind it are new."""
    anchor: tuple[int, int] | None = None
    """Id and time of a visit that must still be there; else this is another history, and it is read anew."""
    open: tuple[int, ...] = ()
    """Visits that had not ended."""

    def text(self, basis: str) -> str | None:
        """Return it as it is kept; None for one without an anchor: nothing would tell another history then.

        ``basis`` stands for the rules by which visits were read: with another one they are to be read anew.
        """
        return None if self.anchor is None else json.dumps([basis, self.last, *self.anchor, *self.open])

    @classmethod
    def parse(cls, text: str, basis: str) -> Position:
        """Return the position kept on the same ``basis``; the start for another one, or a text that is not ours."""
        try:
            kept, *numbers = json.loads(text)
            last, key, at, *others = map(int, numbers)
        except (ValueError, TypeError):
            return START
        return cls(last, (key, at), tuple(others)) if kept == basis else START


START = Position()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a history."""

    visits: tuple[Visit, ...]
    position: Position
    is_other: bool = False
    """It is no longer the one that ``position`` was of: it is to be asked from the start."""


@dataclass(frozen=True, slots=True)
class History:
    """How a kind of browser keeps its history."""

    file: str
    """The name of the database, inside the folder of a profile."""
    ask: Callable[[str, Sequence[str], Position], Question]
    """Return the question for what is new behind a position, given the path and the listed names."""
    judge: Callable[[Sequence[Sequence[Cell]], Position, int], Answer]
    """Say what the rows mean, given the position that was asked from and the time now, epoch microseconds."""


def visit_of(row: Sequence[Cell], epoch_us: int, now_us: int) -> Visit | None:
    """Return the visit of a row (id, time, name, time in front), all times in microseconds; None for an unusable one.

    ``epoch_us`` is the browser's zero. A time in front never reaches beyond now, with any step of the clock.
    """
    key, at, name, foreground = row[:4]
    if not isinstance(key, int) or not isinstance(at, int) or not isinstance(name, str):
        return None
    at_us = at + epoch_us
    if not 0 < at_us <= min(now_us + _DAY_US, _YEAR_9999_US):
        return None
    if not isinstance(foreground, int) or foreground < 0:
        return Visit(key, at_us, name, None)
    return Visit(key, at_us, name, min(foreground, max(0, now_us - at_us)))


def position_after(before: Position, last: int, visits: Sequence[Visit], now_us: int) -> Position:
    """Return how far a history with ids is read, given its greatest id."""
    newest = max(visits, default=None)
    waiting = [visit.id for visit in visits if visit.foreground_us is None and now_us - visit.at_us < _OPEN_US]
    # One that was waited for and is no longer told was deleted, or is of a site that is no longer listed.
    anchor = before.anchor if newest is None else (newest.id, newest.at_us)
    if before.anchor is not None and anchor is not None and anchor[0] < before.anchor[0]:
        anchor = before.anchor
    known = 0 if newest is None else newest.id
    return Position(max(last, known, 0), anchor, tuple(sorted(waiting)[-OPEN_MAX:]))


def judge_numbered(epoch_us: int) -> Callable[[Sequence[Sequence[Cell]], Position, int], Answer]:
    """Return what judges the rows of a history with ids, whose last row is its greatest id and the anchor's time.

    ``epoch_us`` is the browser's zero.
    """

    def judge(rows: Sequence[Sequence[Cell]], position: Position, now_us: int) -> Answer:
        last, anchor_at = rows[-1][:2]
        last = last if isinstance(last, int) else 0
        if last < position.last or (position.anchor and anchor_at != position.anchor[1] - epoch_us):
            return Answer((), position, is_other=True)
        visits = [visit for row in rows[:-1] if (visit := visit_of(row, epoch_us, now_us)) is not None]
        return Answer(tuple(visits), position_after(position, last, visits, now_us))

    return judge
