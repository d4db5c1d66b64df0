"""``aico`` as a process of its own: started, waited for, talked to, ended. Hang limits, no sleeps."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Protocol, Self

import httpx

from tests.core.repository_on_file import copy_of_template
from tests.users_things_guard import SETTINGS_OF_USERS

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 60.0
"""A step that takes longer hangs."""
FAST = {"AICO_TICK_S": "0.1", "AICO_RESCAN_INTERVAL_S": "1", "AICO_DEBOUNCE_MS": "10"}
"""The times with which faults are tested."""
_URL = re.compile(r"https?://[^\s/]+:\d+")
BOX_END = "╰"


def environment(folder: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a process that keeps everything in ``folder`` and knows no setting of this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_OF_USERS)}
    own = {
        "HOME": str(folder),
        "AICO_LEDGER_PATH": str(ledger_path(folder)),
        "AICO_DATABASE_PATH": str(database_path(folder)),
        "AICO_PORT": "0",
    }
    return {**inherited, **own, **FAST, **(settings or {})}


def ledger_path(folder: Path) -> Path:
    """Return where a process of ``folder`` looks for the ledger."""
    return folder.resolve() / "cline" / "taskHistory.json"


def database_path(folder: Path) -> Path:
    """Return where a process of ``folder`` keeps its database."""
    return folder.resolve() / "data" / "observer.db"


def prepare_database(folder: Path) -> Path:
    """Put an empty, migrated database where a process of ``folder`` keeps its own, as its first start leaves it.

    For tests that are not about a first start: the migrations take a quarter of it.
    """
    path = database_path(folder)
    path.parent.mkdir(mode=0o700, parents=True)
    copy_of_template(path.parent).chmod(0o600)
    return path


class RunningProcess(Protocol):
    """The part of ``subprocess.Popen`` that a server process needs."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def stdout(self) -> IO[str] | None:
        """Its standard output."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal."""

    def terminate(self) -> None:
        """Tell it to end."""

    def kill(self) -> None:
        """End it."""

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises TimeoutExpired."""


class ServerProcess:
    """A serving ``aico`` in a ``with`` statement: entering waits for its box, leaving ends it if it still runs."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, *, command: tuple[str, ...] = ("serve",)
    ) -> None:
        self.ledger = ledger_path(folder)
        self.database = database_path(folder)
        self.url = ""
        self.page = ""
        """The link that the box shows: with a token, the one-time link."""
        self._environment = environment(folder, settings)
        self._words = command
        self._command = [sys.executable, "-m", "aico", *command]
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._said: list[str] = []
        self._errors = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        self.process = self._start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait_for_box()
        except AssertionError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _start(self) -> RunningProcess:
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
        )

    @property
    def authority(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    @property
    def socket_url(self) -> str:
        """The address of the socket."""
        return f"ws://{self.authority}/ws"

    def client(self) -> httpx.Client:
        """Return an HTTP client of this server; the caller closes it."""
        return httpx.Client(base_url=self.url, timeout=HANG_S, trust_env=False)

    def wait_for_state(self, state: str, reason: str | None = None) -> None:
        """Return when the watcher is in ``state``, or fail with what the server said."""
        deadline = time.monotonic() + HANG_S
        with self.client() as client:
            while True:
                response = client.get("/api/cline/status")
                assert response.status_code == 200, f"{response.text} {self.log()}"
                watcher = response.json()["watcher"]
                if (watcher["state"], watcher["reason"]) == (state, reason):
                    return
                assert time.monotonic() < deadline, f"the watcher stays {watcher}; {self.log()}"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        try:
            code = self.process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end; {self.log()}") from None
        self._reader.join()
        return code

    def output(self) -> str:
        """Return what was printed to standard output so far."""
        while not self._lines.empty():
            self._said.append(self._lines.get())
        return "".join(self._said)

    def log(self) -> str:
        """Return what was printed to standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def _read(self) -> None:
        if self.process.stdout is not None:
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put("")

    def _wait_for_box(self) -> None:
        deadline = time.monotonic() + HANG_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"no box within {HANG_S} s; {self.log()}") from None
            assert line, f"the server ended instead of serving: {''.join(self._said)}{self.log()}"
            self._said.append(line)
            if not self.url and (found := _URL.search(line)):
                self.url = found.group()
                self.page = line[found.start() :].split()[0]
            if line.startswith(BOX_END):
                return

    def _close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(HANG_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()
