"""A feed of a foreign database hands over what changed, tells what stands in its way, and waits for a busy writer."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aico.core.errors import (
    SourceError,
    SourceFormat,
    SourceNotFound,
    SourcePathRefused,
    SourceTooLarge,
    SourceUnreadable,
    SourceUnstable,
)
from aico.core.usage import MeterReading, SessionState, Trigger, digest
from aico.features.files import opening, sqlite
from aico.features.files.feed import Feed, Reading
from aico.features.files.opening import DatabaseFiles, Refused
from aico.features.files.sqlite import Judged, SqliteFeed, SqliteQuery
from aico.features.files.sqlite_process import Row, ask_database
from aico.features.files.sqlite_question import Question
from tests.emulator.fake_sqlite_writer import SqliteWriter
from tests.files.databases import LIMITS, NAME, make_query, make_table, open_feed, put

HANG_S = 60
FULL = (Trigger.RESCAN, Trigger.STARTUP, Trigger.REQUEST, Trigger.CLI)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database lies."""
    return tmp_path.resolve() / "home" / "tool" / "db" / NAME


@pytest.fixture
def writer(path: Path) -> Iterator[SqliteWriter]:
    """Hold the database open in a second process, as its tool does."""
    with SqliteWriter(path) as writer:
        make_table(writer)
        yield writer


async def read(feed: SqliteFeed, trigger: Trigger = Trigger.WATCH) -> Reading:
    """Read once, and commit what was read."""
    reading = await feed.read(trigger)
    feed.complete(reading)
    return reading


def numbers_of(reading: Reading) -> dict[str, int | None]:
    """Return the number of each session in a reading, in its order."""
    return {record.session: record.input for record in reading.records if isinstance(record, MeterReading)}


def links(path: Path) -> None:
    """Put a link to the file in its place."""
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def links_hard(path: Path) -> None:
    """Give the file a second name."""
    path.with_suffix(".second").hardlink_to(path)


def pipes(path: Path) -> None:
    """Put a pipe in the file's place, whose opening would wait for ever."""
    path.unlink()
    os.mkfifo(path)


def folds(path: Path) -> None:
    """Put a directory in the file's place."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
@pytest.mark.parametrize("spoil", [links, links_hard, pipes, folds])
async def test_database_is_refused_unless_each_of_its_files_is_plain(
    writer: SqliteWriter, path: Path, spoil: Callable[[Path], None], end: str
) -> None:
    """A link, a second name, a pipe or a folder in the place of database, log or index; the child refuses it too."""
    spoil(path.with_name(path.name + end))
    with pytest.raises(SourcePathRefused):
        open_feed(path).look()
    with pytest.raises(SourcePathRefused):
        await open_feed(path).read(Trigger.REQUEST)
    files = DatabaseFiles(str(path))
    with pytest.raises(Refused) as refused, files.open(end):
        pass
    files.close()
    assert refused.value.code == "path_refused"


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_database_is_refused_behind_a_linked_folder(writer: SqliteWriter, path: Path, depth: int) -> None:
    """No component of the path may be a link."""
    folder = path.parents[depth - 1]
    folder.rename(folder.with_name("real"))
    folder.symlink_to("real")
    feed = open_feed(path)
    with pytest.raises(SourcePathRefused):
        await feed.read(Trigger.REQUEST)
    assert feed.find_directory_identity() is None


def test_database_is_refused_when_a_file_belongs_to_somebody_else_than_its_folder(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's file in the folder is not the tool's. A real one takes root: here the folder seems to be."""
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        values = list(real(descriptor))
        values[4] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(SourcePathRefused, match="belongs to somebody else"):
        open_feed(path).look()


async def test_database_that_is_not_there_is_waited_for(path: Path) -> None:
    """Neither a missing file nor a missing folder is a fault."""
    for _ in range(2):
        with pytest.raises(SourceNotFound) as caught:
            await open_feed(path).read(Trigger.STARTUP)
        assert caught.value.is_absent
        path.parent.mkdir(parents=True, exist_ok=True)


async def test_answer_that_is_too_long_is_refused_but_no_database_is(writer: SqliteWriter, path: Path) -> None:
    """The bound is on what is taken in: a database is not copied."""
    for number in range(3):
        put(writer, f"s{number}", number)
    small = replace(LIMITS, max_bytes=200)
    assert open_feed(path).look().size_bytes > 200
    assert len((await make_query().open(str(path), small).read(Trigger.CLI)).records) == 3
    for number in range(50):
        put(writer, f"s{number}", number)
    with pytest.raises(SourceTooLarge):
        await make_query().open(str(path), small).read(Trigger.CLI)


async def test_errors_say_whose_they_are_and_what_is_missing(writer: SqliteWriter, path: Path) -> None:
    """Origin, title, and the names that we know."""
    writer.execute("ALTER TABLE usage DROP COLUMN number")
    with pytest.raises(SourceFormat, match="Not a known table of usage: its table usage has no number") as caught:
        await open_feed(path).read(Trigger.CLI)
    assert (caught.value.source, caught.value.origin, caught.value.missing) == ("example", "usage", ("number",))


@pytest.mark.parametrize(
    ("number", "kind"), [("EACCES", SourceUnreadable), ("EIO", SourceUnreadable), ("ENXIO", SourcePathRefused)]
)
def test_refusal_of_the_system_is_told_without_a_name(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch, number: str, kind: type[SourceError]
) -> None:
    """An error of the operating system becomes one of ours."""

    def fail(*_arguments: object, **_more: object) -> int:
        raise OSError(getattr(__import__("errno"), number), "never told")

    monkeypatch.setattr(opening, "open_directory", fail)
    with pytest.raises(kind) as caught:
        open_feed(path).look()
    assert "never told" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["usage.sqlite", "USAGE.DB", "usage.db/", "../usage.db", "x/../usage.db", "x//usage.db", "usage-1.db", ""]
)
def test_feed_takes_the_only_spelling_of_an_allowed_name(tmp_path: Path, name: str) -> None:
    """Any other spelling is a mistake of the operator's; other names are allowed by their pattern."""
    with pytest.raises(ValueError, match="must"):
        make_query().open(f"{tmp_path}/{name}", LIMITS)
    with pytest.raises(ValueError, match="must"):
        make_query().open("usage.db", LIMITS)
    with pytest.raises(ValueError, match="must"):
        make_query().open("/a\nb/usage.db", LIMITS)
    assert make_query().open(f"{tmp_path}/usage-other.db", LIMITS).names == ("usage-other.db", "usage-other.db-wal")


def test_feed_is_what_the_pipeline_takes(path: Path) -> None:
    """Path, title, folder, names and place."""
    feed: Feed = open_feed(path)
    assert (feed.path, feed.title, feed.directory) == (str(path), "table of usage", str(path.parent))
    assert feed.names == (NAME, f"{NAME}-wal")
    assert feed.place == digest(str(path))
    assert feed.identity is None


def test_look_differs_after_each_write_and_sees_the_log(writer: SqliteWriter, path: Path) -> None:
    """A write that only reaches the log changes what a watcher compares."""
    feed = open_feed(path)
    before = feed.look()
    put(writer, "a", 1)
    after = feed.look()
    assert before.identity != after.identity
    assert after.size_bytes > before.size_bytes
    assert feed.find_directory_identity() == (path.parent.stat().st_dev, path.parent.stat().st_ino)


async def test_feed_hands_over_what_changed(writer: SqliteWriter, path: Path) -> None:
    """The first reading all, then only other numbers; what is the same is counted."""
    put(writer, "a", 1)
    put(writer, "b", 2)
    feed = open_feed(path)
    assert numbers_of(await read(feed, Trigger.STARTUP)) == {"b": 2, "a": 1}
    writer.execute("UPDATE usage SET number = 5 WHERE session = 'a'")
    reading = await read(feed, Trigger.RESCAN)
    assert numbers_of(reading) == {"a": 5}
    assert (reading.counts.trigger, reading.counts.skipped_count) == (Trigger.RESCAN, 1)
    assert reading.find_progress(1) == (0, feed.look().size_bytes)
    assert numbers_of(await read(feed, Trigger.RESCAN)) == {}


async def test_notification_asks_for_what_came_and_everything_else_for_all(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor holds for notifications alone."""
    asked: list[object] = []

    async def noted(question: Question) -> list[Row]:
        asked.extend(question.values)
        return await ask_database(question)

    monkeypatch.setattr(sqlite, "ask_database", noted)
    put(writer, "a", 1)
    feed = open_feed(path)
    for trigger in (Trigger.WATCH, Trigger.WATCH, *FULL):
        await read(feed, trigger)
    assert asked == [-1, 1, -1, -1, -1, -1]


async def test_nothing_is_remembered_before_a_reading_is_committed(writer: SqliteWriter, path: Path) -> None:
    """Nor of one that another has followed."""
    put(writer, "a", 1)
    feed = open_feed(path)
    first = await feed.read(Trigger.WATCH)
    second = await feed.read(Trigger.WATCH)
    feed.complete(first)
    assert numbers_of(await feed.read(Trigger.WATCH)) == numbers_of(second) == {"a": 1}
    third = await feed.read(Trigger.WATCH)
    feed.complete(third)
    feed.complete(third)
    assert numbers_of(await feed.read(Trigger.WATCH)) == {}


async def test_database_needs_no_checkpoint(writer: SqliteWriter, path: Path) -> None:
    """The first reading in a process asks for all."""
    put(writer, "a", 1)
    feed = open_feed(path)
    assert (await read(feed)).checkpoints == ()
    feed.resume('{"inode": 7, "cursor": 1}')
    assert numbers_of(await read(feed)) == {"a": 1}


async def test_database_that_was_replaced_is_read_from_the_beginning(writer: SqliteWriter, path: Path) -> None:
    """Its rows may have the numbers of the old one's."""
    put(writer, "a", 1)
    feed = open_feed(path)
    await read(feed)
    copy = path.with_name("copy")
    for end in ("", "-wal"):
        shutil.copy(path.with_name(NAME + end), copy.with_name(copy.name + end))
        copy.with_name(copy.name + end).replace(path.with_name(NAME + end))
    reading = await read(feed)
    assert numbers_of(reading) == {}
    assert reading.counts.skipped_count == 1


async def test_time_alone_is_no_change_unless_a_session_runs(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean-up that touches rows moves nobody's last activity; a state that changes is told with the old time."""
    feed = open_feed(path)
    done = MeterReading("a", 1_000, "m", 1, 2, 3, None, 4, None, 0.5, SessionState.DONE)
    steps = [
        (done, done),
        (done._replace(ts=9_000), None),
        (done._replace(ts=9_000, state=SessionState.FAILED), done._replace(state=SessionState.FAILED)),
        (done._replace(ts=9_000, output=5), done._replace(ts=9_000, output=5)),
        (done._replace(ts=9_500, output=5, state=SessionState.RUNNING), None),
    ]
    for said, told in steps:
        monkeypatch.setattr(feed, "_query", _judging(said))
        records = list((await read(feed)).records)
        assert records == ([told] if told else [said] if said.state is SessionState.RUNNING else [])


def _judging(reading: MeterReading) -> SqliteQuery:
    return replace(make_query(), judge=lambda _rows: Judged([reading]))


async def test_identity_is_known_of_files_at_rest_only(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh file may be written once more within the same time; a file at rest is not read again for that."""
    put(writer, "a", 1)
    feed = open_feed(path)
    monkeypatch.setattr(sqlite, "_YOUNG_NS", 1 << 62)
    assert not (await read(feed)).repeats
    assert feed.identity is None
    monkeypatch.setattr(sqlite, "_YOUNG_NS", 0)
    await read(feed)
    assert feed.identity == feed.look().identity
    assert (await read(feed)).repeats
    put(writer, "b", 1)
    assert feed.identity != feed.look().identity


async def test_busy_database_is_tried_again_unless_somebody_is_in_a_hurry(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the attempts the tool has its peace; a request does not wait for them."""
    calls = 0
    called = asyncio.Event()

    async def busy(_question: Question) -> list[Row]:
        nonlocal calls
        calls += 1
        called.set()
        raise Refused("busy", "")

    monkeypatch.setattr(sqlite, "ask_database", busy)
    monkeypatch.setattr(sqlite, "_FIRST_RETRY_S", 0.001)
    feed = open_feed(path)
    with pytest.raises(SourceUnstable):
        await feed.read(Trigger.WATCH)
    assert calls == LIMITS.read_attempts
    feed.hurry()
    with pytest.raises(SourceUnstable):
        await feed.read(Trigger.WATCH)
    assert calls == LIMITS.read_attempts + 1
    feed.take_time()
    monkeypatch.setattr(sqlite, "_FIRST_RETRY_S", 60)
    called.clear()
    task = asyncio.create_task(feed.read(Trigger.WATCH))
    async with asyncio.timeout(HANG_S):
        await called.wait()
        feed.hurry()
        with pytest.raises(SourceUnstable):
            await task


async def test_rollback_under_way_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look before the question is a part of the attempt."""
    with SqliteWriter(path) as writer:
        writer.execute("PRAGMA journal_mode = DELETE")
        writer.execute("CREATE TABLE usage (id INTEGER PRIMARY KEY, session TEXT, number INTEGER)")
        writer.execute("CREATE TABLE more (text TEXT)")
        writer.execute("PRAGMA cache_size = 2")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO usage VALUES (1, 'a', 7)")
        writer.execute_many("INSERT INTO more VALUES (?)", [("x" * 3_000,)] * 50)  # so much that it is written before
        feed = open_feed(path)

        async def rest(_seconds: float) -> None:
            writer.execute("COMMIT")

        monkeypatch.setattr(feed, "_rest", rest)
        path.with_name(f"{NAME}-journal").touch()
        assert path.with_name(f"{NAME}-journal").stat().st_size > 0
        assert numbers_of(await feed.read(Trigger.RESCAN)) == {"a": 7}


async def test_readings_for_notifications_keep_their_distance(writer: SqliteWriter, path: Path) -> None:
    """Others come at once, and a caller in a hurry ends the waiting."""
    put(writer, "a", 1)
    feed = open_feed(path, rest_s=0.3)
    began_s = time.monotonic()
    for _ in range(3):
        await read(feed, Trigger.WATCH)
    assert time.monotonic() - began_s >= 0.6
    slow = open_feed(path, rest_s=10 * HANG_S)
    assert slow.rest_s == 10 * HANG_S
    async with asyncio.timeout(HANG_S):
        await read(slow, Trigger.WATCH)
        await read(slow, Trigger.RESCAN)
        waiting = asyncio.create_task(read(slow, Trigger.WATCH))
        slow.hurry()
        await waiting
