"""Hints that files may have changed, from the operating system: the only place that knows watchfiles."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from aico.core.hashes import Hashes

LOOK_S = 0.04
"""How often the queues of watchfiles are looked at, all of them by one thread: waking up costs the most by far.

A change is told after one look at most. The debounce counts from when the file was written, so that is inside.
"""
QUIET_LOOKS_S = ((60.0, 0.25), (10.0, 0.1))
"""The same when nothing was told for so many seconds: the first change after a quiet minute waits 125 ms on average."""
_LOOKS_MAX = 2
REBUILD_S = 2.0
"""New folders of a tree are watched after so long, or after this many times as long as that took last time."""
_REBUILD_SHARE = 20
_REBUILD_MAX_S = 10.0
_RETRY_SHARE = 200
_RETRY_MAX_S = 60.0
_EFFECTIVE = os.access in os.supports_effective_ids
_SLICE_MAX = 1_000
"""Folders that one object of watchfiles watches: to make it holds up every thread of Python, 20 ms for so many."""
_RACES_MAX = 5
_QUICK_S = 0.02
"""A failed watch waits before its next try only if a try takes longer than this."""


class Hint(NamedTuple):
    """A notification of the system."""

    path: str
    is_change: bool
    """True if a file of that name was written to, and neither came nor went."""
    about_s: float
    """When, by the monotonic clock: in the middle between two looks at the queue."""


class WatchLimit(OSError):
    """The system has not as many watches left as a tree has folders."""


@dataclass(slots=True, eq=False)
class _Slice:
    """Folders that are watched by one object of watchfiles, with one queue."""

    native: RustNotify
    folders: Hashes
    """Less those that are gone. Their names would be half a megabyte for 5,000, beside those that watchfiles keeps."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when it is to be looked at once more and no longer."""
    is_looked_at: bool = False
    ended: threading.Event = field(default_factory=threading.Event)


class _Empty(Exception):
    """Nothing is in a queue."""


class _BriefLook:
    """Given to watchfiles in place of an event to stop at: lets it look at its queue, and not wait for more.

    It asks before each look whether to stop, and tells what it has found when two looks in a row find as much. Told to
    stop, or at the end of its own time, it would forget what it has heard of and not told yet; an exception leaves that
    where it is.
    """

    def __init__(self) -> None:
        self._count = 0

    def is_set(self) -> bool:
        """Return False; raise :class:`_Empty` after two looks."""
        if self._count == _LOOKS_MAX:
            raise _Empty
        self._count += 1
        return False


class Watch:
    """The notifications that one place wants. Made by :meth:`Notifier.make_watch`.

    A notification is a hint only. Which file it names, and what happened to it, is never trusted; that one may be lost
    is made good by the watcher's ticks and rescans.
    """

    def __init__(self, notifier: Notifier, on_hint: Callable[[Hint], None], on_change: Callable[[], None]) -> None:
        self._notifier = notifier
        self._on_hint = on_hint
        self.on_change = on_change
        """Called when other folders are watched than before."""
        self.folders: Set[str] = frozenset()
        """The folders that are to be watched, each by itself: not what is below them."""
        self.names: frozenset[str] = frozenset()
        """The names that are of interest in them; empty: all."""
        self.main = ""
        """The folder without which the others are nothing."""
        self._judged: tuple[Set[str], int, bool] = self.folders, -1, False
        """Folders that were asked about, when, and the answer."""

    @property
    def watched(self) -> Set[str]:
        """The folders of which notifications may arrive."""
        # Most often all of them: a second set of thousands is half a megabyte. One that is gone, which may come again,
        # may be passed over where folders are gone through, and still be counted among them.
        is_armed = self._notifier.is_armed
        is_whole = sum(map(is_armed, self.folders)) == len(self.folders)
        return self.folders if is_whole else frozenset(filter(is_armed, self.folders))

    def list_moved(self) -> list[str]:
        """Return the folders that were watched in another way until now, while it is told that this has changed."""
        moved = self._notifier.moved
        return list(filter(moved.has, self.folders)) if len(moved) else []

    @property
    def error(self) -> Exception | None:
        """Why the main folder is not watched although it should be; None while all is well."""
        return self._notifier.find_error(self)

    @property
    def is_watching(self) -> bool:
        """True if notifications of the main folder may arrive."""
        return self._notifier.is_armed(self.main)

    async def start(self, main: str, *names: str, folders: Collection[str] = ()) -> None:
        """Watch ``main`` for ``names``, and ``folders`` beside it, in place of what was watched before.

        Changes there after this call are noticed, unless ``error`` says why not.
        """
        self.main, self.names, self.folders = main, frozenset(names), _with(main, folders)
        await self._notifier.start(self)

    def lacks(self, folders: Set[str]) -> bool:
        """Return whether some of ``folders`` could be watched and are not."""
        if self._judged[0] is not folders or self._judged[1] != self._notifier.version:
            self._judged = folders, self._notifier.version, self._notifier.lacks(folders)
        return self._judged[2]

    def extend(self, folders: Collection[str]) -> None:
        """Watch ``folders`` soon, in place of those that were watched beside the main one."""
        self.folders = _with(self.main, folders)
        self._notifier.rebuild_soon()

    async def stop(self) -> None:
        """Hear of nothing any more."""
        self.main, self.folders = "", frozenset()
        await self._notifier.stop(self)

    def take(self, hint: Hint, folder: str) -> None:
        """Hand on a hint that is of interest."""
        path = hint.path
        if path in self.folders or not self.names or path[len(folder.rstrip("/")) + 1 :] in self.names:
            self._on_hint(hint)


class Notifier:
    """Watches the folders of all places, a thousand by one queue of the operating system.

    It watches folders, not files: a rename over a file takes the watch of the file away. A folder that is removed, or
    renamed, is not watched any more, also when another one takes its name.
    """

    def __init__(self) -> None:
        self.version = 0
        """Changes with what is watched."""
        self._watches: list[Watch] = []
        self._slices: list[_Slice] = []
        self._failed: dict[str, Exception] = {}
        """Folders that cannot be watched."""
        self._dropped: dict[str, Exception] = {}
        """Main folders of those for which no watches are left."""
        self._ending: list[_Slice] = []
        self._queues: list[_Slice] = []
        """The queues that the thread looks at; under the lock."""
        self._queues_lock = threading.Lock()
        self._told_s = time.monotonic()
        """When something was told last."""
        self._is_looking = False
        """True if the thread goes on; under the lock."""
        self._thread: threading.Thread | None = None
        """Looks at the queues while there are any."""
        self._turn = asyncio.Lock()
        """Held while watched folders change."""
        self._soon: asyncio.Task[None] | None = None
        self._built_s = float("-inf")
        self._build_s = 0.0
        self._moved = Hashes()
        self._armed = -1, Hashes()
        """The folders of all slices, and the version of which they are."""

    @property
    def moved(self) -> Hashes:
        """Folders of which some notifications may have been lost just now."""
        return self._moved

    def is_armed(self, folder: str) -> bool:
        """Return whether notifications of ``folder`` may arrive."""
        if self._armed[0] != self.version:
            self._armed = self.version, Hashes(chain.from_iterable(each.folders for each in self._slices))
        return self._armed[1].has(folder)

    def make_watch(self, on_hint: Callable[[Hint], None], on_change: Callable[[], None] = lambda: None) -> Watch:
        """Return what hears of nothing yet; ``on_hint`` is given what may have changed."""
        return Watch(self, on_hint, on_change)

    def find_error(self, watch: Watch) -> Exception | None:
        """Return why the main folder of ``watch`` is not watched; None if it is, or nobody said that it should be."""
        return self._dropped.get(watch.main) or self._failed.get(watch.main)

    def lacks(self, folders: Collection[str]) -> bool:
        """Return whether some of ``folders`` could be watched and are not."""
        return any(map(self._lacks, folders))

    def _lacks(self, folder: str) -> bool:
        return not self.is_armed(folder) and folder not in self._failed

    async def start(self, watch: Watch) -> None:
        """Watch what ``watch`` says, from now on."""
        if watch not in self._watches:
            self._watches.append(watch)
        delay_s = min(self._build_s * _RETRY_SHARE, _RETRY_MAX_S) if self._build_s > _QUICK_S else 0.0
        if self.find_error(watch) is not None and time.monotonic() - self._built_s < delay_s:
            return
        self._dropped.pop(watch.main, None)
        # The folder watched under its name may be another one by now.
        self._forget(watch.main)
        async with self._turn:
            if not all(map(self.is_armed, watch.folders)):
                for folder in watch.folders:
                    self._failed.pop(folder, None)
                await self._build()

    def rebuild_soon(self) -> None:
        """Watch what all want to hear of, when it is time for that."""
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self._rebuild(), name="notifier")

    async def stop(self, watch: Watch) -> None:
        """Tell ``watch`` of nothing any more."""
        if watch in self._watches:
            self._watches.remove(watch)
        if not self._watches:
            await self.close()

    async def close(self) -> None:
        """Watch nothing, and wait until no thread looks at anything."""
        if self._soon is not None:
            self._soon.cancel()
            await asyncio.wait({self._soon})
            self._soon = None
        async with self._turn:
            self._end(*self._slices)
            self._failed, self._dropped = {}, {}
            await asyncio.to_thread(_wait_for_end, self._ending)
            self._ending = []
            if self._thread is not None:
                await asyncio.to_thread(self._thread.join)

    async def _rebuild(self) -> None:
        distance_s = max(REBUILD_S, min(self._build_s * _REBUILD_SHARE, _REBUILD_MAX_S))
        await asyncio.sleep(self._built_s + distance_s - time.monotonic())
        async with self._turn:
            if any(self.lacks(watch.folders) for watch in self._watches if watch.main not in self._dropped):
                await self._build()

    async def _build(self) -> None:
        """Watch all folders that are not watched yet; nothing is lost of those that are."""
        began = time.monotonic()
        gave_back = False
        failed: dict[str, Exception] = {}
        while True:
            old, pieces = self._plan()
            made: list[_Slice] = []
            try:
                for piece in pieces:
                    made += await asyncio.to_thread(_arm, piece, failed)
            except OSError as error:
                problem = error.with_traceback(None)
            else:
                break
            self._end(*made)
            if old and not gave_back:
                # There may be enough watches without those that would have been given back in the end.
                gave_back = True
                self._end(*old)
                await asyncio.to_thread(_wait_for_end, self._ending)
                self._tell()
                continue
            # There are not enough watches: the largest tree is left out, and all others begin anew.
            self._end(*self._slices)
            self._tell()
            kept = [watch for watch in self._watches if watch.main not in self._dropped]
            largest = max(kept, key=lambda watch: len(watch.folders))
            count = len(largest.folders)
            self._dropped[largest.main] = problem if count == 1 else WatchLimit(f"no watches for {count} folders")
        await self._note_failed(failed)
        self._look_at(made)
        self._end(*old)
        self._slices += made
        # What the old ones have not heard of yet, they never tell: so their folders are looked at once more.
        self._moved = Hashes(chain.from_iterable(each.folders for each in old))
        self._built_s = time.monotonic()
        self._build_s = self._built_s - began
        self._tell()
        self._moved = Hashes()

    async def _note_failed(self, failed: dict[str, Exception]) -> None:
        """Take over which folders cannot be watched, without those that have come since."""
        self._failed |= failed
        # From now on it is heard of one that comes, which may have been told of before it was among the failed ones.
        absent = [folder for folder, problem in failed.items() if isinstance(problem, FileNotFoundError)]
        if absent:
            still = await asyncio.to_thread(_find_unwatchable, absent)
            for folder in absent:
                if folder not in still:
                    self._failed.pop(folder, None)

    def _plan(self) -> tuple[list[_Slice], Iterator[list[str]]]:
        """Return the objects that are to end, and what is to be watched by new ones.

        By their hashes: the names of all at once would be memory that is free later, and stays.
        """
        kept = [watch for watch in self._watches if watch.main not in self._dropped]
        missing = {hash(each) for watch in kept for each in watch.folders if self._lacks(each)}
        if not missing:
            return [], iter(())
        wanted = Hashes.of(folder for watch in kept for folder in watch.folders) if self._slices else Hashes()
        still = [set(filter(wanted.holds, each.folders)) for each in self._slices]
        old = [each for each, folders in zip(self._slices, still, strict=True) if not folders]
        for each, folders in zip(self._slices, still, strict=True):
            if folders and len(folders) + len(missing) <= _SLICE_MAX:
                old.append(each)
                missing |= folders
        return old, _cut(kept, missing)

    def _tell(self) -> None:
        self.version += 1
        for watch in list(self._watches):
            watch.on_change()

    def _end(self, *slices: _Slice) -> None:
        self._ending = [each for each in self._ending if not each.ended.is_set()]
        for each in slices:
            each.stop.set()
            if each.is_looked_at:
                self._ending.append(each)
            else:
                each.native.close()
        self._slices = [each for each in self._slices if each not in slices]
        self.version += 1

    def _forget(self, folder: str) -> None:
        """Take ``folder`` for one that is not watched."""
        for each in self._slices:
            each.folders.discard(folder)
        version, armed = self._armed
        is_known = version == self.version
        self.version += 1
        if is_known:
            # Thousands go with one folder: to sort the others anew for each of them would take seconds.
            armed.discard(folder)
            self._armed = self.version, armed

    def _look_at(self, slices: Collection[_Slice]) -> None:
        """Let the thread look at the queues of ``slices``, too."""
        if not slices:
            return
        with self._queues_lock:
            for each in slices:
                each.is_looked_at = True
            self._queues += slices
            if not self._is_looking:
                self._is_looking = True
                loop = asyncio.get_running_loop()
                self._thread = threading.Thread(target=self._look, args=(loop,), name="notifier", daemon=True)
                self._thread.start()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at all queues again and again until there are none; in the thread."""
        looked_s = time.monotonic()
        while True:
            with self._queues_lock:
                queues = list(self._queues)
            before_s, looked_s = looked_s, time.monotonic()
            about_s = (before_s + looked_s) / 2
            over = [each for each in queues if self._look_once(each, loop, about_s)]
            if over:
                with self._queues_lock:
                    self._queues = [each for each in self._queues if each not in over]
                    is_looking = self._is_looking = bool(self._queues)
                for each in over:
                    each.ended.set()
                if not is_looking:
                    return
            quiet_s = time.monotonic() - self._told_s
            time.sleep(next((look_s for after_s, look_s in QUIET_LOOKS_S if quiet_s > after_s), LOOK_S))

    def _look_once(self, each: _Slice, loop: asyncio.AbstractEventLoop, about_s: float) -> bool:
        """Tell what is in a queue, since ``about_s``; return whether it is not to be looked at any more."""
        is_last = each.stop.is_set()
        problem: Exception | None = None
        try:
            found = each.native.watch(0, 0, 0, _BriefLook())
            if isinstance(found, set):
                self._told_s = time.monotonic()
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(self._deliver, found, about_s)
            elif found == "stop":
                problem = RuntimeError("the notifications ended")
        except _Empty:
            pass
        except Exception as error:  # noqa: BLE001  # any error: ticks take its place, and it is told
            problem = error
        if not is_last and problem is None:
            return False
        each.native.close()
        if problem is not None and not each.stop.is_set():
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._note_end, each, problem)
        return True

    def _note_end(self, each: _Slice, problem: Exception) -> None:
        self._failed |= {watch.main: problem for watch in self._watches if each.folders.has(watch.main)}
        self._end(each)
        self._tell()

    def _deliver(self, changes: set[tuple[int, str]], about_s: float) -> None:
        version = self.version
        for change, path in changes:
            folder = os.path.dirname(path)  # noqa: PTH120  # thousands at once, perhaps
            if change == Change.deleted and self.is_armed(path):
                # The watch went with it, and that is no error. One that is made anew may well have the same inode.
                self._forget(path)
            elif change == Change.added and path in self._failed:
                del self._failed[path]
                self.version += 1
            hint = Hint(path, change == Change.modified, about_s)
            for watch in self._watches:
                if folder in watch.folders or path in watch.folders:
                    watch.take(hint, folder)
        if self.version != version:
            self._tell()


def _with(main: str, folders: Collection[str]) -> Set[str]:
    """Return ``folders`` and ``main``, as the same object where it is one of them."""
    if isinstance(folders, Set) and main in folders:
        return folders
    return frozenset({main, *folders})


def _cut(watches: Iterable[Watch], hashes: set[int]) -> Iterator[list[str]]:
    """Yield the folders that have one of ``hashes``, each once, in pieces."""
    piece: list[str] = []
    for folder in chain.from_iterable(watch.folders for watch in watches):
        if hash(folder) in hashes:
            hashes.discard(hash(folder))
            piece.append(folder)
            if len(piece) == _SLICE_MAX:
                yield piece
                piece = []
    if piece:
        yield piece


def _arm(wanted: Collection[str], failed: dict[str, Exception]) -> list[_Slice]:
    """Begin to watch folders; return nothing where there is none. Blocking. Raises OSError when no watches are left.

    A folder that is not there or cannot be read is left out, and noted in ``failed``.
    """
    failed |= {folder: UnicodeError("its name is no text") for folder in wanted if not _is_text(folder)}
    races = 0
    while True:
        folders = [folder for folder in wanted if folder not in failed]
        if not folders:
            return []
        try:
            # It must not poll, whose times are whole seconds, and not follow what is below.
            return [_Slice(RustNotify(folders, False, False, 0, False, False), Hashes.of(folders))]
        except Exception as error:  # noqa: BLE001  # an error of the system has no type of its own there
            problem = error.with_traceback(None)
        missing = _find_unwatchable(folders)
        if missing:
            failed |= missing
        elif isinstance(problem, FileNotFoundError) and races < _RACES_MAX:
            races += 1  # it was made anew since
        else:
            raise problem if isinstance(problem, OSError) else OSError(type(problem).__name__)


def _wait_for_end(slices: Iterable[_Slice]) -> None:
    for each in list(slices):
        each.ended.wait()


def _find_unwatchable(folders: Collection[str]) -> dict[str, Exception]:
    found: dict[str, Exception] = {}
    for folder in folders:
        if not os.path.isdir(folder):  # noqa: PTH112  # thousands, perhaps
            found[folder] = FileNotFoundError("it is not there")
        elif not os.access(folder, os.R_OK, effective_ids=_EFFECTIVE):
            found[folder] = PermissionError("it cannot be read")
    return found


def _is_text(folder: str) -> bool:
    try:
        folder.encode()
    except UnicodeEncodeError:
        return False
    return True
