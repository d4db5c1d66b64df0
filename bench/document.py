"""Writes the measured figures into docs/performance.md, between two marks, with its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.charts import goals_chart, growth_chart
from bench.report import Result

_BEGIN, _END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
_GROWTH = "growth_300000"


def write_document(results: Sequence[Result], machine: Mapping[str, object], path: Path) -> None:
    """Replace the text between the marks in ``path``; its pictures lie in ``pictures`` beside it."""
    before, _mark, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _old, _mark, after = rest.partition(_END)
    pictures = path.parent / "pictures"
    (pictures / "performance-goals.svg").write_text(goals_chart(results), encoding="utf-8")
    growth = next((result.measurement.details for result in results if result.figure.name == _GROWTH), None)
    if growth is not None:
        (pictures / "performance-growth.svg").write_text(growth_chart(growth), encoding="utf-8")
    path.write_text(f"{before}{_BEGIN}{measured_part(results, machine)}{_END}{after}", encoding="utf-8")


def measured_part(results: Sequence[Result], machine: Mapping[str, object]) -> str:
    """Return the table and the pictures as Markdown."""
    lines = [
        "",
        "Measured on " + ", ".join(f"{name} {value}" for name, value in machine.items()) + ".",
        "",
        "| figure | what | median | 95 % interval | goal | samples | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        figure, measurement = result.figure, result.measurement
        interval, unit = measurement.interval, figure.unit
        details = ", ".join(f"{name} {value:.4g}" for name, value in measurement.details.items())
        lines.append(
            f"| `{figure.name}` | {figure.sentence}{f' ({details})' if details else ''} | {interval.median:.3g} {unit} "
            f"| {interval.low:.3g} to {interval.high:.3g} | {figure.goal:g} {unit} | {measurement.sample_count} "
            f"| {result.verdict} |"
        )
    lines += [
        "",
        "![Every figure beside its goal](pictures/performance-goals.svg)",
        "",
        "One changed entry in ever longer ledgers:",
        "",
        "![The cost of one change beside the length of the ledger](pictures/performance-growth.svg)",
        "",
    ]
    return "\n".join(lines) + "\n"
