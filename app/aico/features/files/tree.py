"""What is known of the files below a root, by metadata alone: which are there, and which may have changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from typing import TypeAlias

from aico.core.usage import digest
from aico.features.files.shape import Shape
from aico.features.files.tree_guard import DEPTH_MAX, FileStat, FolderStat, Listing, Refusal, Root, TreeGuard

_REPLACED = "\ufffd"
_UNKNOWN = FolderStat(0, 0, 0)
_ACTIVE_NS = 3_600_000_000_000
"""A file that was written less than an hour ago is looked at by name in each sweep."""
_ACTIVE_MAX = 256
_WALK_SHARE = 8_000
"""A walk without a reason is repeated after this many times its own duration: at most 0.0125 % of a core."""
_SWEEP_SHARE = 5_000
"""The same for a look at the time stamps of all folders: 0.02 %."""


_Names: TypeAlias = "frozenset[str] | tuple[str, ...]"
"""The few of most folders are a tuple: a set takes 216 bytes for one of them."""
_FEW = 4


@dataclass(slots=True)
class TreeFile:
    """A file that is there."""

    path: str
    """Below the root."""
    key: bytes
    """A digest of it."""
    stat: FileStat


@dataclass(slots=True)
class _Folder:
    status: FolderStat
    files: _Names
    folders: _Names


class Tree:
    """The folders and files below one root, as they were when they were looked at last. Not for two threads at once."""

    def __init__(self, guard: TreeGuard, shape: Shape, note: Callable[[TreeFile], None]) -> None:
        """``note`` is told of each file that is new or has changed."""
        self._guard = guard
        self._shape = shape
        self._note = note
        self._folders: dict[str, _Folder] = {}
        self._refused: dict[str, dict[str, str]] = {}
        """Names that are not read, with the reason, by their folder; of few folders."""
        self._identity: tuple[int, int] | None = None
        self._walked_s: float | None = None
        self._walk_s = 0.0
        self._swept_s = float("-inf")
        self._sweep_s = 0.0
        self.folders_version = 0
        """Changes when a folder comes or goes."""
        self.files: dict[str, TreeFile] = {}
        """By path below the root."""
        self.size_bytes = 0
        self.written_ns = 0
        self._active: dict[str, TreeFile] = {}

    @property
    def folders(self) -> Set[str]:
        """The paths below the root of the folders that are there; the root's is empty."""
        return self._folders.keys()

    @property
    def notes(self) -> list[tuple[str, str]]:
        """The path below the root of each file and folder that is not read, and the reason."""
        return [
            (_join(path, name), reason) for path, refused in self._refused.items() for name, reason in refused.items()
        ]

    def is_current(self, root: Root) -> bool:
        """Return whether ``root`` is the folder that was walked."""
        return self._identity == root.identity

    def look_around(self, root: Root) -> None:
        """Look at everything, or at the time stamps of all folders, if that costs next to nothing by now."""
        now = time.monotonic()
        if self._walked_s is None or now - self._walked_s >= self._walk_s * _WALK_SHARE:
            self.walk(root)
        elif now - self._swept_s >= self._sweep_s * _SWEEP_SHARE:
            began = time.thread_time()
            self.sweep(root, list(self._folders))
            self.sweep_active(root)
            self._swept_s, self._sweep_s = now, time.thread_time() - began

    def walk(self, root: Root) -> None:
        """Look at everything."""
        began, began_cpu = time.monotonic(), time.thread_time()
        self._identity = root.identity
        gone = set(self._folders)
        self._list(root, "", gone)
        for path in gone:
            self._forget(path)
        self._walked_s, self._walk_s = began, time.thread_time() - began_cpu

    def sweep(self, root: Root, folders: Collection[str]) -> None:
        """Look at the time stamps of ``folders``, and list those that changed."""
        for path in folders:
            known = self._folders.get(path)
            if known is None:
                continue
            status = self._guard.look_at_folder(root, path)
            if status is None:
                self._lose(path)
            elif status != known.status:
                self._list(root, path)

    def sweep_active(self, root: Root) -> None:
        """Look at the files that were written lately."""
        since = time.time_ns() - _ACTIVE_NS
        active = sorted(self._active.values(), key=lambda file: file.stat.mtime_ns, reverse=True)[:_ACTIVE_MAX]
        self._active = {file.path: file for file in active if file.stat.mtime_ns >= since}
        for path in list(self._active):
            self._look(root, path)

    def look_at(self, root: Root, path: str) -> None:
        """Look at one file or folder that may have come, changed or gone."""
        while _REPLACED in path:
            # A name that is no text is told with this in its place: what it lies in is listed.
            path = path.rpartition("/")[0]
        folder = path.rpartition("/")[0] if path else ""
        while folder and folder not in self._folders:
            # It lies in a folder that is not known yet.
            path, folder = folder, folder.rpartition("/")[0]
        if path in self.files:
            self._look(root, path)
        elif self._shape.find_rests(path) and self._guard.look_at_folder(root, path) is not None:
            # Also when it is known: it may be another one under the old name.
            self._list(root, path)
            known = self._folders.get(folder)
            if path and known is not None:
                known.folders = _names({*known.folders, path.rpartition("/")[2]})
        elif path in self._folders:
            self._lose(path)
        elif self._is_file(path):
            self._look(root, path)

    def concerns(self, path: str) -> bool:
        """Return whether ``path``, below the root, can be a file or a folder of the tool's."""
        return path in self.files or self._is_file(path) or bool(self._shape.find_rests(path))

    def _is_file(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return self._shape.is_file(self._shape.find_rests(folder), name)

    def _list(self, root: Root, first: str, gone: set[str] | None = None) -> None:
        """List ``first``, and below it what is new; with ``gone`` everything, and what is there is taken from it."""
        waiting = [(first, self._shape.find_rests(first))]
        while waiting:
            path, rests = waiting.pop()
            try:
                listing = self._guard.list_folder(root, path, rests)
            except Refusal as refusal:
                listing = Listing(_UNKNOWN, refused={"": refusal.reason})
            if listing is None:
                self._lose(path)
                continue
            if gone is not None:
                gone.discard(path)
            is_other = self._take(path, listing)
            for name in listing.folders:
                below = _join(path, name)
                is_new = is_other or below not in self._folders
                if (is_new or gone is not None) and below.count("/") < DEPTH_MAX:
                    waiting.append((below, self._shape.descend(rests, name)))

    def _take(self, path: str, listing: Listing) -> bool:
        """Take over what lies in one folder; return whether that is another folder than before."""
        before = self._folders.get(path)
        self._folders[path] = _Folder(listing.status, _names(listing.files), _names(listing.folders))
        self._refused.pop(path, None)
        if listing.refused:
            self._refused[path] = listing.refused
        for name, status in listing.files.items():
            self._see(_join(path, name), status)
        if before is None:
            self.folders_version += 1
            return True
        for name in set(before.files).difference(listing.files):
            self._drop(_join(path, name))
        for name in set(before.folders).difference(listing.folders):
            self._lose(_join(path, name))
        return before.status[:2] != listing.status[:2]

    def _look(self, root: Root, path: str) -> None:
        status = self._guard.look_at_file(root, path)
        folder, _, name = path.rpartition("/")
        known = self._folders.get(folder)
        if status is None:
            self._drop(path)
        else:
            self._see(path, status)
            if known is not None and name not in known.files:
                known.files = _names({*known.files, name})

    def _see(self, path: str, status: FileStat) -> None:
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = TreeFile(path, digest(path), status)
            self.size_bytes += status.size
        elif file.stat == status:
            return
        else:
            self.size_bytes += status.size - file.stat.size
            file.stat = status
        self.written_ns = max(self.written_ns, status.mtime_ns)
        if status.mtime_ns >= time.time_ns() - _ACTIVE_NS:
            self._active[path] = file
        self._note(file)

    def _drop(self, path: str) -> None:
        file = self.files.pop(path, None)
        self._active.pop(path, None)
        if file is not None:
            self.size_bytes -= file.stat.size

    def _lose(self, path: str) -> None:
        """Forget a folder that is gone, and what was below it."""
        waiting = [path]
        while waiting:
            below = waiting.pop()
            folder = self._folders.get(below)
            if folder is not None:
                waiting += [_join(below, name) for name in folder.folders]
                self._forget(below)

    def _forget(self, path: str) -> None:
        folder = self._folders.pop(path, None)
        self._refused.pop(path, None)
        self.folders_version += 1
        for name in () if folder is None else folder.files:
            self._drop(_join(path, name))


def _names(names: Collection[str]) -> _Names:
    return tuple(names) if len(names) <= _FEW else frozenset(names)


def _join(folder: str, name: str) -> str:
    if not name:
        return folder
    return f"{folder}/{name}" if folder else name
