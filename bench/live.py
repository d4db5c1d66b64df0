"""Figures: from Cline's rename to the frame on a socket, of the real service, beside the barest loop that does it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import IO

from websockets.sync.client import ClientConnection, connect

from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import Interval, median_interval, percentile_interval
from bench.ledgers import LedgerFile
from bench.served import Served, serve

_SAMPLES = 500
_DEBOUNCE_MS = 50.0
_SETTINGS = {"AICO_DEBOUNCE_MS": "50", "AICO_RESCAN_INTERVAL_S": "0"}
_HANG_S = 30.0
_QUIET_S = 3.0
# inotify -> read -> json.loads -> send, in a process of its own; needs nothing but the C library.
_BARE = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None)
handle = libc.inotify_init()
folder, name = os.path.split(sys.argv[1])
libc.inotify_add_watch(handle, folder.encode(), 0x80)
print("ready", flush=True)
while True:
    if name.encode() + b"\\0" in os.read(handle, 4096):
        with open(sys.argv[1], "rb") as file:
            print(len(json.loads(file.read())), flush=True)
"""


class _Live:
    """Latencies of one run, in milliseconds, that several figures are made of."""

    def __init__(self) -> None:
        self._used_by: set[str] = set()
        self._samples: tuple[list[float], list[float]] = [], []

    def take(self, name: str, setup: Setup) -> tuple[list[float], list[float]]:
        """Return the service's and the bare loop's latencies; who asks a second time gets new ones."""
        if not self._samples[0] or name in self._used_by:
            self._samples = _measure_both(LedgerFile(setup.folder, 1_000), setup, _count(setup))
            self._used_by.clear()
        self._used_by.add(name)
        return self._samples


_LIVE = _Live()


def _count(setup: Setup) -> int:
    return _SAMPLES if setup.pair_count >= 15 else 10 * setup.pair_count


def _measure_both(ledger: LedgerFile, setup: Setup, count: int) -> tuple[list[float], list[float]]:
    """Return latencies of the service less the debounce, and of the bare loop, taken in turn."""
    folder = setup.folder / "bare"
    folder.mkdir()
    other = LedgerFile(folder, ledger.entry_count)
    mine, bare = [], []
    with _socket_of(ledger, setup.folder) as socket, _bare_loop(other.path) as loop:
        for _ in range(count + 5):
            mine.append(wait_for_frame(ledger, socket))
            other.change_one()
            began = other.replace()
            loop.readline()
            bare.append((time.perf_counter() - began) * 1000)
    return mine[5:], bare[5:]


@contextmanager
def _socket_of(ledger: LedgerFile, folder: Path) -> Iterator[ClientConnection]:
    with serve(ledger.path, folder, _SETTINGS) as served:
        served.wait_until_ready()
        with open_socket(served) as socket:
            yield socket


@contextmanager
def open_socket(served: Served) -> Iterator[ClientConnection]:
    """Yield a socket on which nothing more comes until something changes."""
    with connect(f"ws://127.0.0.1:{served.port}/ws", max_size=None, compression=None, open_timeout=_HANG_S) as socket:
        _drain(socket)
        yield socket


def _drain(socket: ClientConnection) -> None:
    """Return when nothing more comes: a large ledger is imported in several runs."""
    with suppress(TimeoutError):
        while True:
            socket.recv(_QUIET_S)


@contextmanager
def _bare_loop(path: Path) -> Iterator[IO[str]]:
    """Yield the output of the bare loop: a line for each change after this."""
    if sys.platform != "linux":
        raise Unmeasurable("inotify is Linux's")
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is not None:
            process.stdout.readline()
            with process.stdout as lines:
                yield lines
    finally:
        process.kill()
        process.wait()


def wait_for_frame(ledger: LedgerFile, socket: ClientConnection) -> float:
    """Change the ledger; return how many milliseconds the frame took beyond the debounce."""
    ledger.change_one()
    began = ledger.replace()
    deadline = began + _HANG_S
    while '"cline_usage_updated"' not in str(socket.recv(deadline - time.perf_counter())):
        pass
    return (time.perf_counter() - began) * 1000 - _DEBOUNCE_MS


def _measure_median(setup: Setup) -> Measurement:
    mine, bare = _LIVE.take("median", setup)
    return Measurement(median_interval(mine), len(mine), {"bare_ms": median(bare)})


def _measure_tail(setup: Setup) -> Measurement:
    mine, bare = _LIVE.take("tail", setup)
    details = {"worst_ms": max(mine), "bare_ms": percentile_interval(bare, 99).median}
    return Measurement(percentile_interval(mine, 99), len(mine), details)


def _measure_ratio(setup: Setup) -> Measurement:
    mine, bare = _LIVE.take("ratio", setup)
    return Measurement(_ratio_interval(mine, bare), len(mine), {})


def _ratio_interval(mine: Sequence[float], bare: Sequence[float]) -> Interval:
    return median_interval([left / right for left, right in zip(mine, bare, strict=True)])


def _measure_large(setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, 100_000)
    mine, loads = [], []
    with _socket_of(ledger, setup.folder) as socket:
        for _ in range(setup.pair_count + 1):
            mine.append(wait_for_frame(ledger, socket))
            began = time.perf_counter()
            json.loads(ledger.data)
            loads.append((time.perf_counter() - began) * 1000)
    interval = _ratio_interval(mine[1:], loads[1:])
    return Measurement(interval, len(mine) - 1, {"frame_ms": median(mine[1:]), "json_loads_ms": median(loads[1:])})


LIVE_FIGURES = (
    Figure(
        "live_median",
        "from the rename of a ledger of 1,000 entries to the frame, less the debounce of 50 ms: median",
        "ms",
        20.0,
        blocking(_measure_median),
    ),
    Figure("live_tail", "the same: 99th percentile", "ms", 80.0, blocking(_measure_tail)),
    Figure(
        "live_ratio",
        "the same, median, beside a bare loop of inotify, read, json.loads and send",
        "x",
        4.0,
        blocking(_measure_ratio),
    ),
    Figure(
        "live_100000",
        "the same with 100,000 entries, beside json.loads of the ledger",
        "x",
        0.6,
        blocking(_measure_large),
    ),
)
