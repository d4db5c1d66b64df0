"""Figures: the cost of the service while nothing happens, at its start, and on the disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import median_interval
from bench.ledgers import LedgerFile
from bench.served import bare_imports, serve

_ROOT = Path(__file__).resolve().parents[1]
_IDLE_S = 20.0
_SETTLE_S = 5.0
"""The sums by task are made two seconds after an import."""
_STARTS_PART = 2
"""A start takes two seconds: one for so many pairs."""


def _measure_idle(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 1_000)
    _seconds, bare_mb = bare_imports()
    with serve(ledger.path, setup.folder) as served:
        served.wait_until_ready()
        time.sleep(_SETTLE_S)
        written, used = served.written_bytes(), served.processor_s()
        time.sleep(_IDLE_S)
        share = (served.processor_s() - used) / _IDLE_S * 100
        details = {
            "written_bytes": float(served.written_bytes() - written),
            "memory_mb": served.memory_mb(),
            "bare_imports_mb": bare_mb,
        }
    return Measurement(median_interval([share]), 1, details)


def _measure_memory(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 1_000)
    samples = []
    for number in range(3):
        _seconds, bare_mb = bare_imports()
        folder = setup.folder / str(number)
        folder.mkdir()
        with serve(ledger.path, folder) as served:
            served.wait_until_ready()
            time.sleep(_SETTLE_S)
            samples.append(served.memory_mb() - bare_mb)
    return Measurement(median_interval(samples), len(samples), {"bare_imports_mb": bare_mb})


def _measure_peak(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 100_000)
    with serve(ledger.path, setup.folder) as served:
        served.wait_until_ready()
        time.sleep(_SETTLE_S)
        peak, rest = served.memory_mb("VmHWM"), served.memory_mb()
    size = len(ledger.data) / 1e6
    return Measurement(median_interval([peak - size]), 1, {"peak_mb": peak, "ledger_mb": size, "afterwards_mb": rest})


def _measure_start(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 100_000)
    with serve(ledger.path, setup.folder) as served:
        served.wait_until_ready()
        time.sleep(_SETTLE_S)
    samples, bare = [], []
    for _ in range(max(3, setup.pair_count // _STARTS_PART)):
        began = time.perf_counter()
        with serve(ledger.path, setup.folder) as served:
            served.wait_until_ready()
            samples.append(time.perf_counter() - began)
        bare.append(bare_imports()[0])
    ratio = median(mine / theirs for mine, theirs in zip(samples, bare, strict=True))
    return Measurement(
        median_interval(samples), len(samples), {"bare_imports_s": median(bare), "beside_bare_imports": ratio}
    )


def _measure_version(setup: Setup) -> Measurement:
    samples = []
    for _ in range(setup.pair_count):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "aico", "--version"], cwd=_ROOT, check=True, stdout=subprocess.DEVNULL)
        samples.append((time.perf_counter() - began) * 1000)
    return Measurement(median_interval(samples), len(samples))


def _measure_wheel(_setup: Setup) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise Unmeasurable("the wheel was not built")
        size = wheels[0].stat().st_size / 1000
    return Measurement(median_interval([size]), 1)


FOOTPRINT_FIGURES = (
    Figure("idle_processor", "share of a core while nothing happens, over 20 s", "%", 0.5, blocking(_measure_idle)),
    Figure("idle_memory", "memory at rest beyond that of the bare imports", "MB", 30.0, blocking(_measure_memory)),
    Figure(
        "peak_memory_100000",
        "highest memory with 100,000 entries, less the ledger's size",
        "MB",
        120.0,
        blocking(_measure_peak),
    ),
    Figure(
        "start_100000",
        "from the start with 100,000 stored tasks to the first /readyz",
        "s",
        2.0,
        blocking(_measure_start),
    ),
    Figure("version", "aico --version", "ms", 150.0, blocking(_measure_version)),
    Figure("wheel", "size of the wheel", "kB", 500.0, blocking(_measure_wheel)),
)
