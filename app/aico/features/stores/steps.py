"""The runs in which a reading of any store is written, and what the import service sees of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

from aico.core.accounting import UsageChange
from aico.core.domain import REJECTIONS_SHOWN, ImportReceipt, Rejection, Store, Trigger
from aico.core.events import UsageImported
from aico.core.known_usage import KnownUsage
from aico.core.repository import UsageRepository
from aico.features.stores.identity import text_of


@dataclass(frozen=True, slots=True)
class ImportStep:
    """One run of an import: its receipt and, when it changed something, the fact to publish."""

    receipt: ImportReceipt
    imported: UsageImported | None
    repeats: bool = False
    """True when the bytes were those of the last completed reading."""


class StoreImporter(Protocol):
    """Imports one store. Not to be entered twice at once, nor beside another importer of the same repository."""

    @property
    def store(self) -> Store:
        """Which store this is."""

    @property
    def identity(self) -> Hashable:
        """What ``stat`` said of the last reading that was committed to its end; None before, or when it may be old."""

    def hurry(self) -> None:
        """Let the import that runs wait no more for an unfinished store."""

    def take_time(self) -> None:
        """Let the next import wait for an unfinished store as long as the settings say."""

    def run(self, trigger: Trigger) -> AsyncIterator[ImportStep]:
        """Import once: yield a first step always, and follow-up steps while there is more to write."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one whole reading came to, before anything was written."""

    trigger: Trigger
    started: float
    """``time.perf_counter`` when the import began."""
    skipped_count: int
    rejections: tuple[Rejection, ...]
    identity: Hashable = None
    """What ``stat`` said of it; None when that may be old."""


class StepWriter:
    """Writes the changes of a reading in transactions of bounded size, newest first, and makes the receipts."""

    def __init__(
        self, repository: UsageRepository, store: Store, *, max_entries_per_run: int, now_ms: Callable[[], int]
    ) -> None:
        self._repository = repository
        self._store = store
        self._max_entries_per_run = max_entries_per_run
        self._now_ms = now_ms

    async def write(
        self, outcome: Outcome, known: KnownUsage, changes: tuple[UsageChange, ...]
    ) -> AsyncIterator[ImportStep]:
        """Yield one committed step per transaction, at least one change each. Raises StorageBusy, StorageError."""
        receipt, started, limit = self.receipt(outcome, known), outcome.started, self._max_entries_per_run
        parts = [changes[start : start + limit] for start in range(0, len(changes), limit)]
        remaining_count = len(changes)
        for part, following in zip_longest(parts, parts[1:], fillvalue=()):
            remaining_count -= len(part)
            identity = None if remaining_count else _text_of(outcome)
            counted = self.counted(receipt, started, part, remaining_count)
            imported = await self._repository.apply(part, counted, self._store, following, identity)
            done = replace(imported.receipt, finished_at_ms=self._now_ms(), duration_ms=_ms_since(started))
            imported = replace(imported, receipt=done)
            yield ImportStep(imported.receipt, imported)
            receipt = replace(receipt, skipped_count=0, error_count=0, rejections=())
            started = time.perf_counter()

    async def observe(self, outcome: Outcome) -> None:
        """Take note of a reading that changed nothing. Raises StorageBusy, StorageError."""
        await self._repository.note_observation(self._store, _text_of(outcome))

    def receipt(self, outcome: Outcome, known: KnownUsage) -> ImportReceipt:
        """Return the receipt of a reading that has changed nothing (yet)."""
        return ImportReceipt(
            trigger=outcome.trigger,
            finished_at_ms=self._now_ms(),
            duration_ms=_ms_since(outcome.started),
            added_count=0,
            updated_count=0,
            skipped_count=outcome.skipped_count,
            error_count=len(outcome.rejections),
            remaining_count=0,
            latest_ts=known.latest_ts,
            revision=known.revision,
            rejections=outcome.rejections[:REJECTIONS_SHOWN],
        )

    def counted(
        self, receipt: ImportReceipt, started: float, part: Sequence[UsageChange], remaining_count: int
    ) -> ImportReceipt:
        """Return ``receipt`` with the counts of the changes that are written next, or would be."""
        added_count = [before for before, _after in part].count(None)
        return replace(
            receipt,
            finished_at_ms=self._now_ms(),
            duration_ms=_ms_since(started),
            added_count=added_count,
            updated_count=len(part) - added_count,
            remaining_count=remaining_count,
        )


def _text_of(outcome: Outcome) -> str | None:
    return None if outcome.identity is None else text_of(outcome.identity)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
