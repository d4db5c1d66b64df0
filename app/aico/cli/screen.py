"""The abilities of a terminal: its width, its colours, its characters."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from aico.cli.streams import can_show
from aico.core.units import NANO

if TYPE_CHECKING:
    from aico.core.currency import Currency
    from aico.core.db.sums_reader import PlanPrice

WIDTH_MAX = 78
_CENT = NANO // 100
_SHOWN_IN: ContextVar[Currency | None] = ContextVar("shown_in", default=None)
"""The currency of a command's amounts."""
_PLANS: ContextVar[tuple[PlanPrice, ...]] = ContextVar("plans", default=())
"""The plans that pay for something."""
_NAME_MIN, _NAME_USUAL = 12, 22
_NAME_BESIDE_BARS = 18
_BAR_MIN, BAR_MAX = 4, 10
_TAIL = 4
"""Characters that are kept of the end of a name: dates and versions stand there."""
BOLD, DIM, UNDERLINED, YELLOW, ALARM = "1", "2", "4", "33", "1;31"
_SLOTS = {
    "claude-code": 167,
    "codex": 72,
    "gemini-cli": 25,
    "cline": 105,
    "opencode": 58,
    "qwen-code": 139,
    "copilot-cli": 161,
    "kilo": 28,
}
_OTHER_SLOT = 242
"""Colours of bars, of 256: each can be seen on a dark and on a light ground, and the name stands beside it."""


class Screen(NamedTuple):
    """The output that is written on: its width, whether it has colours, and whether it shows more than ASCII."""

    width: int
    has_colours: bool
    is_plain: bool

    @classmethod
    def of_output(cls, environment: Mapping[str, str] | None = None) -> Screen:
        """Return the screen of standard output: a terminal, or a file of the usual width without colours."""
        environment = os.environ if environment is None else environment
        is_terminal = sys.stdout.isatty()
        width = WIDTH_MAX
        if environment.get("COLUMNS", "").isdigit():
            width = int(environment["COLUMNS"]) or WIDTH_MAX
        elif is_terminal:
            try:
                width = os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH_MAX
            except OSError:
                width = WIDTH_MAX
        has_colours = is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        return cls(min(width, WIDTH_MAX), has_colours, not can_show("█─…"))

    def paint(self, text: str, style: str) -> str:
        """Return ``text`` in a style, where there are any."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.has_colours and text.strip() else text

    def mark(self, line: str, words: str, style: str) -> str:
        """Return ``line`` with ``words``, where it holds them, in a style."""
        return line.replace(words, self.paint(words, style), 1) if words else line

    def bar(self, part: float, source: str, cells: int = BAR_MAX) -> str:
        """Return the bar of ``part`` of the longest one, without blanks behind it."""
        text = ("#" if self.is_plain else "█") * round(max(0.0, min(1.0, part)) * cells)
        return self.paint(text, f"38;5;{_SLOTS.get(source, _OTHER_SLOT)}")

    @property
    def rule(self) -> str:
        """The character that lines are made of."""
        return "-" if self.is_plain else "─"

    def cut(self, text: str, width: int) -> str:
        """Return ``text`` in at most ``width`` columns, cut in the middle."""
        text = "".join(character if character.isprintable() else "?" for character in text)
        if columns_of(text) <= width:
            return text
        dots = ".." if self.is_plain else "…"
        tail = text[-_TAIL:] if width >= 2 * _TAIL + len(dots) else ""
        head = text
        while head and columns_of(head + dots + tail) > width:
            head = head[:-1]
        return head + dots + tail


def columns_of(text: str) -> int:
    """Return the columns that ``text`` takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(each) in "WF" else not unicodedata.combining(each) for each in text)


def padded(text: str, width: int) -> str:
    """Return ``text`` with blanks behind it."""
    return text + " " * (width - columns_of(text))


def show_in(currency: Currency | None) -> None:
    """Have :func:`money` say amounts in ``currency`` from now on; None: in US dollars."""
    _SHOWN_IN.set(currency)


def shown_in() -> Currency | None:
    """Return the currency of amounts."""
    return _SHOWN_IN.get()


def show_plans(plans: Sequence[PlanPrice]) -> None:
    """Have the usage of the sources of ``plans`` told as a value, and as no cost."""
    _PLANS.set(tuple(plans))


def shown_plans() -> tuple[PlanPrice, ...]:
    """Return the plans that pay for something."""
    return _PLANS.get()


def money(nano: int) -> str:
    """Return nano-dollars to the cent, marked with their currency; no cost reads as nothing."""
    currency = _SHOWN_IN.get()
    mark = "$" if currency is None else f"{currency.code} "
    cents = ((nano if currency is None else currency.of_nano(nano)) + _CENT // 2) // _CENT
    return f"{mark}{cents // 100:,}.{cents % 100:02}" if cents or not nano else f"<{mark}0.01"


def plural(count: int, noun: str) -> str:
    """Return ``count`` of ``noun``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
