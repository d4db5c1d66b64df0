"""The whole way from Cline's process to committed rows, over a long history in every way that Cline writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aico.core.usage import RejectionCode, Trigger
from aico.features.demo.texts import CANARY_PREFIX
from aico.features.sources.cline import LEDGER, SOURCE
from tests.emulator.broken_entries import BROKEN_ENTRIES, PARTIAL_ENTRIES, PARTIAL_TASKS
from tests.emulator.fake_cline_process import ClineProcess
from tests.emulator.update_lines import Update
from tests.faults.database_audit import audit
from tests.sources.pipeline import Pipeline, pipeline

UPDATES = 150
REFUSED = sorted(
    [
        *[(RejectionCode.NOT_AN_OBJECT, "")] * 3,
        (RejectionCode.MISSING, "id"),
        (RejectionCode.EMPTY, "id"),
        (RejectionCode.WRONG_TYPE, "ts"),
    ]
)
"""Why entries of the emulator are refused."""
PARTIAL = sorted(
    [
        (RejectionCode.NEGATIVE, "tokensIn"),
        (RejectionCode.TOO_LARGE, "tokensIn"),
        (RejectionCode.WRONG_TYPE, "tokensOut"),
        (RejectionCode.NOT_A_NUMBER, "totalCost"),
    ]
)
"""Why fields of others cannot be used."""


class Observer:
    """Reads after every update, and compares everything with what Cline says it wrote."""

    def __init__(self, reading: Pipeline, cline: ClineProcess, database: Path) -> None:
        self._reading = reading
        self._cline = cline
        self._database = database
        self._tasks = audit(database).tasks
        self.revision = 0

    async def follow(self, update: Update) -> None:
        """Read what ``update`` wrote and check receipt, rejections and rows."""
        before, known = self._tasks, len(self._reading.committed)
        (receipt,) = await self._reading.read(Trigger.WATCH)
        assert receipt.imported_count + receipt.skipped_count + receipt.error_count == update.entry_count
        assert receipt.remaining_count == 0
        refused = sorted((each.code, each.field or "") for each in receipt.rejections)
        partial = sorted((each.code, each.field or "") for each in receipt.partials)
        assert (refused, partial) == (REFUSED, PARTIAL)
        assert receipt.partial_count == len(PARTIAL_ENTRIES)
        found = audit(self._database)
        assert found.tasks == {**PARTIAL_TASKS, **self._cline.expected}
        assert receipt.imported_count == sum(before.get(task_id) != task for task_id, task in found.tasks.items())
        revisions = [commit.receipt.revision for commit in self._reading.committed[known:]]
        assert revisions == list(range(self.revision + 1, self.revision + 1 + len(revisions)))
        self.revision += len(revisions)
        assert found.revision == self.revision
        self._tasks = found.tasks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where Cline writes the ledger."""
    return tmp_path.resolve() / "cline" / "state" / "taskHistory.json"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "max_entries_per_run"), [(11, 10_000), (12, 10_000), (13, 7)])
async def test_stored_tasks_are_what_cline_wrote_after_every_update(
    path: Path, tmp_path: Path, seed: int, max_entries_per_run: int
) -> None:
    """Through 150 updates in all of Cline's ways nothing is lost, nothing invented, and no prompt is stored."""
    data = tmp_path / "data"
    data.mkdir()
    with ClineProcess(
        path,
        seed=seed,
        task_count=40,
        broken_count=len(BROKEN_ENTRIES),
        duplicate_count=4,
        surrogates=True,
        neighbours=True,
    ) as cline:
        paths = {LEDGER.id: (str(path),)}
        async with pipeline(data, [SOURCE], tmp_path, paths=paths, max_entries_per_run=max_entries_per_run) as reading:
            observer = Observer(reading, cline, data / "observer.db")
            await observer.follow(cline.updates[0])
            for _ in range(UPDATES):
                (update,) = await asyncio.to_thread(cline.step)
                await observer.follow(update)
            await observer.follow(await asyncio.to_thread(cline.settle))
    assert not any(CANARY_PREFIX.encode() in file.read_bytes() for file in data.iterdir())
