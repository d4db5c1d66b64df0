"""What one run writes, worked out before its transaction begins: no I/O, no clock, no logging.

What is worked out here is worked out column by column, by functions of the interpreter's own: a line of Python for each
of 10,000 rows would take longer than the database does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aico.core import staging
from aico.core.accounting import Postings, Sums, UsageChange, post_changes
from aico.core.domain import Store, TaskUsage
from aico.core.errors import StorageError
from aico.core.known_usage import KnownUsage
from aico.core.money import NANO
from aico.core.statements import ADD_COUNTERS, ADD_TOTALS, FORGET_PEAK, STORE_PEAKS, Batch, Row

FRESH_ROWS_MAX = 500
"""Rows that one message carries at most."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Everything that one transaction writes, and what is told of it afterwards."""

    staged: list[Batch]
    accounts: list[Batch]
    """A few rows of sums and peaks."""
    tables: list[Batch]
    """What takes all rows from the stage."""
    posted_count: int
    """Number of the deltas among it."""
    newest: list[TaskUsage]
    """The newest of the written rows, at most ``FRESH_ROWS_MAX``."""
    known_newest: list[str]
    """Ids of those that were stored before."""
    written_at_ms: int
    revision: int
    """After the transaction, like the following."""
    latest_ts: int | None
    task_count: int


def plan_run(source: str, store: Store, known: KnownUsage, changes: Sequence[UsageChange], now_ms: int) -> RunPlan:
    """Return what writes ``changes``, at least one, newest first, read in ``store``, and let ``known`` absorb them.

    ``now_ms`` is when the rows are written. Raises StorageError, with ``known`` as it was, when the changes start from
    something else than what is known. Any other exception is a bug.
    """
    postings = post_changes(changes, known.peaks)
    if not known.precedes(changes, postings):
        raise StorageError("the changes start from something else than what is stored")
    newest = [after for _before, after in changes[:FRESH_ROWS_MAX]]
    known_newest = [after.task_id for before, after in changes[:FRESH_ROWS_MAX] if before is not None]
    known.absorb(changes, postings, store)
    return RunPlan(
        staging.stage(postings),
        _accounts(source, postings),
        _tables(source, store, now_ms),
        postings.posted_count,
        newest,
        known_newest,
        now_ms,
        known.revision,
        known.latest_ts,
        len(known.tasks),
    )


def _accounts(source: str, postings: Postings) -> list[Batch]:
    peaks = postings.peaks.items()
    forgotten: list[Row] = [(source, task_id) for task_id, peak in peaks if peak is None]
    return [
        *ADD_TOTALS.batches(source, _model_rows(postings.totals)),
        *ADD_COUNTERS.batches(source, _model_rows(postings.growth)),
        *STORE_PEAKS.batches(source, [(task_id, *peak) for task_id, peak in peaks if peak is not None]),
        *([(FORGET_PEAK, forgotten)] if forgotten else []),
    ]


def _tables(source: str, store: Store, now_ms: int) -> list[Batch]:
    stored_in: list[Row] = [(source, store.value)]
    return [
        (staging.UPSERT_USAGE, [(now_ms,)]),
        (staging.ADD_DELTAS, [(source,)]),
        *([(staging.STORE_STORES, stored_in)] if store is not Store.LEDGER else []),
    ]


def _model_rows(sums: Mapping[str, Sums]) -> list[Row]:
    """Return columns of whole dollars and nano-dollars: sums of these never overflow 64 bits."""
    return [(model, more[0], more[1], *divmod(more[2], NANO)) for model, more in sums.items()]
