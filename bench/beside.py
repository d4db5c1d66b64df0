"""Figures: this build beside an earlier one, pair by pair, so that other work of the machine falls on both.

Processor time of imports is what each build's own process says of itself. Start, rest, memory and the time to the frame
are those of the served builds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import NamedTuple

from bench.builds import Build, Driven, Import, drive, find_build, this_build
from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import median_interval, ratio_interval
from bench.ledgers import LedgerFile
from bench.live import open_socket, wait_for_frame
from bench.served import Served, serve

_FRAMES = 300
_SETTLE_S = 5.0
_IDLE_S = 20.0


class _Pair(NamedTuple):
    """The same of this build and of the earlier one."""

    this: float
    base: float

    @property
    def ratio(self) -> float:
        return self.this / self.base


def _base(setup: Setup) -> Build:
    if setup.base is None:
        raise Unmeasurable("it needs an earlier build: make bench BASE=<the virtual environment it is installed in>")
    return find_build(setup.base)


@contextmanager
def _driven(setup: Setup, ledger: LedgerFile) -> Iterator[tuple[Driven, Driven]]:
    with (
        drive(this_build(), ledger.path, setup.folder / "this") as this,
        drive(_base(setup), ledger.path, setup.folder / "base") as base,
    ):
        yield this, base


def _in_turn(number: int, this: Callable[[], Import], base: Callable[[], Import]) -> tuple[Import, Import]:
    """Return what both imported; who goes first alternates. Raises Unmeasurable when that is not the same."""
    if number % 2:
        mine, theirs = this(), base()
    else:
        theirs, mine = base(), this()
    if mine.imported_count != theirs.imported_count:
        raise Unmeasurable(f"{mine.imported_count} entries imported here, {theirs.imported_count} there")
    return mine, theirs


def _measure_first(entry_count: int, setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, entry_count)
    with _driven(setup, ledger) as (this, base):
        pairs = [_in_turn(number, this.first, base.first) for number in range(setup.pair_count + 1)][1:]
    return _imports(pairs)


def _measure_changed(entry_count: int, setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, entry_count)
    pairs = []
    with _driven(setup, ledger) as (this, base):
        this.first()
        base.first()
        # So short that it takes many of them.
        for number in range(10 * setup.pair_count + 5):
            ledger.change_one()
            ledger.write()
            pairs.append(_in_turn(number, this.later, base.later))
    return _imports(pairs[5:])


def _imports(pairs: Sequence[tuple[Import, Import]]) -> Measurement:
    told = median(this.until_told.cpu_s / base.until_told.cpu_s for this, base in pairs)
    details = {
        "cpu_ms": median(this.cpu_s for this, _base in pairs) * 1000,
        "base_cpu_ms": median(base.cpu_s for _this, base in pairs) * 1000,
        "until_told_ratio": told,
        "wall_ratio": median(this.until_told.wall_s / base.until_told.wall_s for this, base in pairs),
    }
    return Measurement(median_interval([this.cpu_s / base.cpu_s for this, base in pairs]), len(pairs), details)


@contextmanager
def _served(setup: Setup, entry_count: int, settings: dict[str, str] | None = None) -> Iterator[_Services]:
    """Yield both builds at once, each with a ledger of its own."""
    with ExitStack() as stack:
        services = []
        for name, build in (("this", this_build()), ("base", _base(setup))):
            folder = setup.folder / name
            folder.mkdir(exist_ok=True)
            ledger = LedgerFile(folder, entry_count)
            services.append((ledger, stack.enter_context(serve(ledger.path, folder, settings, build))))
        for _ledger, served in services:
            served.wait_until_ready()
        yield _Services(*services)


class _Services(NamedTuple):
    """Each build's ledger and process."""

    this: tuple[LedgerFile, Served]
    base: tuple[LedgerFile, Served]


def _measure_frames(percent: int, setup: Setup) -> Measurement:
    settings = {"AICO_DEBOUNCE_MS": "50", "AICO_RESCAN_INTERVAL_S": "0"}
    count = _FRAMES if setup.pair_count >= 15 else 10 * setup.pair_count
    pairs = []
    with _served(setup, 1_000, settings) as services, ExitStack() as stack:
        this, base = ((ledger, stack.enter_context(open_socket(served))) for ledger, served in services)
        for number in range(count + 5):
            if number % 2:
                mine, theirs = wait_for_frame(*this), wait_for_frame(*base)
            else:
                theirs, mine = wait_for_frame(*base), wait_for_frame(*this)
            pairs.append(_Pair(mine, theirs))
    mine_ms, theirs_ms = zip(*pairs[5:], strict=True)
    details = {f"p{percent}_ms": _percentile(mine_ms, percent), f"base_p{percent}_ms": _percentile(theirs_ms, percent)}
    return Measurement(ratio_interval(pairs[5:], percent), count, details)


def _percentile(samples: Sequence[float], percent: int) -> float:
    return sorted(samples)[max(0, -(-len(samples) * percent // 100) - 1)]


def _measure_start(setup: Setup) -> Measurement:
    builds = {"this": this_build(), "base": _base(setup)}
    ledgers = {}
    for name, build in builds.items():
        (setup.folder / name).mkdir()
        ledgers[name] = LedgerFile(setup.folder / name, 10_000)
        with serve(ledgers[name].path, setup.folder / name, None, build) as served:
            served.wait_until_ready()
            time.sleep(_SETTLE_S)
    pairs = []
    for number in range(setup.pair_count):
        taken = {}
        for name in sorted(builds, reverse=bool(number % 2)):
            began = time.perf_counter()
            with serve(ledgers[name].path, setup.folder / name, None, builds[name]) as served:
                served.wait_until_ready()
                taken[name] = time.perf_counter() - began
        pairs.append(_Pair(taken["this"], taken["base"]))
    return _pairs(pairs, "s")


def _measure_rest(setup: Setup) -> Measurement:
    """Look at both at once, in as many stretches as there are pairs of starts."""
    pairs = []
    with _served(setup, 1_000) as services:
        time.sleep(_SETTLE_S)
        for _ in range(max(3, setup.pair_count // 5)):
            used = [served.run_s() for _ledger, served in services]
            time.sleep(_IDLE_S)
            shares = [
                (served.run_s() - before) / _IDLE_S * 100
                for (_ledger, served), before in zip(services, used, strict=True)
            ]
            pairs.append(_Pair(*shares))
    return _pairs(pairs, "percent")


def _measure_memory(name: str, entry_count: int, setup: Setup) -> Measurement:
    pairs = []
    for number in range(max(3, setup.pair_count // 5)):
        folder = setup.folder / str(number)
        folder.mkdir()
        with _served(Setup(folder, setup.pair_count, setup.base), entry_count) as services:
            time.sleep(_SETTLE_S)
            pairs.append(_Pair(*(served.memory_mb(name) for _ledger, served in services)))
    return _pairs(pairs, "mb")


def _pairs(pairs: Sequence[_Pair], unit: str) -> Measurement:
    details = {
        f"this_{unit}": median(pair.this for pair in pairs),
        f"base_{unit}": median(pair.base for pair in pairs),
    }
    return Measurement(median_interval([pair.ratio for pair in pairs]), len(pairs), details)


def _figure(name: str, sentence: str, goal: float, measure: Callable[[Setup], Measurement]) -> Figure:
    return Figure(f"beside_{name}", f"{sentence}, beside the earlier build", "x", goal, blocking(measure))


BESIDE_FIGURES = (
    _figure(
        "changed_1000", "processor time of one changed entry of 1,000 tasks", 0.6, partial(_measure_changed, 1_000)
    ),
    _figure(
        "first_1000",
        "processor time of a first import of 1,000 tasks, its sums included",
        1.0,
        partial(_measure_first, 1_000),
    ),
    _figure("first_10000", "the same with 10,000 tasks", 1.8, partial(_measure_first, 10_000)),
    _figure(
        "frame_median", "from the rename to the frame, less the debounce: median", 1.0, partial(_measure_frames, 50)
    ),
    _figure("frame_tail", "the same: 99th percentile", 1.0, partial(_measure_frames, 99)),
    _figure("start_10000", "from the start with 10,000 stored tasks to the first /readyz", 1.0, _measure_start),
    _figure("rest", "processor time while nothing happens", 1.0, _measure_rest),
    _figure("memory", "memory at rest with 1,000 tasks", 1.0, partial(_measure_memory, "VmRSS", 1_000)),
    _figure(
        "peak_memory",
        "highest memory of a first import of 10,000 tasks",
        1.0,
        partial(_measure_memory, "VmHWM", 10_000),
    ),
)
