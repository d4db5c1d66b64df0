"""Figures: a large home of Claude Code and Codex read first and at a next start, and the size of its store."""

from __future__ import annotations

import ctypes
import json
import os
import sqlite3
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
import msgspec

from bench.fake_claude_home import END_S, FakeClaudeHome, Key, Sums
from bench.fake_codex_home import FakeCodexHome
from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import median_interval
from bench.served import bare_imports
from bench.served_home import serve_home, wait_until_read

_ROOT = Path(__file__).resolve().parents[1]
_READINGS_PART = 5
"""A first reading takes long: one for so many pairs."""
_CLAUDE_PART = 0.75
_LONG_LINE_BYTES = 200_000_000
_SOURCES = ("claude-code", "codex")
_SUMS = (
    "SELECT d.day, m.name, s.key, SUM(d.requests), SUM(d.input), SUM(d.cache_read), SUM(d.cache_write_5m), "
    "SUM(d.cache_write_1h), SUM(d.output) FROM usage_session_day AS d JOIN model AS m ON m.id = d.model "
    "JOIN session AS s ON s.id = d.session JOIN source AS o ON o.id = d.source AND o.name IN ('claude-code', 'codex') "
    "GROUP BY 1, 2, 3 HAVING SUM(d.requests) > 0"
)
_ACCESS, _IS_FOLDER = 0x1, 0x40000000
_DAY_S = 86_400
_POLL_S, _HANG_S = 0.02, 60.0


class LargeHome:
    """Three parts of Claude Code's transcripts and one of Codex's rollouts, and what they come to."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        self.claude = FakeClaudeHome(folder / "claude", int(size_bytes * _CLAUDE_PART))
        self.codex = FakeCodexHome(folder / "codex", int(size_bytes * (1 - _CLAUDE_PART)))

    def write(self) -> None:
        """Write both."""
        self.claude.write()
        self.codex.write()

    def write_long_line(self) -> None:
        """Write a transcript with one line of 200 MB that must be refused: an answer with a usage at its end."""
        path = self.claude.projects / "-home-dev-long" / "00000000-0000-4000-8000-000000000000.jsonl"
        path.parent.mkdir()
        piece = b"x" * 1_000_000
        with path.open("wb") as file:
            file.write(b'{"parentUuid":null,"message":{"id":"msg_long","content":"')
            for _ in range(_LONG_LINE_BYTES // len(piece)):
                file.write(piece)
            file.write(b'","usage":{"input_tokens":1,"output_tokens":1}},"type":"assistant"}\n')
        os.utime(path, (0, 0))

    @property
    def roots(self) -> list[str]:
        """The folders that are read."""
        return [str(self.claude.projects), str(self.codex.sessions)]

    @property
    def truth(self) -> dict[Key, Sums]:
        """The true sums by day, model and form; the models of the two differ."""
        return self.claude.truth | self.codex.truth

    @property
    def forms(self) -> dict[str, str]:
        """The form of each session."""
        return self.claude.forms | self.codex.forms

    @property
    def prompt_count(self) -> int:
        """The prompts of both."""
        return self.claude.prompt_count + self.codex.prompt_count

    @property
    def size_bytes(self) -> int:
        """The bytes of both."""
        return self.claude.size_bytes + self.codex.size_bytes

    @property
    def file_count(self) -> int:
        """The files of both."""
        return self.claude.file_count + self.codex.file_count

    @property
    def by_model(self) -> dict[str, Sums]:
        """The true sums by model."""
        found: dict[str, Sums] = defaultdict(Sums)
        for key, sums in self.truth.items():
            found[key.model] = found[key.model].plus(sums)
        return dict(found)


class Yard(NamedTuple):
    """The time that a yardstick used."""

    cpu_s: float
    wall_s: float


class _YardAnswer(msgspec.Struct):
    cpu_s: float
    wall_s: float
    totals: list[tuple[str, int, int, int, int, int, int]]


def run_yardstick(home: LargeHome, database: Path, what: str) -> Yard:
    """Run Y (``first``) or W (``warm``) in a process of its own; wrong totals end the run."""
    command = [sys.executable, "-m", "bench.home_yardstick", what, str(database), *home.roots]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, check=True)
    answer = msgspec.json.decode(done.stdout, type=_YardAnswer)
    if {model: Sums(*sums) for model, *sums in answer.totals} != home.by_model:
        raise AssertionError(f"the yardstick came to other sums: {json.dumps(answer.totals)}")
    return Yard(answer.cpu_s, answer.wall_s)


def _settings_of(home: LargeHome) -> dict[str, str]:
    """Return the settings that switch ``home`` on, which may be empty."""
    for root in home.roots:
        Path(root).mkdir(parents=True, exist_ok=True)
    return {
        "CLAUDE_CONFIG_DIR": str(home.claude.folder),
        "CODEX_HOME": str(home.codex.folder),
        "AICO_SOURCES_CLAUDE_CODE_ENABLED": "true",
        "AICO_SOURCES_CODEX_ENABLED": "true",
    }


def _check(home: LargeHome, folder: Path) -> None:
    """Compare the stored sums with the truth; a wrong sum ends the run."""
    stored: dict[Key, Sums] = defaultdict(Sums)
    forms, truth = home.forms, home.truth
    with closing(sqlite3.connect(folder / "data" / "observer.db")) as connection:
        for day, model, session, *sums in connection.execute(_SUMS):
            key = Key(day, model, forms[session.partition("/")[0]])
            stored[key] = stored[key].plus(Sums(*sums))
        [(prompts,)] = connection.execute("SELECT COUNT(*) FROM usage_event WHERE kind = 2")
    wrong = {key for key in {*stored, *truth} if stored.get(key) != truth.get(key)}
    for key in sorted(wrong)[:20]:
        print(f"{key}: stored {stored.get(key)}, true {truth.get(key)}", file=sys.stderr)
    if wrong or prompts != home.prompt_count:
        raise AssertionError(f"{len(wrong)} sums are wrong; {prompts} of {home.prompt_count} prompts are stored")


def _vacuumed_bytes(folder: Path) -> int:
    """Return the size of the store of a service that has ended, without its freed pages."""
    path = folder / "data" / "observer.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


@contextmanager
def _accesses(folders: list[str]) -> Iterator[Callable[[], int]]:
    """Yield a counter of the reads of files below ``folders`` from now on, by any process."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    try:
        for folder in folders:
            for path, _folders, _names in os.walk(folder):
                if libc.inotify_add_watch(handle, os.fsencode(path), _ACCESS) < 0:
                    raise Unmeasurable("the system has not as many watches left as the home has folders")
        yield lambda: _count_reads(handle)
    finally:
        os.close(handle)


def _count_reads(handle: int) -> int:
    found = 0
    while True:
        try:
            data = os.read(handle, 1 << 16)
        except BlockingIOError:
            return found
        while data:
            _watch, mask, _cookie, length = struct.unpack_from("iIII", data)
            # An overflow of the queue counts, too: then nobody knows.
            found += not mask & _IS_FOLDER
            data = data[16 + length :]


class _Use(NamedTuple):
    """The time and memory that a service used from its start until it had nothing to do."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def _use_of(folder: Path, home: LargeHome) -> _Use:
    """Let a service read ``home`` until it rests."""
    with serve_home(folder, _settings_of(home)) as served:
        began_s = time.monotonic()
        read_s = wait_until_read(served, _SOURCES)
        return _Use(served.processor_s(), read_s - began_s, served.memory_mb("VmHWM"))


class _Reading:
    """Homes that were read first and again, beside the yardsticks; several figures are made of it."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.wall: list[float] = []
        self.growth: list[float] = []
        self.peaks_mb: list[float] = []
        self.warm: list[float] = []
        self.reads: list[float] = []
        self.store: list[float] = []
        self.details: dict[str, dict[str, float]] = {}
        """By the figure that they help to understand."""
        self._used_by: set[str] = set()

    def is_fresh_for(self, name: str) -> bool:
        """Return whether ``name`` has not asked for this yet."""
        is_fresh = bool(self.first) and name not in self._used_by
        self._used_by.add(name)
        return is_fresh

    def measure(self, setup: Setup) -> None:
        """Read homes of a tenth and of three tenths of the size, and the whole one."""
        sizes = [setup.home_bytes // 10, setup.home_bytes * 3 // 10, setup.home_bytes]
        homes = [LargeHome(setup.folder / f"home{number}", size) for number, size in enumerate(sizes)]
        nothing = LargeHome(setup.folder / "nothing", 0)
        for home in homes:
            home.write()
        _seconds, bare_mb = bare_imports()
        yards, starts, used, again, warm_yards = [], [], [], [], []
        per_mb: dict[int, list[float]] = defaultdict(list)
        for number in range(max(1, setup.pair_count // _READINGS_PART)):
            database = setup.folder / f"yard{number}.db"
            home, folder = homes[-1], setup.folder / f"service{number}"
            yards.append(run_yardstick(home, database, "first"))
            used.append(_use_of(folder, home))
            _check(home, folder)
            with _accesses(home.roots) as count:
                _use_of(folder, home)
                self.reads.append(count())
            _check(home, folder)
            # A start beside a home without a file, the second one, so that there is nothing to be made.
            empty = setup.folder / f"empty{number}"
            _use_of(empty, nothing)
            starts.append(_use_of(empty, nothing))
            self.first.append((used[-1].cpu_s - starts[-1].cpu_s) / yards[-1].cpu_s)
            self.wall.append(used[-1].wall_s / yards[-1].wall_s)
            self.store.append(_vacuumed_bytes(folder) / home.size_bytes * 100)
            for other in homes[:-1]:
                other_folder = setup.folder / f"service{number}-{other.folder.name}"
                use = _use_of(other_folder, other)
                _check(other, other_folder)
                per_mb[other.size_bytes].append((use.cpu_s - starts[-1].cpu_s) / other.size_bytes)
            per_mb[home.size_bytes].append((used[-1].cpu_s - starts[-1].cpu_s) / home.size_bytes)
            self.growth.append(per_mb[home.size_bytes][-1] / per_mb[homes[1].size_bytes][-1])
        # One start differs from the next by more than a look at the home takes, so there is a pair of starts for each.
        for _ in range(setup.pair_count):
            again.append(_use_of(folder, home))
            starts.append(_use_of(empty, nothing))
            warm_yards.append(run_yardstick(home, database, "warm"))
            self.warm.append((again[-1].cpu_s - starts[-1].cpu_s) / warm_yards[-1].cpu_s)
        self._measure_long_line(setup, homes[-1], bare_mb)
        self._check_rewritten(setup, homes[-1])
        self.details["growth"] = {
            f"cpu_s_of_{size // 1_000_000}_mb": median(each) * size for size, each in sorted(per_mb.items())
        }
        self.details["first"] = {
            "home_mb": homes[-1].size_bytes / 1e6,
            "files": float(homes[-1].file_count),
            "requests": float(sum(sums.requests for sums in homes[-1].truth.values())),
            "service_s": median(each.cpu_s for each in used),
            "start_s": median(each.cpu_s for each in starts),
            "yardstick_s": median(each.cpu_s for each in yards),
            "wall_s": median(each.wall_s for each in used),
            "yardstick_wall_s": median(each.wall_s for each in yards),
            "warm_s": median(each.cpu_s for each in again),
            "warm_yardstick_s": median(each.cpu_s for each in warm_yards),
            "bare_imports_mb": bare_mb,
            "peak_without_long_line_mb": median(each.peak_mb for each in used),
        }

    def _measure_long_line(self, setup: Setup, home: LargeHome, bare_mb: float) -> None:
        """Read the home once more, with a line of 200 MB in it."""
        home.write_long_line()
        folder = setup.folder / "long"
        self.peaks_mb = [_use_of(folder, home).peak_mb - bare_mb]
        _check(home, folder)

    def _check_rewritten(self, setup: Setup, home: LargeHome) -> None:
        """Compare the stored sums with the truth after files were written anew in place."""
        if home.claude.rewrite():
            folder = setup.folder / "long"
            _use_of(folder, home)
            _check(home, folder)


def _measure_today(setup: Setup) -> Measurement:
    """Switch both sources on, and ask for the home's last day until the answer holds all of it."""
    home = LargeHome(setup.folder / "today", setup.home_bytes)
    home.write()
    settings = {name: value for name, value in _settings_of(home).items() if not name.startswith("AICO_SOURCES_")}
    day_ms = END_S // _DAY_S * _DAY_S * 1000
    true = sum(sums.output for key, sums in home.truth.items() if key.day * _DAY_S * 1000 == day_ms)
    asked: dict[str, int | str | list[str]] = {
        "from": day_ms,
        "to": day_ms + _DAY_S * 1000,
        "source": list(_SOURCES),
        "tz": "UTC",
        "brief": "true",
    }
    samples = []
    for number in range(max(3, setup.pair_count // _READINGS_PART)):
        with (
            serve_home(setup.folder / f"today{number}", settings) as served,
            httpx.Client(trust_env=False, base_url=served.url) as client,
        ):
            client.get("/api/summary", params=asked).raise_for_status()
            time.sleep(_POLL_S * 50)
            began = time.monotonic()
            for source in _SOURCES:
                client.put(f"/api/sources/{source}", json={"enabled": True}).raise_for_status()
            while client.get("/api/summary", params=asked).json()["totals"]["output_tokens"] != true:
                if time.monotonic() - began > _HANG_S:
                    raise AssertionError("the last day never came to its sums")
                time.sleep(_POLL_S)
            samples.append((time.monotonic() - began) * 1000)
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


_READINGS: list[_Reading] = []


def _take(name: str, setup: Setup) -> _Reading:
    """Return the last measurements; who asks a second time gets new ones."""
    if not (_READINGS and _READINGS[-1].is_fresh_for(name)):
        reading = _Reading()
        reading.measure(setup)
        reading.is_fresh_for(name)
        _READINGS[:] = [reading]
    return _READINGS[-1]


def _measure(name: str, samples_of: Callable[[_Reading], Sequence[float]], setup: Setup) -> Measurement:
    reading = _take(name, setup)
    samples = samples_of(reading)
    return Measurement(median_interval(samples), len(samples), reading.details.get(name, {}))


def _figure(name: str, text: str, unit: str, goal: float, samples_of: Callable[[_Reading], Sequence[float]]) -> Figure:
    return Figure(f"large_home_{name}", text, unit, goal, blocking(partial(_measure, name, samples_of)))


LARGE_HOME_FIGURES = (
    _figure(
        "first",
        "processor time of the service that reads a large home first, less that of its start, beside Y",
        "x",
        1.4,
        lambda reading: reading.first,
    ),
    _figure(
        "wall",
        "the same: time from the start's end to the last file's commit, beside that of Y",
        "x",
        1.3,
        lambda reading: reading.wall,
    ),
    _figure(
        "growth",
        "the same: processor time per byte, beside that of three tenths of the home; the curve",
        "x",
        1.15,
        lambda reading: reading.growth,
    ),
    _figure(
        "peak",
        "the same with a line of 200 MB in it: highest memory beyond that of the bare imports",
        "MB",
        40.0,
        lambda reading: reading.peaks_mb,
    ),
    _figure(
        "start",
        "processor time of the next start, less that of one beside an empty home, beside W",
        "x",
        2.0,
        lambda reading: reading.warm,
    ),
    _figure("reads", "reads of any log at that start", "reads", 0.0, lambda reading: reading.reads),
    _figure("store", "the store after VACUUM, beside the logs", "%", 2.0, lambda reading: reading.store),
    Figure(
        "large_home_today",
        "from the switches of both sources to an answer with all of the home's last day",
        "ms",
        500.0,
        blocking(_measure_today),
    ),
)
