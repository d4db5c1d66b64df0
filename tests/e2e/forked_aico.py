"""``aico`` as a forked process: what it does is the same, but for the imports and what Python reads at its start."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

from tests.e2e.server_forker import ForkedServer, ServerForker, server_forker
from tests.e2e.server_process import HANG_S, RunningProcess, ServerProcess, environment


@lru_cache(maxsize=1)
def forker() -> ServerForker:
    """Return the forker of this test process, started when it is first needed."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(server_forker())


def run_aico(
    folder: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end and return what it said."""
    with tempfile.TemporaryDirectory() as own:
        out = Path(own) / "said.out"
        child = forker().begin(environment(folder, settings), out, *arguments)
        code = child.wait()
        return subprocess.CompletedProcess(["aico", *arguments], code, child.output(), child.log())


class ForkedProcess:
    """A forked child with the handles of ``subprocess.Popen``; its standard output is read as it comes."""

    def __init__(self, variables: Mapping[str, str], errors: Path, *command: str) -> None:
        with tempfile.TemporaryDirectory() as own:
            fifo = Path(own) / "out"
            os.mkfifo(fifo)
            self._child: ForkedServer = forker().begin(variables, fifo, *command, errors=errors)
            self.stdout = fifo.open(encoding="utf-8")
        self.pid = self._child.pid

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process was seen to have ended."""
        if self.poll() is None:
            self._child.send(signal.Signals(number))

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._child.wait_for(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises TimeoutExpired."""
        seconds = HANG_S if timeout is None else timeout
        code = self._child.wait_for(seconds)
        if code is None:
            raise subprocess.TimeoutExpired(["aico"], seconds)
        return code


class ForkedServerProcess(ServerProcess):
    """The same as a server process that was started anew."""

    def _start(self) -> RunningProcess:
        return ForkedProcess(self._environment, Path(self._errors.name), *self._words)
