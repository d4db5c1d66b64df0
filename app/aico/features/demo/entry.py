"""The shape of one entry as Cline writes it. No I/O, no clock, no logging."""

from __future__ import annotations

from typing import NotRequired, TypedDict


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
