"""Reads the parent's commands from standard input, so that a test can drive the emulator step by step."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import SimpleQueue

from tests.emulator.harsh_ledger import AnyStep, step_of


@dataclass(frozen=True, slots=True)
class StepCommand:
    """``step [COUNT [KIND]]``: so many updates; without a kind each is drawn."""

    count: int = 1
    kind: AnyStep | None = None

    @classmethod
    def from_line(cls, line: str) -> StepCommand:
        """Return the command of one line. Any exception is a bug of the parent."""
        word, *operands = line.split()
        if word != "step":
            raise ValueError(word)
        count = int(operands[0]) if operands else 1
        return cls(count, step_of(operands[1]) if len(operands) > 1 else None)

    def to_line(self) -> str:
        """Return the command as one line, with its line break."""
        return f"step {self.count} {self.kind or ''}".rstrip() + "\n"


STOP = "stop"


class CommandReader:
    """Collects commands in a thread until ``stop`` or the end of standard input."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._commands: SimpleQueue[StepCommand | None] = SimpleQueue()
        self._ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def next_command(self) -> StepCommand | None:
        """Wait for the next command; None when there will be none."""
        return self._commands.get()

    def has_ended_within(self, seconds: float) -> bool:
        """Wait so long, or until the parent wants an end, and return whether it does."""
        return self._ended.wait(seconds)

    def _read(self) -> None:
        """Read without a buffer: its lock would be held when the interpreter ends before the parent does."""
        try:
            with open(self._descriptor, "rb", buffering=0, closefd=False) as stream:
                for line in iter(stream.readline, b""):
                    if line.strip() == STOP.encode():
                        break
                    self._commands.put(StepCommand.from_line(line.decode()))
        finally:
            self._ended.set()
            self._commands.put(None)
