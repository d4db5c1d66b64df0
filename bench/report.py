"""Shows the results as a table and keeps them as JSON; nothing in them names the machine's owner or folders."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.figure import Figure, Measurement, Verdict

_LIBRARIES = ("msgspec", "sqlalchemy", "sqlmodel")


@dataclass(frozen=True, slots=True)
class Result:
    """One figure, its measurement, and its relation to its goal."""

    figure: Figure
    measurement: Measurement
    verdict: Verdict


def table_of(results: Sequence[Result]) -> str:
    """Return the results as text, one line each, their details below."""
    lines = [f"{'figure':24} {'median':>9} {'95 % interval':>19} {'goal':>9} {'n':>5}  verdict"]
    for result in results:
        figure, interval = result.figure, result.measurement.interval
        spread = f"{interval.low:.3f} .. {interval.high:.3f}"
        median, goal = (f"{value:.3f} {figure.unit}" for value in (interval.median, figure.goal))
        count = result.measurement.sample_count
        lines.append(f"{figure.name:24} {median:>9} {spread:>19} {goal:>9} {count:>5}  {result.verdict}")
        details = ", ".join(f"{name} {value:.4g}" for name, value in result.measurement.details.items())
        lines.append(f"  {figure.sentence}\n  {details}")
    return "\n".join(lines)


def write_results(results: Sequence[Result], path: Path) -> None:
    """Write everything that was measured to ``path``."""
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "figures": [
            {
                "name": result.figure.name,
                "sentence": result.figure.sentence,
                "unit": result.figure.unit,
                "goal": result.figure.goal,
                "verdict": result.verdict,
                "interval": asdict(result.measurement.interval),
                "sample_count": result.measurement.sample_count,
                "details": dict(result.measurement.details),
            }
            for result in results
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def machine() -> dict[str, object]:
    """Return a description of the machine, without its name."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _LIBRARIES},
    }
