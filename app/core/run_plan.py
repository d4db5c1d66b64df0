"""What one run writes, worked out before its transaction begins: no I/O, no clock, no logging.

A first import writes 10,000 rows into each of three tables. What is worked out here is worked out column by column, by
functions of the interpreter's own: a line of Python for each row would take longer than the database does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import floordiv, itemgetter, mod

from app.core.accounting import Delta, Postings, Sums, UsageChange, post_changes
from app.core.domain import Store, TaskUsage
from app.core.errors import StorageError
from app.core.known_usage import KnownUsage
from app.core.money import NANO
from app.core.statements import (
    ADD_COUNTERS,
    ADD_DELTAS,
    ADD_ROLLUPS,
    ADD_TOTALS,
    FORGET_PEAK,
    STORE_PEAKS,
    STORE_STORES,
    UPSERT_USAGE,
    Batch,
    Row,
)

FRESH_ROWS_MAX = 500
"""Rows that one message carries at most."""
_TASK_ID = itemgetter(0)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Everything that one transaction writes, and what is told of it afterwards."""

    batches: list[Batch]
    deltas: list[Delta]
    newest: list[TaskUsage]
    """The newest of the written rows, at most ``FRESH_ROWS_MAX``."""
    known_newest: list[str]
    """Ids of those that were stored before."""


def plan_run(source: str, store: Store, known: KnownUsage, changes: Sequence[UsageChange], now_ms: int) -> RunPlan:
    """Return what writes ``changes``, at least one, newest first, read in ``store``, and let ``known`` absorb them.

    ``now_ms`` is when the rows are written. Raises StorageError, with ``known`` as it was, when the changes start from
    something else than what is known. Any other exception is a bug.
    """
    written = [after for _before, after in changes]
    if list(map(known.tasks.get, map(_TASK_ID, written))) != [before for before, _after in changes]:
        raise StorageError("the changes start from something else than what is stored")
    postings = post_changes(changes, known.peaks)
    newest = written[:FRESH_ROWS_MAX]
    plan = RunPlan(
        _batches(source, store, written, postings, now_ms),
        postings.deltas,
        newest,
        [usage.task_id for usage in newest if usage.task_id in known.tasks],
    )
    known.absorb(changes, postings, store)
    return plan


def _batches(source: str, store: Store, written: Sequence[TaskUsage], postings: Postings, now_ms: int) -> list[Batch]:
    """Return every bulk statement of the transaction.

    Changes come newest first; oldest first, the trees grow at their end.
    """
    peaks = postings.peaks.items()
    deltas = postings.deltas[::-1]
    forgotten: list[Row] = [(source, task_id) for task_id, peak in peaks if peak is None]
    return [
        *UPSERT_USAGE.batches(now_ms, written[::-1]),
        *ADD_DELTAS.batches(source, deltas),
        *ADD_ROLLUPS.batches(source, _rollup_rows(deltas)),
        *ADD_TOTALS.batches(source, _model_rows(postings.totals)),
        *ADD_COUNTERS.batches(source, _model_rows(postings.growth)),
        *STORE_PEAKS.batches(source, [(task_id, *peak) for task_id, peak in peaks if peak is not None]),
        *([(FORGET_PEAK, forgotten)] if forgotten else []),
        *STORE_STORES.batches(source, [(usage[0], store.value) for usage in written if store is not Store.LEDGER]),
    ]


def _rollup_rows(deltas: Sequence[Delta]) -> list[Row]:
    """Return a row for each delta: few share a key, and the database adds those up sooner than all were added here."""
    if not deltas:
        return []
    quarters, _task_ids, models, tokens_in, tokens_out, nanos = zip(*deltas, strict=True)
    return list(zip(quarters, models, tokens_in, tokens_out, *_split(nanos), strict=True))


def _model_rows(sums: Mapping[str, Sums]) -> list[Row]:
    if not sums:
        return []
    tokens_in, tokens_out, nanos = zip(*sums.values(), strict=True)
    return list(zip(sums, tokens_in, tokens_out, *_split(nanos), strict=True))


def _split(nanos: Sequence[int]) -> tuple[Iterable[int], Iterable[int]]:
    """Return columns of whole dollars and nano-dollars: sums of these never overflow 64 bits."""
    return map(floordiv, nanos, repeat(NANO)), map(mod, nanos, repeat(NANO))
