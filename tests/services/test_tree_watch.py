"""Trees of logs under the real notifications of the system, and under each way in which these get lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from watchfiles._rust_notify import RustNotify

from aico.core.db.database import Database
from aico.core.events import WatcherState
from aico.features.files import line_feed
from aico.features.files.feed import Look
from aico.features.files.shape import Rests
from aico.features.files.tree import Tree
from aico.features.files.tree_guard import Listing, Root, TreeGuard
from aico.services import notifier as notifier_module
from aico.services.notifier import Hint, Notifier
from tests.services.recorded_watcher import HANG_S
from tests.services.watched_tree import ONLY_HINTS, TICKS, WatchedTree, watching_tree
from tests.sources.invented_lines import LogFolder, use

WATCHING, WAITING, DEGRADED = WatcherState.WATCHING, WatcherState.WAITING, WatcherState.DEGRADED


@pytest.fixture
def logs(tmp_path: Path) -> LogFolder:
    """Return an empty root."""
    return LogFolder(tmp_path.resolve() / "home" / "logs")


@pytest.fixture
def aside(tmp_path: Path) -> LogFolder:
    """Return a folder of the same file system from which files are moved to the root."""
    return LogFolder(tmp_path.resolve() / "aside")


@pytest.fixture(autouse=True)
def quick_rebuilds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch new folders after a twentieth of the real time."""
    monkeypatch.setattr(notifier_module, "REBUILD_S", 0.1)


class LimitedWatch:
    """Stands in for watchfiles on a system that has so many watches; all else is real."""

    limit = 1_000_000
    made = 0

    def __init__(self, folders: list[str], *options: bool) -> None:
        type(self).made += 1
        if len(folders) > self.limit:
            raise OSError("OS file watch limit reached.")
        self._native = RustNotify(folders, *options)

    def watch(self, *arguments: int) -> object:
        """Wait for changes."""
        return self._native.watch(*arguments)  # type: ignore[arg-type]  # as they are given

    def close(self) -> None:
        """End."""
        self._native.close()


class LateWatch(LimitedWatch):
    """Stands in for watchfiles on a busy system: those that were made before it is late hear of nothing any more."""

    is_late = False

    def __init__(self, folders: list[str], *options: bool) -> None:
        super().__init__(folders, *options)
        self._is_new = self.is_late

    def watch(self, *arguments: int) -> object:
        """Wait for changes."""
        if self.is_late and not self._is_new:
            raise notifier_module._Empty
        return super().watch(*arguments)


class DeafWatch(LimitedWatch):
    """Stands in for watchfiles whose queue is full: what happens is lost without a word."""

    is_deaf = False

    def watch(self, *arguments: int) -> object:
        """Wait for changes, and perhaps forget them."""
        found = super().watch(*arguments)
        return "timeout" if self.is_deaf and isinstance(found, set) else found


# Changes that are heard of


async def test_appended_line_is_read_by_its_notification(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks are an hour apart, and no folder is listed for it; two appends within one second are both seen."""
    for number in range(20):
        logs.append(f"{number}/one.jsonl", use(f"{number}", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_state(WATCHING)
        await watched.until_total(20)
        logs.append("3/one.jsonl", use("first", 100))
        await watched.until_total(120)
        listed: list[str] = []
        real = TreeGuard.list_folder

        def noted(guard: TreeGuard, root: Root, folder: str, rests: Rests) -> Listing | None:
            listed.append(folder)
            return real(guard, root, folder, rests)

        monkeypatch.setattr(TreeGuard, "list_folder", noted)
        for number in range(5):
            logs.append("3/one.jsonl", use(f"more{number}", 1))
            await watched.until_total(121 + number)
        assert listed == []


@pytest.mark.parametrize("is_known", [True, False])
async def test_line_costs_one_look_at_most_beside_its_reading(
    logs: LogFolder, aside: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    """The reading looks by itself; of a known file it is known without a look how long to wait for quiet, too."""
    logs.append("1/one.jsonl", use("1", 1))
    async with watching_tree(logs, database, replace(ONLY_HINTS, debounce_s=0.3)) as watched:
        await watched.until_state(WATCHING)
        await watched.until_total(1)
        logs.append("1/one.jsonl", use("first", 1))
        await watched.until_total(2)
        looked: list[Look] = []
        real = watched.feed.look

        def noted() -> Look:
            looked.append(real())
            return looked[-1]

        monkeypatch.setattr(watched.feed, "look", noted)
        if is_known:
            logs.append("1/one.jsonl", use("more", 1))
        else:
            aside.append("2/new.jsonl", use("more", 1)).rename(logs.path / "1" / "new.jsonl")
        await watched.until_total(3)
        assert len(looked) == (0 if is_known else 1)


async def test_known_file_is_read_when_it_was_quiet_for_the_debounce(logs: LogFolder, database: Database) -> None:
    """Nobody looks for that: the notification tells about when it was written to."""
    path = logs.append("1/one.jsonl", use("1", 1))
    watched = WatchedTree(logs, database, replace(ONLY_HINTS, debounce_s=0.2), Notifier())
    await watched.intake.resume(watched.writer)
    await watched.watcher._settle()
    for age_s, least_s in ((0.0, 0.2), (0.1, 0.1), (0.5, 0.0)):
        began = time.monotonic()
        watched.watcher._hear(Hint(str(path), is_change=True, about_s=began - age_s))
        assert await watched.watcher._settle() is None
        assert time.monotonic() - began > least_s - 0.01
    watched.watcher._hear(Hint(str(path), is_change=False, about_s=time.monotonic()))
    assert await watched.watcher._settle() is not None


async def test_known_file_that_is_replaced_or_goes_with_its_root_is_looked_at_first(
    logs: LogFolder, aside: LogFolder, database: Database
) -> None:
    """Only one that was written to in place is read without a look; a root that is gone is no failed reading."""
    logs.append("1/one.jsonl", use("1", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_state(WATCHING)
        await watched.until_total(1)
        logs.append("1/one.jsonl", use("first", 1))
        await watched.until_total(2)
        aside.append("2/other.jsonl", use("other", 1)).replace(logs.path / "1" / "one.jsonl")
        await watched.until_total(3)
        shutil.rmtree(logs.path)
        await watched.until_state(WAITING, "directory_missing")
        assert watched.ingest.failure_counts == {}


async def test_file_made_together_with_its_new_folders_is_found(logs: LogFolder, database: Database) -> None:
    """However deep, and what is appended to it at once: only the outermost folder is told of."""
    async with watching_tree(logs, database) as watched:
        await watched.until_state(WATCHING)
        for number in range(1, 16):
            logs.append(f"new{number}/s/more/part-1.jsonl", use(f"a{number}", 1))
            logs.append(f"new{number}/s/more/part-1.jsonl", use(f"b{number}", 1))
            logs.append(f"new{number}/other.jsonl", use(f"c{number}", 1))
            await watched.until_total(3 * number)


async def test_folder_renamed_into_the_tree_is_read_and_watched(
    tmp_path: Path, logs: LogFolder, database: Database
) -> None:
    """Only the folder is told of, not what is below it."""
    other = LogFolder(logs.path.with_name("other"))
    other.append("s/more/part-1.jsonl", use("1", 1))
    other.append("one.jsonl", use("2", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_state(WATCHING)
        other.path.rename(logs.path / "came")
        await watched.until_total(2)
        logs.append("came/s/more/part-1.jsonl", use("3", 1))
        await watched.until_total(3)
        logs.append("came/s/more/part-2.jsonl", use("4", 1))
        await watched.until_total(4)


@pytest.mark.parametrize("name", ["node_modules", ".git", ".venv", "__pycache__", "site-packages"])
async def test_no_name_of_a_folder_is_passed_over(logs: LogFolder, database: Database, name: str) -> None:
    """The filter that watchfiles has by default would."""
    logs.append(f"{name}/one.jsonl", use("1", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        logs.append(f"{name}/one.jsonl", use("2", 1))
        await watched.until_total(2)


async def test_folder_removed_and_made_anew_is_watched_again(logs: LogFolder, database: Database) -> None:
    """Also when it has its old inode: the watch went with the first one."""
    logs.append("a/one.jsonl", use("0", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_state(WATCHING)
        for number in range(1, 6):
            shutil.rmtree(logs.path / "a")
            logs.append("a/one.jsonl", use(f"{number}", 1))
            await watched.until_total(2 * number)
            logs.append("a/one.jsonl", use(f"later{number}", 1))
            await watched.until_total(2 * number + 1)


async def test_flood_of_new_files_is_found(logs: LogFolder, database: Database) -> None:
    """600 files in 60 new folders, from another process, while everything else goes on."""
    script = """
import pathlib, sys
for number in range(600):
    path = pathlib.Path(sys.argv[1], f"flood{number % 60}", f"{number}.jsonl")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'["spent", {number}, "s", 1779000000000, 1]\\n')
"""
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_state(WATCHING)
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(logs.path))
        await watched.until_total(600)
        assert await child.wait() == 0


async def test_folders_are_watched_by_several_queues_when_there_are_many(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To begin to watch a thousand holds up everything for 20 ms: what is watched already is left alone."""
    monkeypatch.setattr(notifier_module, "_SLICE_MAX", 4)
    monkeypatch.setattr(notifier_module, "RustNotify", LimitedWatch)
    monkeypatch.setattr(LimitedWatch, "limit", 4)
    notifier = Notifier()
    for number in range(19):
        logs.append(f"{number:02}/one.jsonl", use(f"{number}", 1))
    async with watching_tree(logs, database, notifier=notifier) as watched:
        await watched.until_total(19)
        await watched.until_state(WATCHING)
        first = list(notifier._slices)
        assert [len(each.folders) for each in first] == [4, 4, 4, 4, 4]
        for number in range(19):
            logs.append(f"{number:02}/one.jsonl", use(f"more{number}", 1))
            await watched.until_total(20 + number)
        for number in range(3):
            logs.append(f"new{number}/one.jsonl", use(f"new{number}", 1))
            await watched.until_total(39 + 2 * number)
            logs.append(f"new{number}/one.jsonl", use(f"newer{number}", 1))
            await watched.until_total(40 + 2 * number)
        assert notifier._slices[:5] == first
        shutil.rmtree(logs.path / "07")
        logs.append("07/one.jsonl", use("anew", 1))
        await watched.until_total(45)
        logs.append("07/one.jsonl", use("anew, later", 1))
        await watched.until_total(46)
    assert notifier._slices == []


async def test_watches_are_given_back_before_a_tree_is_left_out(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New ones beside the old ones may be more than the system has; after them they are not, and nothing is lost."""

    class CountedWatch(LimitedWatch):
        counted = 0

        def __init__(self, folders: list[str], *options: bool) -> None:
            if self.counted + len(folders) > 6:
                raise OSError("OS file watch limit reached.")
            super().__init__(folders, *options)
            self.count = len(folders)
            CountedWatch.counted += self.count

        def close(self) -> None:
            CountedWatch.counted -= self.count
            super().close()

    monkeypatch.setattr(notifier_module, "RustNotify", CountedWatch)
    for number in range(3):
        logs.append(f"{number}/one.jsonl", use(f"{number}", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_total(3)
        await watched.until_state(WATCHING)
        logs.append("new/one.jsonl", use("new", 1))
        await watched.until_total(4)
        logs.append("new/one.jsonl", use("newer", 1))
        await watched.until_total(5)
        for number in range(3):
            logs.append(f"{number}/one.jsonl", use(f"more{number}", 1))
            await watched.until_total(6 + number)
        assert watched.watcher.state.state is WATCHING


# Changes that are not heard of


async def test_lost_notifications_cost_one_tick(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full queue loses them without a word: files written lately and new ones are found by a look."""
    monkeypatch.setattr(notifier_module, "RustNotify", DeafWatch)
    logs.append("a/one.jsonl", use("1", 1))
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        monkeypatch.setattr(DeafWatch, "is_deaf", True)
        logs.append("a/one.jsonl", use("2", 1))
        await watched.until_total(2)


async def test_rescan_finds_what_was_lost_in_old_files_and_folders(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It also finds changes in files and folders without a write for hours."""
    monkeypatch.setattr(notifier_module, "RustNotify", DeafWatch)
    monkeypatch.setattr(DeafWatch, "is_deaf", True)
    old = logs.append("a/one.jsonl", use("1", 1))
    os.utime(old, ns=(0, 1_700_000_000_000_000_000))
    times = TICKS.__class__(debounce_s=0.01, tick_s=0.1, rescan_interval_s=0.3, backoff_max_s=8.0)
    async with watching_tree(logs, database, times) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        logs.append("a/one.jsonl", use("2", 1))
        logs.append("a/two/more/part-2.jsonl", use("3", 1))
        await watched.until_total(3)


async def test_root_removed_renamed_and_made_anew_is_followed(logs: LogFolder, database: Database) -> None:
    """Files below the root's new name are not ours; a folder that takes its place is."""
    logs.append("a/one.jsonl", use("1", 1))
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        shutil.rmtree(logs.path)
        await watched.until_state(WAITING, "directory_missing")
        logs.append("a/one.jsonl", use("2", 1))
        await watched.until_total(2)
        await watched.until_state(WATCHING)
        away = logs.path.with_name("away")
        logs.path.rename(away)
        await watched.until_state(WAITING, "directory_missing")
        with (away / "a" / "one.jsonl").open("ab") as file:
            file.write(use("not ours", 1_000))
        logs.append("a/one.jsonl", use("3", 1))
        logs.append("b/one.jsonl", use("4", 1))
        await watched.until_total(4)


async def test_root_made_anew_with_the_same_inode_is_looked_at(
    logs: LogFolder, aside: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems give the number of a removed folder to the next one, and a look may come before the notification."""
    monkeypatch.setattr(notifier_module, "RustNotify", DeafWatch)
    logs.append("a/one.jsonl", use("1", 1))
    aside.append("a/one.jsonl", use("2", 1))
    aside.append("b/one.jsonl", use("3", 1))
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        monkeypatch.setattr(Tree, "is_current", lambda _tree, _root: True)
        monkeypatch.setattr(DeafWatch, "is_deaf", True)
        shutil.rmtree(logs.path)
        await watched.until_state(WAITING, "directory_missing")
        aside.path.rename(logs.path)
        await watched.until_total(3)


async def test_root_replaced_by_a_link_is_refused_and_its_return_heals(logs: LogFolder, database: Database) -> None:
    """Nothing behind the link is read."""
    logs.append("a/one.jsonl", use("1", 1))
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_total(1)
        away = logs.path.with_name("away")
        logs.path.rename(away)
        logs.path.symlink_to(away)
        await watched.until_state(DEGRADED, "source_path_refused")
        assert str(away) in str(watched.watcher.problem)
        logs.path.unlink()
        away.rename(logs.path)
        await watched.until_state(WATCHING)
        logs.append("a/one.jsonl", use("2", 1))
        await watched.until_total(2)


async def test_root_for_which_no_watches_are_left_is_swept(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state says so; every change is found; another place is watched all the same; and the return is noticed."""
    monkeypatch.setattr(notifier_module, "RustNotify", LimitedWatch)
    monkeypatch.setattr(LimitedWatch, "limit", 8)
    monkeypatch.setattr(notifier_module, "_RETRY_MAX_S", 0.0)
    for number in range(10):
        logs.append(f"{number}/one.jsonl", use(f"{number}", 1))
    small = LogFolder(logs.path.with_name("small"))
    notifier = Notifier()
    heard = asyncio.Event()
    other = notifier.make_watch(lambda _path: heard.set())
    await other.start(str(small.path))
    async with watching_tree(logs, database, TICKS, notifier) as watched:
        await watched.until_state(DEGRADED, "watch_limit")
        logs.append("3/one.jsonl", use("more", 1))
        logs.append("new/one/more/part-1.jsonl", use("new", 1))
        await watched.until_total(12)
        assert other.is_watching
        small.append("x.jsonl", b"x")
        async with asyncio.timeout(HANG_S):
            await heard.wait()
        monkeypatch.setattr(LimitedWatch, "limit", 1_000)
        await watched.until_state(WATCHING)
    await other.stop()


async def test_limit_that_is_reached_by_new_folders_loses_nothing(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree that grows beyond it is swept from then on, and says so."""
    monkeypatch.setattr(notifier_module, "RustNotify", LimitedWatch)
    monkeypatch.setattr(LimitedWatch, "limit", 5)
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_state(WATCHING)
        for number in range(1, 12):
            logs.append(f"{number}/one.jsonl", use(f"{number}", 1))
            await watched.until_total(number)
        await watched.until_state(DEGRADED, "watch_limit")
        logs.append("12/one.jsonl", use("12", 1))
        await watched.until_total(12)


async def test_linked_folder_is_not_watched(logs: LogFolder, database: Database) -> None:
    """Watchfiles would follow it, and all that is below it."""
    logs.append("a/one.jsonl", use("1", 1))
    (logs.path / "linked").symlink_to("/usr/share")
    async with watching_tree(logs, database) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        assert {Path(folder).name for folder in watched.feed.folders} == {"logs", "a"}


async def test_folder_whose_name_is_no_text_is_swept(logs: LogFolder, database: Database) -> None:
    """It cannot be watched, and keeps no other from being watched."""
    folder = os.fsencode(logs.path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102  # a name of bytes
    logs.append("a/one.jsonl", use("1", 1))
    async with watching_tree(logs, database, TICKS) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        with open(folder + b"/one.jsonl", "wb") as file:  # noqa: PTH123, ASYNC230  # likewise
            file.write(use("2", 1))
        await watched.until_total(2)
        assert watched.watcher.state.state is WATCHING


async def test_file_whose_name_is_no_text_is_found_by_its_notification(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends all notifications, and they begin anew at once where that is quick, as it is for these two folders."""
    # On a busy machine it may take longer, and would then wait for a tick.
    monkeypatch.setattr(notifier_module, "_QUICK_S", HANG_S)
    logs.append("a/one.jsonl", use("1", 1))
    async with watching_tree(logs, database) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        path = os.fsencode(logs.path) + b"/a/caf\xe9.jsonl"
        for number in range(2, 5):
            with open(path, "ab") as file:  # noqa: PTH123, ASYNC230  # a name of bytes
                file.write(use(f"{number}", 1))
            await watched.until_total(number)


async def test_first_reading_lets_live_changes_pass(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is appended while thousands of old files wait is stored with the next part."""
    monkeypatch.setattr(line_feed, "CHUNK_FILES", 5)
    for number in range(100):
        path = logs.append(f"{number % 7}/{number}.jsonl", use(f"{number}", 1))
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number))
    gate, waits = threading.Event(), threading.Event()
    parts = 0
    real = line_feed.LineFeed._read

    def held(feed: line_feed.LineFeed, trigger: object) -> object:
        nonlocal parts
        parts += 1
        if parts == 3:
            waits.set()
            assert gate.wait(HANG_S)
        return real(feed, trigger)  # type: ignore[arg-type]  # as it is given

    heard = asyncio.Event()
    take = line_feed.LineFeed.hint

    def noted(feed: line_feed.LineFeed, path: str) -> bool:
        heard.set()
        return take(feed, path)

    monkeypatch.setattr(line_feed.LineFeed, "_read", held)
    monkeypatch.setattr(line_feed.LineFeed, "hint", noted)
    async with watching_tree(logs, database, TICKS) as watched:
        assert await asyncio.to_thread(waits.wait, HANG_S)
        assert watched.ingest.find_progress(watched.intake.key) is not None
        logs.append("0/0.jsonl", use("live", 1_000))
        async with asyncio.timeout(HANG_S):
            await heard.wait()
        gate.set()
        await watched.until_total(1_100)
    live = next(event for event in watched.commits if any(row.spent.get("input") >= 1_000 for row in event.rows))
    # It came with the next part, while many files were still to be read.
    assert live.receipt.remaining_count > 70


# Its cost


@pytest.fixture
def many(logs: LogFolder) -> LogFolder:
    """Return a root with 5,000 folders that hold a file each, written long ago."""
    for number in range(5_000):
        path = logs.append(f"{number}/one.jsonl", use(f"{number}", 1))
        os.utime(path, ns=(0, 1_700_000_000_000_000_000))
        os.utime(path.parent, ns=(0, 1_700_000_000_000_000_000))
    return logs


@pytest.mark.slow
async def test_5_000_folders_are_watched_without_a_stall(many: LogFolder, database: Database) -> None:
    """Neither to begin nor to watch a new folder takes the loop's time; a file that changes is the only one read."""
    longest = 0.0
    ended = asyncio.Event()

    async def feel() -> None:
        nonlocal longest
        while not ended.is_set():
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)

    async with watching_tree(many, database) as watched:
        pulse = asyncio.create_task(feel())
        await watched.until_total(5_000)
        await watched.until_state(WATCHING)
        many.append("new/one.jsonl", use("new", 1))
        await watched.until_total(5_001)
        many.append("4711/one.jsonl", use("more", 1))
        await watched.until_total(5_002)
        ended.set()
        await pulse
    # A hang limit: to set up the watches in the loop's thread took up to 0.6 s at once, again and again.
    assert longest < 5.0


@pytest.mark.slow
async def test_5_000_folders_at_rest_cost_next_to_nothing(many: LogFolder, database: Database) -> None:
    """A look at a tree that is watched and in which nothing happens asks for no folder and no file."""
    async with watching_tree(many, database) as watched:
        await watched.until_total(5_000)
        await watched.until_state(WATCHING)
        watched.feed.look()
        spent = []
        for _ in range(21):
            began = time.thread_time()
            watched.feed.look()
            spent.append(time.thread_time() - began)
    # Ten times 0.05 % of a core for a look every two seconds.
    assert statistics.median(spent) < 0.01


async def test_folder_that_was_replaced_when_another_began_to_be_watched_is_read(
    logs: LogFolder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its old queue has not told of it, and the new one began after it."""
    monkeypatch.setattr(LateWatch, "is_late", False)
    monkeypatch.setattr(notifier_module, "RustNotify", LateWatch)
    folder = logs.append("0/one.jsonl", use("1", 1)).parent
    async with watching_tree(logs, database) as watched:
        await watched.until_total(1)
        await watched.until_state(WATCHING)
        LateWatch.is_late = True
        shutil.rmtree(folder)
        logs.append("0/two.jsonl", use("2", 10))
        path = logs.append("1/three.jsonl", use("3", 100))
        watched.watcher._hear(Hint(str(path.parent), False, time.monotonic()))
        await watched.until_total(111)
