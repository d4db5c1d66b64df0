"""The reader of whole files: what it hands over, counts and remembers, and when it reads again."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from aico.core.errors import SourceFormat, SourceNotFound, SourceUnstable
from aico.core.usage import MeterReading, ReadingCounts, Rejection, RejectionCode, Trigger
from aico.features.files import whole_file as whole_file_module
from aico.features.files.feed import Feed, Reading, ReadLimits
from aico.features.files.guard import FileGuard
from aico.features.files.identity import FileIdentity, identity_of
from aico.features.files.parsed import Parsed
from aico.features.files.snapshot import Snapshot, read_snapshot
from aico.features.files.whole_file import WholeFile, WholeFileFeed
from tests.files.interference import DisturbedGuard, disturb_reading
from tests.files.places import MAX_BYTES
from tests.sources.feeds import NOW_MS, FeedDriver, entry_count, open_feed
from tests.sources.invented import FILE, LOG

CANARY = "CANARY-prompt"
RETRIES_S = [0.05, 0.1, 0.2, 0.4, 0.8]
SECOND_LOOK_S = 0.1


def rows(*tokens: int, first: int = 0) -> bytes:
    """Return a file of one session for each number of ``tokens``, the later ones the newer."""
    return json.dumps([[f"s{first + n}", 1_000 + first + n, each] for n, each in enumerate(tokens)]).encode()


def said(reading: Reading) -> list[tuple[str, int | None]]:
    """Return session and tokens of what a reading hands over, in its order."""
    return [(each.session, each.input) for each in reading.records if isinstance(each, MeterReading)]


class ToolsFile:
    """A tool, as far as a reading is concerned: somebody who writes the file."""

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

    def touch(self, moment_ms: int) -> None:
        """Say that it was written at that moment."""
        os.utime(self.path, ns=(moment_ms * 1_000_000, moment_ms * 1_000_000))

    @property
    def identity(self) -> FileIdentity:
        """The facts of ``stat`` on it now."""
        return identity_of(self.path.stat())


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
def file(path: Path) -> ToolsFile:
    """Return the tool's file, not written yet."""
    return ToolsFile(path)


@pytest.fixture
def driver(path: Path) -> FeedDriver:
    """Return the driver of its feed."""
    return FeedDriver(open_feed(LOG, path))


async def test_first_reading_hands_over_everything_newest_first(file: ToolsFile, driver: FeedDriver) -> None:
    """Records, skipped and refused entries are the entries of the file."""
    file.write(b'[["a",1000,1],null,["b",3000,2],7,["c",2000,3],["a",500,9]]')
    reading = await driver.read(Trigger.STARTUP)
    assert said(reading) == [("b", 2), ("c", 3), ("a", 1)]
    assert reading.counts.trigger is Trigger.STARTUP
    assert reading.counts.skipped_count == 2
    assert reading.counts.rejections == (Rejection(3, RejectionCode.WRONG_TYPE, None),)
    assert entry_count(reading) == 6
    assert not reading.repeats


async def test_later_readings_hand_over_what_is_new_or_changed(file: ToolsFile, driver: FeedDriver) -> None:
    """Growth, a fall, a new session and one that comes back are told; what vanished or stayed is not."""
    file.write(rows(1, 2, 3))
    await driver.take_in()
    for data, expected in [
        (rows(1, 5, 3), [("s1", 5)]),
        (rows(1, 2, 3), [("s1", 2)]),
        (rows(1, 2, 3, 4), [("s3", 4)]),
        (rows(1), []),
        (rows(1, 2, 9), [("s2", 9)]),
        (b"[]", []),
        (b" " + rows(1, 2, 9, 4), []),
    ]:
        file.write(data)
        reading = await driver.take_in()
        assert said(reading) == expected
        assert entry_count(reading) == len(json.loads(data))
    assert driver.feed.identity == file.identity


async def test_nothing_is_remembered_of_a_reading_that_is_not_completed(file: ToolsFile, driver: FeedDriver) -> None:
    """Records that were not committed are handed over again, by the same bytes and by others."""
    file.write(rows(1, 2))
    for _ in range(2):
        reading = await driver.read()
        assert said(reading) == [("s1", 2), ("s0", 1)]
        assert not reading.repeats
        assert driver.feed.identity is None
    await driver.take_in()
    file.write(rows(1, 3))
    assert said(await driver.read()) == [("s1", 3)]
    file.write(rows(1, 3, 4))
    assert said(await driver.read()) == [("s2", 4), ("s1", 3)]


async def test_same_bytes_repeat_and_count_the_same(file: ToolsFile, driver: FeedDriver) -> None:
    """Nothing is handed over, all valid entries are skipped, the refused ones told again; a touch is no change."""
    file.write(b'[["a",1000,1],null,7,["a",500,1]]')
    first = await driver.take_in()
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: file.touch(1),
        lambda: file.replace(file.path.read_bytes()),
    ]
    for change in changes:
        change()
        again = await driver.take_in(Trigger.REQUEST)
        assert (again.repeats, said(again)) == (True, [])
        assert (again.counts.skipped_count, again.counts.rejections) == (3, first.counts.rejections)
        assert again.counts.trigger is Trigger.REQUEST
        assert driver.feed.identity == file.identity


async def test_empty_file_of_its_kind_is_a_reading(file: ToolsFile, driver: FeedDriver) -> None:
    """No entries are whole: zeros, and an identity."""
    file.write(b"[]")
    reading = await driver.take_in()
    assert (entry_count(reading), reading.records) == (0, [])
    assert driver.feed.identity == file.identity


async def test_known_bytes_repeat_after_a_refused_file(file: ToolsFile, driver: FeedDriver, pauses: Pauses) -> None:
    """A file that was broken for a while and is what it was again changes nothing."""
    file.write(rows(1, 2))
    await driver.take_in()
    file.write(b"{")
    with pytest.raises(SourceFormat):
        await driver.read()
    file.write(rows(1, 2))
    assert (await driver.read()).repeats


async def test_checkpoint_is_the_identity_of_what_was_read(file: ToolsFile, driver: FeedDriver) -> None:
    """A new process knows the file by it before it has read a byte, and hands over everything all the same."""
    file.write(rows(1, 2))
    await driver.take_in()
    assert driver.position == json.dumps(file.identity)
    driver.restart(open_feed(LOG, file.path))
    assert driver.feed.identity == driver.feed.look().identity == file.identity
    assert said(await driver.take_in()) == [("s1", 2), ("s0", 1)]


@pytest.mark.parametrize("position", [None, "", "null", "{", "[1,2]", '[1,2,3,4,"5"]', "[1,2,3,4,true]", '"x"'])
async def test_feed_begins_anew_without_a_usable_checkpoint(
    file: ToolsFile, driver: FeedDriver, position: str | None
) -> None:
    """With any stored position, a reading after it hands over everything, and nothing is taken for known."""
    file.write(rows(1, 2))
    await driver.take_in()
    driver.feed.resume(position)
    assert driver.feed.identity is None
    reading = await driver.take_in()
    assert not reading.repeats
    assert said(reading) == [("s1", 2), ("s0", 1)]


async def test_feed_says_where_it_is_and_what_is_there(file: ToolsFile, driver: FeedDriver) -> None:
    """Path, title, what is watched, and a look at the metadata; no name of the path in the checkpoints' place."""
    feed = driver.feed
    assert (feed.path, feed.title) == (str(file.path), "Invented log")
    assert (feed.directory, feed.names) == (str(file.path.parent), (file.path.name,))
    assert len(feed.place) == 16
    assert feed.place != open_feed(LOG, file.path.with_name("elsewhere") / file.path.name).place
    with pytest.raises(SourceNotFound):
        feed.look()
    file.write(b"[]")
    look, status = feed.look(), file.path.stat()
    assert (look.identity, look.written_ns, look.size_bytes) == (file.identity, status.st_mtime_ns, 2)
    directory = file.path.parent.stat()
    assert feed.find_directory_identity() == (directory.st_dev, directory.st_ino)


async def test_reading_of_another_feed_is_no_reading_of_this_one(driver: FeedDriver) -> None:
    """A mistake of the caller is told at once."""
    with pytest.raises(TypeError):
        driver.feed.complete(Reading((), ReadingCounts(Trigger.WATCH)))


async def test_young_file_that_was_read_before_counts_only_when_it_stays_the_same(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A state that a writer in place leaves for a moment is never handed over; one that stands still is."""
    file.write(rows(1))
    await driver.take_in()

    def finish(_number: int) -> None:
        file.write(rows(1, 2))
        file.touch(NOW_MS)

    file.write(rows(1, 666))
    file.touch(NOW_MS)
    pauses.meanwhile = finish
    assert said(await driver.take_in()) == [("s1", 2)]
    assert pauses.seconds == [SECOND_LOOK_S, SECOND_LOOK_S]


async def test_young_file_is_looked_at_twice_when_nothing_was_read_before(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A feed without an earlier reading in this process cannot know how the file is written."""
    file.write(rows(1))
    file.touch(NOW_MS - 99)
    driver.feed.resume(json.dumps([1, 2, 3, 4, 5]))
    assert said(await driver.take_in()) == [("s0", 1)]
    assert pauses.seconds == [SECOND_LOOK_S]


async def test_young_file_that_replaced_the_one_before_is_taken_at_once(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A finished file that was renamed over the old one cannot mix two generations."""
    file.write(rows(1))
    await driver.take_in()
    file.replace(rows(1, 2))
    file.touch(NOW_MS)
    assert said(await driver.take_in()) == [("s1", 2)]
    assert pauses.seconds == []


async def test_file_of_the_same_bytes_is_not_looked_at_twice(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A touch brings nothing that could be wrong."""
    file.write(rows(1))
    await driver.take_in()
    file.touch(NOW_MS)
    assert (await driver.take_in()).repeats
    assert pauses.seconds == []


async def test_file_that_is_written_over_and_over_is_taken_in_the_end(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A stream of whole states without a rest is handed over after the last attempt, not refused."""

    def write(number: int) -> None:
        file.write(rows(number))
        file.touch(NOW_MS)

    write(0)
    pauses.meanwhile = write
    assert said(await driver.take_in()) == [("s0", 5)]
    assert pauses.seconds == [SECOND_LOOK_S] * 5


async def test_unfinished_file_is_read_again_until_it_is_complete(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A writer that completes the file in the third pause is waited for, each pause twice as long as the one before."""
    data = rows(1, 2, 3)
    stages = [b"", data[:10], data[:-1], data]
    file.write(stages[0])
    pauses.meanwhile = lambda number: file.write(stages[number])
    assert len((await driver.take_in()).records) == 3
    assert pauses.seconds == RETRIES_S[:3]


async def test_file_that_stands_still_and_is_none_of_its_kind_is_refused(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """After all attempts it is a wrong format, by the parser's reason; the good file is taken afterwards."""
    file.write(rows(1))
    await driver.take_in()
    file.write(rows(1)[:-3])
    with pytest.raises(SourceFormat, match="Not a known Invented log: it is no list of rows") as caught:
        await driver.read()
    assert (caught.value.source, caught.value.origin, caught.value.code) == ("invented", "log", "source_format")
    assert pauses.seconds == RETRIES_S
    file.write(rows(2))
    assert said(await driver.take_in()) == [("s0", 2)]


async def test_file_that_changes_until_the_last_attempt_is_unstable(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """A broken file that is never seen twice the same is still being written."""
    file.write(b"[")
    pauses.meanwhile = lambda number: file.write(b"[" + b" " * number)
    with pytest.raises(SourceUnstable, match="Invented log was still changing after 6 attempts"):
        await driver.read()
    assert pauses.seconds == RETRIES_S


async def test_file_that_comes_to_rest_before_the_last_attempt_is_refused(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses
) -> None:
    """Two equal looks at the end are a file that stands still, whatever happened before."""
    file.write(b"[")
    pauses.meanwhile = lambda number: file.write(b"[" + b" " * number) if number < 5 else None
    with pytest.raises(SourceFormat):
        await driver.read()


async def test_file_that_grows_under_every_reading_is_unstable(
    file: ToolsFile, driver: FeedDriver, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that may be of two moments are not even parsed; when the writer comes to rest, they are."""
    file.write(rows(1))
    disturb_reading(monkeypatch, file.grow, times=6, piece_bytes=MAX_BYTES)
    with pytest.raises(SourceUnstable):
        await driver.read()
    assert pauses.seconds == RETRIES_S
    assert said(await driver.take_in()) == [("s0", 1)]


async def test_single_attempt_refuses_a_broken_file_at_once(file: ToolsFile, pauses: Pauses) -> None:
    """Without a second look, bytes of no kind count as standing still."""
    file.write(b"[")
    with pytest.raises(SourceFormat):
        await open_feed(LOG, file.path, read_attempts=1).read(Trigger.CLI)
    assert pauses.seconds == []


async def test_single_attempt_finds_a_growing_file_unstable(
    file: ToolsFile, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look that saw the file move says so, whatever its bytes are."""
    file.write(b"[]")
    disturb_reading(monkeypatch, file.grow, piece_bytes=MAX_BYTES)
    with pytest.raises(SourceUnstable, match=r"after 1 attempt\b"):
        await open_feed(LOG, file.path, read_attempts=1).read(Trigger.CLI)
    assert pauses.seconds == []


async def test_missing_file_is_missing_at_once(file: ToolsFile, driver: FeedDriver, pauses: Pauses) -> None:
    """A refusal of the guard is not tried again; the file that comes back unchanged is known."""
    file.write(rows(1))
    await driver.take_in()
    file.path.unlink()
    with pytest.raises(SourceNotFound) as caught:
        await driver.read()
    assert str(caught.value) == f"There is no Invented log at {file.path}."
    assert pauses.seconds == []
    file.write(rows(1))
    assert (await driver.read()).repeats


def feed_of(guard: FileGuard, kind: WholeFile = FILE) -> Feed:
    """Return the feed behind ``guard``."""
    return WholeFileFeed(kind, guard, ReadLimits(MAX_BYTES, 6, lambda: NOW_MS))


async def test_replaced_file_is_read_whole_with_its_own_identity(file: ToolsFile) -> None:
    """A rename during the reading leaves one whole older file, whose identity is not that of the newer one."""
    file.write(rows(1))
    driver = FeedDriver(feed_of(DisturbedGuard(file.path, MAX_BYTES, lambda: file.replace(rows(1, 2)))))
    assert said(await driver.take_in()) == [("s0", 1)]
    assert driver.feed.identity != file.identity
    assert said(await driver.take_in()) == [("s1", 2)]


@pytest.mark.parametrize("is_whole", [True, False])
async def test_bytes_of_the_file_do_not_outlive_the_reading(
    file: ToolsFile, driver: FeedDriver, monkeypatch: pytest.MonkeyPatch, pauses: Pauses, is_whole: bool
) -> None:
    """After a success and after a failure every buffer is full of zeros, and no error holds a word of the file."""
    file.write(b'[["a",1000,1]]' if is_whole else f'[["{CANARY}"]]'.encode())
    snapshots: list[Snapshot] = []

    def read(guard: FileGuard, now_ms: int) -> Snapshot:
        snapshots.append(read_snapshot(guard, now_ms))
        return snapshots[-1]

    monkeypatch.setattr(whole_file_module, "read_snapshot", read)
    text = ""
    try:
        await driver.read()
    except SourceFormat as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert bool(text) is not is_whole
    assert CANARY not in text
    assert len(snapshots) == (1 if is_whole else 6)
    assert not any(any(snapshot.buffer) for snapshot in snapshots)


async def test_parser_that_fails_leaves_no_byte(file: ToolsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of a parser passes through, and what it read is wiped."""
    kept: list[bytearray] = []

    def parse(buffer: object) -> Parsed:
        assert isinstance(buffer, bytearray)
        kept.append(buffer)
        raise ZeroDivisionError

    file.write(CANARY.encode())
    broken = WholeFile(FILE.errors, FILE.names, parse)
    with pytest.raises(ZeroDivisionError):
        await broken.open(str(file.path), ReadLimits(MAX_BYTES, 6, lambda: NOW_MS)).read(Trigger.WATCH)
    assert kept == [bytearray(len(CANARY))]


async def test_refusal_keeps_no_byte_of_the_file(file: ToolsFile, driver: FeedDriver, pauses: Pauses) -> None:
    """A caller that keeps the error of a reading must not keep the file: its trace reaches no buffer."""
    file.write(rows(1)[:-1])
    with pytest.raises(SourceFormat) as raised:
        await driver.read()
    frames = [frame for frame, _line in traceback.walk_tb(raised.value.__traceback__)]
    kept = [value for frame in frames for value in frame.f_locals.values()]
    assert not [value for value in kept if isinstance(value, bytearray | Snapshot)]
    assert raised.value.__context__ is None


async def test_hurried_reading_waits_for_the_file_no_more(file: ToolsFile, driver: FeedDriver, pauses: Pauses) -> None:
    """When somebody waits for the next reading, an unfinished file ends this one; the next takes its time again."""
    file.write(rows(1)[:-1])
    pauses.meanwhile = lambda _number: driver.feed.hurry()
    with pytest.raises(SourceFormat):
        await driver.read()
    assert len(pauses.seconds) == 1
    driver.feed.take_time()
    pauses.meanwhile = lambda _number: file.write(rows(1))
    assert said(await driver.take_in()) == [("s0", 1)]


@pytest.mark.parametrize(
    "path", ["usage.json", "/x/other.json", "/x/../usage.json", "/x//usage.json", "/x/usage.json/"]
)
def test_path_of_another_shape_is_refused_before_anything_is_opened(path: str) -> None:
    """Only an absolute path in its only spelling, of a file with one of the names, makes a feed."""
    with pytest.raises(ValueError, match="must"):
        FILE.open(path, ReadLimits(MAX_BYTES, 6, lambda: NOW_MS))
