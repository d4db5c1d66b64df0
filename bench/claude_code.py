"""Figures: a large home of Claude Code read first, a line of it on a socket, and what its folders cost at rest."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from websockets.sync.client import ClientConnection

from bench.fake_claude_home import FakeClaudeHome, Sums
from bench.figure import Figure, Measurement, Setup, blocking
from bench.intervals import Interval, median_interval, percentile_interval
from bench.live import open_socket
from bench.served import bare_imports
from bench.served_home import serve_home, wait_until_read

_ROOT = Path(__file__).resolve().parents[1]
_FOLDERS = 5_000
_REST_BYTES = 20_000_000
_REST_S = 60.0
_READINGS_PART = 5
"""A first reading takes long: one for so many pairs."""
_SOURCES = ("claude-code",)
_HANG_S = 900.0
_DEBOUNCE_MS = 50.0
_QUICK_PART, _SECOND_PART = 20, 6
"""Lines for each pair: one after the other, and one a second."""


def _settings_of(home: FakeClaudeHome) -> dict[str, str]:
    return {"CLAUDE_CONFIG_DIR": str(home.folder), "AICO_SOURCES_CLAUDE_CODE_ENABLED": "true"}


def _run_script(home: FakeClaudeHome, database: Path) -> float:
    """Return the processor time of the plain script, from its start to its end."""
    command = [sys.executable, "-m", "bench.plain_script", str(home.projects), str(database)]
    process = subprocess.Popen(command, cwd=_ROOT)
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    with closing(sqlite3.connect(database)) as connection:
        [sums] = connection.execute(
            "SELECT COUNT(*), SUM(input), SUM(cache_read), SUM(cache_write_5m), SUM(cache_write_1h), SUM(output) "
            "FROM usage WHERE kind = 0"
        )
    database.unlink()
    total = Sums()
    for each in home.truth.values():
        total = total.plus(each)
    if process.returncode or Sums(*sums) != total:
        raise AssertionError("the plain script came to other sums")
    return used.ru_utime + used.ru_stime


class _First:
    """A home that is read first, beside the plain script; two figures are made of it."""

    def __init__(self) -> None:
        self._samples: tuple[list[float], list[float]] = [], []
        self._details: dict[str, float] = {}
        self._used_by: set[str] = set()

    def take(self, name: str, number: int, setup: Setup) -> Measurement:
        """Return ratios of processor time (``number`` 0) or peaks of memory (1); who asks twice gets new ones."""
        if not self._samples[0] or name in self._used_by:
            self._measure(setup)
            self._used_by.clear()
        self._used_by.add(name)
        return Measurement(median_interval(self._samples[number]), len(self._samples[number]), self._details)

    def _measure(self, setup: Setup) -> None:
        home = FakeClaudeHome(setup.folder / "claude", setup.home_bytes)
        home.write()
        ratios, peaks = self._samples = [], []
        _seconds, bare_mb = bare_imports()
        for number in range(max(2, setup.pair_count // _READINGS_PART)):
            script_s = _run_script(home, setup.folder / "script.db")
            with serve_home(setup.folder / f"first{number}", _settings_of(home)) as served:
                wait_until_read(served, _SOURCES)
                used_s = served.processor_s()
                peaks.append(served.memory_mb("VmHWM") - bare_mb)
            ratios.append(used_s / script_s)
        self._details = {
            "home_mb": home.size_bytes / 1e6,
            "files": float(home.file_count),
            "service_s": used_s,
            "script_s": script_s,
            "bare_imports_mb": bare_mb,
        }


class _Live:
    """Latencies of one run, in milliseconds: of lines one after the other, and of one line a second."""

    def __init__(self) -> None:
        self._samples: tuple[list[float], list[float]] = [], []
        self._used_by: set[str] = set()

    def take(self, name: str, setup: Setup) -> tuple[list[float], list[float]]:
        """Return them; who asks a second time gets new ones."""
        if not self._samples[0] or name in self._used_by:
            self._samples = self._measure(setup)
            self._used_by.clear()
        self._used_by.add(name)
        return self._samples

    def _measure(self, setup: Setup) -> tuple[list[float], list[float]]:
        home = FakeClaudeHome(setup.folder / "claude", setup.home_bytes, _FOLDERS)
        home.write()
        rng = Random(1)  # noqa: S311 - reproducible on purpose
        files = rng.sample(sorted(home.projects.glob("*/*.jsonl")), 5)
        quick, second = [], []
        with serve_home(setup.folder / "service", _settings_of(home)) as served:
            wait_until_read(served, _SOURCES)
            with open_socket(served) as socket:
                for number in range(5 + setup.pair_count * _QUICK_PART):
                    time.sleep(rng.random() * 0.1)  # so that looks at the queue do not fall in step
                    quick.append(_wait_for_frame(home, files[number % len(files)], number, socket))
                for number in range(setup.pair_count * _SECOND_PART):
                    began = time.monotonic()
                    second.append(_wait_for_frame(home, files[0], 1_000_000 + number, socket))
                    time.sleep(max(0.0, 0.9 + rng.random() * 0.2 - (time.monotonic() - began)))
        return quick[5:], second


def _wait_for_frame(home: FakeClaudeHome, file: Path, number: int, socket: ClientConnection) -> float:
    """Append a line; return how many milliseconds the frame took beyond the debounce."""
    home.append_answer(file, number)
    began = time.perf_counter()
    deadline = began + _HANG_S
    while '"usage_updated"' not in str(socket.recv(deadline - time.perf_counter())):
        pass
    return (time.perf_counter() - began) * 1000 - _DEBOUNCE_MS


_FIRST = _First()
_LIVE = _Live()


def _measure_line(name: str, of: Callable[[Sequence[float]], Interval], setup: Setup) -> Measurement:
    quick, second = _LIVE.take(name, setup)
    # The worse of both is the figure.
    worse = max(of(quick), of(second), key=lambda interval: interval.median)
    details = {"quick_ms": of(quick).median, "one_a_second_ms": of(second).median, "worst_ms": max(quick + second)}
    return Measurement(worse, len(quick) + len(second), details)


def _measure_median(setup: Setup) -> Measurement:
    return _measure_line("median", median_interval, setup)


def _measure_tail(setup: Setup) -> Measurement:
    return _measure_line("tail", lambda samples: percentile_interval(samples, 99), setup)


def _measure_rest(setup: Setup) -> Measurement:
    """Let a service with the home and one without any rest at the same time."""
    home = FakeClaudeHome(setup.folder / "claude", _REST_BYTES, _FOLDERS)
    home.write()
    mine_percent, other_percent = [], []
    with (
        serve_home(setup.folder / "with", _settings_of(home)) as mine,
        serve_home(setup.folder / "without", {}) as other,
    ):
        wait_until_read(mine, _SOURCES)
        for _ in range(max(3, setup.pair_count // _READINGS_PART)):
            before = mine.run_s(), other.run_s()
            time.sleep(_REST_S)
            after = mine.run_s(), other.run_s()
            mine_percent.append((after[0] - before[0]) / _REST_S * 100)
            other_percent.append((after[1] - before[1]) / _REST_S * 100)
    samples = [with_it - without for with_it, without in zip(mine_percent, other_percent, strict=True)]
    details = {"with_percent": median(mine_percent), "without_percent": median(other_percent)}
    return Measurement(median_interval(samples), len(samples), details)


def _measure_memory(setup: Setup) -> Measurement:
    """Let a service that has read the home start again, and one without any, in turn."""
    home = FakeClaudeHome(setup.folder / "claude", _REST_BYTES, _FOLDERS)
    home.write()

    def memory_mb(name: str, settings: dict[str, str]) -> float:
        with serve_home(setup.folder / name, settings) as served:
            wait_until_read(served, _SOURCES if settings else ())
            return served.memory_mb()

    with_it, without = partial(memory_mb, "with", _settings_of(home)), partial(memory_mb, "without", {})
    with_it(), without()  # the first start reads the home, and makes a database
    pairs = [(with_it(), without()) for _ in range(max(3, setup.pair_count))]
    details = {"with_mb": median(one for one, _ in pairs), "without_mb": median(other for _, other in pairs)}
    return Measurement(median_interval([one - other for one, other in pairs]), len(pairs), details)


CLAUDE_CODE_FIGURES = (
    Figure(
        "first_reading",
        "processor time of the service that reads a large home of Claude Code first, its start included, beside a "
        "plain script that finds, decodes and stores the same rows",
        "x",
        2.0,
        blocking(lambda setup: _FIRST.take("first", 0, setup)),
    ),
    Figure(
        "first_reading_peak",
        "the same: highest memory beyond that of the bare imports",
        "MB",
        60.0,
        blocking(lambda setup: _FIRST.take("peak", 1, setup)),
    ),
    Figure(
        "line_live_median",
        "from a line appended in one of 5,000 folders to the frame, less the debounce of 50 ms: median",
        "ms",
        25.0,
        blocking(_measure_median),
    ),
    Figure("line_live_tail", "the same: 99th percentile", "ms", 100.0, blocking(_measure_tail)),
    Figure(
        "folders_rest",
        "share of a core of the service at rest with 5,000 watched folders, less that of one without the source",
        "%",
        0.05,
        blocking(_measure_rest),
    ),
    Figure(
        "folders_memory",
        "memory of the service that starts again with 5,000 watched folders, beyond that of one without the source",
        "MB",
        5.0,
        blocking(_measure_memory),
    ),
)
