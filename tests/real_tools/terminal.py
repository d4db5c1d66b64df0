"""A terminal for a tool that wants one: its keys are pressed, its screen is looked at, by hand of a script."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_ESCAPES = re.compile(rb"\x1b\[[0-9;?>=<]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>78]")
_ROWS, _COLUMNS = 60, 160


class Terminal:
    """A running tool and everything that it has written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._said = b""

    @property
    def text(self) -> str:
        """Everything that was written, without escapes."""
        return _ESCAPES.sub(b"", self._said).decode(errors="replace")

    def press(self, keys: str) -> None:
        """Press keys, one by one, as a person does."""
        for key in re.findall(r"\x1b\[.|.", keys, re.DOTALL):
            os.write(self._descriptor, key.encode())
            self.look(0.02)

    def look(self, seconds: float) -> None:
        """Read what is written within some time; answer what a terminal is asked."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._descriptor], [], [], left)
            if not ready:
                return
            try:
                more = os.read(self._descriptor, 1 << 16)
            except OSError:
                more = b""
            if not more:
                return
            self._said += more
            if b"\x1b[6n" in more:
                os.write(self._descriptor, b"\x1b[1;1R")
            if b"\x1b[c" in more:
                os.write(self._descriptor, b"\x1b[?62;c")

    def wait(self, is_so: Callable[[], bool], what: str, patience_s: float = 60) -> None:
        """Read on until something is so."""
        end = time.monotonic() + patience_s
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: {self.text[-1500:]}")
            self.look(0.1)

    def wait_for(self, words: str, patience_s: float = 60) -> None:
        """Read on until some words are written that were not there before."""
        before = len(self.text)
        self.wait(lambda: words in self.text[max(before - len(words), 0) :], words, patience_s)


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Terminal]:
    """Yield a tool in a terminal; whatever is left of it is killed at the end."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, env=dict(environment), cwd=folder, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    try:
        yield Terminal(ours)
    finally:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(ours)
