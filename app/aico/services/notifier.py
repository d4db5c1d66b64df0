"""Hints that files may have changed, from the operating system: the only place that knows watchfiles."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

STEP_MS = 30
"""How often watchfiles looks at its queue, some 100 microseconds each time.

A change is told after one to two steps. The debounce counts from when the file was written, so most of that is inside.
"""
_BATCH_MS = 40
_TIMEOUT_MS = 100
"""So long it takes at most until the thread sees that it is to end."""
REBUILD_S = 2.0
"""New folders of a tree are watched after so long, or after this many times as long as that took last time."""
_REBUILD_SHARE = 20
_REBUILD_MAX_S = 10.0
_RETRY_SHARE = 200
_RETRY_MAX_S = 60.0
_EFFECTIVE = os.access in os.supports_effective_ids
_RACES_MAX = 5
_QUICK_S = 0.02
"""What failed is tried again after a while only if that takes longer than this."""


class WatchLimit(OSError):
    """The system has not as many watches left as a tree has folders."""


@dataclass(slots=True)
class _Armed:
    """What is watched, by one object of watchfiles."""

    native: RustNotify | None
    folders: set[str]
    failed: dict[str, Exception]
    """Folders that cannot be watched."""
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Watch:
    """What one place wants to hear of. Made by :meth:`Notifier.make_watch`.

    A notification is a hint only. Which file it names, and what happened to it, is never trusted; that one may be lost
    is made good by the watcher's ticks and rescans.
    """

    def __init__(self, notifier: Notifier, on_hint: Callable[[str], None], on_change: Callable[[], None]) -> None:
        self._notifier = notifier
        self._on_hint = on_hint
        self.on_change = on_change
        """Called when other folders are watched than before."""
        self.folders: frozenset[str] = frozenset()
        """The folders that are to be watched, each by itself: not what is below them."""
        self.names: frozenset[str] = frozenset()
        """The names that are of interest in them; empty: all."""
        self.main = ""
        """The folder without which the others are nothing."""
        self._judged = self.folders, -1, False
        """Folders that were asked about, when, and the answer."""

    @property
    def watched(self) -> frozenset[str]:
        """The folders of which notifications may arrive."""
        return frozenset(self.folders & self._notifier.armed_folders)

    @property
    def error(self) -> Exception | None:
        """Why the main folder is not watched although it should be; None while all is well."""
        return self._notifier.find_error(self)

    @property
    def is_watching(self) -> bool:
        """Whether notifications of the main folder may arrive."""
        return self.main in self._notifier.armed_folders

    async def start(self, main: str, *names: str, folders: Collection[str] = ()) -> None:
        """Watch ``main`` for ``names``, and ``folders`` beside it, in place of what was watched before.

        What happens there after this call is noticed, unless ``error`` says why not.
        """
        self.main, self.names, self.folders = main, frozenset(names), frozenset({main, *folders})
        await self._notifier.start(self)

    def lacks(self, folders: frozenset[str]) -> bool:
        """Return whether some of ``folders`` could be watched and are not."""
        if self._judged[0] is not folders or self._judged[1] != self._notifier.version:
            self._judged = folders, self._notifier.version, self._notifier.lacks(folders)
        return self._judged[2]

    def extend(self, folders: Collection[str]) -> None:
        """Watch ``folders`` soon, in place of those that were watched beside the main one."""
        self.folders = frozenset({self.main, *folders})
        self._notifier.rebuild_soon()

    async def stop(self) -> None:
        """Hear of nothing any more."""
        self.main, self.folders = "", frozenset()
        await self._notifier.stop(self)

    def take(self, path: str, folder: str) -> None:
        """Hand on a hint that is of interest."""
        if path in self.folders or not self.names or path[len(folder.rstrip("/")) + 1 :] in self.names:
            self._on_hint(path)


class Notifier:
    """Watches the folders of all places: one queue of the operating system, and one thread that looks at it.

    It watches folders, not files: a rename over a file takes the watch of the file away. A folder that is removed, or
    renamed, is not watched any more, also when another one takes its name.
    """

    def __init__(self) -> None:
        self.version = 0
        """Changes with what is watched."""
        self._watches: list[Watch] = []
        self._by_folder: dict[str, list[Watch]] = {}
        self._armed: _Armed | None = None
        self._ending: list[threading.Thread] = []
        self._turn = asyncio.Lock()
        """Held by whoever changes what is watched."""
        self._soon: asyncio.Task[None] | None = None
        self._built_s = float("-inf")
        self._build_s = 0.0

    @property
    def armed_folders(self) -> set[str]:
        """The folders of which notifications may arrive."""
        return set() if self._armed is None else self._armed.folders

    def make_watch(self, on_hint: Callable[[str], None], on_change: Callable[[], None] = lambda: None) -> Watch:
        """Return what hears of nothing yet; ``on_hint`` is given the path of what may have changed."""
        return Watch(self, on_hint, on_change)

    def find_error(self, watch: Watch) -> Exception | None:
        """Return why the main folder of ``watch`` is not watched; None if it is, or nobody said that it should be."""
        return None if self._armed is None else self._armed.failed.get(watch.main)

    def lacks(self, folders: Collection[str]) -> bool:
        """Return whether some of ``folders`` could be watched and are not."""
        armed = self._armed
        return armed is None or any(each not in armed.folders and each not in armed.failed for each in folders)

    async def start(self, watch: Watch) -> None:
        """Watch what ``watch`` says, from now on."""
        if watch not in self._watches:
            self._watches.append(watch)
        delay_s = min(self._build_s * _RETRY_SHARE, _RETRY_MAX_S) if self._build_s > _QUICK_S else 0.0
        if self.find_error(watch) is not None and time.monotonic() - self._built_s < delay_s:
            return
        # Whatever is watched under its name may be another folder by now.
        self.armed_folders.discard(watch.main)
        self.version += 1
        async with self._turn:
            if not watch.folders <= self.armed_folders:
                await self._build()

    def rebuild_soon(self) -> None:
        """Watch what all want to hear of, when it is time for that."""
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self._rebuild(), name="notifier")

    async def stop(self, watch: Watch) -> None:
        """Tell ``watch`` of nothing any more."""
        if watch in self._watches:
            self._watches.remove(watch)
            self._index()
        if not self._watches:
            await self.close()

    async def close(self) -> None:
        """Watch nothing, and wait until no thread looks at anything."""
        if self._soon is not None:
            self._soon.cancel()
            await asyncio.wait({self._soon})
            self._soon = None
        async with self._turn:
            armed, self._armed = self._armed, None
            if armed is not None:
                self._end(armed)
            threads, self._ending = self._ending, []
            for thread in threads:
                await asyncio.to_thread(thread.join)

    async def _rebuild(self) -> None:
        distance_s = max(REBUILD_S, min(self._build_s * _REBUILD_SHARE, _REBUILD_MAX_S))
        await asyncio.sleep(self._built_s + distance_s - time.monotonic())
        async with self._turn:
            if any(self.lacks(watch.folders) for watch in self._watches):
                await self._build()

    async def _build(self) -> None:
        """Watch all folders anew; between the old watches and the new ones nothing is lost."""
        old, began = self._armed, time.monotonic()
        wanted = [(watch.main, watch.folders) for watch in self._watches]
        armed = await asyncio.to_thread(_arm, wanted, old)
        self._built_s = time.monotonic()
        self._build_s = self._built_s - began
        if old is not None and old.stop.is_set():
            # For a while nothing was watched: whoever looks after many folders must look at all of them once more.
            old.folders.clear()
            self._tell()
        self._armed = armed
        self._index()
        if old is not None:
            self._end(old)
        if armed.native is not None:
            loop = asyncio.get_running_loop()
            armed.thread = threading.Thread(target=self._look, args=(armed, loop), name="notifier", daemon=True)
            armed.thread.start()
        self._tell()

    def _tell(self) -> None:
        self.version += 1
        for watch in list(self._watches):
            watch.on_change()

    def _end(self, armed: _Armed) -> None:
        armed.stop.set()
        self._ending = [thread for thread in self._ending if thread.is_alive()]
        if armed.thread is not None:
            self._ending.append(armed.thread)

    def _index(self) -> None:
        self._by_folder = {}
        for watch in self._watches:
            for folder in watch.folders:
                self._by_folder.setdefault(folder, []).append(watch)

    def _look(self, armed: _Armed, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the queue until told to stop; in the thread."""
        native, problem = armed.native, None
        try:
            while native is not None:
                is_last = armed.stop.is_set()
                # Asked to stop by its own means, it would forget what it has heard of and not told yet.
                found = native.watch(_BATCH_MS, STEP_MS, 1 if is_last else _TIMEOUT_MS, None)
                if isinstance(found, set):
                    with suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(self._deliver, armed, found)
                elif found == "stop":
                    break
                if is_last:
                    break
        except Exception as error:  # noqa: BLE001  # whatever it is, ticks take its place, and it is told
            problem = error
        if native is not None:
            native.close()
        if not armed.stop.is_set():
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._note_end, armed, problem or RuntimeError("the notifications ended"))

    def _note_end(self, armed: _Armed, problem: Exception) -> None:
        armed.failed |= dict.fromkeys(armed.folders, problem)
        armed.folders.clear()
        self._tell()

    def _deliver(self, armed: _Armed, changes: set[tuple[int, str]]) -> None:
        for change, path in changes:
            folder = os.path.dirname(path)  # noqa: PTH120  # thousands at once, perhaps
            told = [*self._by_folder.get(folder, ()), *self._by_folder.get(path, ())]
            if change == Change.deleted and path in armed.folders:
                # The watch went with it, and that is no error. One that is made anew may well have the same inode.
                armed.folders.discard(path)
                self.version += 1
            elif change == Change.added and path in armed.failed:
                del armed.failed[path]
                self.version += 1
            for watch in dict.fromkeys(told):
                watch.take(path, folder)


def _arm(wanted: Sequence[tuple[str, Collection[str]]], old: _Armed | None) -> _Armed:
    """Begin to watch the folders of all that is ``wanted``, each with its main folder. Blocking.

    A folder that is not there or cannot be read is left out. When there are not enough watches, those of ``old`` are
    given back, and then the largest tree is left out.
    """
    everything = {folder for _, many in wanted for folder in many}
    failed: dict[str, Exception] = {
        folder: UnicodeError("its name is no text") for folder in everything if not _is_text(folder)
    }
    left, races = list(wanted), 0
    while True:
        folders = sorted({folder for _, many in left for folder in many if folder not in failed})
        if not folders:
            return _Armed(None, set(), failed)
        try:
            # It must not poll, whose times are whole seconds, and not follow what is below.
            native = RustNotify(folders, False, False, 0, False, False)
        except Exception as error:  # noqa: BLE001  # an error of the system has no type of its own there
            problem = error.with_traceback(None)
        else:
            return _Armed(native, set(folders), failed)
        missing = _find_unwatchable(folders)
        if missing:
            failed |= missing
        elif isinstance(problem, FileNotFoundError) and races < _RACES_MAX:
            races += 1  # it was made anew since
        elif old is not None and old.thread is not None and not old.stop.is_set():
            old.stop.set()
            old.thread.join()
        else:
            main, many = max(left, key=lambda each: len(each[1]))
            left.remove((main, many))
            failed[main] = problem if len(many) == 1 else WatchLimit(f"no watches for {len(many)} folders")


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
