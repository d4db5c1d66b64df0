"""The clock, by which costs are dated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from aico.cli.doctor.finding import Finding, ok, warn
from aico.core.errors import LedgerError
from aico.core.settings import Settings
from aico.features.ledger.path_guard import LedgerGuard

_PROGRAM = Path(__file__)
"""Installed at a moment that the clock has passed."""
_TOLERANCE_S = 86_400
"""Clocks, and the time zones of who packs files, differ by a day at most."""
_AHEAD_S = 60


def examine_clock(settings: Settings) -> Iterator[Finding]:
    """Compare the clock with the moments at which this program was installed and the ledger was written."""
    now_s = time.time()
    if now_s < _PROGRAM.stat().st_mtime - _TOLERANCE_S:
        yield warn("clock", "it is behind the day on which this program was installed: set the clock")
        return
    try:
        written_s = LedgerGuard(settings.ledger_path, settings.max_ledger_bytes).stat().st_mtime
    except LedgerError:
        written_s = now_s
    if written_s > now_s + _AHEAD_S:
        ahead = f"{(written_s - now_s) / 3600:.1f} hours"
        yield warn(
            "clock", f"the ledger was written {ahead} in the future: set the clock of this machine or of its host"
        )
    else:
        yield ok("clock", "agrees with the files")
