"""Figures: the cost of seeing the use of apps, commands and sites, and of reading a browser's history."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import httpx

from aico.core.activity_settings import ActivitySettings
from aico.core.clock import now_ms
from aico.core.db.browsers import BrowserStore
from aico.core.db.database import Database
from aico.core.db.migrations import migrate
from aico.features.activity.browsers import chromium
from aico.features.activity.browsers.visits import START
from aico.features.activity.definitions import load_definitions
from aico.features.activity.processes import SystemProcesses
from aico.features.files.sqlite_process import ask_database, find_cpu_s
from aico.services.browser_watch import BrowserWatch
from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import Interval, median_interval
from bench.ledgers import LedgerFile
from bench.served import Served, serve

_VISITS = 500_000
_SITES, _LISTED_PART = 12_000, 20
_LINK = 0x3000_0001
_CHROMIUM_EPOCH_US = 11_644_473_600_000_000
_BETWEEN_US = 15_000_000
_PROCESSES = 300
_WINDOW_S = 60.0
"""Until the window is there, at most."""
_SETTLE_S, _IDLE_S, _SAMPLES = 20.0, 60.0, 3
_PROGRAM = "read x"
_SCHEMA = """
    CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT,url LONGVARCHAR,title LONGVARCHAR,
        visit_count INTEGER DEFAULT 0 NOT NULL,typed_count INTEGER DEFAULT 0 NOT NULL,last_visit_time INTEGER NOT NULL,
        hidden INTEGER DEFAULT 0 NOT NULL);
    CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT,url INTEGER NOT NULL,visit_time INTEGER NOT NULL,
        from_visit INTEGER,external_referrer_url TEXT,transition INTEGER DEFAULT 0 NOT NULL,segment_id INTEGER,
        visit_duration INTEGER DEFAULT 0 NOT NULL,incremented_omnibox_typed_score BOOLEAN DEFAULT FALSE NOT NULL,
        opener_visit INTEGER,originator_cache_guid TEXT,originator_visit_id INTEGER,originator_from_visit INTEGER,
        originator_opener_visit INTEGER,is_known_to_sync BOOLEAN DEFAULT FALSE NOT NULL,
        consider_for_ntp_most_visited BOOLEAN DEFAULT FALSE NOT NULL,visited_link_id INTEGER DEFAULT 0 NOT NULL,
        app_id TEXT);
    CREATE TABLE visit_source(id INTEGER PRIMARY KEY,source INTEGER NOT NULL);
    CREATE TABLE context_annotations(visit_id INTEGER PRIMARY KEY,context_annotation_flags INTEGER NOT NULL,
        duration_since_last_visit INTEGER,page_end_reason INTEGER,total_foreground_duration INTEGER,
        browser_type INTEGER DEFAULT 0 NOT NULL,window_id INTEGER DEFAULT -1 NOT NULL,
        tab_id INTEGER DEFAULT -1 NOT NULL,task_id INTEGER DEFAULT -1 NOT NULL,root_task_id INTEGER DEFAULT -1 NOT NULL,
        parent_task_id INTEGER DEFAULT -1 NOT NULL,response_code INTEGER DEFAULT 0 NOT NULL);
    CREATE INDEX urls_url_index ON urls (url);
    CREATE INDEX visits_url_index ON visits (url);
    CREATE INDEX visits_from_index ON visits (from_visit);
    CREATE INDEX visits_time_index ON visits (visit_time);
"""
"""The tables of Chromium 150 that are asked, with their indexes."""


def _make_history(path: Path) -> None:
    """Make a history of half a million visits to four pages of each site, one visit in twenty to a listed one."""
    path.parent.mkdir(parents=True)
    listed, rng = list(load_definitions(ActivitySettings()).domains), Random(21)  # noqa: S311 - reproducible on purpose
    began_us = now_ms() * 1000 - _VISITS * _BETWEEN_US + _CHROMIUM_EPOCH_US

    def host(number: int) -> str:
        return rng.choice(listed) if number % _LISTED_PART == 0 else f"site{number % _SITES}.example"

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO urls (url, title, last_visit_time) VALUES (?, 'The title of a page, as long as they are', ?)",
            ((f"https://{host(number)}/c/{rng.getrandbits(128):x}", began_us) for number in range(_VISITS // 4)),
        )
        connection.executemany(
            "INSERT INTO visits (url, visit_time, from_visit, transition, visit_duration, originator_cache_guid) "
            f"VALUES (?, ?, ?, {_LINK}, 25000000, '')",
            ((rng.randint(1, _VISITS // 4), began_us + n * _BETWEEN_US, n) for n in range(_VISITS)),
        )
        connection.executemany(
            "INSERT INTO context_annotations (visit_id, context_annotation_flags, duration_since_last_visit, "
            "page_end_reason, total_foreground_duration) VALUES (?, 0, -1, 1, 5000000)",
            ((number,) for number in range(1, _VISITS + 1)),
        )


async def _measure_history(setup: Setup) -> Measurement:
    """Read the history anew again and again; the processor time is the child's and ours, storing is told beside it."""
    home = setup.folder / "home"
    path = home / ".config/chromium/Default/History"
    await asyncio.to_thread(_make_history, path)
    names = list(load_definitions(ActivitySettings()).domains)
    first, later = [], []
    for _ in range(setup.pair_count):
        began = find_cpu_s() + time.process_time()
        answer = chromium.HISTORY.judge(
            await ask_database(chromium.HISTORY.ask(str(path), names, START)), START, now_ms() * 1000
        )
        between = find_cpu_s() + time.process_time()
        await ask_database(chromium.HISTORY.ask(str(path), names, answer.position))
        first.append(between - began)
        later.append(find_cpu_s() + time.process_time() - between)
    database = setup.folder / "observer.db"
    await asyncio.to_thread(migrate, database)
    opened = Database(database)
    await opened.open()
    try:
        domains = load_definitions(ActivitySettings()).domains
        watch = BrowserWatch(domains, BrowserStore(opened), lambda: None, now_ms, home=home, environment={})
        began = find_cpu_s() + time.process_time()
        await watch.look()
        stored = find_cpu_s() + time.process_time() - began
    finally:
        await opened.close()
    details = {
        "listed_visits_count": float(len(answer.visits)),
        "history_mb": path.stat().st_size / 1e6,
        "later_s": median_interval(later).median,
        "with_storing_s": stored,
    }
    return Measurement(median_interval(first), len(first), details)


@contextmanager
def _many_processes(folder: Path) -> Iterator[None]:
    """Keep 300 processes of programs of our own, one in thirty of them listed."""
    programs = [folder / "programs" / name for name in ("claude", "sleeper")]
    programs[0].parent.mkdir()
    for program in programs:
        shutil.copy("/bin/sh", program)
    others = [
        subprocess.Popen([programs[min(1, number % 30)], "-c", _PROGRAM], stdin=subprocess.PIPE)
        for number in range(_PROCESSES)
    ]
    try:
        yield
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.communicate()


def _measure_scan(setup: Setup) -> Measurement:
    """Look at 300 known processes, and at the use of the listed ones, again and again."""
    samples = []
    with _many_processes(setup.folder):
        table = SystemProcesses(load_definitions(ActivitySettings()), ("apps", "commands"))
        began = time.process_time()
        table.scan()
        first = time.process_time() - began
        for _ in range(setup.pair_count):
            began = time.process_time()
            table.scan()
            table.measure()
            samples.append((time.process_time() - began) * 1000)
    return Measurement(median_interval(samples), len(samples), {"first_ms": first * 1000})


@contextmanager
def _screen() -> Iterator[str]:
    """Give a screen with a window in front, and say its name."""
    lacking = [name for name in ("Xvfb", "openbox", "xterm") if shutil.which(name) is None]
    if lacking:
        raise Unmeasurable(f"a screen with a window is needed, and these programs are not there: {', '.join(lacking)}")
    read, write = os.pipe()
    server = ["Xvfb", "-displayfd", str(write), "-nolisten", "tcp"]
    processes = [subprocess.Popen(server, pass_fds=[write], stderr=subprocess.DEVNULL)]
    try:
        os.close(write)
        with os.fdopen(read) as said:
            name = f":{int(said.readline())}"
        environment = {**os.environ, "DISPLAY": name}
        processes.append(subprocess.Popen(["openbox"], env=environment, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + _WINDOW_S
        while not _has_window(environment):
            if time.monotonic() > deadline:
                raise Unmeasurable("no window came to the front")
            # Once more: the first one may have come before its manager.
            processes.append(subprocess.Popen(["xterm", "-e", "cat"], env=environment, stderr=subprocess.DEVNULL))
            time.sleep(1)
        yield name
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _has_window(environment: Mapping[str, str]) -> bool:
    """Return whether a window is in front, as the service sees it."""
    look = "from aico.features.activity.x11 import XScreen; raise SystemExit(XScreen().look().pid is None)"
    command = [sys.executable, "-c", look]
    return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _spent_s(served: Served) -> float:
    """Return the processor time of a service, that of its children that have ended included."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return served.run_s() + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _measure_rest(setup: Setup) -> tuple[Interval, Interval, int]:
    """Return the memory and the share of a core that a service has more with every kind on, once for each sample."""
    ledger = LedgerFile(setup.folder, 1_000)
    memory, share = [], []
    with _many_processes(setup.folder), _screen() as display:
        for number in range(_SAMPLES):
            plain, seeing = (setup.folder / f"{name}-{number}" for name in ("plain", "seeing"))
            plain.mkdir()
            _make_small_home(seeing)
            on = {"AICO_ACTIVITY_KINDS": "apps,commands,shell,browsers,extension", "DISPLAY": display}
            with serve(ledger.path, plain) as one, serve(ledger.path, seeing, on) as other:
                one.wait_until_ready()
                other.wait_until_ready()
                time.sleep(_SETTLE_S)
                _check_sight(other)
                before = _spent_s(other) - _spent_s(one)
                time.sleep(_IDLE_S)
                share.append((_spent_s(other) - _spent_s(one) - before) / _IDLE_S * 100)
                memory.append(other.memory_mb() - one.memory_mb())
    return median_interval(memory), median_interval(share), _SAMPLES


def _check_sight(served: Served) -> None:
    """Raise Unmeasurable unless everything is seen."""
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"{served.url}/api/activity", params={"from": 0, "to": now_ms()}).json()
    states = {kind["id"]: kind["reason"] or kind["state"] for kind in answer["kinds"]}
    if set(states.values()) != {"watching"}:
        raise Unmeasurable(f"not everything is seen: {states}")


def _make_small_home(home: Path) -> None:
    path = home / ".config/chromium/Default/History"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
    (home / ".bash_history").write_text("claude\n" * 1000)


def _measure_memory(setup: Setup) -> Measurement:
    memory, share, count = _measure_rest(setup)
    return Measurement(memory, count, {"processor_percent": share.median})


def _measure_processor(setup: Setup) -> Measurement:
    memory, share, count = _measure_rest(setup)
    return Measurement(share, count, {"memory_mb": memory.median})


ACTIVITY_FIGURES = (
    Figure("history_500000", "processor time of the first reading of 500,000 visits", "s", 0.3, _measure_history),
    Figure(
        "scan_300", "processor time of a look at 300 running processes, once known", "ms", 15.0, blocking(_measure_scan)
    ),
    Figure("activity_memory", "memory that every kind of activity adds", "MB", 15.0, blocking(_measure_memory)),
    Figure(
        "activity_processor",
        "share of a core that every kind of activity adds, 300 processes and a screen",
        "%",
        0.6,
        blocking(_measure_processor),
    ),
)
