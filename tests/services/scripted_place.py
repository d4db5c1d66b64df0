"""Places that say what a test has written down, when the test says so; the pipeline behind them is the real one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from aico.core.db.database import Database
from aico.core.db.writer import Batch, UsageWriter
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.usage import MeterReading, ReadingCounts, Record, Rejection, RejectionCode, Trigger, digest
from aico.features.files.feed import Left, Look, Reading
from aico.features.sources.source import Origin, Source
from aico.services.ingest import Ingest
from aico.services.intake import Intake, IntakeKey

TS = 1_772_000_000_000
LIMIT = 10
"""Records of one transaction."""
SIZE_BYTES = 1_000
"""The size of a file in each reading."""


class Records(list[Record]):
    """The records of one reading; unlike a bare list it can be seen to be let go."""


@dataclass
class Script:
    """One reading of a scripted place."""

    count: int = 1
    """New sessions that it tells of."""
    error: Exception | None = None
    skipped_count: int = 3
    is_repeated: bool = False
    left: Left | None = None
    """The rest that it leaves for the script that follows."""
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the reading opens the place."""
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all is read, in the same step as the pipeline goes on."""

    def free(self) -> Script:
        """Let this reading run without waiting."""
        self.may_end.set()
        return self


class ScriptedFeed:
    """Plays one script after the other; counts how many run at once."""

    title = "script"
    names = ("script",)
    identity = None

    def __init__(self, path: str, scripts: Sequence[Script]) -> None:
        self.path = path
        self.directory = str(PurePosixPath(path).parent)
        self.place = digest(path)
        self.scripts = iter(scripts)
        self.triggers: list[Trigger] = []
        self.running = self.most_running = self.hurried_count = 0
        self.completed: list[int] = []
        """Numbers of records of the readings that were completed."""
        self.records: list[Callable[[], Records | None]] = []
        """How to find what was read, as long as anybody keeps it."""

    def look(self) -> Look:
        """Return that something is there."""
        return Look(None, 0, 0)

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return that nothing can be watched."""
        return None

    def resume(self, position: str | None) -> None:
        """Begin."""

    def hurry(self) -> None:
        """Count."""
        self.hurried_count += 1

    def take_time(self) -> None:
        """Go on."""

    async def read(self, trigger: Trigger) -> Reading:
        """Play the next script."""
        script = next(self.scripts)
        self.triggers.append(trigger)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        script.opened.set()
        try:
            await script.may_end.wait()
            if script.error is not None:
                raise script.error
            number = len(self.triggers)
            records = Records(
                MeterReading(f"{self.path}-{number}-{count}", TS, "m", 10, None, None, None, 1, None, 0.5)
                for count in range(script.count)
            )
            rejections = (Rejection(0, RejectionCode.MISSING, "id"),)
            script.ended.set()
            return Reading(
                records,
                ReadingCounts(trigger, script.skipped_count, rejections),
                repeats=script.is_repeated,
                size_bytes=SIZE_BYTES,
                left=script.left,
            )
        finally:
            self.running -= 1

    def complete(self, reading: Reading) -> None:
        """Count."""
        self.completed.append(len(reading.records))


class GatedWriter(UsageWriter):
    """The real writer behind a gate: a test sees each transaction come, and lets it go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, lambda: TS)
        self._is_held = False
        self._permits = asyncio.Semaphore(0)
        self.came: asyncio.Queue[Batch] = asyncio.Queue()
        self.errors: deque[Exception | None] = deque()
        """The errors of the next transactions."""

    def hold(self) -> None:
        """Let no transaction pass by itself from now on."""
        self._is_held = True

    def let_one_pass(self) -> None:
        """Let the next one pass, or the one that waits."""
        self._permits.release()

    def open(self) -> None:
        """Let all pass."""
        self._is_held = False
        self._permits.release()

    async def apply(self, batch: Batch) -> tuple[ImportReceipt, UsageCommitted | None]:
        """Wait for the gate, and store."""
        self.came.put_nowait(batch)
        if self._is_held:
            await self._permits.acquire()
        error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        return await super().apply(batch)


class Stage:
    """The pipeline under test, its places, and what it published."""

    def __init__(
        self, database: Database, places: Sequence[tuple[str, Sequence[Script]]], meter: str | None = None
    ) -> None:
        self.database = database
        self.writer = GatedWriter(database)
        self.published: list[tuple[str, int, int]] = []
        """Origin, number and what is to follow, of each change that was told."""
        self.ingest = Ingest(self.writer, self._publish, lambda: TS, LIMIT)
        self.feeds = {origin: ScriptedFeed(f"/{origin}/script", scripts) for origin, scripts in places}
        origins = tuple(Origin(origin, origin, lambda _around: (), _never, meter=meter) for origin in self.feeds)
        self.source = Source("tool", "Tool", origins)
        self.keys: dict[str, IntakeKey] = {}
        for origin in origins:
            intake = Intake(self.source, origin, self.feeds[origin.id])
            self.keys[origin.id] = intake.key
            self.ingest.add(intake)

    def _publish(self, event: UsageCommitted, intake: Intake, _reading: Reading) -> None:
        self.published.append((intake.origin.id, event.receipt.revision, event.receipt.remaining_count))

    async def run(self, trigger: Trigger = Trigger.WATCH, *origins: str) -> ImportReceipt:
        """Have some places read, by default the first one; return the receipt of the last of them."""
        names = origins or tuple(self.keys)[:1]
        return (await self.ingest.run(trigger, [self.keys[name] for name in names]))[-1]

    async def ask(self, trigger: Trigger = Trigger.WATCH, *origins: str) -> asyncio.Task[ImportReceipt]:
        """Return a task that has asked for that."""
        task = asyncio.create_task(self.run(trigger, *origins))
        for _ in range(3):
            # For the caller, and for the task that asks place after place for it.
            await asyncio.sleep(0)
        return task

    async def start(self) -> None:
        """Have every place read for the first time; its first script must be free and say nothing new."""
        await self.run(Trigger.STARTUP, *self.keys)

    async def list_runs(self) -> list[tuple[str | None, int]]:
        """Return error code and number of skipped entries of every recorded run."""
        async with self.database.asking() as ask:
            rows = await ask("SELECT error_code, skipped_count FROM import_run ORDER BY id")
            return [tuple(row) for row in rows]


def _never(_path: str, _limits: object) -> ScriptedFeed:
    raise NotImplementedError
