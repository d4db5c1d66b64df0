"""What a reading changes of what is stored: added, changed, unchanged. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.core.accounting import UsageChange
from app.core.domain import TaskUsage


@dataclass(frozen=True, slots=True)
class UsageDiff:
    """The entries that must be written, newest first, and the number of the others."""

    changes: tuple[UsageChange, ...]
    unchanged_count: int


def diff_usage(stored: Mapping[str, TaskUsage], entries: Iterable[TaskUsage]) -> UsageDiff:
    """Compare ``entries`` (no id twice) with the ``stored`` tasks by id.

    A stored task without an entry is left alone: entries vanish and come back when a second window of Cline writes.
    A known model is never replaced by None. Any exception is a bug.
    """
    changes: list[UsageChange] = []
    unchanged_count = 0
    for entry in entries:
        before = stored.get(entry.task_id)
        after = entry
        if before is not None:
            if after.model_id is None and before.model_id is not None:
                after = after._replace(model_id=before.model_id)
            if after == before:
                unchanged_count += 1
                continue
        changes.append(UsageChange(before, after))
    changes.sort(key=_ts_of, reverse=True)
    return UsageDiff(tuple(changes), unchanged_count)


def _ts_of(change: UsageChange) -> int:
    return change.after.ts
