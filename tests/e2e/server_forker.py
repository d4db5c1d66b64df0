"""``python -m tests.e2e.server_forker``: starts ``aico`` by forking, many at once and each in a moment.

It has imported what a service imports; a child begins where the command line is read. It answers each line of JSON with
one: ``{"start": variables, "out": path, "err": path, "command": words}`` with ``{"pid": n}``, and ``{"wait": pid,
"seconds": n}``, once that child has ended, with ``{"code": n}``. Variables and words are hexadecimal: they are bytes.
When its standard input closes, it ends whatever still runs.

A program of its own: forking is safe only in a process without threads.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from aico.core.collector import collector_paused
from tests.e2e.server_process import BOX_END, HANG_S, ROOT, environment

_LOOK_S = 0.01


class ForkedServer:
    """One ``aico`` with any command: talked to by signals, listened to by what it prints."""

    def __init__(self, forker: ServerForker, pid: int, out: Path, errors: Path) -> None:
        self._forker = forker
        self._out = out
        self._errors = errors
        self._code: int | None = None
        self.pid = pid

    @property
    def url(self) -> str:
        """The address that it serves at. It must have shown its box."""
        return next(word for word in self.output().split() if word.startswith("http://"))

    def output(self) -> str:
        """Return what it printed so far."""
        return self._out.read_text(encoding="utf-8") if self._out.exists() else ""

    def log(self) -> str:
        """Return what it printed to standard error so far."""
        return self._errors.read_text(encoding="utf-8") if self._errors.exists() else ""

    def wait_for_box(self) -> None:
        """Return when it says where it serves."""
        deadline = time.monotonic() + HANG_S
        while BOX_END not in self.output():
            assert time.monotonic() < deadline, f"no box; {self.output()}{self.log()}"
            time.sleep(_LOOK_S)

    def send(self, number: signal.Signals) -> None:
        """Send a signal. Until it was waited for, its number is nobody else's."""
        assert self._code is None
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        code = self.wait_for(HANG_S)
        assert code is not None, f"process {self.pid} does not end"
        return code

    def wait_for(self, seconds: float) -> int | None:
        """Return the exit code, or None when it has not ended after so many seconds."""
        if self._code is None:
            self._code = self._forker.ask({"wait": self.pid, "seconds": seconds}).get("code")
        return self._code


class ServerForker:
    """The test's end of the program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._turn = threading.Lock()

    def start(self, folder: Path, settings: Mapping[str, str] | None = None) -> ForkedServer:
        """Start ``aico serve`` with everything in ``folder``, as ``ServerProcess`` beside this does."""
        number = len(list(folder.glob("said-*.out")))
        out = folder / f"said-{number:04}.out"
        out.touch()
        return self.begin(environment(folder, settings), out, "serve")

    def begin(
        self, variables: Mapping[str, str], out: Path, *command: str | bytes, errors: Path | None = None
    ) -> ForkedServer:
        """Start ``command`` with nothing but ``variables`` in its environment; what it says is added to the files."""
        errors = errors or out.with_suffix(".err")
        order = {
            "start": {_hex(name): _hex(value) for name, value in variables.items()},
            "out": str(out),
            "err": str(errors),
            "command": [_hex(word) for word in command],
        }
        return ForkedServer(self, self.ask(order)["pid"], out, errors)

    def ask(self, order: Mapping[str, object]) -> dict[str, int]:
        """Hand over ``order`` and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return dict(json.loads(self._process.stdout.readline() or "{}"))


def _hex(text: str | bytes) -> str:
    return os.fsencode(text).hex()


@contextmanager
def server_forker(variables: Mapping[str, str] | None = None) -> Iterator[ServerForker]:
    """Start services until the block ends; none of them outlives it.

    ``variables`` are what its own Python finds at its start, which decides in which encoding it and its children print.
    """
    command = [sys.executable, "-m", "tests.e2e.server_forker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield ServerForker(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(HANG_S)


def _begin(variables: Mapping[str, str], out: str, errors: str, command: Sequence[str]) -> None:
    """Become ``aico`` with this command, and end as it ends."""
    from aico.cli import main as command_line

    for number, path in ((1, out), (2, errors)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environb.clear()
    os.environb.update({bytes.fromhex(name): bytes.fromhex(value) for name, value in variables.items()})
    tempfile.tempdir = None  # of these variables, not of those before
    sys.argv = ["aico", *(os.fsdecode(bytes.fromhex(word)) for word in command)]
    try:
        _codes.append(command_line())
    except SystemExit as ended:
        if isinstance(ended.code, int):
            _codes.append(ended.code)
        raise
    sys.exit(_codes[-1])


_codes: list[int] = []
"""With what a child ends; empty in the program itself."""


def _leave() -> None:
    """Let a child go when all is done, and take no modules apart: of so many, that takes longer than most commands.

    Python tells of output that cannot be written any more, as always.
    """
    if _codes:
        with suppress(OSError, ValueError):
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(_codes[-1])


def _wait(child: int, seconds: float) -> dict[str, int]:
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return {"code": os.waitstatus_to_exitcode(status)}
        if time.monotonic() >= deadline:
            return {}
        time.sleep(_LOOK_S)


def main() -> None:
    """Do what is asked until nobody asks any more."""
    atexit.register(_leave)  # the first of them, so that it is the last one called
    with collector_paused():  # as the command line does it: otherwise each child goes through all of it at its end
        import aico.cli.serve  # noqa: F401  # every child has it, then

    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            child = os.fork()
            if child == 0:
                _begin(order["start"], order["out"], order["err"], order["command"])
            children.add(child)
            answer = {"pid": child}
        else:
            answer = _wait(order["wait"], order["seconds"])
            if "code" in answer:
                children.discard(order["wait"])
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
