"""One import of the ledger: open, read, parse, diff, apply. Knows the order; nobody else does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Container, Mapping
from dataclasses import dataclass, replace

from aico.core.aside import work_aside
from aico.core.domain import ImportReceipt, Rejection, Store, TaskUsage, Trigger
from aico.core.errors import LedgerFormat, LedgerUnstable
from aico.core.known_usage import KnownUsage
from aico.core.repository import UsageRepository
from aico.features.ledger.memory import is_used_up
from aico.features.ledger.parser import parse_ledger
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.ledger.pieces import Piece, PiecewiseLedger, parse_pieces
from aico.features.ledger.reader import YOUNG_MS, Fingerprint, Snapshot, read_snapshot
from aico.features.stores.diff import UsageDiff, diff_usage
from aico.features.stores.identity import FileIdentity
from aico.features.stores.steps import ImportStep, Outcome, StepWriter

FIRST_RETRY_S = 0.05
"""Distance of the second attempt at an unfinished file; it doubles from one to the next."""


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """What one whole reading said, apart from the entries."""

    fingerprint: Fingerprint
    valid_count: int
    duplicate_count: int
    rejections: tuple[Rejection, ...]
    repeated_count: int
    """Entries that stand in pieces of the last completed reading, and so were neither parsed nor compared."""
    pieces: Mapping[bytes, Piece]
    """What is kept of it for the next one."""


@dataclass(frozen=True, slots=True)
class _Completed:
    """The last reading that was committed to its end, and where the database stood then."""

    reading: LedgerReading
    epoch: str
    revision: int


class LedgerImporter:
    """Imports the ledger behind one guard into one repository.

    Not to be entered twice at once: :class:`aico.services.import_service.ImportService` sees to that.
    """

    store = Store.LEDGER

    def __init__(
        self,
        guard: LedgerGuard,
        repository: UsageRepository,
        *,
        read_attempts: int,
        max_entries_per_run: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._guard = guard
        self._repository = repository
        self._read_attempts = read_attempts
        self._writer = StepWriter(repository, self.store, max_entries_per_run=max_entries_per_run, now_ms=now_ms)
        self._now_ms = now_ms
        self._completed: _Completed | None = None
        self._hurry = asyncio.Event()

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint of the last reading that was committed to its end."""
        return None if self._completed is None else self._completed.reading.fingerprint

    @property
    def identity(self) -> FileIdentity | None:
        """What ``stat`` said of that reading."""
        return None if self.fingerprint is None else self.fingerprint.identity

    def hurry(self) -> None:
        """Let the import that runs wait no more for an unfinished file; it ends as if that were its last attempt."""
        self._hurry.set()

    def take_time(self) -> None:
        """Let the next import wait for an unfinished file as long as the settings say."""
        self._hurry.clear()

    async def run(self, trigger: Trigger) -> AsyncIterator[ImportStep]:
        """Import once: yield a first step always, and follow-up steps while entries of the same reading remain.

        Each step with something to write is one committed transaction; what is yielded is already stored. Raises any
        LedgerError or StorageError; what was committed before stays, and the rest comes with the next import.
        """
        started = time.perf_counter()
        # What is stored is fetched while the first reading of all is made, which nothing known can shorten.
        loading = asyncio.ensure_future(self._repository.get_known())
        # If the ledger fails as well, that is what is told.
        loading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            reading, entries = await self._read(self._remembered(await loading) if self._completed else None)
        finally:
            # Not left behind, whatever comes of the reading.
            await asyncio.wait({loading})
        known = loading.result()
        if entries is None:
            # The same bytes, but perhaps under another identity: a file that was only touched is read once.
            self._complete(reading, known)
            outcome = Outcome(trigger, started, reading.valid_count, reading.rejections)
            yield ImportStep(self._writer.receipt(outcome, known), None, repeats=True)
            return
        diff = await work_aside(
            len(entries), diff_usage, known.tasks, entries, self.store, known.stores, known.forgotten
        )
        outcome = _outcome(trigger, started, reading, diff)
        if not diff.changes:
            await self._writer.observe(outcome)
            self._complete(reading, known)
            yield ImportStep(self._writer.receipt(outcome, known), None)
        async for step in self._writer.write(outcome, known, diff.changes):
            if not step.receipt.remaining_count:
                self._complete(reading, await self._repository.get_known())
            yield step

    async def preview(self, known: KnownUsage) -> ImportReceipt:
        """Return the receipt that an import on top of ``known`` would have; write nothing. Raises like :meth:`run`."""
        started = time.perf_counter()
        reading, entries = await self._read(None)
        diff = diff_usage(known.tasks, entries or (), self.store, known.stores, known.forgotten)
        receipt = self._writer.receipt(_outcome(Trigger.CLI, started, reading, diff), known)
        return self._writer.counted(receipt, started, diff.changes, 0)

    def _remembered(self, known: KnownUsage) -> _Remembered | None:
        """Return the last reading if what it said is exactly what is stored: its bytes need no second look."""
        completed = self._completed
        if completed is None or (completed.epoch, completed.revision) != (known.epoch, known.revision):
            return None
        return _Remembered(completed.reading, known)

    def _complete(self, reading: LedgerReading, known: KnownUsage) -> None:
        self._completed = _Completed(reading, known.epoch, known.revision)

    async def _read(self, last: _Remembered | None) -> tuple[LedgerReading, tuple[TaskUsage, ...] | None]:
        """Return a whole reading and its entries that are not those of the ``last`` one; None if all bytes are.

        An unfinished file is read again, up to ``read_attempts`` times, and so is one that is perhaps being written
        in place. One that stands still and is no ledger is LedgerFormat, one that keeps changing is LedgerUnstable.
        """
        previous: _Attempt | None = None
        for attempt in range(self._read_attempts):
            if previous is not None:
                look_again = previous.reading is not None
                if self._hurry.is_set():
                    break
                await self._pause(YOUNG_MS / 1000 if look_again else FIRST_RETRY_S * 2 ** (attempt - 1))
            outcome = await asyncio.to_thread(self._attempt, last)
            if outcome.reading is not None and not self._needs_second_look(outcome, previous):
                return outcome.reading, outcome.entries
            stands_still = previous is not None and outcome.stable and outcome.fingerprint == previous.fingerprint
            refusal = outcome.refusal if stands_still or self._read_attempts == 1 else None
            previous = outcome
        if previous is not None and previous.reading is not None:
            # Whole, but written over and over: better than nothing for as long as the writing goes on.
            return previous.reading, previous.entries
        if refusal is not None:
            raise refusal
        raise LedgerUnstable(self._read_attempts)

    def _needs_second_look(self, outcome: _Attempt, previous: _Attempt | None) -> bool:
        """Return whether a whole reading may still mix two generations of the file.

        Only a writer in place can do that, to the very file that was read last time, and only just now.
        """
        if outcome.entries is None or not outcome.young:
            return False
        if self._completed is not None:
            known, seen = self._completed.reading.fingerprint.identity, outcome.fingerprint.identity
            if (known.device, known.inode) != (seen.device, seen.inode):
                return False
        agrees = previous is not None and previous.fingerprint.digest == outcome.fingerprint.digest
        return not (agrees and previous is not None and previous.reading is not None)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless somebody is in a hurry."""
        waits = {asyncio.ensure_future(asyncio.sleep(seconds)), asyncio.ensure_future(self._hurry.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _attempt(self, last: _Remembered | None) -> _Attempt:
        """Read and parse once, in a thread; the bytes do not outlive it."""
        try:
            return self._look(last, in_pieces=True)
        except _UsedUp:
            return self._look(last, in_pieces=False)

    def _look(self, last: _Remembered | None, *, in_pieces: bool) -> _Attempt:
        snapshot = read_snapshot(self._guard, self._now_ms())
        try:
            return _parse(snapshot, last, in_pieces=in_pieces)
        finally:
            snapshot.wipe()


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The last completed reading, and what is stored since."""

    reading: LedgerReading
    known: KnownUsage


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One look at the file: a reading, or the refusal that may be due to a write under way."""

    fingerprint: Fingerprint
    stable: bool
    young: bool
    reading: LedgerReading | None = None
    entries: tuple[TaskUsage, ...] | None = None
    refusal: LedgerFormat | None = None


class _UsedUp(Exception):
    """The pieces of a ledger do not stand by themselves, and the bytes of the first ones are gone."""


class _Stored(Container[str]):
    """Every id that may stand in a piece of the last completed reading."""

    def __init__(self, known: KnownUsage) -> None:
        self._known = known

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._known.tasks or task_id in self._known.forgotten


def _parse(snapshot: Snapshot, last: _Remembered | None, *, in_pieces: bool) -> _Attempt:
    fingerprint = snapshot.fingerprint
    attempt = _Attempt(fingerprint, snapshot.stable, snapshot.young)
    if not snapshot.stable:
        return attempt
    if last is not None and fingerprint.digest == last.reading.fingerprint.digest:
        return replace(attempt, reading=replace(last.reading, fingerprint=fingerprint))
    try:
        parsed = _parse_pieces(snapshot, last) if in_pieces and snapshot.spans else None
        parsed = parsed or PiecewiseLedger(parse_ledger(snapshot.buffer), 0, {})
    except LedgerFormat as refusal:
        # A trace holds the frames it went through, and those hold the buffer: 60 MB for as long as the failure lasts.
        return replace(attempt, refusal=LedgerFormat(refusal.reason))
    fresh = parsed.fresh
    valid_count = len(fresh.entries) + fresh.duplicate_count + parsed.repeated_count
    reading = LedgerReading(
        fingerprint, valid_count, fresh.duplicate_count, fresh.rejections, parsed.repeated_count, parsed.pieces
    )
    return replace(attempt, reading=reading, entries=fresh.entries)


def _parse_pieces(snapshot: Snapshot, last: _Remembered | None) -> PiecewiseLedger | None:
    known: Mapping[bytes, Piece] = {} if last is None else last.reading.pieces
    stored: Container[str] = () if last is None else _Stored(last.known)
    parsed = parse_pieces(snapshot.buffer, snapshot.spans, known, stored)
    if parsed is None and is_used_up(snapshot.buffer):
        raise _UsedUp
    return parsed


def _outcome(trigger: Trigger, started: float, reading: LedgerReading, diff: UsageDiff) -> Outcome:
    skipped_count = diff.unchanged_count + reading.duplicate_count + reading.repeated_count
    return Outcome(trigger, started, skipped_count, reading.rejections, reading.fingerprint.identity)
