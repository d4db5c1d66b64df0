"""Charts of the results as SVG text: every figure beside its goal, and the cost of a change beside the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

from bench.figure import Verdict
from bench.report import Result

_ROW = 22
_LABEL, _BAR, _NUMBERS = 190, 380, 190
_WIDTH = _LABEL + _BAR + _NUMBERS
_SCALE = 1.6
"""How many times its goal a bar can show."""
_COLOURS = {
    Verdict.MET: "#2b8a3e",
    Verdict.CLOSE: "#b08900",
    Verdict.INCONCLUSIVE: "#868e96",
    Verdict.MISSED: "#c92a2a",
}
_STYLE = "font:12px system-ui,sans-serif;fill:#495057"
_SIDE = 60
_PLOT_WIDTH, _PLOT_HEIGHT = 560, 260


def goals_chart(results: Sequence[Result]) -> str:
    """Return one bar per figure: the median as a part of its goal, the interval as a line; the goal is one line."""
    goal = _LABEL + _BAR / _SCALE
    height = _ROW * (len(results) + 1) + 8
    parts = [f'<text x="{goal}" y="14" text-anchor="middle" style="{_STYLE}">goal</text>']
    for number, result in enumerate(results):
        top = _ROW * (number + 1)
        parts += _bar(result, top)
    parts.append(f'<path d="M{goal} 18V{height - 6}" stroke="#495057" stroke-dasharray="3 3"/>')
    return _svg(_WIDTH, height, parts)


def _bar(result: Result, top: int) -> list[str]:
    figure, interval = result.figure, result.measurement.interval
    ends = [
        _LABEL + _BAR * _part_of(value, figure.goal) / _SCALE
        for value in (interval.low, interval.median, interval.high)
    ]
    middle = top + _ROW / 2
    width = max(1.0, ends[1] - _LABEL)
    colour = _COLOURS[result.verdict]
    numbers = f"{interval.median:.3g} of {figure.goal:g} {figure.unit}"
    return [
        f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end" style="{_STYLE}">{escape(figure.name)}</text>',
        f'<rect x="{_LABEL}" y="{top + 5}" width="{width:.1f}" height="{_ROW - 10}" fill="{colour}"/>',
        f'<path d="M{ends[0]:.1f} {middle}H{ends[2]:.1f}" stroke="#212529" stroke-width="2"/>',
        f'<text x="{_LABEL + _BAR + 8}" y="{middle + 4}" style="{_STYLE}">{escape(numbers)}</text>',
    ]


def _part_of(value: float, goal: float) -> float:
    """Return what part of its goal a figure is, as far as a bar shows it; of a goal of 0 nothing, or more than all."""
    part = value / goal if goal else _SCALE * (value > 0)
    return max(0.0, min(part, _SCALE))


def growth_chart(details: Mapping[str, float]) -> str:
    """Return two curves over the number of entries, both axes logarithmic: the import, and only reading the file."""
    imports = {int(name[1:-3]): value for name, value in details.items() if name.count("_") == 1}
    reads = {int(name[1:-8]): value for name, value in details.items() if name.endswith("_read_ms")}
    values = [*imports.values(), *reads.values()]
    left, right = log10(min(imports)), log10(max(imports))
    bottom, top = log10(min(values)), log10(max(values))

    def point(count: int, value: float) -> tuple[float, float]:
        x = _SIDE + (log10(count) - left) / (right - left) * _PLOT_WIDTH
        return x, 20 + (top - log10(value)) / (top - bottom) * _PLOT_HEIGHT

    parts = []
    for name, curve, colour in (("import", imports, "#1864ab"), ("read and hash", reads, "#868e96")):
        points = [point(count, value) for count, value in curve.items()]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{points[-1][0] + 6:.1f}" y="{points[-1][1] + 4:.1f}" style="{_STYLE}">{name}</text>')
    for count, value in imports.items():
        x, y = point(count, value)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1864ab"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle" style="{_STYLE}">{value:.3g} ms</text>')
        parts.append(
            f'<text x="{x:.1f}" y="{_PLOT_HEIGHT + 44}" text-anchor="middle" style="{_STYLE}">{count:,}</text>'
        )
    return _svg(_SIDE + _PLOT_WIDTH + 110, _PLOT_HEIGHT + 56, parts)


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )
