"""The memory of a feed about files that do not change: little, and all that is needed when they do."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest

from aico.core.usage import Trigger
from aico.features.files import line_points
from aico.features.files.digest_map import DigestMap
from aico.features.files.shape import Shape
from aico.features.files.tree import Tree
from aico.features.files.tree_guard import TreeGuard
from tests.files.test_line_feed import open_feed, total
from tests.sources.feeds import FeedDriver
from tests.sources.invented_lines import ERRORS, LogFolder, model, use

FILES = 1_000


@pytest.fixture
def logs(tmp_path: Path) -> LogFolder:
    """Return an empty folder of logs."""
    return LogFolder(tmp_path.resolve() / "logs")


@pytest.fixture(autouse=True)
def _nothing_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the checkpoint of every file be asked for when it changes."""
    monkeypatch.setattr(line_points, "_RECENT_MAX", 0)


async def test_quiet_files_take_little_memory(logs: LogFolder) -> None:
    """A thousand folders with a file each, after a start: 450 bytes for each, with names of 20 and 40 and its key."""
    driver = FeedDriver(open_feed(logs.path))
    for number in range(FILES):
        logs.append(f"project-{number:012}/{number:034}.jsonl", model("m" * 800), use(f"{number}", 1))
    await driver.take_in_all(Trigger.STARTUP)
    feed = open_feed(logs.path)
    gc.collect()
    tracemalloc.start()
    try:
        driver.restart(feed)
        await driver.take_in_all(Trigger.STARTUP)
        feed.note_watched(feed.folders)
        feed.look()
        gc.collect()
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert feed.look().files == FILES
    assert kept / FILES < 450


def test_folder_takes_no_more_than_its_name_before_its_turn(logs: LogFolder) -> None:
    """What a look needs at once for thousands of folders is free after it, but the process keeps it: 120 bytes each."""
    for number in range(FILES):
        logs.append(f"project-{number:012}/{number:034}.jsonl", use(f"{number}", 1))
    shape = Shape(("*/*.jsonl",))
    guard = TreeGuard(str(logs.path), shape, ERRORS)
    needed: list[int] = []
    tree = Tree(guard, shape, lambda _file: needed.append(tracemalloc.get_traced_memory()[0]))
    with guard.open() as root:
        tracemalloc.start()
        try:
            tree.walk(root)
        finally:
            tracemalloc.stop()
    assert len(needed) == FILES
    assert needed[0] / FILES < 120


async def test_checkpoint_is_asked_for_when_its_file_changes(logs: LogFolder) -> None:
    """Only what is new is read, and only for what has changed anything is asked, together."""
    driver = FeedDriver(open_feed(logs.path))
    for number in range(20):
        logs.append(f"a/{number}.jsonl", use(f"{number}", 1))
    await driver.take_in_all()
    assert driver.positions.asked == []
    for number in range(3, 6):
        logs.append(f"a/{number}.jsonl", use(f"{number}.more", 10))
    reading = await driver.take_in(Trigger.REQUEST)
    assert len(reading.records) == 3
    assert [len(keys) for keys in driver.positions.asked] == [3]
    assert total(driver) == 50


async def test_file_that_was_moved_goes_on_where_it_was_read_to(logs: LogFolder) -> None:
    """It is known by its inode, and its checkpoint is asked for."""
    driver = FeedDriver(open_feed(logs.path))
    logs.append("a/old.jsonl", use("1", 1))
    await driver.take_in_all()
    (logs.path / "a/old.jsonl").rename(logs.path / "a/new.jsonl")
    logs.append("a/new.jsonl", use("2", 10))
    reading = await driver.take_in(Trigger.REQUEST)
    assert len(reading.records) == 1
    assert total(driver) == 11


async def test_no_checkpoint_is_looked_up_to_find_who_had_an_inode(
    logs: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for each new file: with thousands of others, a look-up of each would be most of its reading."""
    feed = open_feed(logs.path)
    paths = [logs.append(f"a/{number}.jsonl", use(f"{number}", 1)) for number in range(5)]
    await FeedDriver(feed).take_in_all()
    feed.look()
    looked_up: list[bytes] = []
    monkeypatch.setattr(DigestMap, "get", lambda _map, key: looked_up.append(key))
    found = {feed._points.find_inode(path.stat().st_ino) for path in paths}
    assert len(found) == 5
    assert None not in found
    assert looked_up == []


async def test_file_that_comes_back_under_another_name_goes_on_where_it_was_read_to(
    logs: LogFolder, tmp_path: Path
) -> None:
    """Also after it was noted that it is gone."""
    driver = FeedDriver(open_feed(logs.path))
    logs.append("a/old.jsonl", use("1", 1))
    await driver.take_in_all()
    away = tmp_path / "away.jsonl"
    (logs.path / "a/old.jsonl").rename(away)
    driver.restart(open_feed(logs.path))
    await driver.take_in_all()
    driver.feed.look()
    away.rename(logs.path / "a/new.jsonl")
    logs.append("a/new.jsonl", use("2", 10))
    reading = await driver.take_in(Trigger.REQUEST)
    assert len(reading.records) == 1
    assert total(driver) == 11


async def test_file_that_is_replaced_over_and_over_is_known_by_its_last_inode(logs: LogFolder) -> None:
    """Some file systems use no inode again: each one that a file ever had would be kept."""
    feed = open_feed(logs.path)
    driver = FeedDriver(feed)
    path = logs.append("a/one.jsonl", use("0", 1))
    await driver.take_in_all()
    inodes = []
    with ExitStack() as stack:
        for number in range(1, 5):
            stack.enter_context(path.open("rb"))  # so that nobody else gets its inode
            inodes.append(path.stat().st_ino)
            other = path.with_name("other")
            other.write_bytes(use("0", 1) + use(f"{number}", 1))
            other.rename(path)
            await driver.take_in_all(Trigger.REQUEST)
        feed.look()
        assert [feed._points.find_inode(inode) for inode in inodes] == [None] * 4
        assert feed._points.find_inode(path.stat().st_ino) is not None
    assert total(driver) == 5


async def test_checkpoint_that_is_lost_costs_a_reading_from_the_beginning(logs: LogFolder) -> None:
    """Also while the service runs: every line is read again, and counts once."""
    driver = FeedDriver(open_feed(logs.path))
    logs.append("a/one.jsonl", use("1", 1))
    await driver.take_in_all()
    driver.files = {}
    logs.append("a/one.jsonl", use("2", 10))
    reading = await driver.take_in(Trigger.REQUEST)
    assert len(reading.records) == 2
    assert total(driver) == 11
    assert driver.files
