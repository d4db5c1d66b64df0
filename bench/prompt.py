"""Figures: the commands that a person waits for at a prompt, beside what Python alone needs for their technology."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.figure import Figure, Measurement, Setup, blocking
from bench.intervals import median_interval
from bench.queries import fill

_BARE = (sys.executable, "-c", "import argparse, json, sqlite3, datetime")
_AICO = str(Path(sys.executable).with_name("aico"))
_TASKS = 2_000
_WARM_UP = 3
_SAID = b'{"session_id": "1", "transcript_path": "/nowhere", "cost": {"total_cost_usd": 1}}'
"""The text that a coding tool passes to its status line; the other commands do not read it."""


def _measure(words: Sequence[str], setup: Setup) -> Measurement:
    database = setup.folder / "data" / "observer.db"
    fill(database, _TASKS)
    # Modules are compiled once, as in an installation, even if this process was told not to.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AICO_", "PYTHON"))}
    environment = {**kept, "AICO_DATABASE_PATH": str(database), "AICO_CONFIG": str(setup.folder / "config.toml")}
    (setup.folder / "config.toml").touch()
    sides = ((_AICO, *words), _BARE)
    for side in sides * _WARM_UP:
        _time(side, environment)
    pairs = [[_time(side, environment) for side in sides] for _ in range(setup.pair_count)]
    return Measurement(
        median_interval([ours[0] / bare[0] for ours, bare in pairs]),
        len(pairs),
        {
            "command_ms": median(ours[0] for ours, _ in pairs) * 1000,
            "bare_ms": median(bare[0] for _, bare in pairs) * 1000,
            "cpu_ratio": median(ours[1] / bare[1] for ours, bare in pairs),
        },
    )


def _time(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return seconds on the wall and of processor time; the short line ends with 3, as nobody watches."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    code = subprocess.run(command, env=environment, check=False, input=_SAID, stdout=subprocess.DEVNULL).returncode
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if code not in {0, 3}:
        raise AssertionError(f"{command[0]} ended with {code}")
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _figure(name: str, words: Sequence[str], goal: float) -> Figure:
    sentence = f"aico {' '.join(words)}".strip() + ", beside the import of argparse, json, sqlite3 and datetime"
    return Figure(name, sentence, "x", goal, blocking(lambda setup: _measure(words, setup)))


PROMPT_FIGURES = (
    _figure("prompt", (), 4.0),
    _figure("prompt_today", ("today",), 4.0),
    _figure("prompt_report", ("report", "--json"), 4.0),
    _figure("prompt_short", ("status", "--short"), 2.0),
    _figure("prompt_statusline", ("statusline",), 2.0),
)
