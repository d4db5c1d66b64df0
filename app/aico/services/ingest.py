"""The one pipeline: places are read, what they say is stored in one transaction at a time, and everybody is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from aico.core.collector import collector_paused
from aico.core.db.writer import Batch, UsageWriter
from aico.core.errors import SourceError, StorageBusy, StorageError
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.usage import Trigger
from aico.features.files.feed import Left, Reading
from aico.services.histogram import Histogram
from aico.services.intake import Intake, IntakeKey

_log = logging.getLogger(__name__)
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_UNRECORDED_MAX = 20
_FIRST_LOOK_S = 5.0
"""So long the first readings of later origins wait until a place was looked at: a file system may never answer."""
_STRENGTH = {trigger: strength for strength, trigger in enumerate(Trigger)}
"""Of several causes that share a reading, the strongest claim is the one that is told."""
_STOPPING = "the service is stopping"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of asking for readings of several places: each of them has a receipt or an error."""

    receipts: list[ImportReceipt]
    """In the order of the places."""
    failures: dict[IntakeKey, SourceError | StorageError]
    """Why the others could not be read; what is not there (yet) comes last."""

    def check_all(self) -> list[ImportReceipt]:
        """Return the receipts, if no place failed: absence is no failure beside a place that was read.

        Raises the SourceError or StorageError of one that did.
        """
        first = next(iter(self.failures.values()), None)
        if first is not None and not (self.receipts and is_absence(first)):
            raise first
        return self.receipts

    def check_any(self) -> Outcome:
        """Return this, if a place was read, or nothing failed. Raises the SourceError or StorageError of one else."""
        if not self.receipts:
            self.check_all()
        return self


@dataclass(slots=True)
class _Ticket:
    """One reading of a place, for all callers that asked before it began."""

    trigger: Trigger
    receipt: asyncio.Future[ImportReceipt]
    """Of its first transaction."""


@dataclass(slots=True)
class _Rest:
    """The rest of a large reading."""

    reading: Reading
    batches: deque[Batch]
    total: ImportReceipt


@dataclass(slots=True)
class _Lane:
    """A place on its way through the pipeline: it is read by itself, and by no two at once."""

    intake: Intake
    waiting: _Ticket | None = None
    rest: _Rest | None = None
    left: Left | None = None
    """The things that the last completed reading has left for the next one."""
    total: ImportReceipt | None = None
    """The sum of the receipts of that reading, and of those whose rest it was."""
    is_busy: bool = False
    is_closing: bool = False
    is_awaited: bool = False
    """True if its watcher is about to ask for its first reading."""
    was_read: bool = False
    bug: BaseException | None = None
    """The unknown error that ended the last reading after its first transaction, if one did."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def ask(self, trigger: Trigger) -> asyncio.Future[ImportReceipt]:
        """Return the receipt of a reading that begins after this call."""
        if self.waiting is None:
            self.waiting = _Ticket(trigger, asyncio.get_running_loop().create_future())
        elif _STRENGTH[trigger] > _STRENGTH[self.waiting.trigger]:
            self.waiting.trigger = trigger
        if trigger is Trigger.REQUEST:
            # Somebody waits for an answer: what runs now shall not wait for a file on their time.
            self.intake.feed.hurry()
        self.wake.set()
        return self.waiting.receipt

    def begin_close(self) -> None:
        """Let what runs stop where it can, and what waits not begin."""
        self.is_closing = True
        self.intake.feed.hurry()
        self.wake.set()

    async def close(self, reason: str) -> None:
        """Wait until nothing of it runs; waiting callers are told ``reason``."""
        self.begin_close()
        if self.task is not None:
            await asyncio.wait({self.task})
        if self.waiting is not None:
            _fail(self.waiting.receipt, StorageBusy(reason))
            self.waiting = None


class Ingest:
    """Reads places, stores and publishes what they change, and remembers how the last readings went.

    Each place is read by itself, so that one that fails, or waits for its tool, delays no other; transactions come one
    after the other, in the order in which they are asked for. So any other change goes between two transactions of
    a large reading. A caller never joins a reading that is already running, because its file may have been opened
    before the caller asked: it waits for one further reading, and so does everybody else who asks meanwhile.
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
        self._lanes: dict[IntakeKey, _Lane] = {}
        self._is_closing = False
        self._turn = asyncio.Lock()
        """Held during a transaction; the longest waiting caller is next."""
        self._moved = asyncio.Condition()
        """Told whenever a reading has come to its first transaction, or to its end."""
        self._runs: set[asyncio.Task[list[asyncio.Future[ImportReceipt]]]] = set()
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

    def add(self, intake: Intake, *, is_watched: bool = False) -> None:
        """Let ``intake`` be read from now on.

        If it ``is_watched``, later origins wait with their first readings until its watcher has asked for one, or has
        called :meth:`let_pass`.
        """
        self._lanes[intake.key] = _Lane(intake, is_awaited=is_watched)

    async def let_pass(self, key: IntakeKey) -> None:
        """Note that there is nothing to be read at ``key`` for now: nobody waits for it any longer."""
        lane = self._lanes.get(key)
        if lane is not None and lane.is_awaited:
            lane.is_awaited = False
            await self._tell()

    async def remove(self, key: IntakeKey) -> None:
        """Let ``key`` be read no more, and wait until it is not."""
        lane = self._lanes.pop(key, None)
        if lane is not None:
            lane.begin_close()
            await self._tell()
            await lane.close("this place is read no more")
        self.failures.pop(key, None)

    def find_progress(self, key: IntakeKey) -> tuple[int, int] | None:
        """Return how many bytes of a large reading are stored, and how many there are; None when none is read."""
        lane = self._lanes.get(key)
        if lane is None:
            return None
        left = lane.left if lane.rest is None else lane.rest.reading.left
        if left is not None:
            return left.bytes_done, left.bytes_total
        if lane.rest is None:
            return None
        return lane.rest.reading.find_progress(lane.rest.total.remaining_count)

    async def run(self, trigger: Trigger, keys: Iterable[IntakeKey]) -> list[ImportReceipt]:
        """Return the first receipts of readings of ``keys`` like :meth:`read`, which raises what failed.

        Raises like :meth:`Outcome.check_all`.
        """
        return (await self.read(trigger, keys)).check_all()

    async def read(self, trigger: Trigger, keys: Iterable[IntakeKey]) -> Outcome:
        """Return what came of the first transactions of readings of ``keys`` that begin after this call.

        Raises the bug that ended one of them, if there was one. Cancelling the caller cancels nothing.
        """
        order = {key: number for number, key in enumerate(self._lanes)}
        by_source: dict[str, list[IntakeKey]] = {}
        for key in sorted(keys, key=lambda key: order.get(key, len(order))):
            by_source.setdefault(key.source, []).append(key)
        asked = await self._ask_all(trigger, list(by_source.values()))
        receipts, failures = [], []
        for key, future in zip((key for group in by_source.values() for key in group), asked, strict=True):
            error = future.exception()
            if error is None:
                receipts.append(future.result())
            elif isinstance(error, SourceError | StorageError):
                failures.append((key, error))
            else:
                raise error
        return Outcome(receipts, dict(sorted(failures, key=lambda failure: is_absence(failure[1]))))

    async def _ask_all(
        self, trigger: Trigger, groups: Sequence[Sequence[IntakeKey]]
    ) -> list[asyncio.Future[ImportReceipt]]:
        """Have all places read, each group of them by itself; return their receipts, which are there."""
        if [len(group) for group in groups] == [1]:
            return await self._run(trigger, groups[0])  # most often: no other goes on when the caller is cancelled
        runs = [asyncio.create_task(self._run(trigger, group), name="import") for group in groups]
        self._runs.update(runs)
        for run in runs:
            run.add_done_callback(self._runs.discard)
        if runs:
            await asyncio.wait(runs)
        return [future for run in runs for future in run.result()]

    async def _run(self, trigger: Trigger, keys: Iterable[IntakeKey]) -> list[asyncio.Future[ImportReceipt]]:
        """Have places of one source read one after the other: which origin speaks first makes a difference to days."""
        asked = []
        for key in keys:
            asked.append(self._ask(trigger, key))
            await asyncio.wait({asked[-1]})
        return asked

    def _ask(self, trigger: Trigger, key: IntakeKey) -> asyncio.Future[ImportReceipt]:
        lane = self._lanes.get(key)
        if lane is None or self._is_closing:
            receipt: asyncio.Future[ImportReceipt] = asyncio.get_running_loop().create_future()
            _fail(receipt, StorageBusy("this place is read no more" if lane is None else _STOPPING))
            return receipt
        receipt = lane.ask(trigger)
        if lane.task is None:
            lane.task = asyncio.create_task(self._work(lane), name=f"ingest-{key.source}-{key.origin}")
        return receipt

    async def finish(self, key: IntakeKey) -> SourceError | StorageError | None:
        """Wait until everything of ``key`` that was begun is stored; return why that failed, or None.

        Raises the bug that ended it, if there was one.
        """
        lane = self._lanes.get(key)
        if lane is not None:
            async with self._moved:
                await self._moved.wait_for(lambda: not lane.is_busy)
            # Kept for nobody else: its trace holds what the place said.
            bug, lane.bug = lane.bug, None
            if bug is not None:
                raise bug
        return self.failures.get(key)

    async def refuse(self, trigger: Trigger, intake: Intake, error: SourceError) -> None:
        """Note that a place was refused by its metadata, before anything was opened: a failure like any other."""
        known = self.failures.get(intake.key)
        if known is None or known.code != error.code:
            await self._note_failure(trigger, intake, error)

    def begin_close(self) -> None:
        """Let what runs stop where it can, and what waits not begin."""
        self._is_closing = True
        for lane in self._lanes.values():
            lane.begin_close()

    async def close(self) -> None:
        """Wait until the readings that run have ended."""
        self.begin_close()
        await self._tell()
        for lane in self._lanes.values():
            await lane.close(_STOPPING)
        if self._runs:
            await asyncio.wait(self._runs)

    # The way of one place

    async def _work(self, lane: _Lane) -> None:
        while not lane.is_closing:
            ticket, lane.waiting = lane.waiting, None
            if ticket is None:
                lane.wake.clear()
                await lane.wake.wait()
                continue
            lane.is_busy, lane.is_awaited = True, False
            await self._tell()
            try:
                await self._serve(lane, ticket)
            finally:
                lane.is_busy = False
                await self._tell()

    async def _serve(self, lane: _Lane, ticket: _Ticket) -> None:
        """Read a place and store what it says, to its end; an error is told to waiting callers, or kept."""
        lane.bug = lane.rest = lane.left = None
        lane.intake.feed.take_time()
        try:
            if not lane.was_read:
                await self._let_earlier_ones_speak(lane)
            receipt = await self._read(lane, ticket.trigger)
        except Exception as error:  # noqa: BLE001  # a bug in a reader is raised where somebody waits for it
            known = isinstance(error, SourceError | StorageError)
            _fail(ticket.receipt, error.with_traceback(None) if known else error)
            return
        finally:
            lane.was_read = True
        ticket.receipt.set_result(receipt)
        await self._tell()
        is_large = lane.rest is not None or lane.left is not None
        try:
            await self._store_rest(lane)
            await self._read_on(lane, ticket.trigger)
            if is_large and lane.left is None:
                await self._writer.let_go()
        except Exception as error:  # noqa: BLE001  # as above: the watcher asks how it ended
            lane.bug = error
            self._break_off(lane)

    async def _store_rest(self, lane: _Lane) -> None:
        """Store what is left of a large reading, as far as there is time."""
        while lane.rest is not None and not lane.is_closing:
            await self._go_on(lane, lane.rest)

    async def _read_on(self, lane: _Lane, trigger: Trigger) -> None:
        """Read what a reading has left, one part after the other, until somebody asks for a reading of their own."""
        while lane.left is not None and lane.waiting is None and not lane.is_closing:
            try:
                await self._read(lane, trigger, lane.total)
            except (SourceError, StorageError):
                lane.left = None  # it is noted, and the next reading begins where this one would have
                return
            await self._store_rest(lane)

    async def _let_earlier_ones_speak(self, lane: _Lane) -> None:
        """Wait for the first receipts of places of earlier origins of the source that are, or will be, read now.

        One that states the same running totals is waited for to its end: what it says first decides model and day.
        """
        source, ids = lane.intake.source, [origin.id for origin in lane.intake.source.origins]
        before = ids[: ids.index(lane.intake.origin.id)]
        others = [
            each
            for each in self._lanes.values()
            if each.intake.source.id == source.id and each.intake.origin.id in before
        ]

        def all_were_looked_at() -> bool:
            return lane.is_closing or not any(each.is_awaited and not each.is_closing for each in others)

        try:
            async with asyncio.timeout(_FIRST_LOOK_S), self._moved:
                await self._moved.wait_for(all_were_looked_at)
        except TimeoutError:
            _log.debug("an earlier place was not looked at within %g s", _FIRST_LOOK_S)
        meter = lane.intake.origin.meter_id
        firsts = [each for each in others if each.is_busy and not each.was_read]
        wholes = [each for each in others if each.is_busy and each.intake.origin.meter_id == meter]

        def all_have_spoken() -> bool:
            return all(each.was_read for each in firsts) and not any(each.is_busy for each in wholes)

        async with self._moved:
            await self._moved.wait_for(lambda: lane.is_closing or all_have_spoken())

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _read(self, lane: _Lane, trigger: Trigger, before: ImportReceipt | None = None) -> ImportReceipt:
        """Read one place and store its first batch; return its receipt. Raises SourceError, StorageError.

        ``before`` is the sum of the receipts of what was read of it since ``trigger``, if this is what that has left.
        """
        intake, started = lane.intake, time.perf_counter()
        try:
            with collector_paused():
                reading = await intake.feed.read(trigger if before is None else Trigger.WATCH)
                started += reading.rested_s  # else waits in proportion to a reading would include rests
                batches = deque(intake.batches(reading, trigger, self._limit, started))
                receipt = await self._apply(intake, reading, batches.popleft())
        except (SourceError, StorageError) as error:
            # Its trace holds the frames of a reading, and they the file's bytes, for as long as anybody keeps it.
            failure = error.with_traceback(None)
        else:
            lane.total = total = receipt if before is None else before.plus(receipt)
            # A notification about the bytes that were read already is no news: what they brought stays to be seen.
            if not reading.repeats or trigger is not Trigger.WATCH or before is not None:
                self.last_receipts[intake.key] = total
            if batches:
                lane.rest = _Rest(reading, batches, total)
            else:
                await self._complete(lane, reading, total)
            self.last_durations_s[intake.key] = time.perf_counter() - started
            return receipt
        finally:
            self.durations.observe(time.perf_counter() - started)
        await self._note_failure(trigger, intake, failure)
        raise failure

    async def _go_on(self, lane: _Lane, rest: _Rest) -> None:
        """Store one further batch of what is left of a large reading."""
        intake, started = lane.intake, time.perf_counter()
        try:
            with collector_paused():
                receipt = await self._apply(intake, rest.reading, rest.batches.popleft())
        except StorageError as error:
            self._break_off(lane)
            await self._note_failure(rest.total.trigger, intake, error.with_traceback(None))
            return
        lane.total = rest.total = self.last_receipts[intake.key] = rest.total.plus(receipt)
        self.last_durations_s[intake.key] += time.perf_counter() - started
        if not rest.batches:
            lane.rest = None
            await self._complete(lane, rest.reading, rest.total)

    def _break_off(self, lane: _Lane) -> None:
        """Let go of the rest of a reading. Its stored part stays, and the next one hands over everything.

        The feed remembers an earlier reading: a place that says again what it said then would be no news to it.
        """
        lane.rest = lane.left = None
        lane.intake.feed.resume(None)

    async def _apply(self, intake: Intake, reading: Reading, batch: Batch) -> ImportReceipt:
        async with self._turn:
            receipt, committed = await self._writer.apply(batch)
            if committed is not None:
                # Before the next transaction: the numbers of changes are told in their order.
                self._publish(committed, intake, reading)
        if committed is not None:
            # Listeners are told before anything else is done.
            await asyncio.sleep(0)
            if _log.isEnabledFor(logging.INFO):
                _log.info("%s", describe(receipt))
        self.run_counts[intake.source.id] = self.run_counts.get(intake.source.id, 0) + 1
        return receipt

    # How it went

    async def _complete(self, lane: _Lane, reading: Reading, total: ImportReceipt) -> None:
        intake = lane.intake
        intake.feed.complete(reading)
        lane.left = reading.left
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
        if is_absence(error):
            # Nothing is wrong: most known places of a tool are not there.
            _log.info("nothing to read: %s [%s]", error, error.code)
        else:
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


def sums_by_source(receipts: Sequence[ImportReceipt]) -> list[ImportReceipt]:
    """Return the sum of ``receipts`` for each source, in the order in which they first name it."""
    sums: dict[str, ImportReceipt] = {}
    for receipt in receipts:
        known = sums.get(receipt.source)
        sums[receipt.source] = receipt if known is None else known.beside(receipt)
    return list(sums.values())


def _fail(receipt: asyncio.Future[ImportReceipt], error: BaseException) -> None:
    receipt.set_exception(error)
    receipt.exception()  # seen: perhaps nobody waits any more


def is_absence(error: BaseException) -> bool:
    """Return whether ``error`` says that a place is not there (yet)."""
    return isinstance(error, SourceError) and error.is_absent


def describe(receipt: ImportReceipt) -> str:
    """Return the one line that is logged and printed for a run."""
    parts = [f"{receipt.imported_count} imported ({receipt.added_count} new)", f"{receipt.skipped_count} unchanged"]
    if receipt.error_count:
        parts.append(f"{receipt.error_count} refused")
    if receipt.partial_count:
        parts.append(f"{receipt.partial_count} in part")
    rest = f"; {receipt.remaining_count} to follow" if receipt.remaining_count else ""
    return f"{receipt.source}: {', '.join(parts)} in {receipt.duration_ms:.0f} ms{rest} [{receipt.trigger}]"
