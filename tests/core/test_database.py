"""The database: settings in force, private files, one writer, errors in our own words."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from aico.core.db import database as database_module
from aico.core.db.database import Database
from aico.core.db.sums_reader import Ask
from aico.core.errors import StorageBusy, StorageError
from tests.core.repository_on_file import copy_of_template, list_names, read_rows
from tests.core.second_process import second_process

HANG_S = 60
"""Ten times what a caller may have to wait: beyond it something hangs."""
HOLD = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE')"
COUNT = "SELECT COUNT(*) FROM source WHERE name <> 'cline'"
"""Rows that :func:`add_source` wrote; the migrations write one."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Yield an empty, migrated database."""
    opened = Database(copy_of_template(tmp_path))
    yield opened
    await opened.close()


def add_source(connection: sqlite3.Connection, name: str) -> None:
    """Write one row."""
    connection.execute("INSERT INTO source (name) VALUES (?)", (name,))


def read_sources(path: Path) -> list[str]:
    """Return the names written by :func:`add_source`."""
    return [str(row[0]) for row in read_rows(path, "SELECT name FROM source WHERE name <> 'cline' ORDER BY name")]


def assert_lock_is_free(path: Path) -> None:
    """Take the database's lock at once, as another program would."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("query_only", 0), ("busy_timeout", 1_500)],
)
async def test_database_writer_has_its_settings(database: Database, pragma: str, value: str | int) -> None:
    """The writer's settings of SQLite are in force."""
    rows = await database.write(lambda connection: connection.execute(f"PRAGMA {pragma}").fetchall())
    assert rows == [(value,)]


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("query_only", 1), ("wal_autocheckpoint", 0), ("busy_timeout", 1_500)],
)
async def test_database_reader_has_its_settings(database: Database, pragma: str, value: str | int) -> None:
    """A reader's settings of SQLite are in force, on every one of them."""
    async with AsyncExitStack() as stack:
        for _ in range(4):
            ask = await stack.enter_async_context(database.asking())
            assert (await ask(f"PRAGMA {pragma}"))[0][0] == value


async def test_database_reader_cannot_write(database: Database) -> None:
    """A question never changes anything, whatever it says."""
    with pytest.raises(StorageError, match="SQLITE_READONLY"):
        async with database.asking() as ask:
            await ask("INSERT INTO source (name) VALUES ('x')")
    assert read_sources(database.path) == []


async def test_database_read_sees_one_moment(database: Database) -> None:
    """A commit during a read is not seen before the next read."""
    async with database.asking() as ask:
        before = (await ask(COUNT))[0][0]
        await database.write(lambda writer: add_source(writer, "x"))
        assert (await ask(COUNT))[0][0] == before == 0
    async with database.asking() as ask:
        assert (await ask(COUNT))[0][0] == 1


async def test_database_makes_folder_and_file_private(tmp_path: Path) -> None:
    """Nobody else reads what is spent: folder 0700, every file 0600."""
    database = Database(tmp_path / "new" / "folder" / "observer.db")
    await database.open()
    await database.write(lambda connection: add_source(connection, "x"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in database.path.parent.iterdir()}
    await database.close()
    assert database.path.parent.stat().st_mode & 0o777 == 0o700
    assert modes == {"observer.db": 0o600, "observer.db-wal": 0o600, "observer.db-shm": 0o600}


async def test_database_makes_an_open_file_private(tmp_path: Path) -> None:
    """A file that others could read is closed to them."""
    path = copy_of_template(tmp_path)
    path.chmod(0o644)
    await Database(path).open()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_database_refuses_a_link_in_its_place(tmp_path: Path) -> None:
    """Nobody turns our writes to another file, whether it exists or not."""
    target = tmp_path / "target.db"
    (tmp_path / "observer.db").symlink_to(target)
    with pytest.raises(StorageError, match="cannot create"):
        await Database(tmp_path / "observer.db").open()
    assert not target.exists()


@pytest.mark.parametrize("name", ["we?ird", "per%41cent", "num#ber", "a&mode=rw", "space and ümlaut", "'quote'"])
async def test_database_lies_where_it_was_told(tmp_path: Path, name: str) -> None:
    """A path is a path: no character of it means anything to a driver."""
    database = Database(tmp_path / name / f"{name}.db")
    await database.open()
    await database.write(lambda connection: add_source(connection, "x"))
    async with database.asking() as ask:
        assert (await ask("SELECT name FROM source WHERE name <> 'cline'"))[0][0] == "x"
    await database.close()
    assert list_names(tmp_path) == {name}
    assert read_sources(database.path) == ["x"]


async def test_database_write_undoes_everything_when_it_fails(database: Database) -> None:
    """Half of a write is no write, and the next one works."""

    def break_off(connection: sqlite3.Connection) -> None:
        add_source(connection, "half")
        add_source(connection, "half")

    with pytest.raises(StorageError, match="SQLITE_CONSTRAINT"):
        await database.write(break_off)
    await database.write(lambda connection: add_source(connection, "whole"))
    assert read_sources(database.path) == ["whole"]


async def test_database_writes_come_one_after_the_other(database: Database) -> None:
    """Fifty concurrent read-modify-writes lose none."""

    def add_one(connection: sqlite3.Connection) -> None:
        [(revision,)] = connection.execute("SELECT revision FROM database_state")
        connection.execute("UPDATE database_state SET revision = ?", (revision + 1,))

    await asyncio.gather(*(database.write(add_one) for _ in range(50)))
    assert read_rows(database.path, "SELECT revision FROM database_state") == [(50,)]


async def test_database_write_ends_though_its_caller_is_cancelled(database: Database) -> None:
    """A request that goes away leaves the transaction to its end; ``settle`` waits for it."""
    entered, proceed = threading.Event(), threading.Event()

    def linger(connection: sqlite3.Connection) -> None:
        add_source(connection, "x")
        entered.set()
        assert proceed.wait(HANG_S)

    caller = asyncio.create_task(database.write(linger))
    await asyncio.to_thread(entered.wait, HANG_S)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert read_sources(database.path) == []
    proceed.set()
    await database.settle()
    assert read_sources(database.path) == ["x"]
    assert_lock_is_free(database.path)


async def test_database_lock_is_free_after_writes_cancelled_at_any_moment(database: Database) -> None:
    """However early or late a caller goes: each write is whole or never began, and the lock is given back."""

    def write_both(number: int, connection: sqlite3.Connection) -> None:
        add_source(connection, f"a{number:02}")
        add_source(connection, f"b{number:02}")

    for number in range(40):
        caller = asyncio.create_task(database.write(partial(write_both, number)))
        for _ in range(number * number):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        await database.settle()
        assert_lock_is_free(database.path)
    names = read_sources(database.path)
    assert [name[1:] for name in names if name[0] == "a"] == [name[1:] for name in names if name[0] == "b"]


@pytest.fixture
def patient_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let questions wait for a reader as long as for anything: a pause of the machine takes none away."""
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_S", float(HANG_S))


@pytest.mark.usefixtures("patient_readers")
async def test_database_reads_go_on_after_reads_cancelled_at_any_moment(database: Database) -> None:
    """A reader whose caller goes away is given back: more of them than there are readers take none away."""

    async def ask() -> object:
        async with database.asking() as ask:
            return (await ask(COUNT))[0][0]

    for number in range(40):
        caller = asyncio.create_task(ask())
        for _ in range(number * number):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
    async with asyncio.timeout(HANG_S):
        assert await asyncio.gather(*(ask() for _ in range(8))) == [0] * 8


@pytest.mark.slow
async def test_database_is_busy_while_another_process_holds_its_lock(database: Database) -> None:
    """A write gives up within the time of a request, reads still answer, and writes work again afterwards."""
    async with asyncio.timeout(HANG_S):
        async with second_process(HOLD, str(database.path)):
            with pytest.raises(StorageBusy):
                await database.write(lambda connection: add_source(connection, "x"))
            async with database.asking() as ask:
                assert (await ask(COUNT))[0][0] == 0
        await database.write(lambda connection: add_source(connection, "y"))
    assert read_sources(database.path) == ["y"]


@pytest.mark.slow
async def test_database_migrating_is_busy_while_another_process_holds_its_lock(database: Database) -> None:
    """A start that must migrate says that the database is held, it does not hang; one that need not, starts."""
    async with asyncio.timeout(HANG_S), second_process(HOLD, str(database.path)):
        await database.open()
    with closing(sqlite3.connect(database.path)) as connection, connection:
        # Of an older schema, as far as anybody looks before the lock is taken.
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    async with asyncio.timeout(HANG_S), second_process(HOLD, str(database.path)):
        with pytest.raises(StorageBusy):
            await database.open()


async def count(ask: Ask) -> int:
    """Count the sessions."""
    [(number,)] = await ask("SELECT COUNT(*) FROM session")
    return int(number)


@pytest.mark.usefixtures("patient_readers")
async def test_database_looks_go_on_after_looks_that_were_cancelled_or_failed(database: Database) -> None:
    """A thread whose caller goes away, or whose question is wrong, is given back."""

    async def fail(ask: Ask) -> None:
        await ask("SELECT nothing FROM nowhere")

    for number in range(20):
        caller = asyncio.create_task(database.look(count))
        for _ in range(number):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        with pytest.raises(StorageError):
            await database.look(fail)
    async with asyncio.timeout(HANG_S):
        assert await asyncio.gather(*(database.look(count) for _ in range(12))) == [0] * 12


async def test_database_look_waits_for_nothing_else(database: Database) -> None:
    """A look that would wait for the loop of events says so, and harms nobody after it."""

    async def wait(_ask: Ask) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited"):
        await database.look(wait)
    assert await database.look(count) == 0


@pytest.mark.slow
async def test_database_is_busy_while_all_readers_are_in_use(database: Database) -> None:
    """A read that gets no connection says so within the time of a request."""
    async with asyncio.timeout(HANG_S), AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(database.asking())
        with pytest.raises(StorageBusy, match="readers"):
            await stack.enter_async_context(database.asking())
    async with database.asking() as ask:
        assert (await ask("SELECT 1"))[0][0] == 1


async def test_database_full_is_an_error_of_ours(database: Database) -> None:
    """No space left is said by its name, and nothing of the write stays."""

    def overflow(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        for number in range(1_000):
            add_source(connection, "x" * 500 + str(number))

    with pytest.raises(StorageError, match="SQLITE_FULL"):
        await database.write(overflow)
    assert read_sources(database.path) == []


async def test_database_settle_returns_at_once_when_nothing_is_written(database: Database) -> None:
    """Without a write there is nothing to wait for."""
    async with asyncio.timeout(HANG_S):
        await database.settle()


async def test_database_close_waits_for_a_reader_that_still_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that wanted the reader was cancelled: nothing of it goes on behind the end of the loop."""
    database = Database(copy_of_template(tmp_path))
    has_begun, may_go_on = threading.Event(), threading.Event()
    connect, opened = sqlite3.connect, []

    def open_slowly(*arguments: object, **options: object) -> sqlite3.Connection:
        has_begun.set()
        assert may_go_on.wait(HANG_S)
        opened.append(threading.current_thread())
        return connect(*arguments, **options)  # type: ignore[call-overload,no-any-return]  # as it was called

    async def read() -> None:
        async with database.asking() as ask:
            await ask(COUNT)

    monkeypatch.setattr(sqlite3, "connect", open_slowly)
    reading = asyncio.create_task(read())
    assert await asyncio.to_thread(has_begun.wait, HANG_S)
    reading.cancel()
    await asyncio.wait([reading])
    closing_ = asyncio.create_task(database.close())
    done, _ = await asyncio.wait([closing_], timeout=0.05)
    assert not done
    may_go_on.set()
    await closing_
    [thread] = opened
    await asyncio.to_thread(thread.join, HANG_S)
    assert not thread.is_alive()


async def test_database_close_waits_for_readers_in_use_and_lets_none_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks gets an answer to the end, nobody asks behind it, and no thread holds up the end of the process."""
    database = Database(copy_of_template(tmp_path))
    has_asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def read() -> object:
        async with database.asking() as ask:
            await ask(COUNT)
            has_asked.set()
            await may_go_on.wait()
            return (await ask(COUNT))[0][0]

    before = set(threading.enumerate())
    async with asyncio.timeout(HANG_S):
        await database.look(count)
        reading = asyncio.create_task(read())
        await has_asked.wait()
        threads = {each for each in set(threading.enumerate()) - before if not each.name.startswith("asyncio")}
        assert len(threads) == 2
        closing_ = asyncio.create_task(database.close())
        done, _ = await asyncio.wait([closing_], timeout=0.05)
        assert not done
        may_go_on.set()
        assert await reading == 0
        await closing_
        monkeypatch.setattr(database_module, "BUSY_TIMEOUT_S", 0.01)
        for ask in (read(), database.look(count)):
            with pytest.raises(StorageBusy):
                await ask
    for thread in threads:
        await asyncio.to_thread(thread.join, HANG_S)
        assert not thread.is_alive()


async def test_database_settle_swallows_the_failure_of_a_cancelled_write(database: Database) -> None:
    """A write that fails after its caller has gone troubles nobody else."""
    entered, proceed = threading.Event(), threading.Event()

    def fail(connection: sqlite3.Connection) -> None:
        entered.set()
        assert proceed.wait(HANG_S)
        connection.execute("SELECT nothing")

    caller = asyncio.create_task(database.write(fail))
    await asyncio.to_thread(entered.wait, HANG_S)
    caller.cancel()
    await asyncio.wait([caller])
    proceed.set()
    await database.settle()
    assert_lock_is_free(database.path)


async def test_database_notices_that_its_file_is_gone(database: Database) -> None:
    """A write into a file without a name would be lost at the end: it is refused, and said."""
    await database.open()
    database.path.rename(database.path.with_name("moved.db"))
    for replace in (False, True):
        if replace:
            database.path.touch()
        with pytest.raises(StorageError, match="removed or replaced"):
            await database.check()
        with pytest.raises(StorageError, match="removed or replaced"):
            await database.write(lambda connection: connection.execute("SELECT 1"))


def test_nothing_is_bound_without_an_error_in_between() -> None:
    """The driver has an adapter of None, and what it gives back is NULL."""
    assert (type(None), sqlite3.PrepareProtocol) in sqlite3.adapters
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute("SELECT ? IS NULL, typeof(?)", (None, None)).fetchone() == (1, "null")
