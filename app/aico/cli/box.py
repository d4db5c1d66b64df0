"""The few lines that a person sees when the service starts. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def describe_age(seconds: float) -> str:
    """Return ``seconds`` ago in words, in the largest unit that it fills."""
    for size, unit in _AGES:
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def describe_size(size_bytes: int) -> str:
    """Return ``size_bytes`` for a person."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"


def describe_count(count: object, noun: str) -> str:
    """Return ``count`` of ``noun``, whose plural ends in ``s`` or ``ies``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


class Frame(NamedTuple):
    """What a box is drawn with."""

    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    horizontal: str
    vertical: str


ROUND = Frame("╭", "╮", "╰", "╯", "─", "│")
PLAIN = Frame("+", "+", "+", "+", "-", "|")
"""For terminals that know ASCII only."""


def draw_box(title: str, rows: Sequence[tuple[str, str]], frame: Frame = ROUND) -> list[str]:
    """Return a box around ``rows`` of a label and a text each."""
    label_width = max(_width(label) for label, _ in rows)
    lines = [f"{_padded(label, label_width)}  {text}" for label, text in rows]
    width = max(_width(title) + 2, *map(_width, lines))
    rule = frame.horizontal * (width - _width(title) - 1)
    return [
        f"{frame.top_left}{frame.horizontal} {title} {rule}{frame.top_right}",
        *(f"{frame.vertical} {_padded(line, width)} {frame.vertical}" for line in lines),
        f"{frame.bottom_left}{frame.horizontal * (width + 2)}{frame.bottom_right}",
    ]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
