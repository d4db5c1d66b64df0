"""Logs below a root, on the real file system: what they say is handed over once, whatever becomes of the files."""

from __future__ import annotations

import os
import shutil
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.errors import SourceNotFound, SourcePathRefused, SourceUnreadable
from aico.core.usage import AnyRecord, Rejection, RejectionCode, Trigger, UsageEvent
from aico.features.files import line_feed, line_window
from aico.features.files.feed import ReadLimits
from aico.features.files.line_feed import GONE_MS, LineFeed
from aico.features.files.line_format import LineFile, LineFormat, LineParser, PlainState
from aico.features.files.line_points import Point
from aico.features.files.line_window import LineReader
from aico.features.files.shape import Rests
from aico.features.files.tree import _Folder
from aico.features.files.tree_guard import FileStat, Listing, Root, TreeGuard
from tests.files.test_guard import NOBODY, as_ordinary_user
from tests.sources.feeds import NOW_MS, FeedDriver
from tests.sources.invented_lines import ERRORS, FORMAT, PATTERNS, LogFolder, model, say, use


def open_feed(root: Path, line_format: LineFormat = FORMAT, now_ms: int = NOW_MS) -> LineFeed:
    """Return the feed of ``root``, as in a new process."""
    return LineFeed(ERRORS, PATTERNS, line_format, str(root), ReadLimits(1 << 20, 1, lambda: now_ms))


@pytest.fixture
def logs(tmp_path: Path) -> LogFolder:
    """Return an empty root."""
    return LogFolder(tmp_path.resolve() / "logs")


@pytest.fixture
def driver(logs: LogFolder) -> FeedDriver:
    """Return what reads it."""
    return FeedDriver(open_feed(logs.path))


def spent(driver: FeedDriver) -> dict[str, int | None]:
    """Return the tokens of every request that was taken in, by its number of the session and time."""
    events = [event for event in driver.stored.values() if isinstance(event, UsageEvent)]
    return {f"{event.session}/{event.model}/{event.ts}": event.tokens.input for event in events}


def total(driver: FeedDriver) -> int:
    """Return the sum of all tokens that were taken in."""
    return sum(
        number or 0
        for number in (event.tokens.input for event in driver.stored.values() if isinstance(event, UsageEvent))
    )


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the paths of the files that are opened in the block, in their order."""
    paths: list[str] = []
    real = TreeGuard.open_file

    @contextmanager
    def noted(guard: TreeGuard, root: Root, path: str) -> Iterator[tuple[int, FileStat]]:
        paths.append(path)
        with real(guard, root, path) as found:
            yield found

    with monkeypatch.context() as patched:
        patched.setattr(TreeGuard, "open_file", noted)
        yield paths


@contextmanager
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield the numbers of the lines that are parsed in the block, in their order."""
    lines: list[int] = []
    real = line_feed._Chunk.take

    def noted(chunk: line_feed._Chunk, line: memoryview, index: int) -> bool:
        lines.append(index)
        return real(chunk, line, index)

    with monkeypatch.context() as patched:
        patched.setattr(line_feed._Chunk, "take", noted)
        yield lines


class BreakingParser:
    """Breaks down behind the record of each line that spends 13."""

    def __init__(self, parser: LineParser, error: type[Exception]) -> None:
        self._parser = parser
        self._error = error

    @property
    def state(self) -> PlainState:
        """The state of the parser."""
        return self._parser.state

    def parse(self, line: memoryview, index: int) -> Iterator[AnyRecord | Rejection]:
        """Yield what the line says."""
        for each in self._parser.parse(line, index):
            yield each
            if isinstance(each, UsageEvent) and each.tokens.input == 13:
                raise self._error(bytes(line))


# Files and lines that are read


async def test_new_lines_are_handed_over_once(logs: LogFolder, driver: FeedDriver) -> None:
    """Each line of each file that the patterns name, and no other file."""
    logs.append("a/one.jsonl", use("1", 10), say("hello"))
    logs.append("a/one/more/part-1.jsonl", use("2", 20))
    logs.append("a/one/more/other.jsonl", use("x", 1_000))
    logs.append("a/notes.txt", use("y", 1_000))
    logs.append("top.jsonl", use("z", 1_000))
    reading = await driver.take_in()
    assert (total(driver), len(reading.records), reading.left) == (30, 2, None)
    logs.append("a/one.jsonl", use("3", 5))
    reading = await driver.take_in()
    assert (total(driver), len(reading.records)) == (35, 1)
    assert (await driver.take_in()).repeats


async def test_half_a_line_waits_for_its_end(logs: LogFolder, driver: FeedDriver) -> None:
    """It is neither taken nor refused, in this process and the next."""
    line = use("1", 10)
    logs.append("a/one.jsonl", line[:7])
    reading = await driver.take_in()
    assert (reading.records, reading.counts.rejections) == ([], ())
    driver.restart(open_feed(logs.path))
    logs.append("a/one.jsonl", line[7:-1])
    assert (await driver.take_in()).records == []
    logs.append("a/one.jsonl", b"\n")
    await driver.take_in()
    assert total(driver) == 10


CONTENT = b"".join(
    [
        say("x" * 30),
        use("0", 1),
        model("m1"),
        *(use(f"{number}", number, ts=1_779_000_000_000 + number) for number in range(1, 8)),
        b'{ no JSON "spent"\n',
        b"\n\n",
        model("m2"),
        say("y" * 90),
        use("9", None),
        use("é", 3),
    ]
)


@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=12), restarts=st.sets(st.integers(0, 12)))
async def test_any_split_of_appends_says_the_same_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], restarts: set[int]
) -> None:
    """Wherever the writes are cut and whenever the process begins anew, also within the window and the budget."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line_window, "WINDOW_BYTES", 64)
        patched.setattr(line_feed, "CHUNK_BYTES", 100)
        root = tmp_path_factory.mktemp("split").resolve()
        logs = LogFolder(root / "logs")
        driver = FeedDriver(open_feed(logs.path))
        refused = 0
        edges = [0, *sorted(cuts), len(CONTENT)]
        for number, (first, last) in enumerate(pairwise(edges)):
            logs.append("a/one.jsonl", CONTENT[first:last])
            for reading in await driver.take_in_all():
                refused += len(reading.counts.rejections)
            if number in restarts:
                driver.restart(open_feed(logs.path))
        whole = FeedDriver(open_feed(logs.path))
        readings = await whole.take_in_all()
        assert driver.stored == whole.stored
        assert len(whole.stored) == 10
        assert refused == sum(len(reading.counts.rejections) for reading in readings) == 1
        assert [each.field for reading in readings for each in reading.counts.partials] == ["tokens"]
        shutil.rmtree(root)


@given(order=st.permutations(range(6)), batch=st.integers(1, 4))
async def test_files_in_any_order_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], batch: int
) -> None:
    """The same request in several files is one, whichever is read first."""
    root = tmp_path_factory.mktemp("order").resolve()
    logs = LogFolder(root / "logs")
    driver = FeedDriver(open_feed(logs.path))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line_feed, "CHUNK_FILES", batch)
        for number in order:
            path = logs.append(f"a/{number}.jsonl", *(use(f"{each}", each) for each in range(number, number + 3)))
            os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number))
        await driver.take_in_all()
    assert total(driver) == sum(range(8))
    shutil.rmtree(root)


async def test_newest_files_come_first_and_live_changes_between(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first reading comes in parts, with its progress in bytes; what changes meanwhile does not wait for its end."""
    monkeypatch.setattr(line_feed, "CHUNK_FILES", 2)
    for number in range(6):
        path = logs.append(f"a/{number}.jsonl", use(f"{number}", 1, session=f"s{number}"))
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number))
    size = 6 * path.stat().st_size
    with opened(monkeypatch) as paths:
        first = await driver.take_in(Trigger.STARTUP)
        assert first.left is not None
        assert first.left == (4, size // 3, size)
        logs.append("a/0.jsonl", use("live", 1))
        second = await driver.take_in()
        rest = await driver.take_in_all()
    assert paths == ["a/5.jsonl", "a/4.jsonl", "a/0.jsonl", "a/3.jsonl", "a/2.jsonl", "a/1.jsonl"]
    assert second.left is not None
    assert second.left.bytes_done < second.left.bytes_total
    assert rest[-1].left is None
    assert total(driver) == 7


async def test_first_of_several_readings_are_smaller(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest numbers come soon. So it is again when there is more later."""
    monkeypatch.setattr(line_feed, "CHUNK_RECORDS", 10)
    for part in "ab":
        logs.append(f"{part}/one.jsonl", *(use(f"{part}{number}", 1) for number in range(40)))
        readings = await driver.take_in_all()
        assert [len(reading.records) for reading in readings] == [2, 2, 2, 2, 10, 10, 10, 2]
    assert total(driver) == 80


@pytest.mark.parametrize(("lines", "files"), [(2, 3), (4, 2), (6, 1), (3, 3)])
async def test_bound_at_the_last_line_of_a_file_is_its_end(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch, lines: int, files: int
) -> None:
    """Each line is parsed once, wherever a reading ends, and the readings come to an end."""
    monkeypatch.setattr(line_feed, "CHUNK_RECORDS", 2)
    for number in range(files):
        logs.append(f"a/{number}.jsonl", *(use(f"{number}.{line}") for line in range(lines)))
    with parsed(monkeypatch) as seen:
        for _ in range(lines * files // 2 + 3):  # the first four have room for one
            reading = await driver.feed.read(Trigger.CLI)
            driver.feed.complete(reading)
    assert reading.left is None
    assert sorted(seen) == sorted(list(range(lines)) * files)


async def test_reading_that_was_not_stored_is_handed_over_again(logs: LogFolder, driver: FeedDriver) -> None:
    """Until it is completed nothing is remembered of it, and the next look says that there is something to read."""
    logs.append("a/one.jsonl", use("1", 10))
    await driver.read()
    assert driver.feed.identity != driver.feed.look().identity
    await driver.read()
    assert driver.feed.identity != driver.feed.look().identity
    driver.commit(await driver.read())
    assert driver.feed.identity == driver.feed.look().identity
    assert total(driver) == 10


# Changes of files


async def test_start_reads_no_byte_of_files_that_did_not_change(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata are enough, also with another device number: no part of a checkpoint."""
    for number in range(20):
        logs.append(f"a/{number}.jsonl", use(f"{number}", 1))
    logs.append("a/empty.jsonl", b"")
    await driver.take_in_all()
    with opened(monkeypatch) as paths:
        driver.restart(open_feed(logs.path))
        await driver.take_in_all(Trigger.STARTUP)
        assert paths == []
        logs.append("a/7.jsonl", use("new", 1))
        await driver.take_in_all()
        assert paths == ["a/7.jsonl"]


@pytest.mark.parametrize("restart", [False, True])
async def test_moved_file_is_read_on(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    """An archive moves files: they are known by their inode and their bytes, and the model that was named is kept."""
    old = logs.append("a/one.jsonl", model("m1"), *(use(f"{number}", 1, ts=NOW_MS + number) for number in range(9)))
    await driver.take_in_all()
    new = logs.path / "archive" / "other.jsonl"
    new.parent.mkdir()
    old.rename(new)
    if restart:
        driver.restart(open_feed(logs.path))
    with parsed(monkeypatch) as lines:
        await driver.take_in_all(Trigger.REQUEST)
        logs.append("archive/other.jsonl", use("9", 1, ts=NOW_MS + 9))
        await driver.take_in_all(Trigger.REQUEST)
    assert lines == [10]
    assert len(spent(driver)) == 10
    assert all("/m1/" in name for name in spent(driver))


async def test_files_that_changed_their_names_are_both_read_on(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation puts a new file in the place of the old one."""
    one = logs.append("a/log.jsonl", use("1", 1), use("2", 2))
    await driver.take_in_all()
    one.rename(logs.path / "a" / "log-1.jsonl")
    logs.append("a/log.jsonl", use("3", 3))
    with parsed(monkeypatch) as lines:
        await driver.take_in_all(Trigger.REQUEST)
    assert lines == [0]
    assert total(driver) == 6


@pytest.mark.parametrize("restart", [False, True])
async def test_rewritten_and_shortened_files_take_nothing_away(
    logs: LogFolder, driver: FeedDriver, restart: bool
) -> None:
    """They are read from their beginning: what is new is taken, what is gone stays."""
    path = logs.append("a/one.jsonl", use("1", 1), use("2", 2), use("3", 3))
    await driver.take_in_all()
    for number, content in enumerate(
        [
            [use("2", 2)],  # shortened in place
            [use("2", 2), use("4", 4), use("5", 5), use("1", 1)],  # written over, longer
            [use("6", 6), use("4", 4), use("5", 5), use("1", 1)],  # the same size
        ]
    ):
        path.write_bytes(b"".join(content))
        if restart:
            driver.restart(open_feed(logs.path))
        await driver.take_in_all(Trigger.REQUEST)
        assert total(driver) == [6, 15, 21][number]
    other = path.with_name("new")
    other.write_bytes(use("7", 7) + use("8", 8))
    other.rename(path)  # replaced
    await driver.take_in_all(Trigger.REQUEST)
    assert total(driver) == 36
    path.unlink()
    await driver.take_in_all(Trigger.REQUEST)
    assert total(driver) == 36


async def test_restored_copy_reads_nothing_again(
    logs: LogFolder, driver: FeedDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other inodes with the same times and bytes are the same files; that is stored, so that it is asked once."""
    logs.append("a/one.jsonl", use("1", 1))
    await driver.take_in_all()
    copy = tmp_path / "copy"
    shutil.copytree(logs.path, copy)
    shutil.rmtree(logs.path)
    copy.rename(logs.path)
    driver.restart(open_feed(logs.path))
    with parsed(monkeypatch) as lines, opened(monkeypatch) as paths:
        await driver.take_in_all()
        driver.restart(open_feed(logs.path))
        await driver.take_in_all()
    assert (lines, paths) == ([], ["a/one.jsonl"])


async def test_touched_file_brings_nothing_twice(logs: LogFolder, driver: FeedDriver) -> None:
    """Other times under the same bytes: read again, perhaps, and the keys are known."""
    path = logs.append("a/one.jsonl", use("1", 1))
    await driver.take_in_all()
    path.touch()
    await driver.take_in_all(Trigger.REQUEST)
    assert total(driver) == 1


async def test_other_version_reads_from_the_beginning(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new parser's records of old lines are handed over, once."""
    logs.append("a/one.jsonl", use("1", 1))
    await driver.take_in_all()
    driver.restart(open_feed(logs.path, replace(FORMAT, version=2)))
    with parsed(monkeypatch) as lines:
        await driver.take_in_all()
        await driver.take_in_all(Trigger.REQUEST)
    assert lines == [0]


async def test_first_sight_outlives_moves_rewrites_and_versions(logs: LogFolder) -> None:
    """A parser is told when a file was first seen, which says whose a copied line is."""
    seen: list[tuple[tuple[str, ...], int]] = []

    def noted(file: LineFile, state: PlainState) -> LineParser:
        seen.append((file.parts, file.first_seen_ms))
        return FORMAT.open(file, state)

    path = logs.append("a/one.jsonl", use("1", 1))
    driver = FeedDriver(open_feed(logs.path, replace(FORMAT, open=noted), NOW_MS))
    await driver.take_in_all()
    path.write_bytes(use("2", 1))
    driver.restart(open_feed(logs.path, replace(FORMAT, open=noted), NOW_MS + 1))
    await driver.take_in_all()
    path.rename(path.with_name("two.jsonl"))
    driver.restart(open_feed(logs.path, replace(FORMAT, open=noted, version=2), NOW_MS + 2))
    await driver.take_in_all()
    path.with_name("two.jsonl").rename(path.with_name("three.jsonl"))
    driver.restart(open_feed(logs.path, replace(FORMAT, open=noted, version=2), NOW_MS + 3))
    await driver.take_in_all()
    names = ["one", "one", "two", "three"]
    assert [parts for parts, _ in seen] == [("a", f"{name}.jsonl") for name in names]
    assert {ms for _, ms in seen} == {NOW_MS}


async def test_checkpoint_of_a_file_that_is_gone_for_90_days_goes(logs: LogFolder, driver: FeedDriver) -> None:
    """Not before: a folder that is not mounted comes back."""
    path = logs.append("a/one.jsonl", use("1", 1))
    logs.append("a/two.jsonl", use("2", 1))
    await driver.take_in_all()
    path.unlink()
    driver.restart(open_feed(logs.path, now_ms=NOW_MS + 1))
    await driver.take_in_all()
    assert len(driver.files) == 2
    driver.restart(open_feed(logs.path, now_ms=NOW_MS + GONE_MS))
    await driver.take_in_all()
    assert len(driver.files) == 2
    driver.restart(open_feed(logs.path, now_ms=NOW_MS + GONE_MS + 2))
    await driver.take_in_all()
    assert len(driver.files) == 1


@pytest.mark.parametrize("is_restarted", [True, False])
async def test_time_of_a_file_that_was_there_in_between_begins_anew(
    logs: LogFolder, driver: FeedDriver, *, is_restarted: bool
) -> None:
    """A folder that is not mounted at two starts, months apart, was not gone for months."""
    logs.append("a/one.jsonl", use("1", 1))
    logs.append("b/two.jsonl", use("2", 1))
    await driver.take_in_all()
    (logs.path / "b").rename(logs.path.with_name("b"))
    elsewhere = logs.path.with_name("a")
    for now_ms in (NOW_MS + 1, NOW_MS + GONE_MS):
        (logs.path / "a").rename(elsewhere)
        driver.restart(open_feed(logs.path, now_ms=now_ms))
        await driver.take_in_all()
        points = [msgspec.json.decode(position, type=Point) for position in driver.files.values()]
        assert sorted(point.gone_ms for point in points) == [NOW_MS + 1, now_ms]
        elsewhere.rename(logs.path / "a")
        if is_restarted:
            driver.restart(open_feed(logs.path, now_ms=now_ms))
        assert (await driver.take_in(Trigger.RESCAN)).repeats
        points = [msgspec.json.decode(position, type=Point) for position in driver.files.values()]
        assert sorted(point.gone_ms for point in points) == [0, NOW_MS + 1]


async def test_gone_files_are_noted_again_where_that_was_not_stored(logs: LogFolder, driver: FeedDriver) -> None:
    """So is that one is there again. What was true of a file then, and is not any more, is not noted."""
    for name in ("one", "two", "three"):
        logs.append(f"{name}/log.jsonl", use(name, 1))
    await driver.take_in_all()

    def list_gone() -> list[int]:
        return sorted(msgspec.json.decode(position, type=Point).gone_ms for position in driver.files.values())

    elsewhere = logs.path.with_name("elsewhere")
    elsewhere.mkdir()
    for name in ("one", "two"):
        (logs.path / name).rename(elsewhere / name)
    driver.restart(open_feed(logs.path, now_ms=NOW_MS + 1))
    assert len((await driver.read()).checkpoints) == 2
    (elsewhere / "one").rename(logs.path / "one")
    await driver.take_in(Trigger.REQUEST)
    assert list_gone() == [0, 0, NOW_MS + 1]
    (elsewhere / "two").rename(logs.path / "two")
    assert len((await driver.read(Trigger.REQUEST)).checkpoints) == 1
    await driver.take_in()
    assert list_gone() == [0, 0, 0]
    assert (await driver.take_in()).checkpoints == ()


async def test_many_files_that_are_gone_are_noted_by_one_reading_after_the_other(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no file that is there is ever noted."""
    paths = [logs.append(f"a/{number}.jsonl", use(f"{number}", 1)) for number in range(7)]
    await driver.take_in_all()
    for path in paths[2:]:
        path.unlink()
    monkeypatch.setattr(line_feed, "CHUNK_RECORDS", 2)
    driver.restart(open_feed(logs.path, now_ms=NOW_MS + 1))
    counts = []
    for _ in range(4):
        await driver.take_in(Trigger.RESCAN)
        points = [msgspec.json.decode(position, type=Point) for position in driver.files.values()]
        counts.append(sum(point.gone_ms == NOW_MS + 1 for point in points))
        assert {point.inode for point in points if not point.gone_ms} >= {path.stat().st_ino for path in paths[:2]}
    assert counts == [2, 4, 5, 5]


async def test_broken_checkpoint_is_none(logs: LogFolder, driver: FeedDriver) -> None:
    """It costs a reading from the beginning."""
    logs.append("a/one.jsonl", use("1", 1))
    await driver.take_in_all()
    for broken in ("", "{}", "[1]", "[1,2,3,4,5,6,7,8,9,[],null]"):
        driver.files = dict.fromkeys(driver.files, broken)
        driver.stored.clear()
        driver.restart(open_feed(logs.path))
        await driver.take_in_all()
        assert total(driver) == 1


# Long lines and bad ones


@pytest.mark.slow
@pytest.mark.parametrize("has_end", [True, False])
async def test_long_line_without_a_needle_takes_no_more_memory_than_a_window(
    logs: LogFolder, driver: FeedDriver, has_end: bool
) -> None:
    """200 MB of zeros between two requests, or at the end of the file."""
    path = logs.append("a/one.jsonl", use("1", 1))
    os.truncate(path, path.stat().st_size + 200_000_000)
    if has_end:
        logs.append("a/one.jsonl", b"\n", use("2", 2))
    tracemalloc.start()
    try:
        await driver.take_in_all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total(driver) == (3 if has_end else 1)
    assert peak < 3 * line_window.WINDOW_BYTES


def test_folder_with_one_log_takes_little_memory(logs: LogFolder) -> None:
    """Thousands of folders are known as long as the service runs. A set of one name was 216 bytes more for each."""
    count = 500
    for number in range(count):
        logs.append(f"{number:05}/one.jsonl", use(f"{number}", 1))
    feed = open_feed(logs.path)
    tracemalloc.start()
    try:
        assert feed.look().files == count
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held / count < 1_160


@pytest.mark.parametrize("count", [1, 4, 5, 9])
async def test_names_that_come_and_go_are_followed_however_many_there_are(
    logs: LogFolder, driver: FeedDriver, count: int
) -> None:
    """In a folder that is listed again, and by one notification each."""
    for number in range(count):
        logs.append(f"a/{number}.jsonl", use(f"{number}", 1))
    await driver.take_in_all()
    (logs.path / "a" / "0.jsonl").unlink()
    logs.append("a/new.jsonl", use("new", 1))
    await driver.take_in_all()
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    feed.note_watched(feed.folders)
    assert feed.look().files == count
    feed.hint(str(logs.append("a/newer.jsonl", use("newer", 1))))
    assert feed.look().files == count + 1
    shutil.rmtree(logs.path / "a")
    feed.hint(str(logs.path / "a"))
    assert feed.look().files == 0


async def test_record_is_read_up_to_its_bound_and_refused_beyond(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a needle at the front, at the end, and across the border of two windows; what follows is read."""
    monkeypatch.setattr(line_window, "WINDOW_BYTES", 100)
    monkeypatch.setattr(line_window, "RECORD_BYTES_MAX", 1_000)
    for blanks in range(60, 130):
        logs.append("a/one.jsonl", b" " * blanks, use(f"front{blanks}", 1))
    logs.append("a/one.jsonl", use("end", 1)[:-1], b" " * 900, b"\n", b" " * 5_000, use("no", 1_000), use("last", 1))
    [reading] = await driver.take_in_all()
    assert total(driver) == 72
    assert reading.counts.rejections == (Rejection(71, RejectionCode.TOO_LONG, None),)


async def test_line_that_is_no_record_is_refused_and_the_next_is_read(logs: LogFolder, driver: FeedDriver) -> None:
    """Cut, no JSON, no UTF-8, deep, with a huge number: each is counted with its line, and the reader goes on."""
    bad = [
        use("cut", 1)[:-4] + b"\n",
        b'spent "spent"\n',
        b'["spent", 1, "\xff", 1, 1]\n',
        b'["spent",' + b"[" * 100_000 + b"\n",
        b'["spent", 1, "s", 1, ' + b"9" * 6_000 + b"]\n",
        b"\0" * 100 + use("zeros", 1),
    ]
    for number, line in enumerate(bad):
        logs.append("a/one.jsonl", say("x"), line, use(f"{number}", 1))
    [reading] = await driver.take_in_all()
    assert total(driver) == len(bad)
    assert [each.index for each in reading.counts.rejections] == [1 + 3 * number for number in range(len(bad))]


async def test_memory_of_lines_is_wiped(logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any reading, and also after a bug, nothing of it stays in the windows."""
    readers: list[LineReader] = []

    class Noted(LineReader):
        def wipe(self) -> None:
            super().wipe()
            readers.append(self)

    monkeypatch.setattr(line_feed, "LineReader", Noted)
    logs.append("a/one.jsonl", say("CANARY" * 1_000), use("1", 1))
    await driver.take_in_all()
    assert any(len(reader._window) > 6_000 for reader in readers)

    def break_down(_chunk: object, _line: memoryview, _index: int) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(line_feed._Chunk, "take", break_down)
    logs.append("a/one.jsonl", say("CANARY"), use("2", 1))
    with pytest.raises(ZeroDivisionError):
        await driver.read()
    assert not any(any(reader._window) for reader in readers)


# Files that are not read


def test_path_must_be_absolute_and_plain() -> None:
    """Any other is refused by its text alone."""
    for path in ("logs", "/a/../b", "/a//b", "/a/", "/"):
        with pytest.raises(ValueError, match=r"must be"):
            open_feed(Path("/")).__class__(ERRORS, PATTERNS, FORMAT, path, ReadLimits(1, 1, lambda: 0))


@pytest.mark.parametrize("part", ["root", "parent"])
async def test_root_behind_a_link_is_refused_with_its_real_path(logs: LogFolder, part: str) -> None:
    """It names the setting that can name the real path."""
    logs.append("a/one.jsonl", use("1", 1))
    link = logs.path.with_name("link")
    link.symlink_to(logs.path if part == "root" else logs.path.parent)
    path = link if part == "root" else link / logs.path.name
    feed = open_feed(path)
    for look in (feed.look, lambda: feed._read(Trigger.REQUEST)):
        with pytest.raises(SourcePathRefused) as caught:
            look()
        assert str(logs.path) in str(caught.value)
        assert "[sources.invented-lines] roots" in str(caught.value)
    assert feed.find_directory_identity() is None


async def test_look_opens_nothing_to_be_read(logs: LogFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system would tell a watcher of the folder of that, at each look; the look says which folder the root is."""
    feed = open_feed(logs.path)
    logs.append("a/one.jsonl", use("1", 1))
    await FeedDriver(feed).take_in_all()
    feed.note_watched(feed.folders)
    feed.look()
    opened: list[int] = []
    real = os.open

    def noted(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        opened.append(flags)
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", noted)
    logs.append("a/one.jsonl", use("2", 1))
    feed.hint(str(logs.path / "a" / "one.jsonl"))
    look = feed.look()
    only_path = getattr(os, "O_PATH", 0)  # macOS has none
    assert opened
    assert all(flags & only_path == only_path for flags in opened)
    assert look.directory == feed.find_directory_identity() is not None


@pytest.mark.parametrize("mode", [0o300, 0o600])
def test_root_that_may_not_be_read_or_entered_is_told(mode: int) -> None:
    """It is unreadable, not empty, at each look; and it is read as soon as it may be."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.chmod(0o755)
        logs = LogFolder(home / "logs")
        logs.append("a/one.jsonl", use("1", 1))
        for each in (logs.path, logs.path / "a", logs.path / "a" / "one.jsonl"):
            shutil.chown(each, NOBODY if os.geteuid() == 0 else os.geteuid())
        feed = open_feed(logs.path)
        logs.path.chmod(mode)
        with as_ordinary_user():
            for _ in range(2):
                with pytest.raises(SourceUnreadable, match="EACCES"):
                    feed.look()
        logs.path.chmod(0o700)
        with as_ordinary_user():
            assert feed.look().files == 1


async def test_root_that_is_no_folder_or_not_there_is_told(logs: LogFolder, driver: FeedDriver) -> None:
    """A file in its place is refused, its absence is no fault, and a root that vanishes and returns goes on."""
    logs.append("a/one.jsonl", use("1", 1))
    await driver.take_in_all()
    away = logs.path.with_name("away")
    logs.path.rename(away)
    with pytest.raises(SourceNotFound):
        driver.feed.look()
    logs.path.touch()
    with pytest.raises(SourcePathRefused, match=r"is no folder"):
        driver.feed.look()
    logs.path.unlink()
    away.rename(logs.path)
    logs.append("a/one.jsonl", use("2", 2))
    await driver.take_in_all()
    assert total(driver) == 3


async def test_links_below_the_root_are_not_followed_and_named(logs: LogFolder, driver: FeedDriver) -> None:
    """Neither a linked folder nor a linked file is read; each is told with its real path and the setting."""
    other = LogFolder(logs.path.with_name("other"))
    other.append("secret.jsonl", use("secret", 1_000))
    logs.append("a/one.jsonl", use("1", 1))
    (logs.path / "linked").symlink_to(other.path)
    (logs.path / "a" / "two.jsonl").symlink_to(other.path / "secret.jsonl")
    (logs.path / "a" / "note").symlink_to(other.path / "secret.jsonl")
    (logs.path / "dangling").symlink_to(other.path / "nothing")
    await driver.take_in_all(Trigger.REQUEST)
    assert total(driver) == 1
    assert isinstance(driver.feed, LineFeed)
    notes = sorted(driver.feed.notes)
    assert len(notes) == 2
    assert notes[0].startswith(f"{logs.path}/a/two.jsonl is a link to {other.path}/secret.jsonl, ")
    assert notes[1].startswith(f"{logs.path}/linked is a link to {other.path}, ")
    assert all("[sources.invented-lines] roots" in note for note in notes)


async def test_folder_swapped_for_a_link_while_it_is_read_is_not_entered(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening, at any step of the path."""
    other = LogFolder(logs.path.with_name("other"))
    other.append("one/more/part-1.jsonl", use("secret", 1_000))
    logs.append("a/one/more/part-1.jsonl", use("1", 1))
    driver.feed.look()
    (logs.path / "a").rename(logs.path / "b")
    (logs.path / "a").symlink_to(other.path)
    monkeypatch.setattr(LineFeed, "_refresh", lambda *_: None)
    reading = await driver.take_in()
    assert reading.records == []
    assert isinstance(driver.feed, LineFeed)
    assert [note.partition(" is ")[0] for note in driver.feed.notes] == [f"{logs.path}/a/one/more/part-1.jsonl"]


async def test_what_is_no_plain_file_is_refused_and_never_waited_for(logs: LogFolder, driver: FeedDriver) -> None:
    """A FIFO, a folder of that name, a second name, and a file without end."""
    logs.append("a/one.jsonl", use("1", 1))
    os.mkfifo(logs.path / "a" / "fifo.jsonl")
    (logs.path / "a" / "folder.jsonl").mkdir()
    os.link(logs.append("a/hard.jsonl", use("2", 1_000)), logs.path / "a" / "link.jsonl")
    huge = logs.append("a/huge.jsonl", b"")
    os.truncate(huge, 1 << 40)
    await driver.take_in_all()
    assert total(driver) == 1
    assert isinstance(driver.feed, LineFeed)
    assert [note.removeprefix(f"{logs.path}/a/").split(" ", 1)[0] for note in sorted(driver.feed.notes)] == [
        "fifo.jsonl",
        "hard.jsonl",
        "huge.jsonl",
        "link.jsonl",
    ]


async def test_fifo_in_the_place_of_a_file_is_not_waited_for(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put there after the look."""
    path = logs.append("a/one.jsonl", use("1", 1))
    driver.feed.look()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(LineFeed, "_refresh", lambda *_: None)
    assert (await driver.take_in()).records == []


def test_file_of_somebody_else_is_refused(logs: LogFolder) -> None:
    """All files must belong to the owner of the root."""
    logs.append("a/one.jsonl", use("1", 1))
    feed = open_feed(logs.path)
    with feed._guard.open() as root:
        assert feed._guard.look_at_file(root, "a/one.jsonl") is not None
        assert feed._guard.look_at_file(root._replace(owner=root.owner + 1), "a/one.jsonl") is None


async def test_file_that_fails_does_not_hold_up_the_others(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, not tried at every look, and read when it can be."""
    logs.append("a/bad.jsonl", use("1", 1))
    logs.append("a/good.jsonl", use("2", 2))
    bad = (logs.path / "a" / "bad.jsonl").stat().st_ino
    real = os.readv

    def failing(descriptor: int, buffers: list[memoryview]) -> int:
        if os.fstat(descriptor).st_ino == bad:
            raise OSError(5, "Input/output error")
        return real(descriptor, buffers)

    assert isinstance(driver.feed, LineFeed)
    with monkeypatch.context() as patched:
        patched.setattr(os, "readv", failing)
        await driver.take_in_all()
        assert total(driver) == 2
        assert driver.feed.notes == (f"{logs.path}/a/bad.jsonl cannot be read (Input/output error).",)
        assert driver.feed.look().identity == driver.feed.identity
    await driver.take_in_all(Trigger.REQUEST)
    assert total(driver) == 3
    assert not driver.feed.notes


async def test_file_that_vanishes_or_shrinks_while_it_is_read_harms_nothing(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part of it that was read counts; the others are read."""
    path = logs.append("a/one.jsonl", *(use(f"{number}", 1) for number in range(50)))
    logs.append("a/two.jsonl", use("two", 1))
    monkeypatch.setattr(line_window, "WINDOW_BYTES", 256)
    real = line_feed._Chunk.take

    def deed(chunk: line_feed._Chunk, line: memoryview, index: int) -> bool:
        if index == 10:
            os.truncate(path, 300)
            shutil.rmtree(logs.path)
        return real(chunk, line, index)

    monkeypatch.setattr(line_feed._Chunk, "take", deed)
    await driver.take_in_all()
    assert total(driver) > 10
    with pytest.raises(SourceNotFound):
        driver.feed.look()


async def test_names_that_are_no_text_are_read_like_others(logs: LogFolder, driver: FeedDriver) -> None:
    """Bytes that are not UTF-8 make a name all the same."""
    folder = os.fsencode(logs.path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102  # a name of bytes
    with open(folder + b"/o\xffne.jsonl", "wb") as file:  # noqa: PTH123, ASYNC230  # likewise
        file.write(use("1", 1))
    await driver.take_in_all()
    driver.restart(open_feed(logs.path))
    await driver.take_in_all()
    assert total(driver) == 1


async def test_names_that_are_no_text_are_told_as_text(logs: LogFolder, driver: FeedDriver) -> None:
    """A file refused under such a name, or a link to one, is told in words that can be sent."""
    logs.append("a/one.jsonl", use("1", 1))
    folder = os.fsencode(logs.path / "a")
    os.symlink(b"/nowhere/\xe9", folder + b"/caf\xe9.jsonl")  # noqa: PTH211  # a name of bytes
    driver.feed.look()
    assert isinstance(driver.feed, LineFeed)
    (note,) = driver.feed.notes
    assert note.encode().startswith(folder + rb"/caf\xe9.jsonl is a link to /nowhere/\xe9, ")


def test_root_behind_a_link_to_a_name_that_is_no_text_is_told_as_text(tmp_path: Path) -> None:
    """Its real path stands in a sentence that can be sent."""
    real = os.fsencode(tmp_path.resolve()) + b"/caf\xe9"
    os.mkdir(real)  # noqa: PTH102  # a name of bytes
    (tmp_path / "link").symlink_to(os.fsdecode(real))
    with pytest.raises(SourcePathRefused) as caught:
        open_feed(tmp_path.resolve() / "link").look()
    assert os.fsencode(tmp_path.resolve()) + rb"/caf\xe9, which" in str(caught.value).encode()


async def test_notes_are_those_of_the_last_look_while_the_next_one_changes_the_tree(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller on another thread never meets a tree that is half looked at."""
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    for name in ("a", "b"):
        logs.append(f"{name}/one.jsonl", use(name, 1))
        (logs.path / name / "link.jsonl").symlink_to(logs.path)
    real, seen = TreeGuard.list_folder, []

    def asked(guard: TreeGuard, root: Root, folder: str, rests: Rests) -> Listing | None:
        seen.append(len(feed.notes))
        return real(guard, root, folder, rests)

    monkeypatch.setattr(TreeGuard, "list_folder", asked)
    feed.look()
    assert (seen, len(feed.notes)) == ([0, 0, 0], 2)
    (logs.path / "a" / "link.jsonl").unlink()
    await driver.read(Trigger.REQUEST)
    assert (seen[3:], len(feed.notes)) == ([2, 2, 2], 1)
    shutil.rmtree(logs.path / "b")
    feed.look()
    assert feed.notes == ()


# Looks


async def test_hint_of_one_file_looks_at_that_file_alone(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the folders: there may be thousands."""
    for number in range(30):
        path = logs.append(f"{number}/one.jsonl", use(f"{number}", 1))
        os.utime(path, ns=(0, 1_700_000_000_000_000_000))
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    await driver.take_in_all()
    feed.note_watched(feed.folders)
    feed.look()
    looks: list[str] = []
    real = os.stat

    def counted(path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        looks.append(path)
        return real(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", counted)
    monkeypatch.setattr(os, "scandir", None)
    changed = logs.append("7/one.jsonl", use("new", 1))
    assert not feed.hint(f"{logs.path}-other/x.jsonl")
    assert not feed.hint(f"{logs.path}/7/one/tool-results/x.jsonl")
    assert feed.look().identity == feed.identity
    assert feed.hint(str(changed))
    looks.clear()
    assert feed.look().identity != feed.identity
    assert set(looks) == {"7/one.jsonl"}
    await driver.take_in()
    assert total(driver) == 31


async def test_folders_that_are_not_watched_are_swept(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New folders and files in them are found by each look, without a hint, and old files by a rescan at last."""
    logs.append("a/one.jsonl", use("1", 1))
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    await driver.take_in_all()
    for number in range(5):
        before = feed.look().identity
        logs.append(f"new/{number}/more/part-{number}.jsonl", use(f"new{number}", 1))
        assert feed.look().identity != before
    shutil.rmtree(logs.path / "new")
    feed.look()
    assert {Path(folder).name for folder in feed.folders} == {"logs", "a", "one"} - {"one"}
    await driver.take_in_all()


async def test_many_hints_become_one_walk(logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of names is not gone through one by one, and nothing of it is lost, in new files and old ones."""
    monkeypatch.setattr(line_feed, "_HINTS_MAX", 10)
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    for number in range(20):
        path = logs.append(f"old{number}/one.jsonl", use(f"old{number}", 1))
        os.utime(path, ns=(0, 1_700_000_000_000_000_000))
    await driver.take_in_all()
    feed.note_watched(feed.folders)
    feed.look()
    for number in range(20):
        assert feed.hint(str(logs.append(f"a{number}/one.jsonl", use(f"{number}", 1))))
        assert feed.hint(str(logs.append(f"old{number}/one.jsonl", use(f"more{number}", 1))))
    await driver.take_in_all()
    assert total(driver) == 60


async def test_bug_in_a_parser_loses_no_file(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the one that it met nor those that were read before it in the same part."""
    for number in range(4):
        path = logs.append(f"a/{number}.jsonl", use(f"{number}", 1))
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number))
    real, count = line_feed._Chunk.take, 0

    def break_down(chunk: line_feed._Chunk, line: memoryview, index: int) -> bool:
        nonlocal count
        count += 1
        if count == 3:
            raise ZeroDivisionError
        return real(chunk, line, index)

    monkeypatch.setattr(line_feed._Chunk, "take", break_down)
    with pytest.raises(ZeroDivisionError):
        await driver.read()
    assert driver.feed.identity != driver.feed.look().identity
    await driver.take_in_all()
    assert total(driver) == 4
    assert driver.feed.identity == driver.feed.look().identity


class CountedFolders(dict[str, _Folder | bytes]):
    """Counts how often all folders are gone through."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        """Return the paths of all."""
        self.walks += 1
        return super().__iter__()


async def test_folders_that_go_are_forgotten_without_a_walk_through_all(logs: LogFolder, driver: FeedDriver) -> None:
    """Each with what lay below it: many that go at once cost no more for each than one."""
    for number in range(20):
        logs.append(f"{number}/one/more/part-1.jsonl", use(f"{number}", 1))
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    await driver.take_in_all(Trigger.REQUEST)
    assert feed.look().files == 20
    feed._tree._folders = folders = CountedFolders(feed._tree._folders)
    for number in range(19):
        shutil.rmtree(logs.path / f"{number}")
    look = feed.look()
    assert (look.files, folders.walks) == (1, 0)
    assert feed.folders == {str(logs.path / part) for part in ("", "19", "19/one", "19/one/more")}
    shutil.rmtree(logs.path / "19")
    assert feed.look().files == 0
    assert feed.folders == {str(logs.path)}


async def test_folders_that_were_told_are_those_of_their_time(logs: LogFolder, driver: FeedDriver) -> None:
    """A later folder is none of them: it is not watched yet, and looked at at each look until it is."""
    logs.append("a/one.jsonl", use("a", 1))
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    await driver.take_in_all()
    before = feed.folders
    assert feed.folders is before
    feed.note_watched(before)
    feed.look()
    late = logs.append("b/one.jsonl", use("b", 1))
    feed.hint(str(late))
    feed.look()
    a, b = str(logs.path / "a"), str(late.parent)
    assert (set(before), len(before), b in before) == ({str(logs.path), a}, 2, False)
    assert set(feed.folders) == {str(logs.path), a, b}
    logs.append("b/two.jsonl", use("more", 1))
    assert feed.look().files == 3


@pytest.mark.parametrize("error", [RecursionError, KeyError, ValueError])
async def test_line_that_breaks_its_parser_is_refused_and_the_next_is_read(
    logs: LogFolder, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    """It would come again with each reading; the log tells the kind of the error and no text of the file."""

    def opened_parser(file: LineFile, state: PlainState) -> LineParser:
        parser = FORMAT.open(file, state)
        return BreakingParser(parser, error)

    logs.append("a/one.jsonl", use("1", 10), use("2", 13), use("3", 20), use("4", 13))
    driver = FeedDriver(open_feed(logs.path, replace(FORMAT, open=opened_parser)))
    reading = await driver.take_in()
    assert (total(driver), reading.left) == (30, None)
    assert reading.counts.rejections == tuple(Rejection(line, RejectionCode.NOT_AN_OBJECT, None) for line in (1, 3))
    assert [record.getMessage() for record in caplog.records] == [
        f"Lines cannot be parsed ({error.__name__}); they are refused"
    ]
    assert (await driver.take_in()).repeats


async def test_file_that_changes_over_and_over_unread_takes_no_memory(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing can be stored, what waits is the files, not their changes."""
    monkeypatch.setattr(line_feed, "_STALE_MAX", 5)
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    for number in range(50):
        logs.append(f"a/{number % 2}.jsonl", use(f"{number}", 1))
        feed.look()
    assert len(feed._queue) < 15
    await driver.take_in_all()
    assert total(driver) == 50


async def test_folder_replaced_under_its_name_is_looked_at_anew(logs: LogFolder, driver: FeedDriver) -> None:
    """Also where the same names lie in it, deeper down."""
    feed = driver.feed
    assert isinstance(feed, LineFeed)
    logs.append("a/one/more/part-1.jsonl", use("1", 1))
    other = LogFolder(logs.path.with_name("other"))
    other.append("one/more/part-1.jsonl", use("2", 2))
    await driver.take_in_all()
    feed.note_watched(feed.folders)
    feed.look()
    (logs.path / "a").rename(logs.path.with_name("gone"))
    other.path.rename(logs.path / "a")
    assert feed.hint(f"{logs.path}/a")
    await driver.take_in_all()
    assert total(driver) == 3


@pytest.mark.slow
async def test_start_with_100_000_files_opens_none_of_them(
    logs: LogFolder, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each checkpoint is small, and a changed file is found by its name."""
    for folder in range(100):
        path = logs.path / f"{folder}"
        path.mkdir()
        for number in range(1_000):
            (path / f"{number}.jsonl").write_bytes(use(f"{folder}-{number}", 1))
    await driver.take_in_all(Trigger.STARTUP)
    assert total(driver) == 100_000
    assert len(driver.files) == 100_000
    assert max(map(len, driver.files.values())) < 250
    driver.restart(open_feed(logs.path))
    with opened(monkeypatch) as paths:
        await driver.take_in_all(Trigger.STARTUP)
        assert paths == []
        changed = logs.append("42/42.jsonl", use("new", 1))
        assert isinstance(driver.feed, LineFeed)
        assert driver.feed.hint(str(changed))
        await driver.take_in_all()
        assert paths == ["42/42.jsonl"]
