"""A feed of a folder of databases: rows that came or changed, in parts, the newest first, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from aico.core.errors import OriginName, SourceErrors, SourceFormat, SourceNotFound, SourcePathRefused, SourceUnstable
from aico.core.usage import PromptSeen, Trigger, digest
from aico.features.files import sqlite_rows
from aico.features.files.feed import Feed, Reading, ReadLimits, TreeFeed
from aico.features.files.opening import Refused
from aico.features.files.sqlite import Judged
from aico.features.files.sqlite_process import Row, ask_database
from aico.features.files.sqlite_question import Question
from aico.features.files.sqlite_rows import WINDOW_ROWS, RowsFeed, SqliteRows
from tests.emulator.fake_sqlite_writer import OTHER_SIDE, SqliteWriter, sum_of_pairs
from tests.faults.canary_ledger import MARK
from tests.files.databases import LIMITS
from tests.quick_variants import first_is_quick
from tests.sources.feeds import FeedDriver

NOW = 1_780_000_000_000
FULL = (Trigger.STARTUP, Trigger.RESCAN, Trigger.REQUEST, Trigger.CLI)
TABLE = "CREATE TABLE IF NOT EXISTS said (id TEXT PRIMARY KEY, updated INTEGER, number INTEGER, prompt TEXT)"


def judge(rows: Sequence[Row]) -> Judged:
    """Return a record for each row: its number is its time."""
    return Judged([PromptSeen(digest(str(name), str(number)), str(name), int(number or 0)) for name, number in rows])


QUERY = SqliteRows(
    errors=SourceErrors(OriginName("example", "said", "table of words")),
    names=("said*.db",),
    table="said",
    mark="id",
    updated="updated",
    columns=("CAST(id AS BLOB)", "number"),
    tables={"said": ("id", "updated", "number")},
    judge=judge,
)
PARTS = replace(QUERY, part_rows=10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the databases, which is there."""
    folder = tmp_path.resolve() / "tool"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no reading rest."""
    monkeypatch.setattr(sqlite_rows, "REST_S", 0.0)
    monkeypatch.setattr(sqlite_rows, "_REST_SHARE", 0.0)


@pytest.fixture
def writer(folder: Path) -> Iterator[SqliteWriter]:
    """Hold a database open in a second process, as its tool does; nothing is checked in."""
    with SqliteWriter(folder / "said.db") as writer:
        prepare(writer)
        yield writer


def prepare(writer: SqliteWriter) -> None:
    """Make the table, in a log that nothing checks in."""
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute(TABLE)


def put(writer: SqliteWriter, *names: str, number: int = 1, updated: int = NOW) -> None:
    """Write rows, or write them anew."""
    statement = "INSERT INTO said VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET updated = ?2, number = ?3"
    writer.execute_many(statement, [[name, updated, number, f"{MARK} {name}"] for name in names])


def names(first: int, after: int) -> list[str]:
    """Return names of rows."""
    return [f"r{number:05}" for number in range(first, after)]


def open_feed(folder: Path, query: SqliteRows = QUERY) -> FeedDriver:
    """Return what drives a feed of the folder."""
    return FeedDriver(query.open(str(folder), replace(LIMITS, now_ms=lambda: NOW)))


def told(readings: list[Reading]) -> list[str]:
    """Return the names of the rows that were handed over, in their order."""
    return [record.session for reading in readings for record in reading.records if isinstance(record, PromptSeen)]


def test_feed_is_what_the_pipeline_takes(folder: Path) -> None:
    """A tree of one folder, or of one database in it."""
    feed: Feed = QUERY.open(str(folder), LIMITS)
    assert isinstance(feed, TreeFeed)
    assert (feed.path, feed.directory, feed.names, feed.title) == (str(folder), str(folder), (), "table of words")
    assert feed.folders == {str(folder)}
    for name, is_ours in (("said.db", True), ("said-x.db-wal", True), ("said.db-shm", False), ("other.db", False)):
        assert feed.hint(f"{folder}/{name}") is is_ours
    assert not feed.hint(f"{folder}/below/said.db")
    one = QUERY.open(f"{folder}/odd[1].db", LIMITS)
    assert (one.directory, one.hint(f"{folder}/odd[1].db"), one.hint(f"{folder}/odd1.db")) == (str(folder), True, False)
    with pytest.raises(ValueError, match="absolute"):
        QUERY.open("tool", LIMITS)


async def test_rows_of_the_log_alone_are_read_and_nothing_is_left_behind(writer: SqliteWriter, folder: Path) -> None:
    """The database has one page; its folder, files, times and inodes stay as they are."""
    put(writer, *names(0, 3))
    assert (folder / "said.db").stat().st_size == 4096

    def traits() -> list[tuple[str, int, int, int, int]]:
        found = [folder, *sorted(folder.iterdir())]
        stats = [(each.name, each.stat()) for each in found]
        return [(name, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for name, one in stats]

    before = traits()
    driver = open_feed(folder)
    assert told(await driver.take_in_all(Trigger.STARTUP)) == names(0, 3)[::-1]
    assert traits() == before
    # A look that comes long enough after the last write says that all is read.
    os.utime(folder / "said.db-wal", (1, 1))
    await driver.take_in_all()
    assert driver.feed.identity == driver.feed.look().identity


async def test_only_what_came_or_changed_is_handed_over(writer: SqliteWriter, folder: Path) -> None:
    """That holds for every reason to read; rows that stay the same are counted."""
    put(writer, *names(0, 5))
    driver = open_feed(folder)
    await driver.take_in_all(Trigger.STARTUP)
    put(writer, "r00002", number=7, updated=NOW + 1)
    put(writer, "r00009", updated=NOW + 2)
    assert told(await driver.take_in_all()) == ["r00009", "r00002"]
    for trigger in FULL:
        assert told(await driver.take_in_all(trigger)) == []
    put(writer, "r00000", number=8, updated=NOW + 3)
    assert told(await driver.take_in_all(Trigger.REQUEST)) == ["r00000"]


async def test_reading_rests_in_proportion_to_its_work_and_says_so(
    writer: SqliteWriter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine makes readings long, but no rest; a user that asks by hand waits for none."""
    cpu_s = iter([0.0, 0.02] * 3)
    rests: list[float] = []

    async def ask(_question: Question) -> list[Row]:
        await asyncio.sleep(0.1)
        return []

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await asyncio.sleep(0.02)

    feed = QUERY.open(str(folder), replace(LIMITS, now_ms=lambda: NOW))
    monkeypatch.setattr(sqlite_rows, "_REST_SHARE", 10)
    monkeypatch.setattr(sqlite_rows, "find_cpu_s", lambda: next(cpu_s))
    monkeypatch.setattr(sqlite_rows, "ask_database", ask)
    monkeypatch.setattr(feed, "_rest", rest)
    await feed.read(Trigger.WATCH)
    assert (await feed.read(Trigger.WATCH)).rested_s >= 0.02
    assert rests[1] <= 10 * 0.02
    await feed.read(Trigger.REQUEST)
    assert len(rests) == 2


@pytest.mark.slow
async def test_notification_reads_no_old_rows(
    writer: SqliteWriter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change far behind the newest rows waits for another reading; rows that are the same cost no record."""
    put(writer, *names(0, WINDOW_ROWS + 50), updated=NOW - 10**9)
    put(writer, "r00549", updated=NOW - 10**8)
    driver = open_feed(folder)
    await driver.take_in_all(Trigger.STARTUP)
    counts: list[int] = []

    async def noted(question: Question) -> list[Row]:
        rows = await ask_database(question)
        counts.append(len(rows))
        return rows

    monkeypatch.setattr(sqlite_rows, "ask_database", noted)
    put(writer, "r00001", number=7, updated=NOW)
    assert told(await driver.take_in_all()) == []
    put(writer, "r00549", number=7, updated=NOW)
    assert told(await driver.take_in_all()) == ["r00549"]
    assert max(counts) <= 2
    assert told(await driver.take_in_all(Trigger.RESCAN)) == ["r00001"]


@pytest.mark.parametrize("count", first_is_quick(21, 0, 1, 8, 9, 10, 11, 19, 20, 57))
async def test_first_reading_comes_in_parts_the_newest_rows_first(
    writer: SqliteWriter, folder: Path, count: int
) -> None:
    """Each with its progress; a restart goes on where the last part ended."""
    put(writer, *names(0, count))
    driver = open_feed(folder, PARTS)
    readings = [await driver.take_in(Trigger.STARTUP)]
    while readings[-1].left is not None:
        assert readings[-1].left.bytes_done < readings[-1].left.bytes_total
        driver.restart(PARTS.open(str(folder), driver_limits()))
        readings.append(await driver.take_in(Trigger.STARTUP))
    seen = told(readings)
    assert list(dict.fromkeys(seen)) == names(0, count)[::-1]
    assert max(len(reading.records) for reading in readings) <= 2 * PARTS.part_rows


def driver_limits() -> ReadLimits:
    """Return the limits of a feed of a new process."""
    return replace(LIMITS, now_ms=lambda: NOW)


@pytest.mark.slow
async def test_new_rows_go_before_the_rest_of_a_first_reading(writer: SqliteWriter, folder: Path) -> None:
    """Also more of them than a part holds: none is lost."""
    put(writer, *names(0, 45))
    driver = open_feed(folder, PARTS)
    seen = told([await driver.take_in(Trigger.STARTUP)])
    assert seen == names(35, 45)[::-1]
    put(writer, *names(100, 103))
    seen += told([await driver.take_in()])
    assert seen[10:13] == names(100, 103)[::-1]
    put(writer, *names(200, 235))
    seen += told(await driver.take_in_all())
    assert set(seen) == {*names(0, 45), *names(100, 103), *names(200, 235)}
    assert told(await driver.take_in_all(Trigger.CLI)) == []


async def test_nothing_is_remembered_before_a_reading_is_committed(writer: SqliteWriter, folder: Path) -> None:
    """Rows that were read and not stored are handed over again."""
    put(writer, "a")
    driver = open_feed(folder)
    assert told([await driver.read()]) == told([await driver.read()]) == ["a"]
    assert driver.feed.identity is None
    with pytest.raises(TypeError):
        driver.feed.complete(Reading((), (await driver.read()).counts))


@pytest.mark.slow
async def test_checkpoint_in_between_changes_nothing(writer: SqliteWriter, folder: Path) -> None:
    """The log is written into the database and begins anew."""
    driver = open_feed(folder)
    for number in range(4):
        put(writer, f"r{number}")
        assert told(await driver.take_in_all()) == [f"r{number}"]
        writer.execute(f"PRAGMA wal_checkpoint({('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE')[number]})")
        assert told(await driver.take_in_all()) == []


async def test_database_that_was_replaced_is_read_anew(writer: SqliteWriter, folder: Path) -> None:
    """The last row that was read is not in it, or stands under another number."""
    put(writer, *names(0, 5))
    driver = open_feed(folder)
    await driver.take_in_all(Trigger.STARTUP)
    writer.execute("DELETE FROM said WHERE id > 'r00001'")
    writer.execute("VACUUM")
    put(writer, "x", "y", "z", number=2)
    assert told(await driver.take_in_all()) == ["z", "y", "x", "r00001", "r00000"]
    assert told(await driver.take_in_all(Trigger.REQUEST)) == []


async def test_restart_reads_on_also_in_a_restored_folder(writer: SqliteWriter, folder: Path) -> None:
    """Only what changed in the last hour is read again. Without a checkpoint of this version everything is."""
    put(writer, *names(0, 5), updated=NOW - 10**8)
    put(writer, "r00004")
    driver = open_feed(folder)
    await driver.take_in_all(Trigger.STARTUP)
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.move(folder, folder.with_name("old"))
    shutil.move(folder.with_name("copy"), folder)
    driver.restart(QUERY.open(str(folder), driver_limits()))
    assert told(await driver.take_in_all(Trigger.STARTUP)) == ["r00004"]
    for query, files in ((replace(QUERY, version=2), driver.files), (QUERY, dict.fromkeys(driver.files, "?"))):
        other = FeedDriver(query.open(str(folder), driver_limits()))
        other.files = files
        other.restart(other.feed)
        assert len(told(await other.take_in_all(Trigger.STARTUP))) == 5


async def test_all_databases_of_the_folder_are_read(writer: SqliteWriter, folder: Path) -> None:
    """Each with a checkpoint of its own; one that comes later, or goes, as well."""
    put(writer, "a")
    driver = open_feed(folder)
    with SqliteWriter(folder / "said-two.db") as two:
        prepare(two)
        put(two, "b")
        assert sorted(told(await driver.take_in_all(Trigger.STARTUP))) == ["a", "b"]
        assert len(driver.files) == driver.feed.look().files == 2
        put(two, "c")
        put(writer, "d")
        assert sorted(told(await driver.take_in_all())) == ["c", "d"]
    for end in ("", "-wal", "-shm"):
        (folder / f"said-two.db{end}").unlink(missing_ok=True)
    assert told(await driver.take_in_all()) == []
    assert driver.feed.look().files == 1


def drops(path: Path) -> None:
    """Let a column go that we know."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE said RENAME COLUMN number TO amount")


def empties(path: Path) -> None:
    """Let the table go."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE said")


def spoils(path: Path) -> None:
    """Write over the database."""
    path.write_bytes(b"no database at all" * 300)


@pytest.mark.parametrize("harm", first_is_quick(drops, empties, spoils))
async def test_database_of_another_version_holds_up_no_other(folder: Path, harm: Callable[[Path], None]) -> None:
    """It is named while others are read; alone, it is an error. Once it is well, it is read."""
    for name in ("said.db", "said-two.db"):
        with SqliteWriter(folder / name) as writer:
            prepare(writer)
            put(writer, name)
    kept = (folder / "said-two.db").read_bytes()
    harm(folder / "said-two.db")
    driver = open_feed(folder)
    assert told(await driver.take_in_all(Trigger.STARTUP)) == ["said.db"]
    assert isinstance(driver.feed, RowsFeed)
    (note,) = driver.feed.notes
    assert f"{folder}/said-two.db" in note
    (folder / "said.db").rename(folder / "other.db")
    for _ in range(2):
        with pytest.raises(SourceFormat):
            await driver.read(Trigger.RESCAN)
    (folder / "said-two.db").write_bytes(kept)
    assert told(await driver.take_in_all()) == ["said-two.db"]
    assert driver.feed.notes == ()


@pytest.mark.slow
async def test_busy_database_holds_up_no_other(
    writer: SqliteWriter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again after the others, and its error is raised when there is nothing else to read."""
    put(writer, "a")
    with SqliteWriter(folder / "said-two.db") as two:
        prepare(two)
        put(two, "b")
        is_busy = True

        async def busy(question: Question) -> list[Row]:
            if is_busy and question.path.endswith("two.db"):
                raise Refused("busy", "")
            return await ask_database(question)

        monkeypatch.setattr(sqlite_rows, "ask_database", busy)
        driver = open_feed(folder)
        driver.feed.hurry()
        assert told([await driver.take_in(Trigger.STARTUP)]) == ["a"]
        with pytest.raises(SourceUnstable):
            await driver.read()
        driver.feed.take_time()
        is_busy = False
        assert told(await driver.take_in_all()) == ["b"]


async def test_folder_without_a_database_is_waited_for(folder: Path) -> None:
    """Nor is a missing one a fault."""
    driver = open_feed(folder)
    for _ in range(2):
        with pytest.raises(SourceNotFound):
            driver.feed.look()
        with pytest.raises(SourceNotFound):
            await driver.read(Trigger.STARTUP)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
async def test_linked_database_is_not_read(writer: SqliteWriter, folder: Path) -> None:
    """It is named while there is another, and refused alone; a log behind a link as well."""
    put(writer, "a")
    (folder / "said-two.db").symlink_to(folder / "said.db")
    driver = open_feed(folder)
    assert told(await driver.take_in_all(Trigger.STARTUP)) == ["a"]
    assert isinstance(driver.feed, RowsFeed)
    assert "is a link to" in driver.feed.notes[0]
    alone = folder.with_name("alone")
    alone.mkdir()
    (alone / "said.db").symlink_to(folder / "said.db")
    with pytest.raises(SourcePathRefused):
        await open_feed(alone).read(Trigger.STARTUP)
    (folder / "said.db-wal").rename(folder / "real")
    (folder / "said.db-wal").symlink_to(folder / "real")
    with pytest.raises(SourcePathRefused):
        await open_feed(folder).read(Trigger.STARTUP)


@pytest.mark.slow
async def test_no_reading_beside_a_writer_at_full_speed_mixes_two_moments(writer: SqliteWriter, folder: Path) -> None:
    """Both rows of a transaction are read, or none; nobody is ever locked out; in the end all is there."""
    driver = FeedDriver(QUERY.open(str(folder), LIMITS))
    seen: dict[str, int] = {}
    writer.start_rows()
    for _ in range(100):
        with suppress(SourceUnstable):
            take_pairs(seen, [await driver.take_in()])
    ((committed, failed),) = writer.stop_rows()
    take_pairs(seen, await driver.take_in_all(Trigger.REQUEST))
    assert failed == 0
    assert sum(seen.values()) == sum_of_pairs(int(str(committed)))


def take_pairs(seen: dict[str, int], readings: list[Reading]) -> None:
    """Take readings in; both rows of each pair must say the same."""
    for reading in readings:
        seen |= {record.session: record.ts for record in reading.records if isinstance(record, PromptSeen)}
    for name, number in seen.items():
        assert seen[name.translate(OTHER_SIDE)] == number
