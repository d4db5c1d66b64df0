"""The SQLite database: one connection that writes, a few that read, and the translation of driver errors."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite

from aico.core.allocator import give_back
from aico.core.clock import now_ms
from aico.core.db.at_once import run_at_once
from aico.core.db.driver import Value
from aico.core.db.sums_reader import Ask
from aico.core.db.touched import Touched
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.db.upkeep.recovery import Recovery
from aico.core.db.upkeep.soundness import leave_note
from aico.core.db.upkeep.sqlite_files import (
    BUSY_TIMEOUT_S,
    READER_PRAGMAS,
    look_again,
    looking_uri,
    says_damaged,
    translate,
    uri_path,
)
from aico.core.errors import StorageBusy, StorageError

T = TypeVar("T")

_READERS = 4
_WRITER_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    # FULL: history must outlive the ledger, from which entries vanish, and a commit costs a fraction of a millisecond.
    "PRAGMA synchronous=FULL",
    "PRAGMA journal_size_limit=67108864",
    # 4 MiB: a transaction of 5,000 records touches more pages than the default holds, which then go to disk twice. Ever
    # more is kept of a larger store and never given back: 16 MiB were no quicker, 1 GB of logs read.
    "PRAGMA cache_size=-4096",
)


class Database:
    """Opens, migrates and serves one database file.

    Exactly one connection writes, in ``BEGIN IMMEDIATE`` transactions. Reads run on their own read-only connections,
    each in one snapshot.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._only_looks = False
        self.recovery: Recovery | None = None
        """The last recovery whose lost file still lies beside the database."""
        self._checked_at: int | None = None
        """When every page was read last; None as long as it is not open, and of a file in doubt."""
        self.touched = Touched()
        """The sessions that the last commits touched."""
        self._writer = _Writer(path, self.touched)
        self._lookers = _Lookers(self._reading_uri)
        self._askers = _Askers(self._reading_uri)

    async def open(self) -> None:
        """Create what is missing with private permissions, check the file, and migrate to the newest schema.

        A damaged file is set aside and the newest backup takes its place; :attr:`recovery` tells of it. Raises
        StorageNewer for a database of a newer version and StorageForeign for another program's (both untouched),
        StorageBusy, StorageError.
        """
        self.recovery, self._checked_at = await asyncio.to_thread(prepare_database, self.path, now_ms)
        self._identity = await asyncio.to_thread(_find_identity, self.path)

    def only_look(self) -> None:
        """Be read and never opened: nothing is left beside a file that nobody else has open."""
        self._only_looks = True

    def _reading_uri(self) -> str:
        return looking_uri(self.path) if self._only_looks else f"file:{uri_path(self.path)}?mode=ro"

    def connect_to_read(self) -> sqlite3.Connection:
        """Return a connection that only reads, for work in a thread of its own. Raises sqlite3.Error."""
        return _connect_to_read(self._reading_uri())

    async def check(self) -> None:
        """Raise StorageError when the file is no longer the one that was opened.

        Its connections would go on with a file that has no name any more, and lose everything at their end.
        """
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        if self._identity is not None and self._identity != _find_identity(self.path):
            raise StorageError("its file was removed or replaced while it was in use")

    async def find_recovery(self) -> Recovery | None:
        """Return the last recovery whose lost file still lies beside the database: somebody has yet to see to it."""
        recovery = self.recovery
        if recovery is None or not await asyncio.to_thread(self.path.with_name(recovery.set_aside).exists):
            return None
        return recovery

    async def close(self) -> None:
        """Let running writes end, close every connection, and note that the file ended well, if it did."""
        await self.settle()
        await self._askers.close()
        await self._lookers.close()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._leave_note)

    def _leave_note(self) -> None:
        checked_at, self._checked_at = self._checked_at, None
        with suppress(StorageError):  # another start, and another check
            if checked_at is not None and self._identity == _find_identity(self.path):
                leave_note(self.path, checked_at)

    def doubt(self) -> None:
        """Have every page read at the next start: something was wrong with the file, or a copy of it."""
        self._checked_at = None

    def note_error(self, error: sqlite3.Error) -> None:
        """Doubt the file if ``error``, which some connection to it has met, says that its bytes are wrong."""
        if says_damaged(error):
            self.doubt()

    @contextmanager
    def doubting(self) -> Iterator[None]:
        """Doubt the file if work on it fails inside that has connections of its own."""
        try:
            yield
        except StorageBusy:
            raise
        except StorageError:
            self.doubt()
            raise

    def _translate(self, error: sqlite3.Error) -> StorageError:
        self.note_error(error)
        return translate(error)

    async def settle(self) -> None:
        """Wait until every write that was begun has ended, however it ends."""
        await self._writer.settle()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one transaction and commit it; raise StorageBusy or StorageError with nothing written.

        ``work`` runs in the writer's own thread and may block: one change of thread for a whole transaction, instead
        of one for each statement. Writes come one after the other. A caller that is cancelled leaves the write running
        to its end: a transaction broken off half-way would hold the database's lock.
        """
        # The writer's thread, of which there is one, takes them in their order.
        try:
            return await asyncio.shield(self._writer.run(work, self._check))
        except sqlite3.Error as error:
            raise self._translate(error) from error

    async def let_go(self) -> None:
        """Let go of pages that writing has kept in memory, and of all else that is free: what follows is small."""
        await asyncio.shield(self._writer.let_go())

    async def empty_log(self) -> None:
        """Write the log back, and leave none of its bytes there unless somebody reads on. Raises StorageError."""
        try:
            await asyncio.shield(self._writer.empty_log())
        except sqlite3.Error as error:
            raise self._translate(error) from error

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Ask]:
        """Yield what asks a read-only connection, whose answers all see one snapshot. Raises StorageBusy, StorageError.

        Each question is a change of thread: a caller that needs nothing but answers takes :meth:`look`.
        """
        try:
            async with self._askers.hold() as ask:
                yield ask
        except sqlite3.Error as error:
            raise self._translate(error) from error

    async def look(self, work: Callable[[Ask], Coroutine[None, None, T]]) -> T:
        """Return what ``work`` makes of the answers to its questions, all of one snapshot, in a thread of its own.

        It awaits nothing else: one change of thread for a whole answer, and the event loop is free while it adds up.
        One that only looks does it again where somebody begins to write meanwhile. Raises StorageBusy, StorageError.
        """
        try:
            if self._only_looks:
                return await asyncio.to_thread(look_again, self.path, partial(_look_once, work))
            return await self._lookers.run(work)
        except sqlite3.Error as error:
            raise self._translate(error) from error


class _Lookers:
    """Threads that look, and a connection for each."""

    def __init__(self, find_target: Callable[[], str]) -> None:
        self._find_target = find_target
        self._threads = ThreadPoolExecutor(_READERS, "looker")
        self._free = asyncio.Semaphore(_READERS)
        self._idle: list[sqlite3.Connection] = []

    async def run(self, work: Callable[[Ask], Coroutine[None, None, T]]) -> T:
        """Run ``work`` in one transaction. Raises StorageBusy, sqlite3.Error."""
        await _acquire(self._free)
        # Also when nobody waits for it any more: it runs to its end.
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)
        running.add_done_callback(self._release)
        return await asyncio.shield(running)

    def _release(self, done: asyncio.Future[T]) -> None:
        self._free.release()
        if not done.cancelled():
            done.exception()  # the waiting caller has it

    def _run(self, work: Callable[[Ask], Coroutine[None, None, T]]) -> T:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            connection.execute("BEGIN")
            result = run_at_once(connection, work)
            connection.execute("ROLLBACK")
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return result

    def _open(self) -> sqlite3.Connection:
        return _connect_to_read(self._find_target())

    async def close(self) -> None:
        """Let everything end that runs, and close the connections. Nobody gets one any more."""
        await _acquire_all(self._free)
        self._threads.shutdown()
        for connection in self._idle:
            connection.close()
        self._idle.clear()


class _Askers:
    """Connections that the event loop asks, one question after the other. Each has a thread of its own."""

    def __init__(self, find_target: Callable[[], str]) -> None:
        self._find_target = find_target
        self._free = asyncio.Semaphore(_READERS)
        self._idle: list[aiosqlite.Connection] = []
        self._ending: set[asyncio.Task[None]] = set()
        """The last thing that is done with a connection goes on when its caller was cancelled."""

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Ask]:
        """Yield what asks one of them in one transaction. Raises StorageBusy, sqlite3.Error."""
        await _acquire(self._free)
        taking = asyncio.ensure_future(self._take())
        try:
            connection = await asyncio.shield(taking)
        except BaseException:
            self._end(_close_taken(taking))
            raise
        try:
            yield partial(_ask, connection)
        except BaseException:
            self._end(connection.close())
            raise
        await asyncio.shield(self._end(self._give_back(connection)))

    async def _take(self) -> aiosqlite.Connection:
        """Return a connection that nobody uses, in a transaction."""
        if self._idle:
            connection = self._idle.pop()
        else:
            connection = await aiosqlite.connect(
                self._find_target(), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
            )
        try:
            # In one call: each costs two changes of thread.
            await connection.executescript(f"{';'.join(READER_PRAGMAS)};BEGIN")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _give_back(self, connection: aiosqlite.Connection) -> None:
        try:
            await connection.rollback()
        except sqlite3.Error:
            await connection.close()
            raise
        self._idle.append(connection)

    def _end(self, last: Coroutine[None, None, None]) -> asyncio.Task[None]:
        ending = asyncio.ensure_future(last)
        self._ending.add(ending)
        ending.add_done_callback(self._release)
        return ending

    def _release(self, ended: asyncio.Task[None]) -> None:
        self._ending.discard(ended)
        self._free.release()
        if not ended.cancelled():
            ended.exception()  # a caller that still waits has it

    async def close(self) -> None:
        """Let everything end that runs, and close the connections. Nobody gets one any more."""
        # A thread that is left over holds up the end of the process.
        await _acquire_all(self._free)
        for connection in self._idle:
            await connection.close()
        self._idle.clear()


async def _acquire(free: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(BUSY_TIMEOUT_S):
            await free.acquire()
    except TimeoutError as error:
        raise StorageBusy("all of its readers are in use") from error


async def _acquire_all(free: asyncio.Semaphore) -> None:
    for _ in range(_READERS):
        await free.acquire()


async def _close_taken(taking: asyncio.Task[aiosqlite.Connection]) -> None:
    """Close a connection as soon as it is open. One that could not be opened is closed."""
    with suppress(sqlite3.Error):
        await (await taking).close()


async def _ask(connection: aiosqlite.Connection, statement: str, values: Sequence[Value] = (), /) -> list[sqlite3.Row]:
    """Run one statement and return its rows, as plain tuples. Raises sqlite3.Error."""
    return list(await connection.execute_fetchall(statement, values))


class _Writer:
    """The one connection that writes, and its thread. SQLite's driver blocks; nothing else does for its sake."""

    def __init__(self, path: Path, touched: Touched) -> None:
        self._target = f"file:{uri_path(path)}?mode=rw"
        self._touched = touched
        self._thread = ThreadPoolExecutor(1, "writer")
        self._connection: sqlite3.Connection | None = None

    def run(self, work: Callable[[sqlite3.Connection], T], check: Callable[[], None]) -> asyncio.Future[T]:
        """Run ``check``, then ``work`` in a transaction of its own: in one thread, since each change of it costs.

        Raises sqlite3.Error and what either raises, all taken back.
        """
        return asyncio.get_running_loop().run_in_executor(self._thread, self._run, work, check)

    def let_go(self) -> asyncio.Future[None]:
        """Give back the memory that is not needed between two transactions."""
        return asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):  # the next transaction tells of it
                self._connection.execute("PRAGMA shrink_memory")
        give_back()

    def empty_log(self) -> asyncio.Future[None]:
        """Write the log back and cut it off. Raises sqlite3.Error."""
        return asyncio.get_running_loop().run_in_executor(self._thread, self._empty_log)

    def _empty_log(self) -> None:
        if self._connection is not None:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def settle(self) -> None:
        """Return when everything that was begun has ended."""
        await asyncio.get_running_loop().run_in_executor(self._thread, _nothing)

    def close(self) -> None:
        """Close the connection after everything that was begun."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _run(self, work: Callable[[sqlite3.Connection], T], check: Callable[[], None]) -> T:
        check()
        connection = self._connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            # While nobody else can commit.
            self._touched.take_back()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._touched.keep()
        return result

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._target, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.executescript(";".join(_WRITER_PRAGMAS))
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect_to_read(target: str) -> sqlite3.Connection:
    # Whichever thread is free takes it.
    opened = sqlite3.connect(target, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    opened.executescript(";".join(READER_PRAGMAS))
    return opened


def _look_once(work: Callable[[Ask], Coroutine[None, None, T]], address: str) -> T:
    with closing(_connect_to_read(address)) as connection:
        connection.execute("BEGIN")
        return run_at_once(connection, work)


def _nothing() -> None:
    pass


def _find_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be looked at: {error.strerror}") from error
    return status.st_dev, status.st_ino
