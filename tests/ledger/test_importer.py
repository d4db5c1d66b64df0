"""One import: what it reads, writes, counts and remembers, on real files and a real database."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import pytest

from aico.core.domain import ImportReceipt, RejectionCode, TaskUsage, Trigger
from aico.core.errors import LedgerFormat, LedgerNotFound, LedgerUnstable, StorageError
from aico.core.repository import UsageRepository
from aico.features.ledger import importer as importer_module
from aico.features.ledger import pieces as pieces_module
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.parser import read_piece
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.ledger.pieces import cut
from aico.features.ledger.reader import Snapshot, read_snapshot
from aico.features.stores.identity import FileIdentity, identity_of, text_of
from aico.features.stores.steps import ImportStep
from tests.ledger.disturbed_reading import DisturbedGuard, disturb_reading
from tests.ledger.handmade_ledgers import CANARY, GOOD, entry, entry_of, ledger, ledger_of, rejections, tasks
from tests.ledger.stored_rows import NOW_MS, Store

MAX_BYTES = 2 << 20
RETRIES_S = [0.05, 0.1, 0.2, 0.4, 0.8]


class LedgerFile:
    """Cline, as far as an import is concerned: somebody who writes the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, data: bytes) -> None:
        """Truncate and write."""
        self.path.write_bytes(data)

    def replace(self, data: bytes) -> None:
        """Put another file in its place."""
        newer = self.path.with_name("newer.json")
        newer.write_bytes(data)
        newer.replace(self.path)

    def grow(self) -> None:
        """Append a blank."""
        with self.path.open("ab") as file:
            file.write(b" ")

    def remove(self) -> None:
        """Delete it."""
        self.path.unlink()

    def touch(self, moment_ms: int) -> None:
        """Say that it was written at that moment."""
        os.utime(self.path, ns=(moment_ms * 1_000_000, moment_ms * 1_000_000))

    @property
    def identity(self) -> FileIdentity:
        """What ``stat`` tells of it now."""
        return identity_of(self.path.stat())


class Make(Protocol):
    """Makes an importer of the ledger into the database."""

    def __call__(
        self,
        *,
        read_attempts: int = 6,
        max_entries_per_run: int = 10_000,
        guard: LedgerGuard | None = None,
        now_ms: int = NOW_MS,
    ) -> LedgerImporter:
        """Return it."""
        ...


class Pauses:
    """Stands for ``asyncio.sleep``: notes each pause and lets somebody write meanwhile."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.meanwhile: Callable[[int], object] = lambda number: None

    async def sleep(self, seconds: float) -> None:
        """Let the pause of this number pass at once."""
        self.seconds.append(seconds)
        self.meanwhile(len(self.seconds))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """Return the pauses between attempts, which take no time."""
    pauses = Pauses()
    monkeypatch.setattr(asyncio, "sleep", pauses.sleep)
    return pauses


@pytest.fixture
def file(path: Path) -> LedgerFile:
    """Return the ledger's file, not written yet."""
    return LedgerFile(path)


@pytest.fixture
def make(path: Path, repository: UsageRepository) -> Make:
    """Return what makes an importer of the ledger into the database."""

    def make(
        *,
        read_attempts: int = 6,
        max_entries_per_run: int = 10_000,
        guard: LedgerGuard | None = None,
        now_ms: int = NOW_MS,
    ) -> LedgerImporter:
        return LedgerImporter(
            guard or LedgerGuard(str(path), MAX_BYTES),
            repository,
            read_attempts=read_attempts,
            max_entries_per_run=max_entries_per_run,
            now_ms=lambda: now_ms,
        )

    return make


async def run(importer: LedgerImporter, trigger: Trigger = Trigger.WATCH) -> list[ImportStep]:
    """Import to the end and return every step."""
    return [step async for step in importer.run(trigger)]


async def run_once(importer: LedgerImporter) -> ImportReceipt:
    """Import to the end and return the receipt of the only step."""
    (step,) = await run(importer)
    return step.receipt


def counts(receipt: ImportReceipt) -> tuple[int, int, int, int, int]:
    """Return added, updated, skipped, error and remaining."""
    return (
        receipt.added_count,
        receipt.updated_count,
        receipt.skipped_count,
        receipt.error_count,
        receipt.remaining_count,
    )


def by_id(*usages: TaskUsage) -> dict[str, TaskUsage]:
    """Return the tasks by their ids."""
    return {usage.task_id: usage for usage in usages}


async def test_first_import_stores_everything_and_counts_every_entry(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """Imported, skipped (the duplicates) and refused entries are the entries of the file."""
    usages = tasks(5)
    older = entry_of(usages[0]._replace(ts=1))
    file.write(ledger(*map(entry_of, usages), older, b"null", entry(id='"bad"', ts="-1")))
    (step,) = await run(make(), Trigger.STARTUP)
    assert counts(step.receipt) == (5, 0, 1, 2, 0)
    assert step.receipt.trigger is Trigger.STARTUP
    assert step.receipt.finished_at_ms == NOW_MS
    assert step.receipt.latest_ts == usages[-1].ts
    assert step.receipt.revision == store.revision() == 1
    assert step.receipt.rejections == rejections(
        (6, RejectionCode.NOT_AN_OBJECT, None), (7, RejectionCode.NEGATIVE, "ts")
    )
    assert step.imported is not None
    assert step.imported.receipt == step.receipt
    assert [row.usage for row in step.imported.rows] == usages[::-1]
    assert store.tasks() == by_id(*usages)
    store.check_accounts()


async def test_ledger_and_database_that_fail_together_are_one_failure(
    make: Make, repository: UsageRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """The ledger's is raised; the other one is not complained of by the event loop when it is thrown away."""
    with patch.object(repository, "get_known", side_effect=StorageError("it fails")), pytest.raises(LedgerNotFound):
        await run_once(make())
    gc.collect()
    assert caplog.messages == []


async def test_large_ledger_that_must_be_mended_is_read_once_more(
    file: LedgerFile, path: Path, make: Make, store: Store
) -> None:
    """Its first pieces are given back while the later ones are parsed; that one is no JSON is seen only then."""
    usages = tasks(30)
    long = b'"' + b"x" * (400 << 10) + b'"'
    whole = [entry_of(each).replace(b'"CANARY-prompt"', long) for each in usages]
    file.write(ledger(*whole, entry(id='"bad"', totalCost="NaN")))
    guard = LedgerGuard(str(path), 20 << 20)
    with patch.object(importer_module, "read_snapshot", wraps=read_snapshot) as reading:
        receipt = await run_once(make(guard=guard))
    assert reading.call_count == (2 if sys.platform == "linux" else 1)
    assert counts(receipt) == (30, 0, 0, 1, 0)
    assert receipt.rejections == rejections((30, RejectionCode.NOT_FINITE, "totalCost"))
    assert store.tasks() == by_id(*usages)
    store.check_accounts()


async def test_import_of_an_empty_array_is_a_reading_that_changes_nothing(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """A ledger without entries is whole: a receipt of zeros, nothing written, nothing to publish."""
    file.write(b"[]")
    importer = make()
    (step,) = await run(importer)
    assert counts(step.receipt) == (0, 0, 0, 0, 0)
    assert (step.receipt.latest_ts, step.receipt.revision, step.imported) == (None, 0, None)
    assert importer.fingerprint is not None
    assert store.revision() == store.run_count() == 0


async def test_follow_up_runs_write_the_rest_of_the_same_reading(
    file: LedgerFile, make: Make, store: Store, repository: UsageRepository
) -> None:
    """Three a run, newest first: the first run counts the whole file, the others only what they write."""
    usages = tasks(10)
    file.write(ledger(*map(entry_of, usages), entry_of(usages[3]._replace(ts=0)), b"7"))
    importer = make(max_entries_per_run=3)
    steps = []
    async for step in importer.run(Trigger.CLI):
        steps.append(step)
        assert store.revision() == step.receipt.revision == len(steps)
        assert len(store.tasks()) == min(10, 3 * len(steps))
        assert (importer.fingerprint is None) is (step.receipt.remaining_count > 0)
        assert await repository.has_read(importer.store, text_of(file.identity)) is (step.receipt.remaining_count == 0)
    assert [counts(step.receipt) for step in steps] == [
        (3, 0, 1, 1, 7),
        (3, 0, 0, 0, 4),
        (3, 0, 0, 0, 1),
        (1, 0, 0, 0, 0),
    ]
    first = steps[0].receipt
    assert first.imported_count + first.skipped_count + first.error_count + first.remaining_count == 12
    assert [len(step.receipt.rejections) for step in steps] == [1, 0, 0, 0]
    written = [row.usage for step in steps if step.imported for row in step.imported.rows]
    assert written == usages[::-1]
    store.check_accounts()


async def test_exactly_full_run_needs_no_further_one(file: LedgerFile, make: Make) -> None:
    """As many changes as one run takes are one run."""
    file.write(ledger_of(*tasks(3)))
    assert counts(await run_once(make(max_entries_per_run=3))) == (3, 0, 0, 0, 0)


async def test_import_that_is_left_after_a_step_is_completed_by_the_next(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """What was yielded is stored, and nothing is remembered as complete before it is."""
    usages = tasks(7)
    file.write(ledger_of(*usages))
    importer = make(max_entries_per_run=3)
    async for _ in importer.run(Trigger.WATCH):
        break
    assert len(store.tasks()) == 3
    assert importer.fingerprint is None
    assert [counts(step.receipt) for step in await run(importer)] == [(3, 0, 3, 0, 1), (1, 0, 0, 0, 0)]
    assert store.tasks() == by_id(*usages)


async def test_same_bytes_again_write_nothing_and_count_the_same(file: LedgerFile, make: Make, store: Store) -> None:
    """The second import of one file has all valid entries skipped, the refused ones again, and no revision."""
    file.write(ledger(*map(entry_of, tasks(4)), entry_of(tasks(1)[0]), b"null"))
    importer = make()
    first = await run_once(importer)
    (again,) = await run(importer, Trigger.REQUEST)
    assert counts(first) == (4, 0, 1, 1, 0)
    assert counts(again.receipt) == (0, 0, 5, 1, 0)
    assert again.repeats
    assert again.imported is None
    assert again.receipt.trigger is Trigger.REQUEST
    assert again.receipt.rejections == first.rejections
    assert again.receipt.latest_ts == first.latest_ts
    assert (again.receipt.revision, store.revision(), store.run_count()) == (1, 1, 1)


async def test_fingerprint_follows_a_file_that_is_only_touched(file: LedgerFile, make: Make) -> None:
    """The same bytes under another identity are a completed reading too: nobody has to read them once more."""
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)
    before = importer.fingerprint
    file.touch(1)
    await run(importer)
    assert importer.fingerprint is not None
    assert importer.fingerprint.identity == file.identity
    assert importer.fingerprint != before
    file.replace(ledger_of(GOOD))
    await run(importer)
    assert importer.fingerprint.identity == file.identity


async def test_other_bytes_with_the_same_entries_write_nothing(file: LedgerFile, make: Make, store: Store) -> None:
    """A star, a prompt, the order: what is none of the six fields changes no row."""
    usages = tasks(3)
    file.write(ledger_of(*usages))
    importer = make()
    await run(importer)
    file.write(b"\xef\xbb\xbf " + ledger(*[entry_of(usage)[:-1] + b',"isFavorited":true}' for usage in usages[::-1]]))
    (step,) = await run(importer)
    assert counts(step.receipt) == (0, 0, 3, 0, 0)
    assert step.imported is None
    assert not step.repeats
    assert importer.fingerprint is not None
    assert importer.fingerprint.identity == file.identity
    assert store.revision() == store.run_count() == 1


async def test_growth_is_imported_when_neither_ts_nor_number_of_entries_moves(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """Totals alone may move; the old feature missed exactly that."""
    usages = tasks(3)
    file.write(ledger_of(*usages))
    importer = make()
    await run(importer)
    grown = usages[1]._replace(tokens_in=5000, total_cost=9.5)
    file.write(ledger_of(usages[0], grown, usages[2]))
    receipt = await run_once(importer)
    assert counts(receipt) == (0, 1, 2, 0, 0)
    assert receipt.latest_ts == usages[2].ts
    assert store.tasks() == by_id(usages[0], grown, usages[2])
    store.check_accounts()


async def test_vanished_and_broken_entries_keep_their_rows(file: LedgerFile, make: Make, store: Store) -> None:
    """What the ledger no longer shows, or shows broken, stays as it was last known; its return changes nothing."""
    usages = tasks(3)
    file.write(ledger_of(*usages))
    importer = make()
    await run(importer)
    for data, expected in [
        (b"[]", (0, 0, 0, 0, 0)),
        (ledger(entry(id='"task-0001"', ts="null")), (0, 0, 0, 1, 0)),
        (ledger_of(usages[2]._replace(model_id=None)), (0, 0, 1, 0, 0)),
        (ledger_of(*usages[:2]), (0, 0, 2, 0, 0)),
    ]:
        file.write(data)
        receipt = await run_once(importer)
        assert counts(receipt) == expected
        assert receipt.latest_ts == usages[2].ts
        assert store.tasks() == by_id(*usages)


async def test_latest_ts_falls_back_with_the_newest_task(file: LedgerFile, make: Make) -> None:
    """The greatest ``ts`` is the one of the stored tasks now, not the greatest ever seen."""
    one, two = tasks(2)
    file.write(ledger_of(one, two))
    importer = make()
    await run(importer)
    file.write(ledger_of(one, two._replace(ts=one.ts - 5)))
    assert (await run_once(importer)).latest_ts == one.ts


async def test_receipt_names_the_first_rejections_and_counts_all(file: LedgerFile, make: Make) -> None:
    """A file full of broken entries makes a short receipt."""
    file.write(ledger(*[b"null"] * 30))
    receipt = await run_once(make())
    assert receipt.error_count == 30
    assert [rejection.index for rejection in receipt.rejections] == list(range(20))


async def test_receipt_tells_how_long_its_own_run_took(file: LedgerFile, make: Make) -> None:
    """In milliseconds, from the end of the run before; together no longer than the whole import."""
    file.write(ledger_of(*tasks(4)))
    started = time.perf_counter()
    steps = await run(make(max_entries_per_run=2))
    elapsed_ms = (time.perf_counter() - started) * 1000
    durations_ms = [step.receipt.duration_ms for step in steps]
    assert min(durations_ms) > 0
    assert round(sum(durations_ms), 3) <= round(elapsed_ms, 3) + 0.001


SECOND_LOOK_S = 0.1


async def test_young_file_that_was_read_before_counts_only_when_it_stays_the_same(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses
) -> None:
    """What a writer in place leaves for a moment is never imported; what stands still is."""
    mixed, final = ledger_of(GOOD, GOOD._replace(task_id="invented")), ledger_of(GOOD, GOOD._replace(task_id="real"))
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)

    def finish(_number: int) -> None:
        file.write(final)
        file.touch(NOW_MS)

    file.write(mixed)
    file.touch(NOW_MS)
    pauses.meanwhile = finish
    assert counts(await run_once(importer)) == (1, 0, 1, 0, 0)
    assert pauses.seconds == [SECOND_LOOK_S, SECOND_LOOK_S]
    assert set(store.tasks()) == {GOOD.task_id, "real"}


async def test_young_file_is_looked_at_twice_when_nothing_was_read_before(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses
) -> None:
    """Who has no earlier reading cannot know how the file is written."""
    file.write(ledger_of(GOOD))
    file.touch(NOW_MS)
    assert counts(await run_once(make(now_ms=NOW_MS + 99))) == (1, 0, 0, 0, 0)
    assert pauses.seconds == [SECOND_LOOK_S]
    assert store.tasks() == by_id(GOOD)


async def test_young_file_that_replaced_the_one_before_is_taken_at_once(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses
) -> None:
    """A finished file that was renamed over the old one cannot mix two generations."""
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)
    file.replace(ledger_of(*tasks(2)))
    file.touch(NOW_MS)
    assert counts(await run_once(importer)) == (2, 0, 0, 0, 0)
    assert pauses.seconds == []


async def test_file_of_the_same_bytes_is_not_looked_at_twice(file: LedgerFile, make: Make, pauses: Pauses) -> None:
    """A touch brings nothing that could be wrong."""
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)
    file.touch(NOW_MS)
    assert counts(await run_once(importer)) == (0, 0, 1, 0, 0)
    assert pauses.seconds == []


async def test_file_that_is_written_over_and_over_is_taken_in_the_end(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses
) -> None:
    """A stream of whole states without a rest is imported after the last attempt, not refused."""
    states = [ledger_of(GOOD._replace(tokens_in=number)) for number in range(7)]

    def write(number: int) -> None:
        file.write(states[number])
        file.touch(NOW_MS)

    write(0)
    pauses.meanwhile = write
    assert counts(await run_once(make())) == (1, 0, 0, 0, 0)
    assert pauses.seconds == [SECOND_LOOK_S] * 5
    assert store.tasks() == by_id(GOOD._replace(tokens_in=5))


async def test_unfinished_file_is_read_again_until_it_is_complete(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses
) -> None:
    """A writer that completes the file in the third pause is waited for, each pause twice as long as the one before."""
    data = ledger_of(*tasks(4))
    stages = [b"", data[:10], data[:-1], data]
    file.write(stages[0])
    pauses.meanwhile = lambda number: file.write(stages[number])
    assert counts(await run_once(make())) == (4, 0, 0, 0, 0)
    assert pauses.seconds == RETRIES_S[:3]
    assert store.tasks() == by_id(*tasks(4))


async def test_file_that_stands_still_and_is_no_ledger_is_refused(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses
) -> None:
    """After all attempts it is a wrong format; what was imported stays, and the good file is taken afterwards."""
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)
    file.write(ledger_of(GOOD)[:-5])
    with pytest.raises(LedgerFormat):
        await run(importer)
    assert pauses.seconds == RETRIES_S
    assert store.tasks() == by_id(GOOD)
    assert store.revision() == 1
    grown = GOOD._replace(tokens_in=9)
    file.write(ledger_of(grown))
    assert counts(await run_once(importer)) == (0, 1, 0, 0, 0)
    assert store.tasks() == by_id(grown)


async def test_file_that_changes_until_the_last_attempt_is_unstable(
    file: LedgerFile, make: Make, pauses: Pauses
) -> None:
    """A broken file that is never seen twice the same is still being written."""
    file.write(b"[")
    pauses.meanwhile = lambda number: file.write(b"[" + b" " * number)
    with pytest.raises(LedgerUnstable, match="after 6 attempts"):
        await run(make())
    assert pauses.seconds == RETRIES_S


async def test_file_that_comes_to_rest_before_the_last_attempt_is_refused(
    file: LedgerFile, make: Make, pauses: Pauses
) -> None:
    """Two equal looks at the end are a file that stands still, whatever happened before."""
    file.write(b"[")
    pauses.meanwhile = lambda number: file.write(b"[" + b" " * number) if number < 5 else None
    with pytest.raises(LedgerFormat):
        await run(make())


async def test_file_that_grows_under_every_reading_is_unstable(
    file: LedgerFile, make: Make, store: Store, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that may be of two moments are not even parsed; when the writer comes to rest, they are."""
    file.write(ledger_of(GOOD))
    disturb_reading(monkeypatch, file.grow, times=6, piece_bytes=MAX_BYTES)
    importer = make()
    with pytest.raises(LedgerUnstable):
        await run(importer)
    assert pauses.seconds == RETRIES_S
    assert store.tasks() == {}
    assert counts(await run_once(importer)) == (1, 0, 0, 0, 0)


async def test_single_attempt_refuses_a_broken_file_at_once(file: LedgerFile, make: Make, pauses: Pauses) -> None:
    """Where there is no second look, what is no ledger counts as standing still."""
    file.write(b"[")
    with pytest.raises(LedgerFormat):
        await run(make(read_attempts=1))
    assert pauses.seconds == []


async def test_single_attempt_finds_a_growing_file_unstable(
    file: LedgerFile, make: Make, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look that saw the file move says so, whatever its bytes are."""
    file.write(b"[]")
    disturb_reading(monkeypatch, file.grow, piece_bytes=MAX_BYTES)
    with pytest.raises(LedgerUnstable, match="after 1 attempts"):
        await run(make(read_attempts=1))
    assert pauses.seconds == []


async def test_missing_ledger_is_missing_at_once(file: LedgerFile, make: Make, store: Store, pauses: Pauses) -> None:
    """What the guard says is not tried again, and the rows stay."""
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)
    file.remove()
    with pytest.raises(LedgerNotFound):
        await run(importer)
    assert pauses.seconds == []
    assert store.tasks() == by_id(GOOD)


async def test_replaced_file_is_imported_whole_with_its_own_fingerprint(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """A rename during the reading leaves one whole older ledger, whose fingerprint is not the one of the newer file."""
    file.write(ledger_of(*tasks(1)))
    importer = make(guard=DisturbedGuard(file.path, MAX_BYTES, lambda: file.replace(ledger_of(*tasks(2)))))
    await run(importer)
    assert store.tasks() == by_id(*tasks(1))
    assert importer.fingerprint is not None
    assert importer.fingerprint.identity != file.identity
    await run(importer)
    assert store.tasks() == by_id(*tasks(2))


async def test_preview_counts_like_an_import_and_writes_nothing(
    file: LedgerFile, make: Make, repository: UsageRepository, store: Store
) -> None:
    """The dry run has the receipt of the whole import in one, and leaves database and importer as they were."""
    usages = tasks(5)
    file.write(ledger_of(*usages[:2]))
    importer = make(max_entries_per_run=2)
    await run(importer)
    fingerprint = importer.fingerprint
    grown = usages[0]._replace(tokens_in=7)
    file.write(ledger(*map(entry_of, [grown, *usages[1:], usages[1]]), b"null"))
    receipt = await importer.preview(await repository.get_known())
    assert counts(receipt) == (3, 1, 2, 1, 0)
    assert (receipt.trigger, receipt.revision, receipt.latest_ts) == (Trigger.CLI, 1, usages[1].ts)
    assert len(receipt.rejections) == 1
    assert importer.fingerprint == fingerprint
    assert store.tasks() == by_id(*usages[:2])
    assert store.revision() == store.run_count() == 1
    steps = await run(importer)
    assert sum(step.receipt.imported_count for step in steps) == receipt.imported_count


async def test_preview_of_known_bytes_still_compares_them(
    file: LedgerFile, make: Make, repository: UsageRepository
) -> None:
    """A preview does not trust what an import remembered."""
    file.write(ledger_of(GOOD))
    importer = make()
    await run(importer)
    assert counts(await importer.preview(await repository.get_known())) == (0, 0, 1, 0, 0)


def refuse(store: Store, task_id: str) -> None:
    """Let the database refuse the row of one task from now on."""
    store.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON cline_task_usage "
        f"WHEN NEW.task_id = '{task_id}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )


async def test_import_is_completed_exactly_after_the_database_failed_in_the_middle(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """The run that fails leaves nothing of itself, those before stay, and the next import writes exactly the rest."""
    usages = tasks(8)
    file.write(ledger_of(*usages))
    importer = make(max_entries_per_run=3)
    refuse(store, usages[3].task_id)
    steps = []
    with pytest.raises(StorageError):  # noqa: PT012 - what was yielded before the failure counts
        async for step in importer.run(Trigger.WATCH):
            steps.append(step)  # noqa: PERF401 - the same
    assert [counts(step.receipt) for step in steps] == [(3, 0, 0, 0, 5)]
    assert store.tasks() == by_id(*usages[5:])
    assert store.revision() == 1
    assert importer.fingerprint is None
    with pytest.raises(StorageError):
        await run(importer)
    assert store.tasks() == by_id(*usages[5:])
    store.execute("DROP TRIGGER refuse")
    assert [counts(step.receipt) for step in await run(importer)] == [(3, 0, 3, 0, 2), (2, 0, 0, 0, 0)]
    assert store.tasks() == by_id(*usages)
    assert store.revision() == 3
    store.check_accounts()


@pytest.mark.parametrize(
    "change", ["UPDATE database_state SET revision = revision + 1", "UPDATE database_state SET epoch = 'another'"]
)
async def test_known_bytes_are_compared_again_when_the_database_is_not_where_it_was(
    file: LedgerFile, make: Make, store: Store, change: str
) -> None:
    """After somebody else has written, the digest of the last reading proves nothing about what is stored."""
    usages = tasks(3)
    data = ledger_of(*usages)
    file.write(data)
    importer = make()
    await run(importer)
    refuse(store, "new")
    store.execute(change)
    store.execute("DELETE FROM cline_task_usage WHERE task_id = 'task-0001'")
    file.write(ledger_of(*usages, GOOD._replace(task_id="new")))
    with pytest.raises(StorageError):
        await run(importer)
    file.write(data)
    (step,) = await run(importer)
    assert counts(step.receipt) == (1, 0, 2, 0, 0)
    assert not step.repeats
    assert store.tasks() == by_id(*usages)


async def test_grown_entry_of_a_large_ledger_is_imported_beside_pieces_that_are_known(
    file: LedgerFile, make: Make, store: Store
) -> None:
    """Most of the file is not parsed again, but every entry is counted, and one that fell out is not missed."""
    usages = tasks(600)
    prompt = f'"{CANARY}{"x" * 1_500}"'

    def write() -> None:
        data = ledger(*(entry_of(usage).replace(f'"{CANARY}"'.encode(), prompt.encode()) for usage in usages))
        assert len(cut(bytearray(data))) > 3
        file.write(data)

    importer = make()
    write()
    await run(importer)
    usages[300] = usages[300]._replace(tokens_in=usages[300].tokens_in + 1)
    write()
    with patch.object(pieces_module, "read_piece", wraps=read_piece) as reading:
        (step,) = await run(importer)
    assert reading.call_count == 1
    assert counts(step.receipt) == (0, 1, 599, 0, 0)
    assert store.tasks() == by_id(*usages)
    store.check_accounts()


async def test_known_bytes_need_no_comparison_after_a_refused_file(
    file: LedgerFile, make: Make, pauses: Pauses
) -> None:
    """A file that was broken for a while and is what it was again changes nothing."""
    data = ledger_of(*tasks(2))
    file.write(data)
    importer = make()
    await run(importer)
    file.write(b"{")
    with pytest.raises(LedgerFormat):
        await run(importer)
    file.write(data)
    (step,) = await run(importer)
    assert step.repeats
    assert counts(step.receipt) == (0, 0, 2, 0, 0)


@pytest.mark.parametrize("is_whole", [True, False])
async def test_bytes_of_the_ledger_do_not_outlive_the_import(
    file: LedgerFile, make: Make, store: Store, monkeypatch: pytest.MonkeyPatch, pauses: Pauses, is_whole: bool
) -> None:
    """Whether it succeeds or fails, every buffer is full of zeros, and neither error nor database holds a prompt."""
    file.write(ledger_of(*tasks(2)) if is_whole else ledger_of(*tasks(2))[:-1])
    snapshots: list[Snapshot] = []

    def read(guard: LedgerGuard, now_ms: int) -> Snapshot:
        snapshots.append(read_snapshot(guard, now_ms))
        return snapshots[-1]

    monkeypatch.setattr(importer_module, "read_snapshot", read)
    text = ""
    try:
        await run(make())
    except LedgerFormat as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert bool(text) is not is_whole
    assert CANARY not in text
    assert len(snapshots) == (1 if is_whole else 6)
    assert not any(any(snapshot.buffer) for snapshot in snapshots)
    assert not store.contains(CANARY.encode())


async def test_refusal_keeps_no_byte_of_the_ledger(file: LedgerFile, make: Make, pauses: Pauses) -> None:
    """Whoever remembers why an import failed must not remember the file: its trace reaches no buffer."""
    file.write(ledger_of(GOOD)[:-1])
    with pytest.raises(LedgerFormat) as raised:
        await run(make())
    frames = [frame for frame, _line in traceback.walk_tb(raised.value.__traceback__)]
    kept = [value for frame in frames for value in frame.f_locals.values()]
    assert not [value for value in kept if isinstance(value, bytearray | Snapshot)]
    assert raised.value.__context__ is None


async def test_hurried_import_waits_for_the_file_no_more(file: LedgerFile, make: Make, pauses: Pauses) -> None:
    """When somebody waits for the next import, an unfinished file ends this one; the next takes its time again."""
    file.write(ledger_of(GOOD)[:-1])
    importer = make()
    pauses.meanwhile = lambda _number: importer.hurry()
    with pytest.raises(LedgerFormat):
        await run(importer)
    assert len(pauses.seconds) == 1
    importer.take_time()
    pauses.meanwhile = lambda _number: file.write(ledger_of(GOOD))
    assert counts(await run_once(importer)) == (1, 0, 0, 0, 0)
