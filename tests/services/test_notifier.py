"""Notifications of the operating system: hints of one name in one directory, and an honest error."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from aico.core.hashes import Hashes
from aico.services import notifier as notifier_module
from aico.services.notifier import Hint, Notifier, Watch
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.files.test_line_feed import open_feed
from tests.sources.invented_lines import LogFolder, use

if TYPE_CHECKING:
    from watchfiles._rust_notify import AbstractEvent

HANG_S = 60


@asynccontextmanager
async def notified(ledger: LedgerFile) -> AsyncIterator[tuple[Watch, asyncio.Event]]:
    """Watch the ledger's directory until the block ends; the event is set by each hint."""
    hint = asyncio.Event()
    watch = Notifier().make_watch(lambda _path: hint.set())
    await watch.start(str(ledger.folder), ledger.path.name)
    try:
        yield watch, hint
    finally:
        await watch.stop()


def touch(paths: list[str]) -> None:
    """Make files, one after the other."""
    for path in paths:
        Path(path).touch()


def make_folders(parent: Path, count: int) -> list[str]:
    """Make so many folders and return their paths."""
    paths = [parent / f"{number}" for number in range(count)]
    for path in paths:
        path.mkdir()
    return list(map(str, paths))


def log_folder(parent: Path) -> LogFolder:
    """Return an empty root of logs."""
    return LogFolder(parent.resolve() / "logs")


def looking_threads() -> list[threading.Thread]:
    """Return the threads that look at queues."""
    return [thread for thread in threading.enumerate() if thread.name == "notifier"]


async def until(hint: asyncio.Event) -> None:
    """Return at the next hint."""
    async with asyncio.timeout(HANG_S):
        await hint.wait()
    hint.clear()


async def test_notifier_hints_each_rename_over_the_file(ledger: LedgerFile) -> None:
    """A replaced file is a new inode each time, and each time there is a hint."""
    async with notified(ledger) as (watch, hint):
        for number in range(5):
            ledger.write(entry(str(number)))
            await until(hint)
        assert watch.is_watching
        assert watch.error is None


async def test_hint_says_about_when_and_whether_a_file_was_only_written_to(tmp_path: Path) -> None:
    """The moment lies between two looks: after the one that found nothing, and not ahead."""
    hints: asyncio.Queue[Hint] = asyncio.Queue()
    path, other = tmp_path / "log", tmp_path / "other"
    path.touch()
    watch = Notifier().make_watch(hints.put_nowait)
    about_s = time.monotonic()  # before the first look, in the middle between which and the next the first hint may lie
    await watch.start(str(tmp_path))
    async with asyncio.timeout(HANG_S):
        for _ in range(3):
            with path.open("ab", buffering=0) as file:
                file.write(b"line")
            hint = await hints.get()
            assert hint[:2] == (str(path), True)
            assert about_s <= hint.about_s <= time.monotonic()
            about_s = hint.about_s
        path.rename(other)
        while (await hints.get()).is_change:
            pass  # that the file was closed may be told by itself
    await watch.stop()


async def test_notifier_passes_over_other_names(ledger: LedgerFile) -> None:
    """Only its own name is a hint: of two that watch one directory, each hears of its own file."""
    other = LedgerFile(ledger.folder / "other.json")
    async with notified(ledger) as (_, ours), notified(other) as (_, theirs):
        for number in range(4):
            ledger.write(entry(str(number)))
            await until(ours)
        assert not theirs.is_set()
        other.write(entry("1"))
        await until(theirs)


async def test_notifier_tells_that_the_directory_is_missing(ledger: LedgerFile) -> None:
    """A directory that cannot be watched is an error to be asked for, not an exception."""
    ledger.remove_folder()
    async with notified(ledger) as (watch, _hint):
        assert isinstance(watch.error, FileNotFoundError)
        assert not watch.is_watching


async def test_notifier_watches_another_directory_when_started_again(ledger: LedgerFile) -> None:
    """A second start takes the place of the first."""
    other = LedgerFile(ledger.folder.with_name("other") / ledger.path.name)
    async with notified(ledger) as (watch, hint):
        await watch.start(str(other.folder), other.path.name)
        other.write(entry("1"))
        await until(hint)
        assert watch.is_watching


async def test_notifier_is_silent_after_its_stop(ledger: LedgerFile) -> None:
    """Stopped, it watches nothing and has nothing to complain about, however often it is told."""
    async with notified(ledger) as (watch, _hint):
        await watch.stop()
        await watch.stop()
        assert not watch.is_watching
        assert watch.error is None
        assert looking_threads() == []


async def test_notifier_hears_of_every_file_in_all_queues_by_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write during a look at a queue, or between two looks, is told by this one or the next."""
    monkeypatch.setattr(notifier_module, "_SLICE_MAX", 2)
    folders = [tmp_path / f"{number}" for number in range(7)]
    for folder in folders:
        folder.mkdir()
    lacking = {str(folder / f"{number}") for folder in folders for number in range(300)}
    written = sorted(lacking, key=os.path.basename)
    told = asyncio.Event()

    def hear(hint: Hint) -> None:
        lacking.discard(hint.path)
        told.set()

    watch = Notifier().make_watch(hear)
    await watch.start(str(folders[0]), folders=[str(folder) for folder in folders])
    assert len(looking_threads()) == 1
    await asyncio.to_thread(touch, written)
    while lacking:
        await until(told)
    await watch.stop()
    assert looking_threads() == []


async def test_notifier_looks_again_after_everything_had_ended(ledger: LedgerFile) -> None:
    """A thread that ended is no reason to hear of nothing: the next start has another one."""
    hint = asyncio.Event()
    watch = Notifier().make_watch(lambda _path: hint.set())
    for number in range(3):
        await watch.start(str(ledger.folder), ledger.path.name)
        ledger.write(entry(str(number)))
        await until(hint)
        await watch.stop()


async def test_notifier_watches_nothing_once_its_directory_is_gone(ledger: LedgerFile) -> None:
    """A removed directory takes its watch along, whatever inode the next one has: a hint, and no error."""
    async with notified(ledger) as (watch, hint):
        ledger.remove_folder()
        await until(hint)
        async with asyncio.timeout(HANG_S):
            while watch.is_watching:
                await until(hint)
        assert watch.error is None


async def test_folders_that_go_together_are_left_out_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To sort those that are left after each of thousands would keep the loop busy for seconds."""
    made = []

    class CountedHashes(Hashes):
        def __init__(self, hashes: Iterable[int] = ()) -> None:
            super().__init__(hashes)
            made.append(self)

    folders = make_folders(tmp_path, 20)
    notifier = Notifier()
    watch = notifier.make_watch(lambda _hint: None)
    await watch.start(str(tmp_path), folders=folders)
    assert all(map(notifier.is_armed, folders))
    monkeypatch.setattr(notifier_module, "Hashes", CountedHashes)
    notifier._deliver({(Change.deleted, folder) for folder in folders}, 0.0)
    assert not any(map(notifier.is_armed, folders))
    assert notifier.is_armed(str(tmp_path))
    assert len(made) == 1  # of all that are left, afterwards
    await watch.stop()


async def test_folder_that_is_made_anew_is_looked_at_once_it_is_watched(tmp_path: Path) -> None:
    """It was known before, and a place beside it told meanwhile what is watched: what it holds by then is found."""
    logs = log_folder(tmp_path)
    folder = str(logs.append("0/one.jsonl", use("1", 1)).parent)
    feed = open_feed(logs.path)
    feed.look()
    notifier = Notifier()
    told, hint = asyncio.Event(), asyncio.Event()

    def hear(heard: Hint) -> None:
        feed.hint(heard.path)
        hint.set()

    def tell() -> None:
        feed.note_watched(watch.watched)
        told.set()

    watch = notifier.make_watch(hear, tell)
    await watch.start(feed.directory, folders=feed.folders)
    feed.look()
    shutil.rmtree(folder)
    while notifier.is_armed(folder):
        await until(told)
    while feed.look().files or folder in set(feed.folders):
        await until(hint)
    # The folders of the watch are still those that were known before: none of the others lacks anything.
    beside = notifier.make_watch(lambda _hint: None)
    await beside.start(str(tmp_path))
    assert folder not in watch.watched
    make_folders(logs.path, 1)
    while feed.look() and folder not in set(feed.folders):
        await until(hint)
    before = feed.look()
    logs.append("0/two.jsonl", use("2", 1))
    await watch.start(feed.directory, folders=feed.folders)
    assert notifier.is_armed(folder)
    assert (before.files, feed.look().files) == (0, 1)
    await watch.stop()
    await beside.stop()


async def test_folder_that_is_replaced_while_queues_become_one_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old queue ends before the system has told it of that, and the new one begins after it."""
    is_told = True

    class LateNotify:
        def __init__(self, folders: list[str], *_arguments: object) -> None:
            self._native = RustNotify(folders, False, False, 0, False, False)
            self._is_late = is_told

        def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop: AbstractEvent) -> object:
            while self._is_late and not is_told:
                stop.is_set()  # nothing is there, until it is not asked any more
            return self._native.watch(debounce_ms, step_ms, timeout_ms, stop)

        def close(self) -> None:
            self._native.close()

    monkeypatch.setattr(notifier_module, "RustNotify", LateNotify)
    logs = log_folder(tmp_path)
    folder = logs.append("0/one.jsonl", use("1", 1)).parent
    feed = open_feed(logs.path)
    feed.look()
    notifier = Notifier()
    watch = notifier.make_watch(lambda _hint: None, lambda: feed.note_watched(watch.watched, watch.list_moved()))
    await watch.start(feed.directory, folders=feed.folders)
    feed.look()
    is_told = False
    shutil.rmtree(folder)
    logs.append("0/two.jsonl", use("2", 1))
    logs.append("1/three.jsonl", use("3", 1))
    feed.hint(str(logs.path / "1"))
    feed.look()
    assert not feed.is_known(str(folder / "two.jsonl"))
    await watch.start(feed.directory, folders=feed.folders)
    assert len(notifier._slices) == 1
    feed.look()
    assert feed.is_known(str(folder / "two.jsonl"))
    await watch.stop()


async def test_folder_that_comes_before_it_is_noted_as_absent_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told of by then, and would never be again."""
    folder = tmp_path / "0"
    is_told = threading.Event()

    def hear(hint: Hint) -> None:
        if hint.path == str(folder):
            is_told.set()

    watch = Notifier().make_watch(hear)
    await watch.start(str(tmp_path), folders=[str(tmp_path)])
    find = notifier_module._find_unwatchable

    def find_late(folders: Collection[str]) -> dict[str, Exception]:
        found = find(folders)
        if str(folder) in found:
            folder.mkdir()
            assert is_told.wait(HANG_S)
        return found

    monkeypatch.setattr(notifier_module, "_find_unwatchable", find_late)
    folders = {str(tmp_path), str(folder)}
    await watch.start(str(tmp_path), folders=folders)
    assert watch.lacks(folders)
    await watch.start(str(tmp_path), folders=folders)
    assert watch.watched == folders
    await watch.stop()


async def test_notifier_tells_when_notifications_merely_end(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end without an exception is an error, too: nothing is watched."""

    class EndingWatch:
        def __init__(self, *_arguments: object) -> None:
            pass

        def watch(self, *_arguments: object) -> str:
            return "stop"

        def close(self) -> None:
            pass

    monkeypatch.setattr(notifier_module, "RustNotify", EndingWatch)
    changed = asyncio.Event()
    watch = Notifier().make_watch(lambda _path: None, changed.set)
    await watch.start(str(ledger.folder), ledger.path.name)
    while watch.error is None:
        await until(changed)
    assert isinstance(watch.error, RuntimeError)
    assert not watch.is_watching
    await watch.stop()
