"""The real service as a process, on a ledger that a test writes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from aico.features.demo.writer import replace_file
from tests.calm_zone import calm_zone
from tests.e2e.server_forker import ForkedServer, ServerForker
from tests.users_things_guard import SETTINGS_OF_USERS

_ROOT = Path(__file__).resolve().parents[2]
_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 60.0
_ANSWER_DEADLINE_S = 60.0
_PAUSE_S = 0.05
_URL = re.compile(r"http://127\.0\.0\.1:(\d+)")
_BOX_END = "╰"


def now_ms() -> int:
    """Return the present as the ledger counts it."""
    return time.time_ns() // 1_000_000


def entry(
    task_id: str,
    *,
    ts: int | None = None,
    model: str | None = "moonshotai/kimi-k2.6",
    tokens_in: int = 1000,
    tokens_out: int = 100,
    cost: float = 0.5,
) -> dict[str, object]:
    """Return one entry as Cline writes it."""
    numbers = {"tokensIn": tokens_in, "tokensOut": tokens_out, "totalCost": cost}
    known = {"modelId": model} if model is not None else {}
    return {
        "id": task_id,
        "ts": now_ms() if ts is None else ts,
        "task": "a prompt that nobody may see",
        **numbers,
        **known,
    }


class _HealthAnswer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        """Answer with the status, whatever is asked."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def kimi_proxy(status: int = 200) -> Iterator[str]:
    """Yield the address of a Kimi Proxy that answers with ``status``; by default it is well."""
    answer = type("_Answer", (_HealthAnswer,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Ledger:
    """Cline's file, written as Cline writes it."""

    path: Path
    entries: dict[str, dict[str, object]] = field(default_factory=dict)

    def write(self, *entries: dict[str, object]) -> None:
        """Add or replace entries and write the whole file by an atomic rename."""
        self.entries.update({str(one["id"]): one for one in entries})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, json.dumps(list(self.entries.values())).encode())

    def remove(self) -> None:
        """Take the file away."""
        self.path.unlink()


class Service:
    """``aico serve`` as a process. It can be killed and started again on the same port and database.

    The system chooses the port at the first start. From the first stop on it is kept from others by a socket without a
    listener, beside which the service can listen.

    A forker, if there is one, starts the process: as before, but for the second that the imports take.
    """

    def __init__(
        self, folder: Path, environment: dict[str, str] | None = None, *, forker: ServerForker | None = None
    ) -> None:
        self.database = folder / "data" / "observer.db"
        self.ledger = Ledger(folder / "cline" / "taskHistory.json")
        self.url = ""
        """Its address, from its first start on."""
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_OF_USERS)},
            "AICO_LEDGER_PATH": str(self.ledger.path),
            "AICO_DATABASE_PATH": str(self.database),
            "AICO_PORT": "0",
            "HOME": str(folder),
            "TZ": calm_zone(),
            **(environment or {}),
        }
        self._forker = forker
        self._process: subprocess.Popen[bytes] | ForkedServer | None = None
        self._said = folder / "said.out"
        self._held: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Its port is wanted no more: by now it may be somebody else's, which is no error.
        try:
            self._end(signal.SIGTERM)
        finally:
            self._let_port_go()

    def start(self, *, probe: str = "/readyz", command: str = "serve") -> None:
        """Start the process and return when ``probe`` answers 200. Fails with its output when it ends or is late."""
        self._process = self._begin(command)
        deadline = time.monotonic() + _START_DEADLINE_S
        while not (self._has_said_where() and self._answers(probe)):
            if self._has_ended_within(_PAUSE_S) or time.monotonic() > deadline:
                raise AssertionError(f"the service did not start:\n{self.output()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process, if it runs, wait for it, and keep its port for the next start."""
        if self._process is not None:
            try:
                self._end(number)
            finally:
                self._hold_port()

    def output(self) -> str:
        """Return everything that the process has said."""
        files = (self._said, self._said.with_suffix(".err"))
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())

    def ask(
        self, path: str, params: Mapping[str, str | int] | None = None, *, method: str = "GET", body: object = None
    ) -> httpx.Response:
        """Return what it answers, however much else the machine has to do."""
        # Without a limit of the test's own, the library's is 5 seconds.
        with httpx.Client(base_url=self.url, timeout=_ANSWER_DEADLINE_S, trust_env=False) as client:
            return client.request(method, path, params=params, json=body)

    def _begin(self, command: str) -> subprocess.Popen[bytes] | ForkedServer:
        if self._forker is not None:
            return self._forker.begin(self._environment, self._said, command)
        with self._said.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "aico", command],
                cwd=_ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        try:
            self._send(number)
            if not self._has_ended_within(_STOP_DEADLINE_S):
                self._send(signal.SIGKILL)
                self._has_ended_within(_STOP_DEADLINE_S)
                raise AssertionError(f"the service did not end:\n{self.output()}")
        finally:
            self._process = None

    def _has_said_where(self) -> bool:
        if not self.url and _BOX_END in (said := self.output()) and (found := _URL.search(said)):
            self.url = found[0]
            self._environment["AICO_PORT"] = found[1]
        return bool(self.url)

    def _hold_port(self) -> None:
        if self.url and self._held is None:
            self._held = socket.socket()
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind(("127.0.0.1", int(self._environment["AICO_PORT"])))

    def _let_port_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _answers(self, probe: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + probe, timeout=10) as answer:  # noqa: S310 - our own loopback address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        if not self._has_ended_within(0):
            os.kill(self._process.pid, number)

    def _has_ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        if isinstance(self._process, ForkedServer):
            return self._process.wait_for(seconds) is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
