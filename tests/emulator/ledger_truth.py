"""The numbers that are true of a list of entries, computed the slow way. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aico.features.demo.entry import LedgerEntry

PRIVATE_KEYS = ("task", "shadowGitConfigWorkTree", "cwdOnTaskInitialization", "checkpointManagerErrorMessage")
"""Keys whose text must never leave the ledger."""


class Task(NamedTuple):
    """A task as it is told: a row of ``cline_task_usage`` without the times of its bookkeeping."""

    task_id: str
    ts: int
    model_id: str | None
    tokens_in: int
    tokens_out: int
    total_cost: float


def usage_of(entry: LedgerEntry) -> Task:
    """Return the six values that an observer must take from ``entry``; a blank model is an unknown one."""
    return Task(
        task_id=entry["id"],
        ts=entry["ts"],
        model_id=entry.get("modelId", "").strip() or None,
        tokens_in=entry["tokensIn"],
        tokens_out=entry["tokensOut"],
        total_cost=float(entry["totalCost"]),
    )


def true_usage(entries: Iterable[LedgerEntry]) -> dict[str, Task]:
    """Return the truth of a ledger by task id, in the order of first appearance.

    Of two entries with one id the greater ``ts`` counts, at equal ``ts`` the later in the array.
    """
    truth: dict[str, Task] = {}
    for entry in entries:
        usage = usage_of(entry)
        known = truth.get(usage.task_id)
        if known is None or usage.ts >= known.ts:
            truth[usage.task_id] = usage
    return truth
