"""The few lines that a person sees when the service starts. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from aico.core.words import describe_count

_AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def describe_age(seconds: float) -> str:
    """Return ``seconds`` ago in words, in the largest unit that it fills."""
    return f"{describe_span(seconds)} ago" if seconds >= 1 else "just now"


def describe_span(seconds: float) -> str:
    """Return how long ``seconds`` are, in the largest unit that they fill."""
    size, unit = next(((size, unit) for size, unit in _AGES if seconds >= size), _AGES[-1])
    return describe_count(int(seconds // size), unit) if seconds >= 1 else "less than a second"


def describe_size(size_bytes: int) -> str:
    """Return ``size_bytes`` for a person."""
    if size_bytes < 1_000:
        return describe_count(size_bytes, "byte")
    size, unit = next((size, unit) for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size_bytes >= size)
    return f"{size_bytes / size:.1f} {unit}"


class Frame(NamedTuple):
    """The characters that a box is drawn with."""

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
