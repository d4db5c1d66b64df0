"""One import at a time, shared by everybody who waits for the next one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from aico.core.collector import collector_paused
from aico.core.domain import ImportReceipt, Store, Trigger
from aico.core.errors import SourceError, StorageBusy, StorageError
from aico.core.events import UsageImported
from aico.core.repository import UsageRepository
from aico.features.stores.identity import text_of
from aico.features.stores.steps import StoreImporter
from aico.services.histogram import Histogram
from aico.services.import_ticket import Ticket

_log = logging.getLogger(__name__)
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_UNRECORDED_MAX = 20

_STRENGTH = {trigger: strength for strength, trigger in enumerate(Trigger)}
"""Of several causes that share an import, the strongest claim is the one that is told."""
_TITLES = {Store.LEDGER: "ledger", Store.SESSIONS: "session store"}


class ImportService:
    """Runs imports one after the other, publishes what they change, and remembers how the last ones went.

    There may be several stores. They share one repository, and with it one known state and one row of revisions; so
    their imports share this one row too, the first store's first.

    A caller never joins an import that is already running, because its file may have been opened before the caller
    asked: it waits for one further import, and so does everybody else who asks meanwhile.
    """

    def __init__(
        self,
        importer: StoreImporter,
        repository: UsageRepository,
        publish: Callable[[UsageImported], None],
        now_ms: Callable[[], int],
        others: Sequence[StoreImporter] = (),
    ) -> None:
        self._importers = {each.store: each for each in (importer, *others)}
        self._repository = repository
        self._publish = publish
        self._now_ms = now_ms
        self._newest: asyncio.Task[None] | None = None
        self._waiting: Ticket | None = None
        self._is_closing = False
        self._turn = asyncio.Lock()
        """Held by whoever works on what the repository knows."""
        self.last_receipt: ImportReceipt | None = None
        """The first receipt of the last completed reading that was news or was asked for, changes or not."""
        self.last_receipts: dict[Store, ImportReceipt] = {}
        """The same by store."""
        self.failures: dict[Store, SourceError | StorageError] = {}
        """Why the last import of a store failed; stores without an entry did not."""
        self.run_count = 0
        self.failure_counts: dict[str, int] = {}
        """Failed imports by error code since the start of this process."""
        self.last_duration_s = 0.0
        """How long the last import took that ended well, follow-up runs included."""
        self._told: dict[Store, set[str]] = {}
        """Codes of the failures that were told since a store could be imported last."""
        self._unrecorded: deque[tuple[ImportReceipt, str | None]] = deque(maxlen=_UNRECORDED_MAX)
        """Begins and ends of failures that the database has still to take."""
        self.durations = Histogram(
            "aico_import_duration_seconds", "How long imports took, those that failed included.", _DURATIONS_S
        )

    def identity_of(self, store: Store) -> Hashable:
        """Return what ``stat`` said of the last reading of ``store`` that was committed to its end; None before."""
        return self._importers[store].identity

    async def has_read(self, store: Store, identity: Hashable) -> bool:
        """Return whether what ``store`` said when it was ``identity`` is stored already, by whatever process."""
        try:
            return await self._repository.has_read(store, text_of(identity))
        except StorageError:
            # The import that follows meets with it, too, and tells of it.
            return False

    async def run(self, trigger: Trigger, store: Store | None = None) -> ImportReceipt:
        """Return the first receipt of an import that opens ``store``, or every store, after this call.

        Of several stores it is the sum of their first receipts. Raises the SourceError or StorageError that the import
        ended with; that one of several stores is not there (yet) is none. Cancelling the caller cancels no import.
        """
        if self._waiting is None:
            ticket = self._waiting = Ticket(trigger, asyncio.get_running_loop().create_future())
            self._newest = asyncio.create_task(self._serve(ticket, self._newest), name="import")
            self._newest.add_done_callback(ticket.settle)
        else:
            ticket = self._waiting
            ticket.trigger = max(ticket.trigger, trigger, key=_STRENGTH.__getitem__)
        if trigger is Trigger.REQUEST:
            # Somebody waits for an answer: what runs now shall not wait for the file on their time.
            self._hurry()
        ticket.stores |= set(self._importers) if store is None else {store}
        return await asyncio.shield(ticket.receipt if store is None else ticket.part(store))

    async def finish(self, store: Store) -> SourceError | StorageError | None:
        """Wait until what was asked for so far has ended, follow-up runs included; return why ``store`` failed.

        Any other exception of those runs is raised: it is a bug, and nobody waits for it elsewhere.
        """
        newest = self._newest
        if newest is not None:
            await asyncio.wait({newest})
            error = None if newest.cancelled() else newest.exception()
            if error is not None and not isinstance(error, SourceError | StorageError):
                raise error
        return self.failures.get(store)

    async def refuse(self, trigger: Trigger, store: Store, error: SourceError) -> None:
        """Note that ``store`` was refused by its metadata, before anything was opened: a failure like any other."""
        known = self.failures.get(store)
        if known is None or known.code != error.code:
            await self._note_failure(trigger, store, error)

    async def catch_up(self) -> None:
        """Make the derived sums anew if a large import has left them behind; for a moment without news."""
        if self._turn.locked():
            return
        try:
            async with self._turn:
                await self._repository.catch_up()
        except StorageError as error:
            # Answers are as right without them, only slower.
            _log.debug("the derived sums stay behind: %s", error)

    def begin_close(self) -> None:
        """Let the import that runs stop where it can, and the one that waits not begin."""
        self._is_closing = True
        self._hurry()

    async def close(self) -> None:
        """Wait until the import that runs has ended."""
        self.begin_close()
        while self._newest is not None and not self._newest.done():
            await asyncio.wait({self._newest})

    def _may_leave(self, ticket: Ticket) -> bool:
        return self._is_closing and ticket.is_served

    def _hurry(self) -> None:
        for importer in self._importers.values():
            importer.hurry()

    async def _serve(self, ticket: Ticket, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait({previous})
        # Kept by the trace of a failure, it would keep the failure before, and that one all before it.
        del previous
        self._waiting = None
        for importer in self._importers.values():
            importer.take_time()
        if self._is_closing:
            raise StorageBusy("the service is stopping")
        errors: list[SourceError | StorageError] = []
        for importer in self._importers.values():
            if importer.store in ticket.stores and not self._may_leave(ticket):
                async with self._turn:
                    errors += await self._serve_store(ticket, importer)
        # That a store is not there (yet) is no failure beside one that was read, and a small one beside a real one.
        errors.sort(key=_is_absence)
        if errors and not (ticket.is_served and _is_absence(errors[0])):
            raise errors[0]
        ticket.succeed()

    async def _serve_store(self, ticket: Ticket, importer: StoreImporter) -> list[SourceError | StorageError]:
        """Import one store; return what it failed with, if it did."""
        started = time.perf_counter()
        try:
            with collector_paused():
                await self._import(ticket, importer)
        except (SourceError, StorageError) as error:
            # Its trace holds the frames of a reading, and they the ledger's bytes, for as long as anybody keeps it.
            failure = error.with_traceback(None)
        else:
            # One that failed says nothing of how long the next one will take: it may have waited for a lock.
            self.last_duration_s = time.perf_counter() - started
            return []
        finally:
            self.durations.observe(time.perf_counter() - started)
        ticket.fail(failure, importer.store)
        await self._note_failure(ticket.trigger, importer.store, failure)
        return [failure]

    async def _import(self, ticket: Ticket, importer: StoreImporter) -> None:
        total: ImportReceipt | None = None
        async for step in importer.run(ticket.trigger):
            is_first = total is None
            total = step.receipt if total is None else total.plus(step.receipt)
            if step.imported is not None:
                self._publish(step.imported)
                # Whoever listens is told before anything else is done.
                await asyncio.sleep(0)
                _log.info("%s", describe(step.receipt))
            if is_first:
                # A notification about the bytes that were read already is no news: what they brought stays to be seen.
                if not step.repeats or ticket.trigger is not Trigger.WATCH:
                    self._keep(importer.store, step.receipt)
                ticket.add(importer.store, step.receipt)
            self.run_count += 1
            if not is_first:
                self._keep(importer.store, total)
            if self._is_closing:
                return
        await self._note_success(importer.store, total)

    def _keep(self, store: Store, receipt: ImportReceipt) -> None:
        self.last_receipt = self.last_receipts[store] = receipt

    async def _note_failure(self, trigger: Trigger, store: Store, error: SourceError | StorageError) -> None:
        """Log and record a failure when it begins or becomes another one, not each time it is met again."""
        self.failure_counts[error.code] = self.failure_counts.get(error.code, 0) + 1
        self.failures[store] = error
        told = self._told.setdefault(store, set())
        if error.code in told:
            return
        told.add(error.code)
        _log.warning("import failed: %s [%s] %s", error, error.code, error.hint)
        nothing = ImportReceipt(
            trigger=trigger,
            finished_at_ms=self._now_ms(),
            duration_ms=0.0,
            added_count=0,
            updated_count=0,
            skipped_count=0,
            error_count=0,
            remaining_count=0,
            latest_ts=None,
            revision=0,
        )
        await self._record(nothing, error.code, at_once=isinstance(error, SourceError))

    async def _note_success(self, store: Store, total: ImportReceipt | None) -> None:
        error = self.failures.pop(store, None)
        self._told.pop(store, None)
        if error is not None and total is not None:
            _log.info("the %s can be imported again after %s", _TITLES[store], error.code)
            # With all counts of the reading: after a restart this row is what the last one is told from.
            await self._record(replace(total, finished_at_ms=self._now_ms()), None)

    async def _record(self, receipt: ImportReceipt, error_code: str | None, *, at_once: bool = True) -> None:
        """Keep the begin or the end of a failure in the database, where ``aico status`` finds it.

        Not ``at_once`` when it is the database that fails: then together with what is recorded next.
        """
        self._unrecorded.append((receipt, error_code))
        while at_once and self._unrecorded:
            first = self._unrecorded.popleft()
            try:
                await self._repository.record_run(*first)
            except StorageError as error:
                self._unrecorded.appendleft(first)
                _log.warning("the end or begin of a failure could not be recorded yet: %s", error)
                return


def _is_absence(error: SourceError | StorageError) -> bool:
    return isinstance(error, SourceError) and error.is_absent


def describe(receipt: ImportReceipt) -> str:
    """Return the one line that is logged and printed for a run."""
    parts = [f"{receipt.imported_count} imported ({receipt.added_count} new)", f"{receipt.skipped_count} unchanged"]
    if receipt.error_count:
        parts.append(f"{receipt.error_count} refused")
    if receipt.remaining_count:
        parts.append(f"{receipt.remaining_count} to follow")
    return f"{', '.join(parts)} in {receipt.duration_ms:.0f} ms [{receipt.trigger}]"
