"""Made-up logs of several tools that keep growing. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from random import Random
from typing import Protocol

from aico.features.demo.claude_code import ClaudeCode
from aico.features.demo.codex import Codex
from aico.features.demo.desk import Desk
from aico.features.demo.gemini_cli import GeminiCli
from aico.features.demo.hours import draw_start_ms

_HOUR_MS = 3_600_000
_EXCHANGES = range(8, 22)
"""How many there are in a session."""
_SECONDS = range(20, 90)
"""Between two of them."""


class Tool(Protocol):
    """A tool whose lines are made up."""

    def begin(self, *, goes_on: bool) -> None:
        """Begin a session, perhaps with the content of the last one."""

    def exchange(self) -> None:
        """Write a prompt and its answer: some milliseconds of the desk's time."""

    def end(self) -> None:
        """End the session."""


class _Worker:
    """The made-up person at one desk; every third session goes on with the one before."""

    def __init__(self, desk: Desk, make: Callable[[Desk], Tool]) -> None:
        self.desk = desk
        self._tool = make(desk)
        self._sessions = self._left = 0

    def look_back(self, now_ms: int, session_count: int, days: int) -> None:
        """Write the sessions of the ``days`` before ``now_ms``."""
        rng = self.desk.rng
        for start_ms in sorted(draw_start_ms(rng, now_ms - _HOUR_MS, days=days) for _ in range(session_count)):
            self.desk.now_ms = max(self.desk.now_ms, start_ms)
            self.step(self.desk.now_ms)
            while self._left:
                self.step(self.desk.now_ms + 1000 * rng.choice(_SECONDS))

    def step(self, now_ms: int) -> None:
        """Write one exchange at ``now_ms``; time never goes back."""
        self.desk.now_ms = max(self.desk.now_ms, now_ms)
        if not self._left:
            self._sessions += 1
            self._left = self.desk.rng.choice(_EXCHANGES)
            self._tool.begin(goes_on=self._sessions % 3 == 0)
        self._tool.exchange()
        self._left -= 1
        if not self._left:
            self._tool.end()


class GrowingLogs:
    """The logs of a person at work with several tools: finished sessions, then the lines that ``step`` brings.

    The same arguments and steps give the same bytes.
    """

    def __init__(
        self, seed: int, now_ms: int, *, session_count: int, days: int, make_desk: Callable[[Random], Desk] = Desk
    ) -> None:
        # Chance is reproducible, and nothing depends on its being unpredictable.
        makers: tuple[Callable[[Desk], Tool], ...] = (ClaudeCode, Codex, GeminiCli)
        self._workers = [_Worker(make_desk(Random(seed + number)), make) for number, make in enumerate(makers)]  # noqa: S311
        self._turns = cycle(self._workers)
        for worker in self._workers:
            worker.look_back(now_ms, session_count, days)

    def step(self, now_ms: int) -> None:
        """Let one tool after the other append an exchange."""
        next(self._turns).step(now_ms)

    def take(self) -> dict[str, bytearray]:
        """Return the bytes that were appended since the last call, by path below the home."""
        return {path: data for worker in self._workers for path, data in worker.desk.take().items()}
