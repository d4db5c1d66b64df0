"""Prints the results of each viewer as a table, and keeps them as JSON without a date or a folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.peers.watching import LIMIT_S, Shown

_HEAD = "| viewer | home | first start | second start | change shown after | cost shown | off the truth by |"
_RULE = "|---|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Measured:
    """One viewer on one home."""

    viewer: str
    version: str
    how: str
    home: str
    """The generator's line, the truth in it; its part before the colon names the home."""
    truth_usd: float
    shown: Shown
    timed: bool

    @property
    def off_usd(self) -> float | None:
        """How much more than the truth it shows."""
        return None if self.shown.cost_usd is None else round(self.shown.cost_usd - self.truth_usd, 9)

    def line(self) -> str:
        """Return it as one row of the table."""
        shown, name = self.shown, self.home.partition(":")[0]
        cold, warm, live = (
            (seconds(values) if self.timed else "") for values in (shown.cold_s, shown.warm_s, shown.live_s)
        )
        if shown.frame_s:
            live += f" (socket {seconds(shown.frame_s)})"
        cost = "nothing" if shown.cost_usd is None else f"${shown.cost_usd:.6f}"
        return f"| {self.viewer} | {name} | {cold} | {warm} | {live} | {cost} | {dollars(self.off_usd)} |"


def seconds(values: Sequence[float | None]) -> str:
    """Return the median, with the least and the greatest; a value that was not shown in time is marked."""
    known = [value for value in values if value is not None]
    if not values:
        return "-"
    if len(known) < len(values):
        return f">= {LIMIT_S:.0f} s"
    spread = f" ({min(known):.2f} to {max(known):.2f})" if len(known) > 1 else ""
    return f"{median(known):.2f} s{spread}"


def dollars(off: float | None) -> str:
    """Return a difference; less than a nano-dollar is none."""
    if off is None:
        return "-"
    return "$0" if abs(off) < 1e-9 else f"{'+' if off > 0 else '-'}${abs(off):.6f}"


def table_of(results: Sequence[Measured]) -> str:
    """Return all rows as Markdown, the truths below."""
    homes = dict.fromkeys(result.home for result in results)
    return "\n".join([_HEAD, _RULE, *(result.line() for result in results), "", *(f"* {home}" for home in homes)])


def write_results(results: Sequence[Measured], lacking: Sequence[str], path: Path) -> None:
    """Write everything to ``path``."""
    machine = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "load_after": round(os.getloadavg()[0], 1),
    }
    rows = [{**asdict(result), "off_usd": result.off_usd} for result in results]
    document = {"machine": machine, "not_measured": list(lacking), "results": rows}
    path.write_text(json.dumps(document, indent=2) + "\n")
