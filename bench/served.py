"""A service in a process of its own, and the numbers of Linux about it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.builds import Build
from bench.figure import Unmeasurable

_ROOT = Path(__file__).resolve().parents[1]
_HANG_S = 60.0
_POLL_S = 0.005
_PROCESS_CLOCK = 2
"""What Linux calls a process' clock of its scheduler, in the number of a clock: ``clock_getcpuclockid``."""


class Served:
    """A serving ``aico``; :func:`serve` starts and ends it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_ready(self, poll_s: float = _POLL_S) -> None:
        """Return as soon as ``/readyz`` says yes, which is asked every ``poll_s``."""
        deadline = time.monotonic() + _HANG_S
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    if client.get(f"{self.url}/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                if self.process.poll() is not None:
                    break
                time.sleep(poll_s)
        raise Unmeasurable("the service did not become ready")

    def memory_mb(self, name: str = "VmRSS") -> float:
        """Return the memory that the process holds now, or (``VmHWM``) held at most, in millions of bytes."""
        return memory_mb(self.process.pid, name)

    def processor_s(self) -> float:
        """Return the processor time of the process so far, to the nanosecond, of threads that have ended, too."""
        return time.clock_gettime(~self.process.pid << 3 | _PROCESS_CLOCK)

    def run_s(self) -> float:
        """Return the same to the nanosecond, of all threads that live."""
        parts = [path.read_text().split()[0] for path in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")]
        return sum(map(int, parts)) / 1e9

    def written_bytes(self) -> int:
        """Return the bytes that the process has sent to the disk so far."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


@contextmanager
def serve(
    ledger: Path, folder: Path, settings: Mapping[str, str] | None = None, build: Build | None = None
) -> Iterator[Served]:
    """Yield a service of ``ledger`` that keeps its data in ``folder``; it may not be ready yet. Linux only."""
    if not Path("/proc/self/io").exists():
        raise Unmeasurable("this is measured on Linux only")
    with serve_anywhere(ledger, folder, settings, build) as served:
        yield served


@contextmanager
def serve_anywhere(
    ledger: Path, folder: Path, settings: Mapping[str, str] | None = None, build: Build | None = None
) -> Iterator[Served]:
    """Yield such a service on any system: it is not asked for memory, processor time or bytes written.

    ``build`` is another one than this.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AICO_", "KIMI_", "CLINE_"))}
    own = {
        "HOME": str(folder),
        "AICO_LEDGER_PATH": str(ledger),
        "AICO_DATABASE_PATH": str(folder / "data" / "observer.db"),
        "AICO_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "aico", "serve"] if build is None else [build.python, "-m", build.package, "serve"],
        cwd=folder,
        env={**inherited, **own, **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Served(process, port)
    finally:
        process.terminate()
        process.wait(_HANG_S)


def memory_mb(process_id: int, name: str) -> float:
    """Return a line of the process's status that is an amount of memory."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6


def bare_imports() -> tuple[float, float]:
    """Return how long Python takes to start with the libraries that cannot be avoided, and the memory they hold."""
    script = (
        "import fastapi, msgspec, uvicorn, watchfiles, websockets\n"
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS:')))"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=_ROOT)
    return time.perf_counter() - began, int(done.stdout) * 1024 / 1e6
