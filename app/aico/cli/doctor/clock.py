"""The clock, by which costs are dated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from aico.cli.doctor.finding import Finding, ok, warn
from aico.cli.doctor.places import SourcesReport
from aico.core.settings import Settings
from aico.features.files.feed import Look

_PROGRAM = Path(__file__)
"""Installed at a moment that the clock has passed."""
_TOLERANCE_S = 86_400
"""Clocks, and the time zones of people that pack files, differ by a day at most."""
_AHEAD_S = 60


def examine_clock(report: SourcesReport, _settings: Settings) -> Iterator[Finding]:
    """Compare the clock with the moments of this program's installation and of the tools' last writes."""
    now_s = time.time()
    if now_s < _PROGRAM.stat().st_mtime - _TOLERANCE_S:
        yield warn("clock", "it is behind the day on which this program was installed: set the clock")
        return
    written = [(place.found.written_ns / 1e9, place) for place in report.list_on() if isinstance(place.found, Look)]
    newest_s, newest = max(written, key=lambda one: one[0], default=(now_s, None))
    if newest is not None and newest_s > now_s + _AHEAD_S:
        ahead = f"{(newest_s - now_s) / 3600:.1f} hours"
        what = f"the {newest.feed.title} of {newest.choice.source.title} was written {ahead} in the future"
        yield warn("clock", f"{what}: set the clock of this machine or of its host")
    else:
        yield ok("clock", "agrees with the files")
