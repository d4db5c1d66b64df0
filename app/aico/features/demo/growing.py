"""A made-up ledger that keeps growing as under a running Cline. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Mapping

from aico.features.demo.generator import LedgerGenerator
from aico.features.demo.js_json import stringify
from aico.features.demo.window import Window
from aico.features.demo.work import StepKind, work

DEMO_WEIGHTS: Mapping[StepKind, float] = {
    StepKind.GROW: 84,
    StepKind.GROW_SAME_TS: 3,
    StepKind.START: 8,
    StepKind.SWITCH_MODEL: 3,
    StepKind.DECREASE: 0.3,
    StepKind.STAR: 1,
}
"""A quiet afternoon, nice to look at."""


class GrowingLedger:
    """The ledger of a person at work: ``task_count`` finished tasks, then those that ``step`` brings.

    The same arguments and steps give the same bytes.
    """

    def __init__(self, seed: int, now_ms: int, *, task_count: int, days: int) -> None:
        self._generator = LedgerGenerator(seed, now_ms, days=days)
        self._now_ms = now_ms
        self._window = Window(self._generator.entries(task_count))

    def to_json(self) -> bytes:
        """Return the file's bytes as Cline saves them: one line."""
        return stringify(self._window.entries)

    def step(self, now_ms: int) -> None:
        """Let Cline do one thing at ``now_ms``, drawn by the weights; time never goes back."""
        self._now_ms = max(self._now_ms + 1, now_ms)
        kind = self._generator.rng.choices(list(DEMO_WEIGHTS), list(DEMO_WEIGHTS.values()))[0]
        work(self._generator, self._window, kind, self._now_ms)
