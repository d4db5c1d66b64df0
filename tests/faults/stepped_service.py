"""A small world, driven step by step: ledger, database, watcher, hub and pages are real, time is not.

Nothing runs by itself here: a tick is a call. So a history of steps can be drawn, shrunk and repeated, and the model
that it is held against is exact after every step, not only in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from aico.core.db import database as database_module
from aico.core.db.database import Database
from aico.core.db.reader import Sort, UsageReader
from aico.core.db.writer import UsageWriter
from aico.core.errors import SourceError, StorageError
from aico.core.events import WatcherState
from aico.core.receipts import UsageCommitted
from aico.core.usage import Trigger
from aico.features.demo.writer import replace_file
from aico.features.files.feed import Reading, ReadLimits
from aico.features.sources.cline import LEDGER, SOURCE
from aico.services import hub as hub_module
from aico.services import messages
from aico.services.hub import Hub, Subscription
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from aico.services.notifier import Notifier, Watch
from aico.services.queries import UsageQueries
from aico.services.task_queries import task_filter
from aico.services.task_shapes import UsageOut
from aico.services.watcher import PlaceWatcher, WatchTimes
from tests.core.repository_on_file import copy_of_template, read_rows
from tests.emulator.ledger_truth import Task
from tests.faults.database_audit import audit
from tests.faults.life_model import Entry, LedgerModel, newest_first

RUN_LIMIT = 2
REPLAY_COUNT = 6
QUEUE_SIZE = 8
NEVER = WatchTimes(debounce_s=0, tick_s=3_600, rescan_interval_s=3_600, backoff_max_s=3_600)
_SHORT_S = 0.02
_FIRST_WRITE_NS = 1_772_000_000_000_000_000


class SilentWatch(Watch):
    """Stands in for notifications on a machine that loses every one."""

    error = None
    is_watching = True

    def __init__(self) -> None:
        super().__init__(Notifier(), lambda _path: None, lambda: None)

    async def start(self, main: str, *names: str, folders: Collection[str] = ()) -> None:
        """Watch nothing."""

    async def stop(self) -> None:
        """Do nothing."""


class Page:
    """A dashboard: holds rows, goes on where it was, and reads everything again when it is told to."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.epoch: str | None = None
        self.revision: int | None = None
        self._stack = ExitStack()
        self._subscription: Subscription | None = None

    @property
    def is_connected(self) -> bool:
        """True while it listens."""
        return self._subscription is not None

    @property
    def waiting_count(self) -> int:
        """How many messages it has not taken yet."""
        return 0 if self._subscription is None else self._subscription._queue.qsize()

    def connect(self, hub: Hub) -> None:
        """Listen, from where it was."""
        self._subscription = self._stack.enter_context(hub.subscribe(self.epoch, self.revision))

    def disconnect(self) -> None:
        """Break off. Messages that it has not taken by now are lost with the connection."""
        self._subscription = None
        self._stack.close()

    async def take(self, count: int | None, queries: UsageQueries) -> None:
        """Take so many messages, or all that there are."""
        while self._subscription is not None and self.waiting_count and count != 0:
            text = await self._subscription.get()
            count = None if count is None else count - 1
            if text is None:
                assert self._subscription.lagged.is_set()
                self.disconnect()
            else:
                await self._hear(json.loads(text), queries)

    async def _hear(self, message: Mapping[str, object], queries: UsageQueries) -> None:
        if message["type"] == "resync" or (message["type"] == "hello" and self.revision is None):
            self.epoch, self.revision = str(message["epoch"]), _int(message["revision"])
            self.tasks = await list_tasks(queries)
        elif message["type"] == "cline_usage_updated":
            assert (message["epoch"], message["revision"]) == (self.epoch, _int(self.revision) + 1), "gap or repetition"
            self.revision = _int(message["revision"])
            rows = message["rows"]
            assert isinstance(rows, list)
            for row in rows:
                task = Task(*(row[name] for name in Task._fields))
                self.tasks[task.task_id] = task


async def list_tasks(queries: UsageQueries) -> dict[str, Task]:
    """Return what a page reads of all tasks."""
    every = task_filter(model=None, is_model_unknown=False, text=None, store=None, from_ms=None, to_ms=None)
    page = await queries.list_sessions(every, Sort.LAST, descending=True, limit=1_000, offset=0, has_task_rows=True)
    items = UsageOut.of(page, 1_000, 0).items
    return {item.task_id: Task(*(getattr(item, name) for name in Task._fields)) for item in items}


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


class World:
    """The file, the service of the moment, the pages, and the model of what must be stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "cline" / "taskHistory.json"
        self.path.parent.mkdir()
        self.now_ms = 1_780_000_000_000
        self.on_disk: list[Entry] | None = None
        """Valid entries of the file; None while it is none."""
        self.model = LedgerModel()
        self.revision = 0
        self._remembered: dict[str, Entry] = {}
        """Entries that the present life knows to be stored, and hands over no more."""
        self._handed: list[list[Entry]] | None = None
        """The last reading's entries, by transaction; None when no reading can have been stored to its end."""
        self.pages = [Page() for _ in range(3)]
        self._lives = self._written = 0
        self.open(copy_of_template(self._new_folder()))

    # -- the service

    def open(self, database_path: Path) -> None:
        """Begin a life of the service on ``database_path``."""
        self.database = Database(database_path)
        self.writer = UsageWriter(self.database, lambda: self.now_ms)
        # Far later than the file system's clock: no file is so young that it must be read twice.
        limits = ReadLimits(max_bytes=1 << 20, read_attempts=1, now_ms=lambda: 1 << 42)
        self.intake = Intake(SOURCE, LEDGER, LEDGER.open(str(self.path), limits))
        self.hub = Hub(messages.encode, "1", 16)
        self.ingest = Ingest(self.writer, self._publish, lambda: self.now_ms, RUN_LIMIT)
        self.ingest.add(self.intake)
        self.watcher = PlaceWatcher(self.intake, self.ingest, NEVER, lambda _state: None, lambda: self.now_ms)
        self.watcher._watch = SilentWatch()
        self.queries = UsageQueries(UsageReader(self.database), lambda: self.now_ms)
        self._remembered = {}
        self._trigger = Trigger.STARTUP

    async def start(self) -> None:
        """Open the database as a start does."""
        await self.database.open()
        self.hub.open(*await self.writer.get_position())
        await self.intake.resume(self.writer)

    async def end(self) -> None:
        """End the life of the service well."""
        for page in self.pages:
            page.disconnect()
        await self.ingest.finish(self.intake.key)
        await self.ingest.close()
        await self.database.close()

    async def restart(self) -> None:
        """End, and begin anew on the same file."""
        await self.end()
        self.open(self.database.path)
        await self.start()

    async def die(self, statement: int) -> None:
        """Tick, and die before the ``statement``-th statement or commit of it; go on with the files of that moment.

        A killed process leaves its files as they are at that moment: they are copied then.
        """
        folder = self._new_folder()
        heard: list[int] = []

        def copy() -> None:
            _copy(self.database.path, folder)
            heard.extend(page.waiting_count for page in self.pages)

        await self.let_pages_hear()
        async with _before_statement(self.database, statement, copy):
            await self.tick(forced=True)
        if not heard:
            copy()
        for page, count in zip(self.pages, heard, strict=True):
            await page.take(count, self.queries)
        await self.end()
        self.open(folder / "observer.db")
        await self.start()

    def _new_folder(self) -> Path:
        self._lives += 1
        folder = self.folder / f"life-{self._lives}"
        folder.mkdir()
        return folder

    def _publish(self, committed: UsageCommitted, _intake: Intake, _reading: Reading) -> None:
        self.hub.publish_change(committed.receipt.revision, *messages.of_commit(committed))

    # -- what happens

    async def tick(self, *, forced: bool = False) -> None:
        """Sweep as the watcher does on a tick, or on a rescan."""
        self._hand_over()
        trigger, self._trigger = self._trigger, Trigger.RESCAN if forced else Trigger.WATCH
        glance = await asyncio.to_thread(self.watcher._glance)
        await self.watcher._visit(trigger, glance, forced=forced or trigger is Trigger.STARTUP)
        await self.ingest.finish(self.intake.key)

    async def request(self) -> None:
        """Import as somebody does who presses the button."""
        self._hand_over()
        with suppress(SourceError, StorageError):
            await self.ingest.run(Trigger.REQUEST, (self.intake.key,))
        await self.ingest.finish(self.intake.key)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let another program hold the database's lock."""
        with closing(sqlite3.connect(self.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
            self._handed = None

    def write(self, entries: list[Entry], form: str, broken: int) -> None:
        """Write the ledger in one of Cline's ways, with some broken entries among the good ones."""
        listed: list[object] = [_fields(entry) for entry in entries]
        listed += [{"id": f"broken-{number}", "ts": -1} for number in range(broken)]
        data = json.dumps(listed, indent=2 if form == "pretty" else None).encode()
        self._make_place()
        if form == "rename":
            replace_file(self.path, data)
        elif form == "in place" and self.path.exists():
            with self.path.open("r+b") as file:
                file.write(data)
                file.truncate()
        else:
            self.path.write_bytes(data)
        self._written += 1
        # The system's clock stands still for milliseconds: what `stat` cannot see is the rescan's, not the tick's.
        moment = _FIRST_WRITE_NS + self._written
        os.utime(self.path, ns=(moment, moment))
        self.on_disk = entries

    def spoil(self, how: str) -> None:
        """Make it no ledger."""
        self._make_place()
        self.on_disk = None
        if how == "folder":
            shutil.rmtree(self.path.parent)
        elif how == "file":
            self.path.unlink(missing_ok=True)
        elif how == "link":
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(self.folder / "elsewhere")
        else:
            self.path.write_bytes({"torn": b'[{"id":"1","ts":', "empty": b"", "object": b"{}"}[how])

    def _make_place(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        if self.path.is_symlink():
            self.path.unlink()

    # -- what must be true

    def has_broken_off(self) -> None:
        """Note that a reading was not stored to its end: the next one hands over everything."""
        self._remembered = {}

    def _hand_over(self) -> None:
        """Note what a reading of the file would hand over now: the newest first, without what it knows to be stored."""
        news = newest_first(each for each in self.on_disk or () if self._remembered.get(each.task_id) != each)
        self._handed = [news[start : start + RUN_LIMIT] for start in range(0, len(news), RUN_LIMIT)]

    def stored_runs(self) -> int:
        """Return how many runs were committed since the last look."""
        ((now,),) = read_rows(self.database.path, "SELECT revision FROM database_state")
        before, self.revision = self.revision, _int(now)
        assert self.revision >= before
        return self.revision - before

    def post(self, runs: int) -> int:
        """Enter ``runs`` runs of the last reading into the model; return how many entries are left to be stored."""
        handed, self._handed = self._handed or [], None
        for number, part in enumerate(handed):
            if any(map(self.model.differs, part)):
                if not runs:
                    break
                runs -= 1
            self.model.take_in(part)
            if number + 1 == len(handed):
                self._remembered.update((entry.task_id, entry) for each in handed for entry in each)
        assert not runs, "something was stored that does not stand in the file"
        return sum(map(self.model.differs, self.on_disk or ()))

    def check(self) -> None:
        """Fail unless the database is exactly what the model says: rows, what was booked, and the highest numbers."""
        found = audit(self.database.path)
        assert found.revision == self.revision
        assert found.tasks == self.model.tasks()
        assert found.growth == self.model.growth()
        assert found.highs == self.model.highs()

    def check_quiet(self) -> None:
        """Fail unless a good file is stored wholly, and the watcher's state says what the file is."""
        is_watching = self.watcher.state.state is WatcherState.WATCHING
        assert is_watching == (self.on_disk is not None), self.watcher.state
        if self.on_disk is not None:
            assert self.post(0) == 0, "a good entry that was on the disk is not stored"

    async def let_pages_hear(self) -> None:
        """Let every page take everything that waits for it."""
        for page in self.pages:
            await page.take(None, self.queries)

    def check_pages(self) -> None:
        """Fail unless every page that listens and has heard everything holds what is stored."""
        stored = self.model.tasks()
        for page in self.pages:
            if page.is_connected:
                assert page.revision == self.hub.revision == self.revision
                assert page.tasks == stored


def _fields(entry: Entry) -> dict[str, object]:
    """Return ``entry`` as an element of the ledger; what is unknown is a field that cannot be used."""
    numbers = {"tokensIn": entry.tokens_in, "tokensOut": entry.tokens_out, "totalCost": entry.total_cost}
    known = {name: -1 if number is None else number for name, number in numbers.items()}
    model = {} if entry.model_id is None else {"modelId": entry.model_id}
    return {"id": entry.task_id, "ts": entry.ts, **known, **model}


def _copy(database: Path, folder: Path) -> None:
    for suffix in ("", "-wal"):
        file = database.with_name(database.name + suffix)
        if file.exists():
            shutil.copy(file, folder / f"observer.db{suffix}")


@asynccontextmanager
async def _before_statement(database: Database, statement: int, happening: Callable[[], None]) -> AsyncIterator[None]:
    """Let something happen before the ``statement``-th statement of the block that writes; commits count as such."""
    # The commit of the transaction in which the tracing begins is seen, too.
    left = statement + 1

    def look(_statement: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            happening()

    await trace(database, look)
    try:
        yield
    finally:
        await trace(database, None)


async def trace(database: Database, look: Callable[[str], None] | None) -> None:
    """Let ``look`` be called before each statement that writes to ``database``, or nobody."""
    await database.write(lambda connection: connection.set_trace_callback(look))


@contextmanager
def impatient() -> Iterator[None]:
    """Wait for locks, and keep messages, only as long as a small world needs."""
    with (
        patch.object(database_module, "BUSY_TIMEOUT_S", _SHORT_S),
        patch.object(hub_module, "REPLAY_COUNT", REPLAY_COUNT),
        patch.object(hub_module, "QUEUE_SIZE", QUEUE_SIZE),
    ):
        yield
