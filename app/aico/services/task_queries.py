"""The questions behind the old answers about Cline's tasks, in the words that they always had."""

from __future__ import annotations

from enum import StrEnum

from aico.core.db.reader import Sort
from aico.core.filters import UsageFilter
from aico.core.usage import UNKNOWN_MODEL
from aico.services.queries import CLINE, filter_between


class TaskSort(StrEnum):
    """The order of a page of tasks; numbers are those spent inside the filter."""

    TS = "ts"
    TASK_ID = "task_id"
    MODEL_ID = "model_id"
    TOKENS_IN = "tokens_in"
    TOKENS_OUT = "tokens_out"
    TOTAL_COST = "total_cost"

    @property
    def of_sessions(self) -> Sort:
        """Return the same order of sessions."""
        return _SORTS[self]


class Store(StrEnum):
    """Cline's origins by which tasks can be told apart."""

    LEDGER = "ledger"
    SESSIONS = "sessions"
    HUB = "hub"


_SORTS = {
    TaskSort.TS: Sort.LAST,
    TaskSort.TASK_ID: Sort.SESSION,
    TaskSort.MODEL_ID: Sort.MODEL,
    TaskSort.TOKENS_IN: Sort.INPUT,
    TaskSort.TOKENS_OUT: Sort.OUTPUT,
    TaskSort.TOTAL_COST: Sort.COST,
}


def task_filter(
    *,
    model: str | None,
    is_model_unknown: bool,
    text: str | None,
    store: Store | None,
    from_ms: int | None,
    to_ms: int | None,
) -> UsageFilter:
    """Return the filter for Cline's tasks; empty texts ask for everything, times are rounded out to slots."""
    models = (UNKNOWN_MODEL,) if is_model_unknown else (model,) if model else ()
    wanted = UsageFilter(
        sources=(CLINE,),
        models=models,
        text=text or None,
        origin=None if store is None else store.value,
    )
    return filter_between(wanted, from_ms, to_ms)
