"""The reader of files that name others: below a root, each names the generation of its neighbours that counts now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aico.core.errors import SourceErrors
from aico.core.usage import Record, Rejection
from aico.features.files.feed import Feed, ReadLimits
from aico.features.files.line_feed import _NOTHING, LineFeed, _Chunk, _Taken
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.line_points import Point
from aico.features.files.line_window import LineReader
from aico.features.files.memory import FileBytes, allocate, wipe
from aico.features.files.parsed import Parsed, Unparsable
from aico.features.files.tree import TreeFile
from aico.features.files.tree_guard import FileStat, Refusal, Root

POINTER_BYTES_MAX = 1 << 16
FILE_BYTES_MAX = 16 << 20
"""A longer file is refused."""


@dataclass(frozen=True, slots=True)
class PointerFormat:
    """The form of a tool's pointers and of the files that they name. Both functions are pure, and keep no bytes."""

    version: int
    """Another one than that of a checkpoint: everything is read again, which counts nothing twice."""
    follow: Callable[[FileBytes], tuple[str, ...]]
    """Return the paths of the files that count now, below the pointer's folder. Raises Unparsable."""
    parse: Callable[[Sequence[FileBytes | None]], Parsed]
    """Parse those files together; None is one that is not there. Raises Unparsable."""


@dataclass(frozen=True, slots=True)
class Pointers:
    """How the pointers of one origin are read: ``Pointers(...).open`` is what an origin opens its roots with."""

    errors: SourceErrors
    patterns: tuple[str, ...]
    """The paths of pointers below a root, as for logs."""
    format: PointerFormat

    def open(self, path: str, limits: ReadLimits) -> Feed:
        """Return the feed of the root at ``path``; opens nothing. Raises ValueError for a path of another shape."""
        return PointerFeed(self.errors, self.patterns, self.format, path, limits)


class PointerFeed(LineFeed):
    """Reads the pointers below one root that have changed, and the files that they name.

    A reading counts if the pointer is the same before and after; else it is done again, a few times. A file that
    cannot be read is tried again when it has changed, and by each sweep.
    """

    def __init__(
        self, errors: SourceErrors, patterns: tuple[str, ...], how: PointerFormat, path: str, limits: ReadLimits
    ) -> None:
        """Take the path. Raises ValueError unless it is absolute and plain; nothing is looked up."""
        super().__init__(errors, patterns, LineFormat(how.version, (b"\n",), _NoLines), path, limits)
        self._how = how

    def _read_file(self, root: Root, file: TreeFile, reader: LineReader, chunk: _Chunk) -> None:  # noqa: ARG002
        try:
            parsed, stat, size = self._read_pointed(root, file.path)
        except FileNotFoundError:
            return
        except Refusal as refusal:
            reason = refusal.reason
        except Unparsable as unparsable:
            reason = f"cannot be read: {unparsable.reason}"
        except OSError as error:
            reason = f"cannot be read ({os.strerror(error.errno or 0)})"
        else:
            chunk.records += parsed.records
            chunk.rejections += parsed.rejections
            chunk.partials += parsed.partials
            chunk.partial_count += parsed.partial_count
            chunk.bytes_left -= size
            chunk.written_ns = max(chunk.written_ns, stat.mtime_ns)
            known = self._points.find(file.key)
            first_seen_ms = self._limits.now_ms() if known is None else known.first_seen_ms
            point = Point(self._how.version, *stat, stat.size, 0, "", first_seen_ms, _NOTHING)
            chunk.taken.append(_Taken(file.path, file.key, point))
            self._save(file.key, point, chunk)
            return
        self._failed[file.path] = (file.stat, reason)
        chunk.taken.append(_Taken(file.path, file.key, None))

    def _read_pointed(self, root: Root, path: str) -> tuple[Parsed, FileStat, int]:
        """Return what the files say that a pointer names, its metadata, and the bytes read.

        Raises FileNotFoundError, Refusal, Unparsable, OSError.
        """
        folder = path.rpartition("/")[0]
        files: list[FileBytes | None] = []
        pointer, _stat = self._fetch(root, path, POINTER_BYTES_MAX)
        for _ in range(max(1, self._limits.read_attempts)):
            try:
                files += [self._find_pointed(root, f"{folder}/{name}") for name in self._how.follow(pointer)]
                again, stat = self._fetch(root, path, POINTER_BYTES_MAX)
                if again == pointer:
                    return self._how.parse(files), stat, sum(len(file) for file in files if file is not None)
                pointer = again
            finally:
                for file in files:
                    if file is not None:
                        wipe(file)
                files.clear()
        raise Refusal("changes while it is read")

    def _find_pointed(self, root: Root, path: str) -> FileBytes | None:
        try:
            return self._fetch(root, path, FILE_BYTES_MAX)[0]
        except FileNotFoundError:
            return None

    def _fetch(self, root: Root, path: str, size_max: int) -> tuple[FileBytes, FileStat]:
        """Return all bytes of a file, and its metadata. Raises FileNotFoundError, Refusal, OSError."""
        with self._guard.open_file(root, path) as (descriptor, stat):
            if stat.size > size_max:
                raise Refusal(f"or what it names has {stat.size} bytes; the limit is {size_max}")
            buffer = allocate(stat.size)
            with memoryview(buffer) as view:
                length = 0
                while length < len(view) and (count := os.readv(descriptor, [view[length:]])):
                    length += count
            if length < stat.size or os.read(descriptor, 1):
                raise Refusal("or what it names changes while it is read")
            return buffer, stat


class _NoLines:
    """The parser of files without lines."""

    state = None

    def __init__(self, file: LineFile, state: PlainState) -> None:
        """Take the arguments of every parser."""

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:  # noqa: ARG002
        """Return nothing."""
        return []
