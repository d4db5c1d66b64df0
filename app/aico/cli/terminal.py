"""Numbers, tables and long lines for a terminal. Nothing wraps, and no number is ever cut."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from aico.cli.screen import BAR_MAX, BOLD, DIM, Screen, columns_of, money, padded, shown_in
from aico.core.units import NANO

_NAME_MIN, _NAME_USUAL = 12, 22
_NAME_BESIDE_BARS = 18
_NAME_SHORT, _NAME_CUT = 6, 3
"""Columns that a name keeps if room lacks without any number but the cost, and those that it keeps in any case."""
_WHOLE = "Day", "Started", "Source"
"""Names that are cut after all others, the first one never: half a day is none."""
_BAR_MIN = 4
_LEAST_SHARE, _WHOLE_FROM = 0.1, 10
"""Per cent: below the first a share is said to be less, and from the second on it has no decimal."""
_WIDTH_OF_COLUMNS = 60
"""Columns from which on there is room for whole words below a name."""


class Row(NamedTuple):
    """One line of a table."""

    names: tuple[str, ...]
    cells: tuple[str, ...]
    part: float = 0
    """Length of its bar: a share of the longest."""
    source: str = ""
    """Gives the bar its colour."""
    below: str = ""
    """Text in a line of its own below it."""


class Table(NamedTuple):
    """Names at the left, numbers at the right, bars behind them.

    If room lacks, bars go first, then numbers, then names are cut.
    """

    names: tuple[str, ...]
    heads: tuple[str, ...]
    rows: Sequence[Row]
    total: Row | None = None
    widths: tuple[int, ...] = (9, 11, 8, 10)
    """Columns that the numbers take at least, blanks before them included."""
    name_least: int = _NAME_USUAL
    """Columns that the last name takes if there is room: two tables, one below the other, stand as one."""
    kept: int = 1
    """Numbers that stay at any width."""
    below_at: int = 0
    """The name below whose beginning a line of its own begins."""

    def draw(self, screen: Screen) -> list[str]:
        """Return the lines of the table."""
        rows = [*self.rows, *([] if self.total is None else [self.total])]
        widths = [
            max(least, *(columns_of(cell) + 2 for cell in column))
            for least, *column in zip(self.widths, self.heads, *(row.cells for row in rows), strict=False)
        ]
        wished = self._wish(rows)
        bars = BAR_MAX if any(row.part for row in rows) else 0
        room = screen.width - 2
        if bars:
            bars = min(bars, room - sum(wished[:-1]) - sum(widths) - 2 - _NAME_BESIDE_BARS)
            bars = bars if bars >= _BAR_MIN else 0
        least = self._list_least(wished, _NAME_MIN)
        while len(widths) > self.kept and room - sum(widths) < sum(least):
            widths.pop()
        names = _shrunk(wished, least, room - sum(widths) - (bars + 2 if bars else 0))
        for kept, whole in ((_NAME_SHORT, _WHOLE), (_NAME_CUT, _WHOLE[:1])):
            names = _shrunk(names, self._list_least(wished, kept, whole), room - sum(widths))
        head = Row(self.names, self.heads)
        left, right = self._line(screen, head, names, widths)
        lines = [f"  {screen.paint(left, BOLD)}{screen.paint(right, DIM)}".rstrip()]
        for row in self.rows:
            left, right = self._line(screen, row, names, widths)
            bar = f"  {screen.bar(row.part, row.source, bars)}" if bars else ""
            lines.append(f"  {left}{right}{bar}".rstrip())
            if row.below:
                indent = 4 + (sum(names[: self.below_at]) if screen.width >= _WIDTH_OF_COLUMNS else 0)
                lines.append(f"{' ' * indent}{screen.paint(screen.cut(row.below, screen.width - indent), DIM)}")
        if self.total is not None:
            left, right = self._line(screen, self.total, names, widths)
            lines.append(screen.paint(f"  {screen.rule * (sum(names) + sum(widths))}", DIM))
            lines.append(screen.paint(f"  {left}{right}", BOLD))
        return lines

    def _wish(self, rows: Sequence[Row]) -> list[int]:
        """Return the columns that the names would take, two blanks behind each but the last included."""
        longest = [
            max(columns_of(head), *(columns_of(row.names[place]) for row in rows))
            for place, head in enumerate(self.names)
        ]
        firsts = [
            width if head in _WHOLE else min(width, _NAME_BESIDE_BARS - 2)
            for head, width in zip(self.names[:-1], longest, strict=False)
        ]
        last = longest[-1] if self.names[-1] in _WHOLE else max(_NAME_USUAL, self.name_least, longest[-1])
        return [*(width + 2 for width in firsts), last]

    def _list_least(self, wished: Sequence[int], least: int, whole: Sequence[str] = _WHOLE) -> list[int]:
        """Return the columns that each name keeps of ``wished``: as many as are asked for, or all of ``whole``."""
        blanks = [2] * (len(wished) - 1) + [0]
        return [
            width if head in whole else min(width, least + blank)
            for head, width, blank in zip(self.names, wished, blanks, strict=True)
        ]

    @staticmethod
    def _line(screen: Screen, row: Row, names: Sequence[int], cells: Sequence[int]) -> tuple[str, str]:
        *firsts, last = zip(row.names, names, strict=True)
        left = "".join(padded(screen.cut(text, width - 2), width) for text, width in firsts)
        left += padded(screen.cut(last[0], last[1]), last[1])
        right = "".join(" " * (width - columns_of(text)) + text for text, width in zip(row.cells, cells, strict=False))
        return left, right


def _shrunk(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Return ``widths`` that fit into ``room``: the widest is cut first, and none below ``least``."""
    fitting = list(widths)
    while sum(fitting) > room:
        wide = [place for place, width in enumerate(fitting) if width > least[place]]
        if not wide:
            break
        fitting[max(wide, key=fitting.__getitem__)] -= 1
    return fitting


def wrapped(text: str, width: int, indent: str) -> Iterator[str]:
    """Yield ``text`` in lines of at most ``width`` columns, divided at blanks, each behind ``indent``."""
    line = indent
    for word in text.split(" "):
        if line != indent and columns_of(line) + 1 + columns_of(word) > width:
            yield line
            line = indent
        line += word if line == indent else f" {word}"
    yield line


def hanging(lines: Iterable[str], indent: int) -> Iterator[str]:
    """Yield ``lines`` so that a terminal wraps none: a text that is too long goes on below, behind ``indent`` columns.

    A file or a pipe gets each line whole.
    """
    width = Screen.of_output().width
    for line in lines:
        if columns_of(line) <= width or not sys.stdout.isatty():
            yield line
            continue
        first, *others = wrapped(line[indent:], width, " " * indent)
        yield line[:indent] + first[indent:]
        yield from others


def whole_money(nano: int) -> str:
    """Return nano-dollars to the dollar from ten dollars on, else to the cent."""
    currency = shown_in()
    mark, units = ("$", nano) if currency is None else (f"{currency.code} ", currency.of_nano(nano))
    return f"{mark}{(units + NANO // 2) // NANO:,}" if units >= 10 * NANO else money(nano)


def tokens(count: int) -> str:
    """Return a number of tokens for a person as the page does: ``9,876``, ``12 K``, ``410.5 K``, ``66.0 M``, ``1.2 B``.

    A column keeps these units, each with its own digits: in one unit the small ones would read as nothing.
    """
    if count < 10**4:
        return f"{count:,}"
    if count < 99_500:
        return f"{count / 1000:.0f} K"
    size, unit = next(each for each in ((10**9, "B"), (10**6, "M"), (10**3, "K")) if count >= each[0] * 0.99995)
    return f"{count / size:,.1f} {unit}"


def share(part: int, whole: int, *, is_short: bool = False) -> str:
    """Return the share of ``part`` in ``whole`` in per cent, rounded as on the page; none above 0 reads as nothing.

    If ``is_short``, none has a decimal.
    """
    if whole <= 0 or part <= 0:
        return "-"
    percent = 100 * part / whole
    if is_short:
        return f"{round(percent) or '<1'} %"
    if percent < _LEAST_SHARE:
        return f"<{_LEAST_SHARE} %"
    return f"{percent:.0f} %" if percent >= _WHOLE_FROM else f"{percent:.1f}".removesuffix(".0") + " %"
