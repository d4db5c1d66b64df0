"""The harsh ledger does what a running Cline does."""

from __future__ import annotations

import json

import pytest

from aico.features.demo.work import StepKind
from tests.emulator.harsh_ledger import HarshLedger, HarshStep
from tests.emulator.ledger_truth import Task, true_usage

NOW_MS = 1_772_000_000_000


def harsh_ledger(seed: int = 1) -> HarshLedger:
    """Return a ledger to which everything happens."""
    return HarshLedger(seed, NOW_MS, task_count=40, duplicate_count=3)


@pytest.mark.parametrize("seed", range(5))
def test_harsh_ledger_tells_the_truth_about_its_bytes(seed: int) -> None:
    """After every step the truth is what a naive reader computes, and the reported difference leads to it."""
    ledger = harsh_ledger(seed)
    followed = dict(ledger.truth)
    for _ in range(100):
        step = ledger.step()
        for task_id in step.gone:
            del followed[task_id]
        followed.update((usage.task_id, usage) for usage in step.changed)
        assert followed == ledger.truth == true_usage(json.loads(ledger.to_json()))


def test_harsh_ledger_repeats_itself_for_the_same_seed() -> None:
    """The same arguments and steps give the same bytes."""
    first, second = harsh_ledger(), harsh_ledger()
    for _ in range(60):
        assert first.step() == second.step()
    assert first.to_json() == second.to_json()


def test_harsh_ledger_pretty_text_says_the_same() -> None:
    """The text after a deletion differs in white space only."""
    ledger = harsh_ledger()
    assert json.loads(ledger.to_pretty_json()) == json.loads(ledger.to_json())
    assert ledger.to_pretty_json().startswith(b'[\n  {\n    "id"')


def test_harsh_ledger_grows_a_task_with_an_unchanged_ts() -> None:
    """Totals move while the number of entries and the greatest ``ts`` stay: what the old feature missed."""
    ledger = HarshLedger(1, NOW_MS, task_count=40)
    before = dict(ledger.truth)
    (usage,) = ledger.step(kind=StepKind.GROW_SAME_TS).changed
    assert usage.ts == before[usage.task_id].ts
    assert usage.tokens_out > before[usage.task_id].tokens_out
    assert len(ledger.truth) == len(before)


def test_harsh_ledger_gives_a_new_task_its_model_with_the_first_reply() -> None:
    """A task begins empty and without a model, then grows."""
    ledger = HarshLedger(1, NOW_MS, task_count=0)
    (begun,) = ledger.step(NOW_MS + 5, kind=StepKind.START).changed
    (grown,) = ledger.step(NOW_MS + 9, kind=StepKind.GROW).changed
    assert begun == Task(str(NOW_MS + 5), NOW_MS + 5, None, 0, 0, 0.0)
    assert grown.task_id == begun.task_id
    assert grown.model_id is not None
    assert (grown.ts, grown.tokens_in > 0, grown.tokens_out > 0) == (NOW_MS + 9, True, True)


def test_harsh_ledger_switches_the_model() -> None:
    """The task goes on with another model."""
    ledger = harsh_ledger()
    before = dict(ledger.truth)
    (usage,) = ledger.step(kind=StepKind.SWITCH_MODEL).changed
    assert usage.model_id not in {None, before[usage.task_id].model_id}


def test_harsh_ledger_restores_a_checkpoint() -> None:
    """Totals fall by a twentieth at least; both an unchanged and an earlier ``ts`` occur."""
    ledger = HarshLedger(2, NOW_MS, task_count=40)
    before, moved = dict(ledger.truth), set()
    for _ in range(20):
        for usage in ledger.step(kind=StepKind.DECREASE).changed:
            moved.add(usage.ts < before[usage.task_id].ts)
            assert usage.tokens_in <= 0.95 * before[usage.task_id].tokens_in
        before = dict(ledger.truth)
    assert moved == {True, False}


def test_harsh_ledger_marks_a_favourite_without_changing_a_number() -> None:
    """The bytes change, the truth does not."""
    ledger = harsh_ledger()
    before = ledger.to_json()
    assert ledger.step(kind=StepKind.STAR).changed == ()
    assert ledger.to_json() != before


def test_harsh_ledger_deletes_one_or_all_but_favourites() -> None:
    """A deletion takes one task, the great deletion all that are no favourites."""
    ledger = HarshLedger(1, NOW_MS, task_count=40)
    assert len(ledger.step(kind=HarshStep.DELETE).gone) == 1
    ledger.step(kind=HarshStep.DELETE_ALL)
    assert all(entry.get("isFavorited") for entry in ledger.entries)
    assert len(ledger.truth) < 20


def test_harsh_ledger_goes_on_after_everything_was_deleted() -> None:
    """On an empty ledger, whatever needs a task begins one."""
    ledger = HarshLedger(1, NOW_MS, task_count=0)
    assert ledger.to_json() == b"[]"
    assert ledger.step(kind=HarshStep.DELETE).kind is StepKind.START


def test_second_window_makes_tasks_vanish_and_return() -> None:
    """The second window saves without the first one's task; the first brings it back and loses the second's."""
    ledger = HarshLedger(1, NOW_MS, task_count=40)
    (mine,) = ledger.step(kind=StepKind.START).changed
    overwritten = ledger.step(kind=HarshStep.SECOND_WINDOW)
    returned = ledger.step(kind=StepKind.GROW)
    assert overwritten.gone == (mine.task_id,)
    assert mine.task_id in {usage.task_id for usage in returned.changed}
    assert len(returned.gone) == 1


def test_harsh_ledger_settles_with_everything_that_was_ever_shown() -> None:
    """Settling brings back what vanished or was deleted, in its last state, and never forgets a model."""
    ledger = harsh_ledger()
    shown = dict(ledger.truth)
    for _ in range(200):
        for usage in ledger.step().changed:
            model_id = usage.model_id or (shown[usage.task_id].model_id if usage.task_id in shown else None)
            shown[usage.task_id] = usage._replace(model_id=model_id)
    ledger.step(kind=HarshStep.SETTLE)
    assert ledger.truth == shown
