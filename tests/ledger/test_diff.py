"""The diff: what must be written of a reading, on top of what is stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aico.core.accounting import UsageChange
from aico.core.domain import TaskUsage
from aico.features.stores.diff import UsageDiff, diff_usage
from tests.ledger.handmade_ledgers import GOOD, tasks

STORED = {GOOD.task_id: GOOD}


def test_entry_is_added_when_its_id_is_new() -> None:
    """A task without a stored row has nothing before it."""
    new = GOOD._replace(task_id="new")
    assert diff_usage(STORED, [new]) == UsageDiff((UsageChange(None, new),), 0)


def test_entry_is_changed_when_any_of_its_values_differs() -> None:
    """Each of the five values counts alone, a fall and a step back in time included."""
    for after in (
        GOOD._replace(ts=GOOD.ts - 1),
        GOOD._replace(model_id="other"),
        GOOD._replace(tokens_in=0),
        GOOD._replace(tokens_out=GOOD.tokens_out + 1),
        GOOD._replace(total_cost=GOOD.total_cost + 1e-12),
    ):
        assert diff_usage(STORED, [after]) == UsageDiff((UsageChange(GOOD, after),), 0)


def test_entry_is_unchanged_when_it_is_what_is_stored() -> None:
    """Nothing needs to be written, and the entry is counted."""
    assert diff_usage(STORED, [GOOD]) == UsageDiff((), 1)


def test_known_model_is_kept_when_the_entry_has_none() -> None:
    """None never replaces a model: alone it changes nothing, beside another value it is the stored one."""
    assert diff_usage(STORED, [GOOD._replace(model_id=None)]) == UsageDiff((), 1)
    grown = GOOD._replace(tokens_in=9999)
    assert diff_usage(STORED, [grown._replace(model_id=None)]) == UsageDiff((UsageChange(GOOD, grown),), 0)


def test_model_is_taken_over_when_none_was_known() -> None:
    """A model that becomes known is a change."""
    before = GOOD._replace(model_id=None)
    assert diff_usage({GOOD.task_id: before}, [GOOD]) == UsageDiff((UsageChange(before, GOOD),), 0)
    assert diff_usage({GOOD.task_id: before}, [before]) == UsageDiff((), 1)


def test_vanished_entry_is_no_deletion() -> None:
    """A stored task that the ledger no longer shows is not mentioned."""
    assert diff_usage(STORED, []) == UsageDiff((), 0)


def test_changes_come_newest_first() -> None:
    """The greatest ``ts`` first; entries of one moment stay in the order of the file."""
    one, two, three = tasks(3)
    same = three._replace(task_id="same")
    assert [change.after for change in diff_usage({}, [two, three, one, same]).changes] == [three, same, two, one]


USAGES = st.builds(
    TaskUsage,
    st.sampled_from("abcde"),
    st.integers(0, 3),
    st.sampled_from([None, "m", "n"]),
    st.integers(0, 1),
    st.just(0),
    st.sampled_from([0.0, 0.5]),
)
READINGS = st.lists(USAGES, unique_by=lambda usage: usage.task_id)


@given(stored=READINGS, reading=READINGS)
def test_diff_makes_the_stored_equal_to_the_reading(stored: list[TaskUsage], reading: list[TaskUsage]) -> None:
    """Applied to what is stored, the changes give all old tasks, the new values and every model once known."""
    before = {usage.task_id: usage for usage in stored}
    expected = dict(before)
    for usage in reading:
        known = before.get(usage.task_id)
        model_id = usage.model_id or (known.model_id if known else None)
        expected[usage.task_id] = usage._replace(model_id=model_id)
    diff = diff_usage(before, reading)
    assert before | {change.after.task_id: change.after for change in diff.changes} == expected
    assert all(change.before == before.get(change.after.task_id) != change.after for change in diff.changes)
    assert len(diff.changes) + diff.unchanged_count == len(reading)
    moments = [change.after.ts for change in diff.changes]
    assert moments == sorted(moments, reverse=True)
