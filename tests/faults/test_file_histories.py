"""Long histories of accidents: after each the ledger is good again, and the database says what it says, exactly."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from aico.core.db.database import Database
from aico.core.errors import SourceError
from aico.core.usage import Trigger
from aico.features.sources.cline import SOURCE
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, now_ms
from tests.emulator.ledger_truth import Task
from tests.emulator.ways_of_writing import ALL_WAYS, Way, write_ledger
from tests.faults.database_audit import audit
from tests.faults.fault_counts import SEED, count_of, rng_of
from tests.faults.generation_ledgers import Generations
from tests.faults.ledger_accidents import ACCIDENTS, DECOY_ID, Accident, Scene
from tests.faults.nonstop_ledger_writer import HANG_S, writing
from tests.services.recorded_watcher import Watched, watching
from tests.sources.pipeline import pipeline

TASKS = 12
STORM_TASKS = 50
CLOCKS_MS = (0, 0, -3_600_000, 86_400_000, -1_700_000_000_000)
FAR_NS = (None, None, None, 1_000_000_000, 4_102_444_800_000_000_000)
"""Times that a write is given afterwards: its own, 1970, 2100."""


class History:
    """A ledger that changes, and all that an observer must hold of it."""

    def __init__(self, path: Path, rng: Random) -> None:
        self.rng = rng
        self.scene = Scene(path, rng)
        self.expected: dict[str, Task] = {}
        self.clock_offset_ms = 0
        self._present: dict[str, Task] = {}

    def next_ledger(self) -> bytes:
        """Let some tasks spend, appear and vanish; return the file that says so.

        Every number keeps its width, so that a mixture of two states invents no task of its own.
        """
        for number in self.rng.sample(range(TASKS), 3):
            task_id = f"task-{number:02}"
            numbers = (self.rng.randrange(10**5, 10**6), self.rng.randrange(10**5, 10**6))
            ts = 1_772_000_000_000 + self.rng.randrange(10**9)
            self._present[task_id] = Task(task_id, ts, "m", *numbers, self.rng.randrange(8_000, 80_000) / 8)
        if len(self._present) > 4 and self.rng.random() < 0.3:
            del self._present[self.rng.choice(sorted(self._present))]
        self.expected.update(self._present)
        return b"[" + b",".join(map(_entry, self._present.values())) + b"]"

    def write(self, data: bytes) -> None:
        """Make the file ``data`` in one of Cline's ways, perhaps with another time than now."""
        self.scene.restore()
        ways = [way for way in ALL_WAYS if way is not Way.IN_PLACE or not self.clock_offset_ms]
        write_ledger(self.rng.choice(ways), self.scene.path, data, self.rng)
        moment = self.rng.choice(FAR_NS)
        if moment is not None:
            os.utime(self.scene.path, ns=(moment, moment))

    def clock(self) -> int:
        """Return the present of a clock that somebody sets."""
        return now_ms() + self.clock_offset_ms


def _entry(usage: Task) -> bytes:
    fields = f'"tokensIn":{usage.tokens_in},"tokensOut":{usage.tokens_out},"totalCost":{usage.total_cost:.3f}'
    return f'{{"id":"{usage.task_id}","ts":{usage.ts},"task":"{PRIVATE}",{fields},"modelId":"m"}}'.encode()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Open an empty database."""
    database = Database(tmp_path / "database" / "observer.db")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger that does not exist yet, in a directory that does."""
    return LedgerFile(tmp_path.resolve() / "cline" / "state" / "taskHistory.json")


async def ask(watched: Watched) -> None:
    """Import as somebody does who presses the button just now, whatever comes of it."""
    with contextlib.suppress(SourceError):
        await watched.ingest.run(Trigger.REQUEST, (watched.intake.key,))


async def survive(history: History, watched: Watched, accident: Accident) -> None:
    """Let ``accident`` happen, then be over; return when everything is stored, and nothing else."""
    data = history.next_ledger()
    before = watched.tasks()
    await asyncio.to_thread(accident, history.scene, data)
    if history.rng.random() < 0.5:
        await ask(watched)
        tasks = watched.tasks()
        assert {task_id: tasks[task_id] for task_id in before} == before
    await asyncio.to_thread(history.write, data)
    await watched.until_stored(lambda tasks: tasks == history.expected)


async def test_every_accident_ends_in_the_exact_state(ledger: LedgerFile, database: Database) -> None:
    """Each accident once, one after the other, also while somebody asks for an import."""
    history = History(ledger.path, rng_of("each accident"))
    async with watching(ledger, database, clock=history.clock) as watched:
        await asyncio.to_thread(history.write, history.next_ledger())
        await watched.until_stored(lambda tasks: tasks == history.expected)
        for accident in ACCIDENTS:
            await survive(history, watched, accident)
        assert DECOY_ID not in watched.tasks()
    audit(database.path)


async def test_random_accidents_end_in_the_exact_state(ledger: LedgerFile, database: Database) -> None:
    """Histories of accidents, with clocks that jump and files of other centuries, lose nothing and invent nothing."""
    rounds = count_of("accidents in histories", quick=60, soak=5_000)
    history = History(ledger.path, rng_of("histories"))
    async with watching(ledger, database, clock=history.clock) as watched:
        await asyncio.to_thread(history.write, history.next_ledger())
        for _ in range(rounds):
            history.clock_offset_ms = history.rng.choice(CLOCKS_MS)
            await survive(history, watched, history.rng.choice(ACCIDENTS))
        assert DECOY_ID not in watched.tasks()
    audit(database.path)
    assert not any(PRIVATE.encode() in file.read_bytes() for file in database.path.parent.iterdir() if file.is_file())


async def test_storm_of_renames_ends_in_its_last_state(ledger: LedgerFile, database: Database) -> None:
    """While another process replaces the file without a rest, imports go on; after it, the last state is stored."""
    storms = count_of("storms of renames", quick=1, soak=20)
    generations = Generations(STORM_TASKS, SEED)
    async with watching(ledger, database) as watched:
        for _ in range(storms):
            watched.forget()
            with writing(ledger.path, Way.RENAME, entry_count=STORM_TASKS, seed=SEED) as writer:
                for _ in range(3):
                    async with asyncio.timeout(HANG_S):
                        await watched.imported.get()
                last = await asyncio.to_thread(writer.stop)
            await watched.until_stored(generations.are_of(last))


async def test_many_entries_are_imported_to_the_last(ledger: LedgerFile, tmp_path: Path) -> None:
    """A ledger of any number of entries is stored whole, run after run, and its accounts agree."""
    count = count_of("entries in one import", quick=20_000, soak=1_000_000)
    small = '{"id":"%d","ts":%d,"tokensIn":3,"tokensOut":2,"totalCost":0.25}'
    ledger.overwrite(f"[{','.join(small % (number, number) for number in range(count))}]".encode())
    paths = {"ledger": (str(ledger.path),)}
    async with pipeline(tmp_path, [SOURCE], tmp_path, paths=paths) as reading:
        await reading.read(Trigger.CLI)
    assert [commit.receipt.added_count for commit in reading.committed] == [10_000] * (count // 10_000)
    assert len(audit(tmp_path / "observer.db").tasks) == count
