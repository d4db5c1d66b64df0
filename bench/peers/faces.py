"""How each viewer is started and asked, and where it says the cost. Only what its users can see is used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.peers.homes import Kind
from bench.peers.installed import Installed
from tests.ui.service import free_port

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_S = 60.0
_STOP_S = 15.0
_MICRO = 1_000_000
_DAY_S = 86_400
_NOBODY = "http://127.0.0.1:9"
"""A proxy that nobody is: what asks for prices or reports usage over the network fails at once, for all alike."""


class Face(Protocol):
    """One way to see what a viewer shows."""

    def start(self, home: Path) -> None:
        """Start it for the user whose HOME is ``home``."""

    def ask(self) -> float | None:
        """Return the cost that it shows now, US dollars; None while it shows nothing."""

    def stop(self) -> None:
        """End every process of it."""


@dataclass(frozen=True)
class Viewer:
    """A viewer as it is told in the results."""

    name: str
    version: str
    how: str
    face: Callable[[], Face]
    timed: tuple[Kind, ...]
    """The homes whose stores it reads, on which it is timed."""
    everywhere: bool = True
    """Whether its cost is compared on every home; not for a second face of the same program."""


@dataclass
class Served:
    """A server that is asked over HTTP."""

    command: Callable[[Path, int], list[str]]
    path: str
    cost_of: Callable[[object], float | None]
    settings: Callable[[Path], Mapping[str, str]]
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self, home: Path) -> None:
        """Start the server in a group of its own."""
        self._process = subprocess.Popen(
            self.command(home, self.port),
            cwd=_ROOT,
            env={**environment(home), **self.settings(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ask(self) -> float | None:
        """Ask the one question."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.path}", timeout=_ANSWER_S) as answer:
                return self.cost_of(json.load(answer))
        except (urllib.error.URLError, OSError, ValueError):
            return None

    def stop(self) -> None:
        """End the group, gently at first."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(_STOP_S)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


@dataclass
class Run:
    """A command that is run anew for each question."""

    command: list[str]
    cost_of: Callable[[object], float | None]
    _home: Path = Path()

    def start(self, home: Path) -> None:
        """Note whose HOME it is."""
        self._home = home

    def ask(self) -> float | None:
        """Run it to its end."""
        ended = subprocess.run(
            self.command,
            cwd=_ROOT,
            env=environment(self._home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_S,
            check=False,
        )
        try:
            return self.cost_of(json.loads(ended.stdout))
        except ValueError:
            return None

    def stop(self) -> None:
        """Nothing runs between two questions."""


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a process that belongs to ``home`` and reaches nothing but this machine."""
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOBODY)
    own = {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}
    return {**own, **proxies, "NO_PROXY": "127.0.0.1,localhost", "NODE_USE_ENV_PROXY": "1", "DO_NOT_TRACK": "1"}


def number_at(answer: object, *keys: str) -> float | None:
    """Return the number at a path of keys, None where there is none."""
    for key in keys:
        if not isinstance(answer, dict):
            return None
        answer = answer.get(key)
    return float(answer) if isinstance(answer, int | float) and not isinstance(answer, bool) else None


def our_cost(answer: object) -> float | None:
    """Return the total of a summary."""
    return number_at(answer, "totals", "total_cost")


def tokdash_cost(answer: object) -> float | None:
    """Return what Cline cost; the total of all tools is rounded to cents and only tells that there is an answer."""
    cost = number_at(answer, "by_tool", "cline", "cost")
    return number_at(answer, "total_cost") if cost is None else cost


def agentsview_cost(answer: object) -> float | None:
    """Return the total, which it gives in millionths."""
    cost = number_at(answer, "totals", "totalCost", "microdollars")
    return None if cost is None else cost / _MICRO


def codeburn_page_cost(answer: object) -> float | None:
    """Return the page's total."""
    return number_at(answer, "current", "cost")


def codeburn_report_cost(answer: object) -> float | None:
    """Return the report's total."""
    return number_at(answer, "overview", "cost")


def our_viewer() -> Viewer:
    """Return this service with the one setting that has it read both stores."""
    start_ms, end_ms = (int(time.time() + days * _DAY_S) * 1000 for days in (-40, 2))

    def face() -> Face:
        return Served(
            lambda _home, port: [sys.executable, "-m", "app", "serve", "--port", str(port)],
            f"/api/cline/summary?from={start_ms}&to={end_ms}",
            our_cost,
            lambda home: {"AICO_CLINE_SESSIONS": "true", "AICO_DATABASE_PATH": str(home / "observer" / "observer.db")},
        )

    return Viewer(
        "ours", "this checkout", "GET /api/cline/summary, cline_sessions = true", face, (Kind.CLASSIC, Kind.CURRENT)
    )


def peer_viewers(installed: Installed) -> list[Viewer]:
    """Return the others that are installed."""
    found = []
    if installed.tokdash is not None:
        found.append(_tokdash(installed.tokdash, installed.versions["tokdash"]))
    if installed.agentsview is not None:
        found.append(_agentsview(installed.agentsview, installed.versions["agentsview"]))
    if installed.codeburn is not None:
        found += _codeburn(installed.codeburn, installed.versions["codeburn"])
    return found


def _tokdash(program: Path, version: str) -> Viewer:
    settings = {"TOKDASH_USAGE_DB_WATCH": "1", "TOKDASH_USAGE_DB_WATCH_INTERVAL": "1", "TOKDASH_SIG_TTL": "0"}

    def face() -> Face:
        return Served(
            lambda _home, port: [str(program), "serve", "--no-open", "--port", str(port)],
            "/api/usage?period=30&refresh=true",
            tokdash_cost,
            lambda _home: settings,
        )

    how = "tokdash serve, GET /api/usage?refresh=true, " + ", ".join(
        f"{key}={value}" for key, value in settings.items()
    )
    return Viewer("tokdash", version, how, face, (Kind.CURRENT,))


def _agentsview(program: Path, version: str) -> Viewer:
    arguments = ("serve", "--no-browser", "--no-update-check", "--events-coalesce-interval", "0")

    def face() -> Face:
        return Served(
            lambda _home, port: [str(program), *arguments, "--port", str(port)],
            "/api/v1/usage/summary",
            agentsview_cost,
            lambda home: {"AGENTSVIEW_DATA_DIR": str(home / ".agentsview")},
        )

    return Viewer(
        "agentsview", version, f"agentsview {' '.join(arguments)}, GET /api/v1/usage/summary", face, (Kind.CURRENT,)
    )


def _codeburn(command: list[str], version: str) -> list[Viewer]:
    question = ["--period", "all", "--provider", "cline"]

    def page() -> Face:
        return Served(
            lambda _home, port: [*command, "web", "--no-open", *question, "--port", str(port)],
            "/api/usage",
            codeburn_page_cost,
            lambda _home: {},
        )

    def report() -> Face:
        return Run([*command, "report", "--format", "json", *question], codeburn_report_cost)

    asked = " ".join(question)
    return [
        Viewer("codeburn report", version, f"codeburn report --format json {asked}, run anew", report, (Kind.CLASSIC,)),
        Viewer(
            "codeburn web", version, f"codeburn web {asked}, GET /api/usage", page, (Kind.CLASSIC,), everywhere=False
        ),
    ]
