"""What is stored of a source's usage, as far as an import must know it: no I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from aico.core.accounting import Amount, Postings, UsageChange
from aico.core.domain import Store, TaskUsage

_TASK_ID, _TS = itemgetter(0), itemgetter(1)


@dataclass(slots=True)
class KnownUsage:
    """What is stored of the source: the left side of every diff."""

    tasks: dict[str, TaskUsage]
    peaks: dict[str, Amount]
    """Only of tasks whose row is below them."""
    epoch: str
    revision: int
    latest_ts: int | None = None
    """Greatest ``ts`` of all tasks; None when there are none."""
    stores: dict[str, Store] = field(default_factory=dict)
    """Where a task's row was read, for tasks of another store than the ledger."""
    forgotten: frozenset[str] = frozenset()
    """Tasks that were removed on request and shall not come back."""

    def __post_init__(self) -> None:
        self.latest_ts = max(map(_TS, self.tasks.values()), default=None)

    def precedes(self, changes: Sequence[UsageChange], postings: Postings) -> bool:
        """Return whether ``changes``, of which ``postings`` were made, start from exactly what is known."""
        if postings.added is not None and not self.tasks.keys().isdisjoint(postings.added.task_id):
            return False
        return not postings.changed or all(
            before is None or self.tasks.get(after.task_id) == before for before, after in changes
        )

    def absorb(self, changes: Sequence[UsageChange], postings: Postings, store: Store) -> None:
        """Take over what the next revision writes: ``changes``, at least one, of ``store``."""
        latest = self.latest_ts
        changed = changes if postings.changed else ()
        fell_back = any(
            before is not None and before.ts == latest and after.ts < before.ts for before, after in changed
        )
        written = [after for _before, after in changes]
        task_ids = postings.added.task_id if postings.added and not postings.changed else map(_TASK_ID, written)
        self.tasks.update(zip(task_ids, written, strict=True))
        newest = max(map(_TS, self.tasks.values() if fell_back else written))
        self.latest_ts = newest if fell_back or latest is None else max(newest, latest)
        if store is not Store.LEDGER:
            self.stores.update((usage.task_id, store) for usage in written)
        for task_id, peak in postings.peaks.items():
            if peak is None:
                self.peaks.pop(task_id, None)
            else:
                self.peaks[task_id] = peak
        self.revision += 1
