"""A made-up ledger to which everything happens that Cline does to one, and what is true of it after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

from aico.features.demo.activity import restored
from aico.features.demo.entry import LedgerEntry
from aico.features.demo.generator import LedgerGenerator
from aico.features.demo.js_json import stringify
from aico.features.demo.window import Window
from aico.features.demo.work import StepKind, work
from tests.emulator.ledger_truth import Task, true_usage
from tests.emulator.pretty_json import stringify_pretty

_CUT_SHARE = 0.02


class HarshStep(StrEnum):
    """Cline's deeds to its ledger that the demonstration does not show."""

    DELETE = "delete"
    DELETE_ALL = "delete_all"
    """Only the favourites stay, or ``[]``."""
    SECOND_WINDOW = "second_window"
    """A second window saves its own, older array: entries vanish, and return when the first window saves again."""
    SETTLE = "settle"
    """Everything that the ledger ever showed is there again, in its last state."""


AnyStep: TypeAlias = StepKind | HarshStep

DELETIONS = frozenset({HarshStep.DELETE, HarshStep.DELETE_ALL})
"""Cline writes these pretty-printed and without a rename."""

HARSH_WEIGHTS: Mapping[AnyStep, float] = {
    StepKind.GROW: 40,
    StepKind.GROW_SAME_TS: 10,
    StepKind.START: 12,
    StepKind.SWITCH_MODEL: 8,
    StepKind.DECREASE: 6,
    StepKind.STAR: 4,
    HarshStep.DELETE: 7,
    HarshStep.DELETE_ALL: 0.5,
    HarshStep.SECOND_WINDOW: 12,
}
"""Everything that happens in a year, in a minute."""


def step_of(word: str) -> AnyStep:
    """Return the step with this value. Raises ``ValueError`` when there is none."""
    return StepKind(word) if word in StepKind.__members__.values() else HarshStep(word)


@dataclass(frozen=True, slots=True)
class Step:
    """One step's change of the ledger, seen from outside."""

    kind: AnyStep
    changed: tuple[Task, ...]
    """Tasks whose six numbers are new or differ from before the step, as they are now."""
    gone: tuple[str, ...]
    """Tasks that are no longer there."""


class HarshWindow(Window):
    """A window in which tasks are deleted, too."""

    def is_running(self) -> bool:
        """Return whether a task runs here."""
        return any(entry["id"] == self._running_id for entry in self.entries)

    def delete(self, task_id: str) -> None:
        """Remove every entry with this id."""
        self.entries = [entry for entry in self.entries if entry["id"] != task_id]

    def keep_favourites(self) -> None:
        """Remove every entry without a star."""
        self.entries = [entry for entry in self.entries if entry.get("isFavorited")]


class HarshLedger:
    """The ledger of a person at work in two windows: ``task_count`` finished tasks, then whatever ``step`` brings.

    The same arguments and steps give the same bytes. ``duplicate_count`` entries also stand there a second time with
    an older state, as after Cline's old migration. With ``lone_surrogates`` some prompts are cut inside an emoji.
    """

    def __init__(
        self,
        seed: int,
        now_ms: int,
        *,
        task_count: int,
        weights: Mapping[AnyStep, float] | Mapping[StepKind, float] = HARSH_WEIGHTS,
        duplicate_count: int = 0,
        lone_surrogates: bool = False,
    ) -> None:
        self._generator = LedgerGenerator(seed, now_ms)
        self._rng = self._generator.rng
        self._now_ms = now_ms
        self._kinds: list[AnyStep] = [*weights]
        self._weights = [*weights.values()]
        entries = self._generator.entries(task_count)
        if lone_surrogates:
            entries = [cut_inside_emoji(self._rng, entry) for entry in entries]
        for entry in entries[:duplicate_count]:
            entries.append(restored(self._rng, entry))
        self._first = HarshWindow(entries)
        self._second = HarshWindow(entries)
        self._last_seen: dict[str, LedgerEntry] = {}
        self._save(self._first)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """The file's entries now. They are never changed in place."""
        return self._entries

    @property
    def truth(self) -> Mapping[str, Task]:
        """The file's tasks now, by id."""
        return self._truth

    def to_json(self) -> bytes:
        """Return the file's bytes as Cline saves them: one line."""
        return stringify(self._entries)

    def to_pretty_json(self) -> bytes:
        """Return the file's bytes as Cline writes them after a deletion."""
        return stringify_pretty(self._entries)

    def step(self, now_ms: int | None = None, *, kind: AnyStep | None = None) -> Step:
        """Let Cline do one thing, ``kind`` or one drawn by the weights, and return what it changed.

        Without ``now_ms`` some seconds pass by themselves. On an empty ledger, everything that needs a task begins one.
        """
        self._now_ms = max(self._now_ms + 1, now_ms or self._now_ms + self._rng.randrange(2_000, 60_000))
        kind = kind or self._rng.choices(self._kinds, self._weights)[0]
        before = self._truth
        if kind is HarshStep.SETTLE:
            self._first = HarshWindow(list(self._last_seen.values()))
            self._save(self._first)
        elif kind is HarshStep.SECOND_WINDOW:
            self._save_second_window()
        else:
            kind = self._work(self._first, kind)
            self._save(self._first)
        changed = tuple(usage for task_id, usage in self._truth.items() if before.get(task_id) != usage)
        return Step(kind, changed, tuple(task_id for task_id in before if task_id not in self._truth))

    def _save(self, window: HarshWindow) -> None:
        """Make a window's array the file: the last writer wins."""
        self._entries = tuple(window.entries)
        self._truth = true_usage(self._entries)
        by_id = {entry["id"]: entry for entry in sorted(self._entries, key=lambda entry: entry["ts"])}
        for task_id, entry in by_id.items():
            known_model = self._last_seen.get(task_id, entry).get("modelId")
            self._last_seen[task_id] = entry
            if known_model and not entry.get("modelId"):
                self._last_seen[task_id] = {**entry, "modelId": known_model}

    def _save_second_window(self) -> None:
        """Let the second window work on what it holds; now and then it was opened only just now."""
        if self._rng.random() < 0.3:
            self._second = HarshWindow(list(self._entries))
        running = self._second.is_running()
        self._work(self._second, StepKind.GROW if running else StepKind.START)
        self._save(self._second)

    def _work(self, window: HarshWindow, kind: AnyStep) -> AnyStep:
        """Change a window's array and return what was really done."""
        if kind is HarshStep.DELETE_ALL:
            window.keep_favourites()
            return kind
        if isinstance(kind, StepKind):
            return work(self._generator, window, kind, self._now_ms)
        if not window.entries:
            return work(self._generator, window, StepKind.START, self._now_ms)
        window.delete(window.pick(self._rng)["id"])
        return kind


def cut_inside_emoji(rng: Random, entry: LedgerEntry) -> LedgerEntry:
    """Return ``entry``, one time in fifty with a prompt that ends inside an emoji, as JavaScript's ``slice`` cuts."""
    return {**entry, "task": f"{entry['task']}\ud83d"} if rng.random() < _CUT_SHARE else entry
