"""A made-up ledger that keeps changing as under a running Cline. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from aico.core.domain import TaskUsage
from aico.features.demo.activity import grown, restored, starred
from aico.features.demo.entry import LedgerEntry, true_usage
from aico.features.demo.generator import LedgerGenerator
from aico.features.demo.js_json import stringify, stringify_pretty
from aico.features.demo.prices import MODELS, DemoModel
from aico.features.demo.window import Window


class StepKind(StrEnum):
    """One thing that Cline does to its ledger."""

    GROW = "grow"
    """The running task gets one more reply."""
    GROW_SAME_TS = "grow_same_ts"
    """The same, but ``ts`` stays: totals move, the number of entries and the greatest ``ts`` do not."""
    START = "start"
    """A new task, without a reply, so without tokens and model."""
    SWITCH_MODEL = "switch_model"
    """The running task goes on with another model."""
    DECREASE = "decrease"
    """A checkpoint is restored: totals fall, ``ts`` may go back."""
    STAR = "star"
    """A favourite is marked or unmarked; no number changes."""
    DELETE = "delete"
    DELETE_ALL = "delete_all"
    """Only the favourites stay, or ``[]``."""
    SECOND_WINDOW = "second_window"
    """A second window saves its own, older array: entries vanish, and return when the first window saves again."""
    SETTLE = "settle"
    """Everything that the ledger ever showed is there again, in its last state."""


DELETIONS = frozenset({StepKind.DELETE, StepKind.DELETE_ALL})
"""What Cline writes pretty-printed and without a rename."""

DEMO_WEIGHTS: Mapping[StepKind, float] = {
    StepKind.GROW: 84,
    StepKind.GROW_SAME_TS: 3,
    StepKind.START: 8,
    StepKind.SWITCH_MODEL: 3,
    StepKind.DECREASE: 0.3,
    StepKind.STAR: 1,
}
"""A quiet afternoon, nice to look at."""

HARSH_WEIGHTS: Mapping[StepKind, float] = {
    StepKind.GROW: 40,
    StepKind.GROW_SAME_TS: 10,
    StepKind.START: 12,
    StepKind.SWITCH_MODEL: 8,
    StepKind.DECREASE: 6,
    StepKind.STAR: 4,
    StepKind.DELETE: 7,
    StepKind.DELETE_ALL: 0.5,
    StepKind.SECOND_WINDOW: 12,
}
"""Everything that happens in a year, in a minute."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did to the ledger, seen from outside."""

    kind: StepKind
    changed: tuple[TaskUsage, ...]
    """Tasks whose six numbers are new or differ from before the step, as they are now."""
    gone: tuple[str, ...]
    """Tasks that are no longer there."""


class GrowingLedger:
    """The ledger of a person at work: ``task_count`` finished tasks, then whatever ``step`` brings.

    The same arguments and steps give the same bytes. ``duplicate_count`` entries also stand there a second time with
    an older state, as after Cline's old migration.
    """

    def __init__(
        self,
        seed: int,
        now_ms: int,
        *,
        task_count: int = 300,
        days: int = 90,
        utc_offset_minutes: int = 0,
        weights: Mapping[StepKind, float] = DEMO_WEIGHTS,
        duplicate_count: int = 0,
        prompt_scale: float = 1.0,
        lone_surrogates: bool = False,
    ) -> None:
        self._generator = LedgerGenerator(
            seed,
            now_ms,
            days=days,
            utc_offset_minutes=utc_offset_minutes,
            prompt_scale=prompt_scale,
            lone_surrogates=lone_surrogates,
        )
        self._rng = self._generator.rng
        self._now_ms = now_ms
        self._weights = dict(weights)
        entries = self._generator.entries(task_count)
        for entry in entries[:duplicate_count]:
            entries.append(restored(self._rng, entry))
        self._first = Window(entries)
        self._second = Window(entries)
        self._last_seen: dict[str, LedgerEntry] = {}
        self._save(self._first)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """The file's entries now. They are never changed in place."""
        return self._entries

    @property
    def truth(self) -> Mapping[str, TaskUsage]:
        """What is true of the file now, by task id."""
        return self._truth

    def to_json(self) -> bytes:
        """Return the file's bytes as Cline saves them: one line."""
        return stringify(self._entries)

    def to_pretty_json(self) -> bytes:
        """Return the file's bytes as Cline writes them after a deletion."""
        return stringify_pretty(self._entries)

    def step(self, now_ms: int | None = None, *, kind: StepKind | None = None) -> Step:
        """Let Cline do one thing, ``kind`` or one drawn by the weights, and return what it changed.

        Without ``now_ms`` some seconds pass by themselves. On an empty ledger, everything that needs a task begins one.
        """
        self._now_ms = max(self._now_ms + 1, now_ms or self._now_ms + self._rng.randrange(2_000, 60_000))
        kind = kind or self._rng.choices(list(self._weights), list(self._weights.values()))[0]
        before = self._truth
        if kind is StepKind.SETTLE:
            self._first = Window(list(self._last_seen.values()))
            self._save(self._first)
        elif kind is StepKind.SECOND_WINDOW:
            self._save_second_window()
        else:
            kind = self._work(self._first, kind)
            self._save(self._first)
        changed = tuple(usage for task_id, usage in self._truth.items() if before.get(task_id) != usage)
        return Step(kind, changed, tuple(task_id for task_id in before if task_id not in self._truth))

    def _save(self, window: Window) -> None:
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
            self._second = Window(list(self._entries))
        running = self._second.is_running()
        self._work(self._second, StepKind.GROW if running else StepKind.START)
        self._save(self._second)

    def _work(self, window: Window, kind: StepKind) -> StepKind:
        """Change a window's array and return what was really done."""
        if kind is StepKind.DELETE_ALL:
            window.keep_favourites()
            return kind
        if kind is StepKind.START or not window.entries:
            window.begin(self._generator.begin(self._now_ms))
            return StepKind.START
        entry = window.pick(self._rng)
        if kind is StepKind.DELETE:
            window.delete(entry["id"])
        elif kind is StepKind.DECREASE:
            window.replace(restored(self._rng, entry))
        elif kind is StepKind.STAR:
            window.replace(starred(entry))
        else:
            model = self._model_for(entry, other=kind is StepKind.SWITCH_MODEL)
            ts = entry["ts"] if kind is StepKind.GROW_SAME_TS else self._now_ms
            window.replace(grown(self._rng, entry, model, ts))
        return kind

    def _model_for(self, entry: LedgerEntry, *, other: bool) -> DemoModel:
        """Return the entry's model, or another one; a task without a reply gets its first."""
        model_id = entry.get("modelId")
        if not other:
            return next((model for model in MODELS if model.model_id == model_id), None) or self._generator.draw_model()
        return self._rng.choice([model for model in MODELS if model.model_id != model_id])
