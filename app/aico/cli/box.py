"""The few lines that a person sees when the service starts. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

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


def draw_box(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return a box around ``rows`` of a label and a text each."""
    label_width = max(_width(label) for label, _ in rows)
    lines = [f"{_padded(label, label_width)}  {text}" for label, text in rows]
    width = max(_width(title) + 2, *map(_width, lines))
    top = f"╭─ {title} {'─' * (width - _width(title) - 1)}╮"
    return [top, *(f"│ {_padded(line, width)} │" for line in lines), f"╰{'─' * (width + 2)}╯"]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
