"""The one pipeline: one place is read at a time, what it says is stored, and everybody is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from aico.core.collector import collector_paused
from aico.core.db.writer import Batch, UsageWriter
from aico.core.errors import SourceError, StorageBusy, StorageError
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.usage import Trigger
from aico.features.files.feed import Reading
from aico.services.histogram import Histogram
from aico.services.intake import Intake, IntakeKey

_log = logging.getLogger(__name__)
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_UNRECORDED_MAX = 20
_STRENGTH = {trigger: strength for strength, trigger in enumerate(Trigger)}
"""Of several causes that share a pass, the strongest claim is the one that is told."""


@dataclass(slots=True)
class _Pass:
    """What everybody waits for who asked before the same pass began."""

    trigger: Trigger
    receipts: dict[IntakeKey, asyncio.Future[ImportReceipt]] = field(default_factory=dict)
    """By place: the receipt of its first batch."""

    def ask(self, key: IntakeKey) -> asyncio.Future[ImportReceipt]:
        """Return the receipt of ``key``, still to come."""
        return self.receipts.setdefault(key, asyncio.get_running_loop().create_future())


@dataclass(slots=True)
class _Rest:
    """What is left of a large reading: it goes on when nobody waits for anything else."""

    intake: Intake
    reading: Reading
    batches: deque[Batch]
    total: ImportReceipt


class Ingest:
    """Reads places one after the other, publishes what they change, and remembers how the last readings went.

    Changes that somebody waits for go before what is left of a large reading, between two of its transactions. A caller
    never joins a reading that is already running, because its file may have been opened before the caller asked: it
    waits for one further pass, and so does everybody else who asks meanwhile.
    """

    def __init__(
        self,
        writer: UsageWriter,
        publish: Callable[[UsageCommitted, Intake, Reading], None],
        now_ms: Callable[[], int],
        max_entries_per_run: int,
    ) -> None:
        self._writer = writer
        self._publish = publish
        self._now_ms = now_ms
        self._limit = max_entries_per_run
        self._intakes: dict[IntakeKey, Intake] = {}
        self._waiting: _Pass | None = None
        self._rests: deque[_Rest] = deque()
        self._is_closing = False
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        """Told whenever a pass or a part of a rest has ended."""
        self._under_way: set[IntakeKey] = set()
        self._loop: asyncio.Task[None] | None = None
        self.last_receipts: dict[IntakeKey, ImportReceipt] = {}
        """The receipt of the last completed reading of each place that was news or was asked for, changes or not."""
        self.failures: dict[IntakeKey, SourceError | StorageError] = {}
        """Why the last reading of a place failed; places without an entry did not fail."""
        self.run_counts: dict[str, int] = {}
        """Transactions that ended well since the start, by source."""
        self.failure_counts: dict[tuple[str, str], int] = {}
        """Failed readings since the start, by source and error code."""
        self.last_durations_s: dict[IntakeKey, float] = {}
        """How long the last reading of each place took that ended well, all of its transactions included."""
        self._told: dict[IntakeKey, set[str]] = {}
        """Codes of the failures that were told since a place could be read last."""
        self._unrecorded: deque[tuple[ImportReceipt, str | None]] = deque(maxlen=_UNRECORDED_MAX)
        """Begins and ends of failures that the database has still to take."""
        self.durations = Histogram(
            "aico_import_duration_seconds", "How long imports took, those that failed included.", _DURATIONS_S
        )

    @property
    def last_receipt(self) -> ImportReceipt | None:
        """The newest of the last receipts."""
        return max(self.last_receipts.values(), key=lambda receipt: receipt.finished_at_ms, default=None)

    def add(self, intake: Intake) -> None:
        """Let ``intake`` be read from now on."""
        self._intakes[intake.key] = intake

    async def remove(self, key: IntakeKey) -> None:
        """Let ``key`` be read no more, and wait until it is not."""
        self._intakes.pop(key, None)
        self._rests = deque(rest for rest in self._rests if rest.intake.key != key)
        async with self._moved:
            await self._moved.wait_for(lambda: key not in self._under_way)
        self.failures.pop(key, None)

    def list_intakes(self, source: str | None = None) -> list[Intake]:
        """Return what is read, in the order in which it was added."""
        return [each for each in self._intakes.values() if source is None or each.source.id == source]

    def is_reading(self, key: IntakeKey) -> tuple[int, int] | None:
        """Return how many records of a large reading are stored, and how many there are; None when none is read."""
        for rest in self._rests:
            if rest.intake.key == key:
                return len(rest.reading.records) - rest.total.remaining_count, len(rest.reading.records)
        return None

    async def run(self, trigger: Trigger, keys: Iterable[IntakeKey]) -> list[ImportReceipt]:
        """Return the first receipts of a pass that opens each of ``keys`` after this call, in their order.

        Raises the SourceError or StorageError of the place that failed; that a place is not there (yet) is no failure
        beside one that was read. Cancelling the caller cancels nothing.
        """
        if self._waiting is None:
            self._waiting = _Pass(trigger)
        elif _STRENGTH[trigger] > _STRENGTH[self._waiting.trigger]:
            self._waiting.trigger = trigger
        asked = [self._waiting.ask(key) for key in keys]
        if trigger is Trigger.REQUEST:
            # Somebody waits for an answer: what runs now shall not wait for a file on their time.
            self._hurry()
        self._wake.set()
        if self._loop is None:
            self._loop = asyncio.create_task(self._work(), name="ingest")
        if asked:
            await asyncio.wait(asked)
        receipts, errors = [], []
        for future in asked:
            error = future.exception()
            if error is None:
                receipts.append(future.result())
            else:
                errors.append(error)
        errors.sort(key=_is_absence)
        if errors and not (receipts and _is_absence(errors[0])):
            raise errors[0]
        return receipts

    async def finish(self, key: IntakeKey) -> SourceError | StorageError | None:
        """Wait until everything of ``key`` that was begun is stored; return why that failed, or None."""
        async with self._moved:
            await self._moved.wait_for(lambda: key not in self._under_way)
        return self.failures.get(key)

    async def refuse(self, trigger: Trigger, intake: Intake, error: SourceError) -> None:
        """Note that a place was refused by its metadata, before anything was opened: a failure like any other."""
        known = self.failures.get(intake.key)
        if known is None or known.code != error.code:
            await self._note_failure(trigger, intake, error)

    def begin_close(self) -> None:
        """Let what runs stop where it can, and what waits not begin."""
        self._is_closing = True
        self._hurry()
        self._wake.set()

    async def close(self) -> None:
        """Wait until the reading that runs has ended."""
        self.begin_close()
        if self._loop is not None:
            await asyncio.wait({self._loop})
        if self._waiting is not None:
            self._fail(self._waiting, StorageBusy("the service is stopping"))

    # The loop

    async def _work(self) -> None:
        while not self._is_closing:
            if self._waiting is not None:
                now, self._waiting = self._waiting, None
                await self._serve(now)
            elif self._rests:
                await self._go_on()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _serve(self, now: _Pass) -> None:
        for intake in self._intakes.values():
            intake.feed.take_time()
        # In the order of the places, not of who asked: which origin speaks first makes a difference to days.
        order = {key: number for number, key in enumerate(self._intakes)}
        for key in sorted(now.receipts, key=lambda key: order.get(key, len(order))):
            future = now.receipts[key]
            asked = self._intakes.get(key)
            if asked is None:
                future.set_exception(StorageBusy("this place is read no more"))
                continue
            if self._is_closing:
                break
            self._under_way.add(key)
            while any(rest.intake.key == key for rest in self._rests) and not self._is_closing:
                await self._go_on(key)
            # A task of its own: a bug in a reader ends that task, and is raised where somebody waits for it.
            task = asyncio.create_task(self._read(asked, now.trigger))
            await asyncio.wait({task})
            error = task.exception()
            if error is not None:
                future.set_exception(error)
                future.exception()  # seen: perhaps nobody waits any more
            elif not future.done():
                future.set_result(task.result())
            await self._settle(key)
        self._fail(now, StorageBusy("the service is stopping"))

    def _fail(self, now: _Pass, error: StorageBusy) -> None:
        for future in now.receipts.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: perhaps nobody waits any more

    async def _settle(self, key: IntakeKey) -> None:
        if not any(rest.intake.key == key for rest in self._rests):
            self._under_way.discard(key)
        async with self._moved:
            self._moved.notify_all()

    async def _read(self, intake: Intake, trigger: Trigger) -> ImportReceipt:
        """Read one place and store its first batch; return its receipt. Raises SourceError, StorageError."""
        started = time.perf_counter()
        try:
            with collector_paused():
                reading = await intake.feed.read(trigger)
                batches = deque(intake.batches(reading, self._limit, started))
                receipt = await self._apply(intake, reading, batches.popleft())
        except (SourceError, StorageError) as error:
            # Its trace holds the frames of a reading, and they the file's bytes, for as long as anybody keeps it.
            failure = error.with_traceback(None)
        else:
            # A notification about the bytes that were read already is no news: what they brought stays to be seen.
            if not reading.repeats or trigger is not Trigger.WATCH:
                self.last_receipts[intake.key] = receipt
            if batches:
                self._rests.append(_Rest(intake, reading, batches, receipt))
            else:
                await self._complete(intake, reading, receipt)
            self.last_durations_s[intake.key] = time.perf_counter() - started
            return receipt
        finally:
            self.durations.observe(time.perf_counter() - started)
        await self._note_failure(trigger, intake, failure)
        raise failure

    async def _go_on(self, key: IntakeKey | None = None) -> None:
        """Store one further batch of what is left of a large reading."""
        rest = next(rest for rest in self._rests if key is None or rest.intake.key == key)
        started = time.perf_counter()
        try:
            with collector_paused():
                receipt = await self._apply(rest.intake, rest.reading, rest.batches.popleft())
        except StorageError as error:
            # What is stored stays; the rest comes with the next reading, which nothing was remembered of.
            self._rests.remove(rest)
            await self._note_failure(rest.total.trigger, rest.intake, error.with_traceback(None))
        else:
            rest.total = self.last_receipts[rest.intake.key] = rest.total.plus(receipt)
            self.last_durations_s[rest.intake.key] += time.perf_counter() - started
            if not rest.batches:
                self._rests.remove(rest)
                await self._complete(rest.intake, rest.reading, rest.total)
        await self._settle(rest.intake.key)

    async def _apply(self, intake: Intake, reading: Reading, batch: Batch) -> ImportReceipt:
        receipt, committed = await self._writer.apply(batch)
        if committed is not None:
            self._publish(committed, intake, reading)
            # Whoever listens is told before anything else is done.
            await asyncio.sleep(0)
            _log.info("%s", describe(receipt))
        self.run_counts[intake.source.id] = self.run_counts.get(intake.source.id, 0) + 1
        return receipt

    def _hurry(self) -> None:
        for intake in self._intakes.values():
            intake.feed.hurry()

    # How it went

    async def _complete(self, intake: Intake, reading: Reading, total: ImportReceipt) -> None:
        intake.feed.complete(reading)
        error = self.failures.pop(intake.key, None)
        self._told.pop(intake.key, None)
        if error is not None:
            _log.info("the %s of %s can be read again after %s", intake.feed.title, intake.source.title, error.code)
            # With all counts of the reading: after a restart this row is what the last one is told from.
            await self._record(replace(total, finished_at_ms=self._now_ms()), None)

    async def _note_failure(self, trigger: Trigger, intake: Intake, error: SourceError | StorageError) -> None:
        """Log and record a failure when it begins or becomes another one, not each time it is met again."""
        counted = (intake.source.id, error.code)
        self.failure_counts[counted] = self.failure_counts.get(counted, 0) + 1
        self.failures[intake.key] = error
        told = self._told.setdefault(intake.key, set())
        if error.code in told:
            return
        told.add(error.code)
        _log.warning("import failed: %s [%s] %s", error, error.code, error.hint)
        nothing = ImportReceipt(intake.source.id, intake.origin.id, trigger, finished_at_ms=self._now_ms())
        await self._record(nothing, error.code, at_once=isinstance(error, SourceError))

    async def _record(self, receipt: ImportReceipt, error_code: str | None, *, at_once: bool = True) -> None:
        """Keep the begin or the end of a failure in the database, where ``aico status`` finds it.

        Not ``at_once`` when it is the database that fails: then together with what is recorded next.
        """
        self._unrecorded.append((receipt, error_code))
        while at_once and self._unrecorded:
            first = self._unrecorded.popleft()
            try:
                await self._writer.record_run(*first)
            except StorageError as error:
                self._unrecorded.appendleft(first)
                _log.warning("the end or begin of a failure could not be recorded yet: %s", error)
                return


def sum_of(receipts: Collection[ImportReceipt]) -> ImportReceipt | None:
    """Return the sum of ``receipts`` of several places, or None of none."""
    total: ImportReceipt | None = None
    for receipt in receipts:
        total = receipt if total is None else total.beside(receipt)
    return total


def _is_absence(error: BaseException) -> bool:
    return isinstance(error, SourceError) and error.is_absent


def describe(receipt: ImportReceipt) -> str:
    """Return the one line that is logged and printed for a run."""
    parts = [f"{receipt.imported_count} imported ({receipt.added_count} new)", f"{receipt.skipped_count} unchanged"]
    if receipt.error_count:
        parts.append(f"{receipt.error_count} refused")
    if receipt.partial_count:
        parts.append(f"{receipt.partial_count} in part")
    if receipt.remaining_count:
        parts.append(f"{receipt.remaining_count} to follow")
    return f"{receipt.source}: {', '.join(parts)} in {receipt.duration_ms:.0f} ms [{receipt.trigger}]"
