"""The whole way from Cline's process to committed rows, over long histories in every way that Cline writes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from aico.core.domain import RejectionCode, Trigger
from aico.core.errors import LedgerUnstable
from aico.core.repository import UsageRepository
from aico.features.demo.texts import CANARY_PREFIX
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.path_guard import LedgerGuard
from tests.emulator.broken_entries import BROKEN_ENTRIES
from tests.emulator.fake_cline_process import ClineProcess
from tests.emulator.update_lines import Update
from tests.emulator.ways_of_writing import ALL_WAYS
from tests.ledger.stored_rows import Store

UPDATES = 150
BROKEN = sorted(
    [
        *[(RejectionCode.NOT_AN_OBJECT, "")] * 3,
        (RejectionCode.MISSING, "id"),
        (RejectionCode.EMPTY, "id"),
        (RejectionCode.WRONG_TYPE, "ts"),
        (RejectionCode.NEGATIVE, "tokensIn"),
        (RejectionCode.TOO_LARGE, "tokensIn"),
        (RejectionCode.WRONG_TYPE, "tokensOut"),
        (RejectionCode.NOT_A_NUMBER, "totalCost"),
    ]
)
"""Why each of the emulator's broken entries is refused."""


class Observer:
    """Imports after every update, and compares everything with what Cline says it wrote."""

    def __init__(self, importer: LedgerImporter, cline: ClineProcess, store: Store) -> None:
        self._importer = importer
        self._cline = cline
        self._store = store
        self.revision = 0

    async def follow(self, update: Update) -> None:
        """Import what ``update`` wrote and check receipts, rejections and rows."""
        before = self._store.tasks()
        steps = [step async for step in self._importer.run(Trigger.WATCH)]
        first = steps[0].receipt
        entry_count = first.imported_count + first.skipped_count + first.error_count + first.remaining_count
        assert entry_count == update.entry_count
        assert sorted((rejection.code, rejection.field or "") for rejection in first.rejections) == BROKEN
        after = self._store.tasks()
        assert after == self._cline.expected
        written = sum(step.receipt.imported_count for step in steps)
        assert written == sum(before.get(task_id) != usage for task_id, usage in after.items())
        committed = [step.receipt.revision for step in steps if step.imported is not None]
        assert committed == list(range(self.revision + 1, self.revision + 1 + len(committed)))
        self.revision += len(committed)
        assert self._store.revision() == self.revision


@pytest.mark.parametrize(("seed", "max_entries_per_run"), [(11, 10_000), (12, 10_000), (13, 7)])
@pytest.mark.slow
async def test_stored_tasks_are_what_cline_wrote_after_every_update(
    path: Path, repository: UsageRepository, store: Store, seed: int, max_entries_per_run: int
) -> None:
    """Through 150 updates in all of Cline's ways nothing is lost, nothing invented, and no prompt is stored."""
    importer = LedgerImporter(
        LedgerGuard(str(path), 1 << 28),
        repository,
        read_attempts=6,
        max_entries_per_run=max_entries_per_run,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    with ClineProcess(
        path,
        seed=seed,
        task_count=40,
        broken_count=len(BROKEN_ENTRIES),
        duplicate_count=4,
        surrogates=True,
        neighbours=True,
    ) as cline:
        observer = Observer(importer, cline, store)
        await observer.follow(cline.updates[0])
        for _ in range(UPDATES):
            (update,) = await asyncio.to_thread(cline.step)
            await observer.follow(update)
        await observer.follow(await asyncio.to_thread(cline.settle))
    store.check_accounts()
    assert not store.contains(CANARY_PREFIX.encode())


async def test_observer_that_missed_updates_converges_after_the_last(
    path: Path, repository: UsageRepository, store: Store
) -> None:
    """Imports beside a Cline that writes all the time come late and skip states; one after it rests has everything."""
    importer = LedgerImporter(
        LedgerGuard(str(path), 1 << 28),
        repository,
        read_attempts=6,
        max_entries_per_run=10_000,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    with ClineProcess(path, seed=21, task_count=40, duplicate_count=2, surrogates=True, ways=ALL_WAYS) as cline:
        writing = asyncio.create_task(asyncio.to_thread(cline.step, UPDATES))
        while not writing.done():
            # What is never whole for as long as the reader has patience is refused as such, and looked at again.
            with contextlib.suppress(LedgerUnstable):
                _ = [step async for step in importer.run(Trigger.WATCH)]
        await writing
        await asyncio.to_thread(cline.settle)
        _ = [step async for step in importer.run(Trigger.WATCH)]
        assert store.tasks() == cline.expected
    store.check_accounts()
