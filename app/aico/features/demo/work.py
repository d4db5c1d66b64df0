"""The made-up person's steps in a window of Cline's. No I/O, no clock, no logging."""

from __future__ import annotations

from enum import StrEnum
from random import Random

from aico.features.demo.activity import grown, restored, starred
from aico.features.demo.entry import LedgerEntry
from aico.features.demo.generator import LedgerGenerator
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


def work(generator: LedgerGenerator, window: Window, kind: StepKind, now_ms: int) -> StepKind:
    """Change the array of ``window`` at ``now_ms`` and return the step that was really done.

    On an empty array, everything that needs a task begins one.
    """
    if kind is StepKind.START or not window.entries:
        window.begin(generator.begin(now_ms))
        return StepKind.START
    entry = window.pick(generator.rng)
    if kind is StepKind.DECREASE:
        window.replace(restored(generator.rng, entry))
    elif kind is StepKind.STAR:
        window.replace(starred(entry))
    else:
        model = _other_model(generator.rng, entry) if kind is StepKind.SWITCH_MODEL else _own_model(generator, entry)
        ts = entry["ts"] if kind is StepKind.GROW_SAME_TS else now_ms
        window.replace(grown(generator.rng, entry, model, ts))
    return kind


def _own_model(generator: LedgerGenerator, entry: LedgerEntry) -> DemoModel:
    """Return the entry's model; a task without a reply gets its first."""
    model_id = entry.get("modelId")
    return next((model for model in MODELS if model.model_id == model_id), None) or generator.draw_model()


def _other_model(rng: Random, entry: LedgerEntry) -> DemoModel:
    """Return a model that is not the entry's."""
    return rng.choice([model for model in MODELS if model.model_id != entry.get("modelId")])
