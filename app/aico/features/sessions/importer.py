"""One import of the session store: read by a child, judge, diff, apply. Ends in the same accounts as the ledger's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aico.core.aside import work_aside
from aico.core.domain import ImportReceipt, Rejection, Store, TaskUsage, Trigger
from aico.core.errors import SessionsBusy
from aico.core.known_usage import KnownUsage
from aico.core.repository import UsageRepository
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.reading import read_sessions
from aico.features.sessions.shapes import Cell, judge_session
from aico.features.stores.diff import UsageDiff, diff_usage
from aico.features.stores.steps import ImportStep, Outcome, StepWriter

OVERLAP = timedelta(seconds=60)
"""How far behind the newest change a reading begins: equal times, and clocks that were set back a little."""
EVERYTHING = ""
_ATTEMPTS = 4
_FIRST_RETRY_S = 0.1
_YOUNG_NS = 20_000_000
"""What was written less than this before the look at it may have been written again within the same time stamp."""


@dataclass(frozen=True, slots=True)
class SessionsReading:
    """What one reading said."""

    sessions: tuple[TaskUsage, ...]
    silent_count: int
    """Sessions that state no usage yet."""
    rejections: tuple[Rejection, ...]


class SessionsImporter:
    """Imports the session store behind one guard into one repository. Not to be entered twice at once."""

    store = Store.SESSIONS

    def __init__(
        self,
        guard: SessionsGuard,
        repository: UsageRepository,
        *,
        max_entries_per_run: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._guard = guard
        self._repository = repository
        self._writer = StepWriter(repository, self.store, max_entries_per_run=max_entries_per_run, now_ms=now_ms)
        self._now_ms = now_ms
        self._hurry = asyncio.Event()
        self._cursor = EVERYTHING
        self._epoch: str | None = None
        """The database that the cursor belongs to."""
        self.identity: Hashable = None

    def hurry(self) -> None:
        """Let the import that runs wait no more for a busy store."""
        self._hurry.set()

    def take_time(self) -> None:
        """Let the next import wait for a busy store."""
        self._hurry.clear()

    async def run(self, trigger: Trigger) -> AsyncIterator[ImportStep]:
        """Import once, as :meth:`aico.features.stores.steps.StoreImporter.run` says.

        Raises SessionsError, StorageError.

        A notification is answered by a reading of what changed since the last one; everything else reads it all.
        """
        started = time.perf_counter()
        known = await self._repository.get_known()
        is_partial = trigger is Trigger.WATCH and self._epoch == known.epoch
        look = await asyncio.to_thread(self._guard.look)
        rows = await self._read(self._cursor if is_partial else EVERYTHING)
        reading = await asyncio.to_thread(judge_rows, rows)
        diff = await work_aside(
            len(rows), diff_usage, known.tasks, reading.sessions, self.store, known.stores, known.forgotten
        )
        is_young = time.time_ns() - look.written_ns < _YOUNG_NS
        identity = None if is_young else look.identity
        outcome = replace(_outcome(trigger, started, reading, diff), identity=identity)
        if not diff.changes:
            await self._writer.observe(outcome)
            repeats = self.identity is None and is_partial
            self._complete(rows, known.epoch, identity)
            yield ImportStep(self._writer.receipt(outcome, known), None, repeats=repeats)
        async for step in self._writer.write(outcome, known, diff.changes):
            if not step.receipt.remaining_count:
                self._complete(rows, known.epoch, identity)
            yield step

    async def preview(self, known: KnownUsage) -> ImportReceipt:
        """Return the receipt that an import on top of ``known`` would have; write nothing. Raises like :meth:`run`."""
        started = time.perf_counter()
        reading = judge_rows(await self._read(EVERYTHING))
        diff = diff_usage(known.tasks, reading.sessions, self.store, known.stores, known.forgotten)
        receipt = self._writer.receipt(_outcome(Trigger.CLI, started, reading, diff), known)
        return self._writer.counted(receipt, started, diff.changes, 0)

    def _complete(self, rows: list[list[Cell]], epoch: str, identity: Hashable) -> None:
        """Take over what a reading that is committed to its end means for the next one."""
        self._cursor = cursor_of(rows, self._now_ms()) or self._cursor
        self._epoch = epoch
        self.identity = identity

    async def _read(self, since: str) -> list[list[Cell]]:
        """Read, and again after a while when the store does not stand still. Raises SessionsError."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return await read_sessions(self._guard, since)
            except SessionsBusy:
                if self._hurry.is_set():
                    raise
            try:
                async with asyncio.timeout(_FIRST_RETRY_S * 2**attempt):
                    await self._hurry.wait()
            except TimeoutError:
                pass
        return await read_sessions(self._guard, since)


def judge_rows(rows: list[list[Cell]]) -> SessionsReading:
    """Return what ``rows`` say. Pure."""
    sessions: dict[str, TaskUsage] = {}
    silent_count = 0
    rejections: list[Rejection] = []
    for index, row in enumerate(rows):
        judged = judge_session(row, index)
        if judged is None:
            silent_count += 1
        elif isinstance(judged, Rejection):
            rejections.append(judged)
        else:
            sessions[judged.task_id] = judged
    return SessionsReading(tuple(sessions.values()), silent_count, tuple(rejections))


def cursor_of(rows: list[list[Cell]], now_ms: int) -> str | None:
    """Return the time of the newest row, at most now, less the overlap, as the store writes it; None without rows."""
    if not rows:
        return None
    try:
        newest = datetime.fromisoformat(str(rows[-1][1])).astimezone(UTC)
        moment = min(newest, datetime.fromtimestamp(now_ms / 1000, UTC)) - OVERLAP
    except (ValueError, OverflowError):
        return EVERYTHING
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _outcome(trigger: Trigger, started: float, reading: SessionsReading, diff: UsageDiff) -> Outcome:
    return Outcome(trigger, started, diff.unchanged_count + reading.silent_count, reading.rejections)
