"""What a reading changes of what is stored: added, changed, unchanged. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import compress, repeat
from operator import itemgetter, ne
from types import MappingProxyType

from aico.core.accounting import UsageChange, make_change
from aico.core.domain import Store, TaskUsage

_NO_OTHERS: Mapping[str, Store] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class UsageDiff:
    """The entries that must be written, newest first, and the number of the others."""

    changes: tuple[UsageChange, ...]
    unchanged_count: int


def diff_usage(
    stored: Mapping[str, TaskUsage],
    entries: Iterable[TaskUsage],
    store: Store = Store.LEDGER,
    stores: Mapping[str, Store] = _NO_OTHERS,
    forgotten: Container[str] = frozenset(),
) -> UsageDiff:
    """Compare ``entries`` of ``store`` (no id twice) with the ``stored`` tasks by id.

    A stored task without an entry is left alone: entries vanish and come back when a second window of Cline writes.
    A known model is never replaced by None. ``stores`` says where rows were read that are not the ledger's: a row of
    a higher store is left alone, because its task goes on there and the lower store's entry stays as it was; a row of
    a lower one is taken over, even if nothing but its store changes. A ``forgotten`` task counts as unchanged,
    whatever becomes of it. Any exception is a bug.
    """
    entries = tuple(entries)
    if not stored and not forgotten:
        newest_first = sorted(entries, key=itemgetter(1), reverse=True)
        return UsageDiff(tuple(map(make_change, zip(repeat(None), newest_first, strict=False))), 0)
    pairs: Iterable[tuple[TaskUsage | None, TaskUsage]]
    befores = list(map(stored.get, map(itemgetter(0), entries)))
    pairs = zip(befores, entries, strict=True)
    if store is Store.LEDGER:
        # What stands in the first store as it is stored changes nothing, whoever owns the row.
        pairs = compress(pairs, map(ne, befores, entries))
    changes = []
    for before, entry in pairs:
        after = entry
        if entry.task_id in forgotten:
            continue
        if before is not None:
            owner = stores.get(entry.task_id, Store.LEDGER)
            if after.model_id is None and before.model_id is not None:
                after = after._replace(model_id=before.model_id)
            if after == before if owner is store else owner.outranks(store):
                continue
        changes.append(UsageChange(before, after))
    changes.sort(key=_ts_of, reverse=True)
    return UsageDiff(tuple(changes), len(entries) - len(changes))


def _ts_of(change: UsageChange) -> int:
    return change.after.ts
