"""The demonstration: made-up files of several tools that keep growing, written the way these tools write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aico.features.demo.growing import GrowingLedger
from aico.features.demo.tools import GrowingLogs
from aico.features.demo.writer import append_lines, write_by_rename
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Origin, Source, Surroundings

STEP_S = 1.2
"""Between two changes: slow enough to be followed with the eye."""
TASK_COUNT = 240
SESSION_COUNT = 24
"""Of each tool but Cline."""
DAYS = 45
SWITCHED_ON = {("claude-code", "projects"), ("codex", "sessions"), ("gemini-cli", "chats")}
"""Origins that are read besides Cline's ledger."""


def sources_below(home: Path) -> tuple[Source, ...]:
    """Return all sources as for a user with the home ``home``; the real user's variables have no say."""

    def move(around: Surroundings) -> Surroundings:
        return replace(around, home=home, environment={})

    def settle(source: Source, origin: Origin) -> Origin:
        elsewhere = origin.elsewhere
        return replace(
            origin,
            places=lambda around: origin.places(move(around)),
            elsewhere=None if elsewhere is None else lambda around: elsewhere(move(around)),
            is_on_by_default=origin.is_on_by_default or (source.id, origin.id) in SWITCHED_ON,
        )

    return tuple(replace(each, origins=tuple(settle(each, origin) for origin in each.origins)) for each in SOURCES)


class GrowingFiles:
    """A ledger at ``ledger_path``, in a directory that exists, and logs below ``home``. Constructing writes nothing."""

    def __init__(self, ledger_path: Path, home: Path, seed: int, now_ms: Callable[[], int]) -> None:
        self._ledger_path = ledger_path
        self._home = home
        self._now_ms = now_ms
        self._ledger = GrowingLedger(seed, now_ms(), task_count=TASK_COUNT, days=DAYS)
        self._logs = GrowingLogs(seed, now_ms(), session_count=SESSION_COUNT, days=DAYS)

    async def write(self) -> None:
        """Write what the tools have to say since the last call: at first all that happened before."""
        await write_by_rename(self._ledger_path, self._ledger.to_json())
        await asyncio.to_thread(append_lines, self._home, self._logs.take())

    async def grow(self) -> None:
        """Let Cline and one of the other tools do one thing after the other until cancelled."""
        while True:
            await asyncio.sleep(STEP_S)
            self._ledger.step(self._now_ms())
            self._logs.step(self._now_ms())
            await self.write()
