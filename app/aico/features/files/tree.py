"""The known files below a root, by metadata alone: which are there, and which may have changed."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Collection, Iterator, Set
from dataclasses import dataclass, field
from operator import itemgetter

from aico.core.usage import digest
from aico.features.files.shape import Rests, Shape
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


_STATUS = struct.Struct("<QQqH")
"""Metadata of a folder, and the number of its files."""
FILE = struct.Struct("<Qqqq")
"""Metadata of a file."""
_FEW = 8
"""Most folders have so few files: they are kept as bytes, a third of the size of objects."""


@dataclass(slots=True)
class TreeFile:
    """A file that is there."""

    path: str
    """Below the root."""
    key: bytes
    """A digest of it."""
    packed: bytes
    """Its metadata."""

    @property
    def stat(self) -> FileStat:
        """Its metadata."""
        return FileStat(*FILE.unpack(self.packed))


@dataclass(slots=True)
class _Folder:
    status: FolderStat
    files: dict[str, bytes] = field(default_factory=dict)
    """The metadata of each, packed."""
    folders: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """Return all of it as bytes: a name holds no byte of 0."""
        names = os.fsencode("\0".join((*self.files, *self.folders)))
        return b"".join((_STATUS.pack(*self.status, len(self.files)), *self.files.values(), names))


def _unpack(packed: bytes) -> _Folder:
    device, inode, mtime_ns, count = _STATUS.unpack_from(packed)
    begin, size = _STATUS.size, FILE.size
    end = begin + count * size
    names = os.fsdecode(packed[end:]).split("\0") if len(packed) > end else []
    stats = [packed[at : at + size] for at in range(begin, end, size)]
    files = dict(zip(names[:count], stats, strict=True))
    return _Folder(FolderStat(device, inode, mtime_ns), files, tuple(names[count:]))


class Tree:
    """The folders and files below one root, as they were when they were looked at last. Not for two threads at once."""

    def __init__(self, guard: TreeGuard, shape: Shape, note: Callable[[TreeFile], None]) -> None:
        """``note`` is told of each file that is new or has changed."""
        self._guard = guard
        self._shape = shape
        self._note = note
        self._folders: dict[str, _Folder | bytes] = {}
        """By path below the root: those with few files as bytes."""
        self._refused: dict[str, dict[str, str]] = {}
        """Names that are not read, with the reason, by their folder; of few folders."""
        self._identity: tuple[int, int] | None = None
        self._walked_s: float | None = None
        self._walk_s = 0.0
        self._swept_s = float("-inf")
        self._sweep_s = 0.0
        self.folders_version = 0
        """Changes when a folder comes or goes."""
        self.file_count = 0
        self.size_bytes = 0
        self.written_ns = 0
        self._active: dict[str, int] = {}
        """Paths of files that were written lately, and when."""

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

    def list_files(self) -> Iterator[str]:
        """Yield the path below the root of each file that is there."""
        for path in self._folders:
            folder = self._get(path)
            yield from () if folder is None else (_join(path, name) for name in folder.files)

    def find_file(self, path: str) -> TreeFile | None:
        """Return the file at ``path`` below the root, as it was when it was looked at last."""
        packed = self._find_packed(path)
        return None if packed is None else TreeFile(path, digest(path), packed)

    def has_file(self, path: str) -> bool:
        """Return whether there is a file at ``path`` below the root."""
        return self._find_packed(path) is not None

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
            elif status != (FolderStat(*_STATUS.unpack_from(known)[:3]) if isinstance(known, bytes) else known.status):
                self._list(root, path)

    def sweep_active(self, root: Root) -> None:
        """Look at the files that were written lately."""
        since = time.time_ns() - _ACTIVE_NS
        active = sorted(self._active.items(), key=itemgetter(1), reverse=True)[:_ACTIVE_MAX]
        self._active = {path: mtime_ns for path, mtime_ns in active if mtime_ns >= since}
        for path in list(self._active):
            self._look(root, path)

    def look_at(self, root: Root, path: str) -> None:
        """Look at one file or folder that may have come, changed or gone."""
        while _REPLACED in path:
            # A name that is no text is told with this in its place: its folder is listed.
            path = path.rpartition("/")[0]
        folder = path.rpartition("/")[0] if path else ""
        while folder and folder not in self._folders:
            # It lies in a folder that is not known yet.
            path, folder = folder, folder.rpartition("/")[0]
        if self.has_file(path):
            self._look(root, path)
        elif self._shape.find_rests(path) and self._guard.look_at_folder(root, path) is not None:
            # Also when it is known: it may be another one under the old name.
            self._list(root, path)
            known, name = self._get(folder), path.rpartition("/")[2]
            if path and known is not None and name not in known.folders:
                known.folders = (*known.folders, name)
                self._put(folder, known)
        elif path in self._folders:
            self._lose(path)
        elif self._is_file(path):
            self._look(root, path)

    def concerns(self, path: str) -> bool:
        """Return whether ``path``, below the root, can be a file or a folder of the tool's."""
        return self.has_file(path) or self._is_file(path) or bool(self._shape.find_rests(path))

    def _is_file(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return self._shape.is_file(self._shape.find_rests(folder), name)

    def _list(self, root: Root, first: str, gone: set[str] | None = None) -> None:
        """List ``first``, and below it new folders; with ``gone`` all folders, and those found are taken from it."""
        path, rests = first, self._shape.find_rests(first)
        # Names, and no paths before their turn: what thousands need at once is never given back.
        waiting: list[tuple[str, Rests, list[str]]] = []
        while True:
            names = self._list_one(root, path, rests, gone)
            if names:
                waiting.append((path, rests, names))
            if not waiting:
                return
            folder, above, names = waiting[-1]
            name = names.pop()
            if not names:
                waiting.pop()
            path, rests = _join(folder, name), self._shape.descend(above, name)

    def _list_one(self, root: Root, path: str, rests: Rests, gone: set[str] | None) -> list[str]:
        """List one folder; return the names of those in it that are to be listed, too."""
        try:
            listing = self._guard.list_folder(root, path, rests)
        except Refusal as refusal:
            listing = Listing(_UNKNOWN, refused={"": refusal.reason})
        if listing is None:
            self._lose(path)
            return []
        if gone is not None:
            gone.discard(path)
        is_other = self._take(path, listing)
        if _join(path, "_").count("/") >= DEPTH_MAX:
            return []
        if is_other or gone is not None:
            return listing.folders
        return [name for name in listing.folders if _join(path, name) not in self._folders]

    def _take(self, path: str, listing: Listing) -> bool:
        """Take over the content of one folder; return whether that is another folder than before."""
        before = self._get(path)
        known = {} if before is None else before.files
        files = {name: FILE.pack(*status) for name, status in listing.files.items()}
        self._put(path, _Folder(listing.status, files, tuple(listing.folders)))
        self._refused.pop(path, None)
        if listing.refused:
            self._refused[path] = listing.refused
        for name, status in listing.files.items():
            self._see(_join(path, name), status, known.get(name), files[name])
        if before is None:
            self.folders_version += 1
            return True
        for name in known.keys() - files.keys():
            self._drop(_join(path, name), known[name])
        for name in set(before.folders).difference(listing.folders):
            self._lose(_join(path, name))
        return before.status[:2] != listing.status[:2]

    def _look(self, root: Root, path: str) -> None:
        status = self._guard.look_at_file(root, path)
        folder, _, name = path.rpartition("/")
        known = self._get(folder)
        if known is None:
            return  # its folder is gone: the next listing of that sees the file
        before = known.files.get(name)
        if status is not None:
            packed = FILE.pack(*status)
            if packed != before:
                known.files[name] = packed
                self._put(folder, known)
                self._see(path, status, before, packed)
        elif before is not None:
            del known.files[name]
            self._put(folder, known)
            self._drop(path, before)

    def _see(self, path: str, status: FileStat, before: bytes | None, packed: bytes) -> None:
        """Tell of a file that is new or has changed."""
        if before == packed:
            return
        if before is None:
            self.file_count += 1
            self.size_bytes += status.size
        else:
            self.size_bytes += status.size - FileStat(*FILE.unpack(before)).size
        self.written_ns = max(self.written_ns, status.mtime_ns)
        if status.mtime_ns >= time.time_ns() - _ACTIVE_NS:
            self._active[path] = status.mtime_ns
        self._note(TreeFile(path, digest(path), packed))

    def _drop(self, path: str, packed: bytes) -> None:
        """Take a file off the counts."""
        self.file_count -= 1
        self.size_bytes -= FileStat(*FILE.unpack(packed)).size
        self._active.pop(path, None)

    def _lose(self, path: str) -> None:
        """Forget a folder that is gone, and everything below it."""
        waiting = [path]
        while waiting:
            below = waiting.pop()
            folder = self._get(below)
            if folder is not None:
                waiting += [_join(below, name) for name in folder.folders]
                self._forget(below)

    def _forget(self, path: str) -> None:
        folder = self._get(path)
        self._folders.pop(path, None)
        self._refused.pop(path, None)
        self.folders_version += 1
        for name, packed in () if folder is None else folder.files.items():
            self._drop(_join(path, name), packed)

    def _get(self, path: str) -> _Folder | None:
        """Return a folder that is there; a change of it has to be put back."""
        known = self._folders.get(path)
        return _unpack(known) if isinstance(known, bytes) else known

    def _put(self, path: str, folder: _Folder) -> None:
        self._folders[path] = folder if len(folder.files) > _FEW else folder.pack()

    def _find_packed(self, path: str) -> bytes | None:
        folder, _, name = path.rpartition("/")
        known = self._folders.get(folder)
        if isinstance(known, bytes):
            # Without its folders, of which there may be thousands.
            count = _STATUS.unpack_from(known)[3]
            known = _unpack(known) if count else None
        return None if known is None else known.files.get(name)


def _join(folder: str, name: str) -> str:
    if not name:
        return folder
    return f"{folder}/{name}" if folder else name
