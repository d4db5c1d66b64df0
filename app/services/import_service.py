"""One import at a time, shared by everybody who waits for the next one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.core.domain import ImportReceipt, Trigger
from app.core.errors import LedgerError, StorageBusy, StorageError
from app.core.events import LedgerImported
from app.core.repository import UsageRepository
from app.features.ledger.importer import LedgerImporter
from app.features.ledger.reader import Fingerprint

_log = logging.getLogger(__name__)

_STRENGTH = {trigger: strength for strength, trigger in enumerate(Trigger)}
"""Of several causes that share an import, the strongest claim is the one that is told."""


class ImportService:
    """Runs imports one after the other, publishes what they change, and remembers how the last ones went.

    A caller never joins an import that is already running, because its file may have been opened before the caller
    asked: it waits for one further import, and so does everybody else who asks meanwhile.
    """

    def __init__(
        self,
        importer: LedgerImporter,
        repository: UsageRepository,
        publish: Callable[[LedgerImported], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._importer = importer
        self._repository = repository
        self._publish = publish
        self._now_ms = now_ms
        self._newest: asyncio.Task[None] | None = None
        self._waiting: _Ticket | None = None
        self._is_closing = False
        self.last_receipt: ImportReceipt | None = None
        """The first receipt of the last completed reading that was news or was asked for, changes or not."""
        self.failure_code: str | None = None
        """Why the last import failed; None when it succeeded."""
        self.run_count = 0
        self.failure_counts: dict[str, int] = {}
        """Failed imports by error code since the start of this process."""
        self.last_duration_s = 0.0
        """How long the last import took, follow-up runs included."""

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint of the last reading that was committed to its end."""
        return self._importer.fingerprint

    async def run(self, trigger: Trigger) -> ImportReceipt:
        """Return the first receipt of an import that opens the file after this call.

        Raises the LedgerError or StorageError that the import ended with. Cancelling the caller cancels no import.
        """
        if self._waiting is None:
            ticket = self._waiting = _Ticket(trigger, asyncio.get_running_loop().create_future())
            if trigger is Trigger.REQUEST:
                # Somebody waits for an answer: what runs now shall not wait for the file on his time.
                self._importer.hurry()
            self._newest = asyncio.create_task(self._serve(ticket, self._newest), name="import")
            self._newest.add_done_callback(ticket.settle)
        else:
            ticket = self._waiting
            ticket.trigger = max(ticket.trigger, trigger, key=_STRENGTH.__getitem__)
        return await asyncio.shield(ticket.receipt)

    def begin_close(self) -> None:
        """Let the import that runs stop where it can, and the one that waits not begin."""
        self._is_closing = True
        self._importer.hurry()

    async def close(self) -> None:
        """Wait until the import that runs has ended."""
        self.begin_close()
        while self._newest is not None and not self._newest.done():
            await asyncio.wait({self._newest})

    async def _serve(self, ticket: _Ticket, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait({previous})
        # Kept by the trace of a failure, it would keep the failure before, and that one all before it.
        del previous
        self._waiting = None
        self._importer.take_time()
        if self._is_closing:
            raise StorageBusy("the service is stopping")
        started = time.perf_counter()
        try:
            await self._import(ticket)
        except (LedgerError, StorageError) as error:
            ticket.fail(error)
            await self._note_failure(ticket.trigger, error)
            # Its trace holds the frames of a reading, and they the ledger's bytes, for as long as anybody keeps it.
            raise error.with_traceback(None)  # noqa: B904  # the same error, with its own cause
        finally:
            self.last_duration_s = time.perf_counter() - started

    async def _import(self, ticket: _Ticket) -> None:
        total: ImportReceipt | None = None
        async for step in self._importer.run(ticket.trigger):
            total = step.receipt if total is None else total.plus(step.receipt)
            if step.imported is not None:
                self._publish(step.imported)
                _log.info("%s", describe(step.receipt))
            if not ticket.receipt.done():
                # A notification about the bytes that were read already is no news: what they brought stays to be seen.
                if not step.repeats or ticket.trigger is not Trigger.WATCH:
                    self.last_receipt = step.receipt
                ticket.receipt.set_result(step.receipt)
            self.run_count += 1
            if total is not step.receipt:
                self.last_receipt = total
            if self._is_closing:
                return
        await self._note_success()

    async def _note_failure(self, trigger: Trigger, error: LedgerError | StorageError) -> None:
        """Log and record a failure when it begins or becomes another one, not each time it is met again."""
        self.failure_counts[error.code] = self.failure_counts.get(error.code, 0) + 1
        known, self.failure_code = self.failure_code, error.code
        if known == error.code:
            return
        _log.warning("import failed: %s [%s] %s", error, error.code, error.hint)
        if isinstance(error, LedgerError):
            await self._record(trigger, error.code)

    async def _note_success(self) -> None:
        code, self.failure_code = self.failure_code, None
        if code is not None and self.last_receipt is not None:
            _log.info("the ledger can be imported again after %s", code)
            await self._record(self.last_receipt.trigger, None)

    async def _record(self, trigger: Trigger, error_code: str | None) -> None:
        """Keep the begin or the end of a failure in the database, where ``aico status`` finds it."""
        last = self.last_receipt
        receipt = ImportReceipt(
            trigger=trigger,
            finished_at_ms=self._now_ms(),
            duration_ms=0.0,
            added_count=0,
            updated_count=0,
            skipped_count=0 if error_code or last is None else last.skipped_count,
            error_count=0 if error_code or last is None else last.error_count,
            remaining_count=0,
            latest_ts=None,
            revision=0,
        )
        try:
            await self._repository.record_run(receipt, error_code)
        except StorageError as error:
            _log.warning("the end or begin of a failure could not be recorded: %s", error)


@dataclass(slots=True)
class _Ticket:
    """What everybody waits for who asked before the same import began."""

    trigger: Trigger
    receipt: asyncio.Future[ImportReceipt]

    def settle(self, task: asyncio.Task[None]) -> None:
        """Hand the end of the import to those who still wait for its first receipt."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Hand ``error`` to those who still wait."""
        if not self.receipt.done():
            self.receipt.set_exception(error)
            self.receipt.exception()  # seen: perhaps nobody waits any more


def describe(receipt: ImportReceipt) -> str:
    """Return the one line that is logged and printed for a run."""
    parts = [f"{receipt.imported_count} imported ({receipt.added_count} new)", f"{receipt.skipped_count} unchanged"]
    if receipt.error_count:
        parts.append(f"{receipt.error_count} refused")
    if receipt.remaining_count:
        parts.append(f"{receipt.remaining_count} to follow")
    return f"{', '.join(parts)} in {receipt.duration_ms:.0f} ms [{receipt.trigger}]"
