"""How a viewer is started, asked and ended: as a server, or as a command that is run for each question."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.ports import free_ports

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_S = 60.0
_PORTS = free_ports(20_000, 32_000)
_STOP_S = 15.0
_NOBODY = "http://127.0.0.1:9"
"""The address of a proxy that does not exist: requests for prices and reports of usage fail at once, for all alike."""


class Face(Protocol):
    """One way to see the numbers of a viewer."""

    def start(self, home: Path) -> None:
        """Start it for the user whose HOME is ``home``."""

    def ask(self) -> float | None:
        """Return the cost that it shows now, US dollars; None while it shows nothing."""

    def stop(self) -> None:
        """End every process of it."""


@dataclass
class Served:
    """A server that is asked over HTTP."""

    command: Callable[[Path, int], list[str]]
    path: str
    cost_of: Callable[[object], float | None]
    settings: Callable[[Path], Mapping[str, str]]
    port: int = field(default_factory=lambda: next(_PORTS))
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
