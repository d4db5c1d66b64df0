"""The shape of one entry as Cline writes it, and the numbers that are true of a list of them.

No I/O, no clock, no logging.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NotRequired, TypedDict

from aico.core.domain import TaskUsage


class LedgerEntry(TypedDict):
    """One entry, its keys in the order in which Cline writes them.

    Optional keys are absent, never null, because ``JSON.stringify`` drops undefined. An entry is never changed in
    place: Cline's windows share entries here, and a stale window must keep its old ones.

    Source: cline/cline, ``src/shared/HistoryItem.ts``.
    """

    id: str
    ulid: NotRequired[str]
    ts: int
    task: str
    tokensIn: int
    tokensOut: int
    cacheWrites: NotRequired[int]
    cacheReads: NotRequired[int]
    totalCost: float
    size: NotRequired[int]
    shadowGitConfigWorkTree: NotRequired[str]
    cwdOnTaskInitialization: NotRequired[str]
    conversationHistoryDeletedRange: NotRequired[list[int]]
    isFavorited: NotRequired[bool]
    isLegacy: NotRequired[bool]
    checkpointManagerErrorMessage: NotRequired[str]
    modelId: NotRequired[str]
    apiProvider: NotRequired[str]


PRIVATE_KEYS = ("task", "shadowGitConfigWorkTree", "cwdOnTaskInitialization", "checkpointManagerErrorMessage")
"""Keys whose text must never leave the ledger."""


def usage_of(entry: LedgerEntry) -> TaskUsage:
    """Return the six numbers that an observer must take from ``entry``; a blank model is an unknown one."""
    return TaskUsage(
        task_id=entry["id"],
        ts=entry["ts"],
        model_id=entry.get("modelId", "").strip() or None,
        tokens_in=entry["tokensIn"],
        tokens_out=entry["tokensOut"],
        total_cost=float(entry["totalCost"]),
    )


def true_usage(entries: Iterable[LedgerEntry]) -> dict[str, TaskUsage]:
    """Return the truth of a ledger by task id, in the order of first appearance.

    Of two entries with one id the greater ``ts`` counts, at equal ``ts`` the later in the array.
    """
    truth: dict[str, TaskUsage] = {}
    for entry in entries:
        usage = usage_of(entry)
        known = truth.get(usage.task_id)
        if known is None or usage.ts >= known.ts:
            truth[usage.task_id] = usage
    return truth
