"""A test's handle on the emulator: starts it, drives it, follows its truth, ends it. Deadlines, no sleeps."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from tests.emulator.command_reader import STOP, StepCommand
from tests.emulator.harsh_ledger import AnyStep, HarshStep
from tests.emulator.ledger_truth import Task
from tests.emulator.update_lines import Update
from tests.emulator.ways_of_writing import ALL_WAYS, Way

_ROOT = Path(__file__).resolve().parents[2]
_END_DEADLINE_S = 60.0


class EmulatorError(Exception):
    """The emulator ended or stayed silent; the message holds what it wrote to standard error."""


class ClineProcess:
    """A second process that writes ``ledger`` as Cline does. Use it in a ``with`` statement.

    Entering waits until the ledger stands on the disk (unless ``absent``). Every method that waits raises
    ``EmulatorError`` when the process ends or ``deadline_s`` passes first. Calls block: in a coroutine use
    ``asyncio.to_thread``. The same arguments with a ``now_ms`` give the same bytes.
    """

    def __init__(
        self,
        ledger: Path,
        *,
        seed: int = 1,
        now_ms: int | None = None,
        task_count: int = 50,
        ways: Sequence[Way] = ALL_WAYS,
        interval_ms: float = 0,
        quiet: bool = False,
        broken_count: int = 0,
        duplicate_count: int = 0,
        surrogates: bool = False,
        neighbours: bool = False,
        absent: bool = False,
        deadline_s: float = 30,
    ) -> None:
        self.ledger = ledger
        self.updates: list[Update] = []
        """Every update read so far, the ledger at the start included."""
        self.truth: dict[str, Task] = {}
        """The tasks of the file after the last update read."""
        self.expected: dict[str, Task] = {}
        """The tasks of an observer that saw every update: tasks never go, and a known model stays known."""
        flags = {"quiet": quiet, "surrogates": surrogates, "neighbours": neighbours, "absent": absent}
        self._command = [
            *(sys.executable, "-m", "tests.emulator", "--ledger", str(ledger), "--seed", str(seed)),
            *(["--now-ms", str(now_ms)] if now_ms is not None else []),
            *("--tasks", str(task_count), "--ways", ",".join(ways), "--interval-ms", str(interval_ms)),
            *("--broken", str(broken_count), "--duplicates", str(duplicate_count)),
            *(f"--{name}" for name, is_set in flags.items() if is_set),
        ]
        self._absent = absent
        self._deadline_s = deadline_s
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _close

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._reader = threading.Thread(target=self._read_lines, daemon=True)
        self._reader.start()
        try:
            if not self._absent:
                self.next_update()
        except EmulatorError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def step(self, count: int = 1, kind: AnyStep | None = None) -> list[Update]:
        """Let Cline write ``count`` updates and return them when all are on the disk."""
        self.start(count, kind)
        return [self.next_update() for _ in range(count)]

    def start(self, count: int, kind: AnyStep | None = None) -> None:
        """Let Cline write ``count`` updates and return at once; ``next_update`` follows them."""
        self._send(StepCommand(count, kind).to_line())

    def settle(self) -> Update:
        """Let everything that ever stood in the ledger return in its last state, and return that update.

        A reader of the file after this holds ``expected``, with any updates missed in between.
        """
        return self.step(kind=HarshStep.SETTLE)[0]

    def next_update(self) -> Update:
        """Return the next completed update."""
        try:
            line = self._lines.get(timeout=self._deadline_s)
        except Empty:
            raise EmulatorError(f"no update within {self._deadline_s} s; {self._last_words()}") from None
        if not line:
            raise EmulatorError(f"the emulator has ended; {self._last_words()}")
        update = Update.from_line(line)
        self._follow(update)
        return update

    def stop(self) -> None:
        """End the process after the update that it is writing. Updates not read yet are lost."""
        if self._process.poll() is None:
            self._send(STOP + "\n", missing_ok=True)
        try:
            self._process.wait(_END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _close(self) -> None:
        self.stop()
        self._errors.close()

    def _follow(self, update: Update) -> None:
        self.updates.append(update)
        for task_id in update.gone:
            del self.truth[task_id]
        for usage in update.changed:
            self.truth[usage.task_id] = usage
            known = self.expected.get(usage.task_id)
            model_id = usage.model_id or (known.model_id if known else None)
            self.expected[usage.task_id] = usage._replace(model_id=model_id)

    def _send(self, line: str, *, missing_ok: bool = False) -> None:
        pipe = self._process.stdin
        try:
            if pipe is not None:
                pipe.write(line)
                pipe.flush()
        except BrokenPipeError:
            if not missing_ok:
                raise EmulatorError(f"the emulator has ended; {self._last_words()}") from None

    def _read_lines(self) -> None:
        """Pass on every line; an empty one says that no more will come."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put("")

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:] or "standard error is empty"
