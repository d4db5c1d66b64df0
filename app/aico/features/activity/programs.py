"""The shapes of running programs, on any system. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Program(NamedTuple):
    """A running process of a listed app or command."""

    pid: int
    kind: str
    name: str
    terminal: str | None = None
    """The device of the terminal that it was started in."""
    ancestors: tuple[int, ...] = ()
    """Numbers of the processes that it lives in, the nearest first."""


class Load(NamedTuple):
    """The processor and memory that the processes of a listed app or command take together."""

    cpu_percent: float
    """Of one processor. 0 when it was not seen before."""
    memory_mb: float


class ProcessTable(Protocol):
    """Knows the programs that run."""

    def scan(self) -> list[Program]:
        """Return the listed programs that run."""

    def find(self, pid: int) -> Program | None:
        """Return the listed program with this number, None for any other."""

    def measure(self) -> Mapping[tuple[str, str], Load]:
        """Return the load of the programs of the last scan, by kind and name."""
