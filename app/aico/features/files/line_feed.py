"""The feed of one root of logs: new whole lines of changed files since their checkpoints, the newest files first."""

from __future__ import annotations

import asyncio
import heapq
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from aico.core.errors import SourceErrors
from aico.core.hashes import Hashes
from aico.core.plain_path import printable_path
from aico.core.usage import (
    DIGEST_BYTES,
    AnyRecord,
    ReadingCounts,
    Rejection,
    RejectionCode,
    RequestState,
    Trigger,
    UsageEvent,
    answer_of,
    digest,
)
from aico.features.files.digest_map import DigestMap
from aico.features.files.feed import Checkpoint, Left, Look, Positions, Reading, ReadLimits
from aico.features.files.folder import open_parser
from aico.features.files.line_bytes import PACKED, LineBytes, PlainBytes, UnpackedBytes
from aico.features.files.line_format import LineFile, LineFormat, LineParser, PlainState
from aico.features.files.line_points import ASKED_MAX, Point, Points
from aico.features.files.line_window import LinePosition, LineReader
from aico.features.files.shape import Shape
from aico.features.files.tree import Tree, TreeFile
from aico.features.files.tree_guard import FILE_BYTES_MAX, FileStat, Refusal, Root, TreeGuard

_log = logging.getLogger(__name__)
CHUNK_BYTES = 16 << 20
CHUNK_RECORDS = 5_000
CHUNK_FILES = 1_000
"""One reading ends at the first of these, so that changes and requests go between it and the next."""
_SMALL_READINGS, _SMALL_PART = 4, 5
"""The first few of many readings are a fifth as large as the others: the newest numbers come soon."""
GONE_MS = 90 * 86_400_000
"""The checkpoint of a file that was gone for so long goes."""
_UNSAVED_BYTES = 1 << 18
"""A checkpoint is written anew for lines without a needle when there are so many of them."""
_HINTS_MAX = 1_000
"""With more of them, everything is looked at instead."""
_STALE_MAX = 1_000
"""So many entries of the queue may be of files that were read since."""
_CUT_OFF = "is cut off: what it held behind that is missing"
_NOTHING = msgspec.Raw(b"null")
# An enumeration is asked for a member by a function of Python; this stands on every request.
_OPEN = RequestState.OPEN
_EVERYTHING = {Trigger.CLI, Trigger.REQUEST}
"""A user that asks by hand gets everything, after any notifications."""


@dataclass(slots=True)
class _Taken:
    """The part of one file that one reading has read."""

    path: str
    key: bytes
    point: Point | None
    """Its end; None if nothing of it could be read."""
    is_unfinished: bool = False


@dataclass(frozen=True, slots=True)
class _LinesReading(Reading):
    """A reading with the facts that must be remembered of it."""

    taken: Sequence[_Taken] = field(kw_only=True, repr=False)
    removed: Sequence[bytes] = field(default=(), kw_only=True, repr=False)
    back: Set[bytes] | None = field(default=None, kw_only=True, repr=False)
    """Files that are noted as being there again, if all that are gone are noted; None if not."""
    generation: int = field(kw_only=True)


class _Chunk:
    """The lines and records of one reading."""

    def __init__(self, part: int) -> None:
        """Have room for one of ``part`` parts of a whole reading."""
        self.records: list[AnyRecord] = []
        self.rejections: list[Rejection] = []
        self.partials: list[Rejection] = []
        self.partial_count = 0
        self.bytes_left = CHUNK_BYTES // part
        self._records_max = max(CHUNK_RECORDS // part, 1)
        self.taken: list[_Taken] = []
        self.checkpoints: list[Checkpoint] = []
        self.removed: list[bytes] = []
        self.back: Set[bytes] | None = None
        self.written_ns = 0
        self.parser: LineParser | None = None
        """That of the file that is read."""
        self.parsed_count = 0
        """Its lines that were parsed."""
        self._told: set[str] = set()
        """The kinds of errors that were logged."""
        self._open: dict[bytes, int] = {}
        """By their keys, where requests stand in the records that were announced and not answered yet."""

    @property
    def has_room(self) -> bool:
        return (
            self.bytes_left > 0
            and len(self.records) + len(self.rejections) < self._records_max
            and len(self.taken) < CHUNK_FILES
        )

    def take(self, line: memoryview, index: int) -> bool:
        """Parse a line; one that its parser breaks down at is refused, so that the others are read."""
        if self.parser is None:
            raise RuntimeError("a line before its file")
        self.parsed_count += 1
        refused: list[Rejection] = []
        records = self.records
        before = len(records)
        try:
            for each in self.parser.parse(line, index):
                if isinstance(each, UsageEvent):
                    if not self._is_answer(each):
                        records.append(each)
                elif isinstance(each, Rejection):
                    refused.append(each)
                else:
                    records.append(each)
        except Exception as error:  # noqa: BLE001  # whatever it is: it would come again with each reading
            self._tell(type(error).__name__)
            del records[before:]
            refused = [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        if not refused:
            # Most say nothing new: then there is as much room as before.
            return len(records) == before or self.has_room
        if len(records) > before:
            self.partials += refused
            self.partial_count += 1
        else:
            self.rejections += refused[:1]
        return self.has_room

    def _is_answer(self, event: UsageEvent) -> bool:
        """Return whether ``event`` has taken the place of its announcement, which then need not be booked first."""
        if event.state is _OPEN:
            self._open[event.key] = len(self.records)
            return False
        at = self._open.pop(event.key, None) if self._open else None
        if at is None or at >= len(self.records):
            return False
        opened = self.records[at]
        answered = answer_of(opened, event) if isinstance(opened, UsageEvent) else None
        if answered is None:
            return False
        self.records[at] = answered
        return True

    def _tell(self, kind: str) -> None:
        """Log a parser's bug, once within the reading, by its kind alone: what it says may be text of the file."""
        if kind not in self._told:
            self._told.add(kind)
            _log.error("Lines cannot be parsed (%s); they are refused", kind)

    def refuse(self, index: int) -> bool:
        """Refuse a line that is too long to be parsed."""
        self.parsed_count += 1
        self.rejections.append(Rejection(index, RejectionCode.TOO_LONG, None))
        return self.has_room


class LineFeed:
    """Reads the files below one root. A file is known by its path, and where it was moved by its inode and bytes.

    The records of a file stay, with any fate of the file. A file that was written anew is read again from its
    beginning, and the keys of its requests see to it that nothing counts twice.
    """

    def __init__(
        self,
        errors: SourceErrors,
        patterns: tuple[str, ...],
        line_format: LineFormat,
        path: str,
        limits: ReadLimits,
        named: str = "",
    ) -> None:
        """Read below the root ``path``; ``named`` is the name of the place if that is not the root."""
        shape = Shape(patterns)
        self._guard = TreeGuard(path, shape, errors, named)
        self._tree = Tree(self._guard, shape, self._notice)
        self._errors = errors
        self._format = line_format
        self._limits = limits
        self._named = named or path
        self.place = digest(self._named)
        self._folders = _Folders(self._tree, self._guard.path)
        """The folders that were told last."""
        self._notes: tuple[str, ...] = ()
        self._turn = threading.Lock()
        """Held by the caller that looks at or reads the tree."""
        self._points = Points(line_format.version)
        self._unsaved: dict[bytes, int] = {}
        """The position of a file's stored checkpoint, if the file was read to another one."""
        self._pending: dict[str, int] = {}
        """Bytes that are to be read, by the path of the file."""
        self._queue: list[tuple[int, str]] = []
        """Every pending file is in it, the newest first; others may be, too."""
        self._failed: dict[str, tuple[FileStat, str]] = {}
        """Files that could not be read, as they were then, with the reason."""
        self._cut_off: dict[str, FileStat] = {}
        """Packed files that were read as far as they go, as they were then."""
        self._taken: Sequence[_Taken] = ()
        """The files of the last reading, until it is settled or taken back."""
        self._settled: deque[_LinesReading] = deque()
        """Readings that were completed and are still to be remembered."""
        self._left_bytes = 0
        self._done_bytes = 0
        self._reading_count = 0
        """Readings since all was read last."""
        self._generation = 0
        """Counts the times that something to be read was found."""
        self._done_generation: int | None = None
        self._gone_told = False
        self._unseen: DigestMap | None = None
        """Files that were read once and that no look has found yet, from the first look until gone ones are noted."""
        self._back: set[bytes] = set()
        """Files that are noted as gone, and are there."""
        self._hints: set[str] = set()
        self._hints_lock = threading.Lock()
        self._is_flooded = False
        """True if there were more hints than are kept."""
        self._watched: Set[str] = frozenset()
        self._unwatched: tuple[int, Set[str], frozenset[str]] = -1, self._watched, frozenset()
        """The version of the tree and the watched folders at the last comparison of folders, and the other folders."""
        self._fresh_watched: set[str] = set()
        """Folders to be looked at once more, because they are watched since a moment ago."""

    @property
    def path(self) -> str:
        """The allowlisted path of the root, or of the one file that is read in it."""
        return self._named

    @property
    def title(self) -> str:
        """The name of the place in a sentence."""
        return self._errors.name.title

    @property
    def directory(self) -> str:
        """The root."""
        return self._guard.path

    @property
    def names(self) -> tuple[str, ...]:
        """No name alone: see :meth:`hint`."""
        return ()

    @property
    def identity(self) -> int | None:
        """The result of the last look if everything that it had found was read; None before."""
        return self._done_generation

    @property
    def folders(self) -> Set[str]:
        """The paths of all known folders, the root among them."""
        if self._folders.version != self._tree.folders_version:
            self._folders = _Folders(self._tree, self.directory)
        return self._folders

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each file or folder that is not read, with its path, as the last look or reading left them."""
        return self._notes

    def look(self) -> Look:
        """Look for changes, and return the files' metadata. Raises SourceError. Opens folders at most."""
        with self._turn, self._guard.open() as root:
            self._refresh(root)
            self._take_notes()
            self._check_file()
            tree = self._tree
            return Look(self._generation, tree.written_ns, tree.size_bytes, tree.file_count, root.identity)

    def count(self, is_unwanted: Callable[[], bool]) -> Look:
        """Return the metadata of the files, keeping nothing. Raises SourceError. Opens folders at most."""
        with self._guard.open() as root:
            files = self._guard.list_files(root, is_unwanted)
            count = size_bytes = written_ns = 0
            for status in files:
                count += 1
                size_bytes += status.size
                written_ns = max(written_ns, status.mtime_ns)
            return Look(None, written_ns, size_bytes, count)

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the root; None when it cannot be reached without a link."""
        return self._guard.find_identity()

    def resume(self, position: str | None) -> None:  # noqa: ARG002  # each file has a checkpoint of its own
        """Take back a reading that was not completed; the next reading hands it over again."""
        self._done_generation = None

    def resume_files(self, positions: Positions) -> None:
        """Take over the stored checkpoints of all files."""
        self._points.resume(positions)

    def hint(self, path: str) -> bool:
        """Take notice that ``path`` may have changed; return whether that concerns this tree."""
        below = self._below(path)
        if below is None or not self._tree.concerns(below):
            return False
        with self._hints_lock:
            if len(self._hints) < _HINTS_MAX:
                self._hints.add(below)
            else:
                self._is_flooded = True
        return True

    def is_known(self, path: str) -> bool:
        """Return whether ``path`` is a file that was there at the last look."""
        below = self._below(path)
        return below is not None and self._tree.has_file(below)

    def note_watched(self, folders: Set[str], moved: Iterable[str] = ()) -> None:
        """Take over which folders are watched from now on; each new one, and ``moved``, is looked at once more."""
        with self._hints_lock:
            before, self._watched = self._watched, folders
            fresh = map(self._below, chain((each for each in folders if each not in before), moved))
            self._fresh_watched |= {below for below in fresh if below is not None}

    def hurry(self) -> None:
        """Do nothing: no reading waits for anything."""

    def take_time(self) -> None:
        """Do nothing: no reading waits for anything."""

    async def read(self, trigger: Trigger) -> Reading:
        """Read new lines, up to a bound; ``left`` says whether there are more. Raises SourceError."""
        return await asyncio.to_thread(self._read, trigger)

    def complete(self, reading: Reading) -> None:
        """Remember ``reading``, which is the last one of this feed: all of it is committed."""
        if not isinstance(reading, _LinesReading):
            raise TypeError("a reading of another feed")
        self._settled.append(reading)
        if reading.left is None:
            self._done_generation = reading.generation

    # Files to read

    def _refresh(self, root: Root, trigger: Trigger | None = None) -> None:
        """Find changes; a reading names its cause."""
        self._settle()
        self._points.load()
        if self._unseen is None and not self._gone_told:
            self._unseen = self._points.copy_keys()
        with self._hints_lock:
            hints, self._hints = self._hints, set()
            fresh, self._fresh_watched = self._fresh_watched, set()
            watched = self._watched
            is_flooded, self._is_flooded = self._is_flooded, False
        tree = self._tree
        if not tree.is_current(root) or trigger in _EVERYTHING or is_flooded:
            tree.walk(root)
            self._try_again()
            return
        for path in hints:
            tree.look_at(root, path)
        tree.sweep(root, self._find_unwatched(watched) | fresh)
        if fresh or not hints or trigger is not None:
            # After a hint there is another look, or a reading. Nobody has told of lines that were appended in a folder
            # between the last look and the moment from which it is watched.
            tree.sweep_active(root)
        if trigger is Trigger.RESCAN:
            tree.look_around(root)
            self._try_again()

    def _find_unwatched(self, watched: Set[str]) -> frozenset[str]:
        """Return the known folders that are not in ``watched``; thousands are compared only when they may differ."""
        version = self._tree.folders_version
        if self._unwatched[0] != version or self._unwatched[1] is not watched:
            folders = list(self._tree.folders)
            self._unwatched = (
                version,
                watched,
                frozenset(each for each in folders if self._absolute(each) not in watched),
            )
        return self._unwatched[2]

    def _check_file(self) -> None:
        """Raise the origin's not_found where one file is read, and it is not there."""
        if self._named != self.directory and not (self._tree.file_count or self._tree.notes):
            raise self._errors.not_found(self._named, of=self._errors.name)

    def _try_again(self) -> None:
        """Let the files be read that could not be read."""
        failed, self._failed = self._failed, {}
        for path in failed:
            file = self._tree.find_file(path)
            if file is not None and path not in self._pending:
                self._notice(file)

    def _notice(self, file: TreeFile) -> None:
        """Note that a file is new or has changed."""
        if self._unseen is not None:
            self._unseen.remove(file.key)
        if file.key in self._points.gone:
            self._back.add(file.key)
        failed = self._failed.get(file.path)
        if failed is not None and failed[0] != file.stat:
            del self._failed[file.path]
        if self._is_read(file):
            self._unpend(file.path)
        else:
            self._pend(file)
            self._generation += 1

    def _is_read(self, file: TreeFile) -> bool:
        failed = self._failed.get(file.path)
        if failed is not None:
            return failed[0] == file.stat
        is_read = self._points.is_read(file.key, file.packed)
        return not file.stat.size if is_read is None else is_read

    def _pend(self, file: TreeFile) -> None:
        self._unpend(file.path)
        known = self._points.know(file.key)
        offset = 0 if known is None or known.version != self._format.version else known.offset
        self._pending[file.path] = size = max(file.stat.size - offset, 0) or file.stat.size
        self._left_bytes += size
        if len(self._queue) > 2 * len(self._pending) + _STALE_MAX:
            files = map(self._tree.find_file, self._pending)
            self._queue = [(-each.stat.mtime_ns, each.path) for each in files if each is not None]
            heapq.heapify(self._queue)
        heapq.heappush(self._queue, (-file.stat.mtime_ns, file.path))

    def _unpend(self, path: str) -> None:
        self._left_bytes -= self._pending.pop(path, 0)

    def _settle(self) -> None:
        """Remember the readings that were completed."""
        while self._settled:
            reading = self._settled.popleft()
            for key in reading.removed:
                self._points.remove(key)
            for taken in reading.taken:
                if taken.point is not None:
                    self._points.put(taken.key, taken.point)
            for taken in reading.taken:
                self._pend_again(taken, only_unfinished=True)
            if reading.back is not None:
                self._gone_told, self._unseen = True, None
                self._back -= reading.back
            if reading.taken is self._taken:
                self._taken = ()
            self._points.let_go(self._unsaved)

    def _take_back(self) -> None:
        """Let the lines of the last reading be read again, because it was not completed."""
        taken, self._taken = self._taken, ()
        for each in taken:
            self._pend_again(each, only_unfinished=False)

    def _pend_again(self, taken: _Taken, *, only_unfinished: bool) -> None:
        file = self._tree.find_file(taken.path)
        if file is None or file.path in self._pending or self._is_read(file):
            return
        if taken.is_unfinished or not only_unfinished:
            # A file that has changed since it was read is pending already.
            self._pend(file)

    # Reading

    def _read(self, trigger: Trigger) -> _LinesReading:
        with self._turn, self._guard.open() as root:
            self._settle()
            self._take_back()
            self._refresh(root, trigger)
            self._check_file()
            chunk = _Chunk(_SMALL_PART if self._reading_count < _SMALL_READINGS else 1)
            reader = LineReader(self._format, chunk.take, chunk.refuse)
            done = self._left_bytes
            # From now on: also after a bug, taken files are either completed or taken back.
            self._taken = chunk.taken
            try:
                while self._queue and chunk.has_room:
                    self._take_next(root, reader, chunk)
            finally:
                reader.wipe()
            for path in [path for path in self._pending if not self._tree.has_file(path)]:
                self._unpend(path)
            self._note_gone(chunk)
            self._points.let_go(self._unsaved)
            self._take_notes()
            return self._finish(trigger, chunk, done)

    def _take_next(self, root: Root, reader: LineReader, chunk: _Chunk) -> None:
        """Read the newest file that is pending."""
        path = heapq.heappop(self._queue)[1]
        if path not in self._pending:
            return
        file = self._tree.find_file(path)
        self._unpend(path)
        if file is not None:
            try:
                self._read_file(root, file, reader, chunk)
            except BaseException:
                self._pend(file)
                raise

    def _list_next(self) -> list[bytes]:
        """Return the files that are read next."""
        return [digest(path) for _, path in heapq.nsmallest(ASKED_MAX, self._queue)]

    def _finish(self, trigger: Trigger, chunk: _Chunk, before_bytes: int) -> _LinesReading:
        unfinished = [taken for taken in chunk.taken if taken.is_unfinished]
        files = len(self._pending) + len(unfinished)
        still = self._left_bytes
        for taken in unfinished:
            file = self._tree.find_file(taken.path)
            size = 0 if file is None else file.stat.size
            still += max(size - (taken.point.offset if taken.point is not None else 0), 1)
        self._done_bytes += max(before_bytes - still, 0)
        left = Left(files, self._done_bytes, self._done_bytes + still) if files else None
        self._reading_count += 1
        if left is None:
            self._done_bytes = self._reading_count = 0
        counts = ReadingCounts(
            trigger,
            rejections=tuple(chunk.rejections),
            partials=tuple(chunk.partials),
            partial_count=chunk.partial_count,
        )
        return _LinesReading(
            chunk.records,
            counts,
            tuple(chunk.checkpoints),
            chunk.written_ns or None,
            repeats=not (chunk.records or chunk.rejections),
            left=left,
            taken=chunk.taken,
            removed=chunk.removed,
            back=chunk.back,
            generation=self._generation,
        )

    def _read_file(self, root: Root, file: TreeFile, reader: LineReader, chunk: _Chunk) -> None:
        reason = ""
        try:
            with self._guard.open_file(root, file.path) as (descriptor, stat):
                data = UnpackedBytes(descriptor) if file.path.endswith(PACKED) else PlainBytes(descriptor)
                try:
                    self._read_lines(file, data, stat, reader, chunk)
                finally:
                    data.wipe()
        except FileNotFoundError:
            return
        except Refusal as refusal:
            reason = refusal.reason
        except OSError as error:
            reason = f"cannot be read ({os.strerror(error.errno or 0)})"
        if reason:
            self._failed[file.path] = (file.stat, reason)
            chunk.taken.append(_Taken(file.path, file.key, None))

    def _read_lines(self, file: TreeFile, data: LineBytes, stat: FileStat, reader: LineReader, chunk: _Chunk) -> None:
        """Read the new lines of one open file. Raises OSError, Refusal."""
        before = self._points.find(file.key, self._list_next)
        # How much a packed file holds is not known before it is unpacked, which each part of it would begin anew.
        is_packed = isinstance(data, UnpackedBytes)
        size, budget = (FILE_BYTES_MAX,) * 2 if is_packed else (stat.size, chunk.bytes_left)
        known, first_seen_ms = self._find_point(before, file, data, stat, size, reader)
        start = LinePosition(0, 0, is_done=True) if known is None else known.position
        state: PlainState = None if known is None else msgspec.json.decode(known.state)
        about = LineFile(tuple(file.path.split("/")), first_seen_ms, stat.mtime_ns // 1_000_000)
        chunk.parsed_count = 0
        chunk.parser = open_parser(self._format, about, state, wants_project=self._limits.wants_projects())
        end = reader.read(data, start, size, budget)
        chunk.bytes_left -= end.offset - start.offset
        is_same = known is not None and end.offset == start.offset
        mark = known.mark if is_same and known is not None else reader.mark(data, end.offset)
        kept = known.state if known is not None and not chunk.parsed_count else _NOTHING
        self._cut_off.pop(file.path, None)
        is_cut_off = isinstance(data, UnpackedBytes) and end.is_done and data.is_cut_off()
        if is_cut_off:
            self._cut_off[file.path] = file.stat
        if is_cut_off or not end.is_done:
            # So it is not taken for a file that was read to its end.
            stat = stat._replace(size=0 if is_packed else end.offset, mtime_ns=0)
        point = Point(
            self._format.version,
            *stat,
            end.offset,
            end.lines,
            mark,
            first_seen_ms,
            msgspec.Raw(msgspec.json.encode(chunk.parser.state)) if chunk.parsed_count else kept,
        )
        chunk.written_ns = max(chunk.written_ns, file.stat.mtime_ns)
        chunk.taken.append(_Taken(file.path, file.key, point, is_unfinished=not end.is_done))
        saved = self._unsaved.get(file.key, 0 if before is None else before.offset)
        is_new = before is None or known is not before or is_same
        if is_new or chunk.parsed_count or end.offset - saved >= _UNSAVED_BYTES:
            self._unsaved.pop(file.key, None)
            self._save(file.key, point, chunk)
        else:
            self._unsaved[file.key] = saved

    def _find_point(
        self, own: Point | None, file: TreeFile, data: LineBytes, stat: FileStat, size: int, reader: LineReader
    ) -> tuple[Point | None, int]:
        """Return where reading goes on, None at the beginning, and when the file was first seen.

        Raises OSError, Refusal.
        A file goes on behind its checkpoint if it only grew. One under another name than before is known by its inode.
        In both cases the bytes before the checkpoint are looked at. One that was replaced or written over is read
        from its beginning.
        """
        first_seen_ms = self._limits.now_ms() if own is None else own.first_seen_ms
        for point in self._list_candidates(own, file.key, stat):
            if 0 < point.offset <= size and reader.mark(data, point.offset) == point.mark:
                is_current = point.version == self._format.version
                return point if is_current else None, min(first_seen_ms, point.first_seen_ms)
        return None, first_seen_ms

    def _list_candidates(self, own: Point | None, own_key: bytes, stat: FileStat) -> Iterator[Point]:
        """Yield the checkpoints that may be the file's: its own, and that of the file that had its inode."""
        if own is not None and _may_go_on(own, stat):
            yield own
        key = self._points.find_inode(stat.inode)
        other = None if key is None or key == own_key else self._points.find(key)
        if other is not None:
            yield other

    def _save(self, key: bytes, point: Point, chunk: _Chunk) -> None:
        chunk.checkpoints.append(Checkpoint(self.place + key, msgspec.json.encode(point).decode()))

    def _note_gone(self, chunk: _Chunk) -> None:
        """Note which files are gone, once after all is read, and let go of those that are gone for long.

        Of files that are there again it is noted, too: they may be gone once more, long after.
        """
        if (self._gone_told and not self._back) or self._pending or any(taken.is_unfinished for taken in chunk.taken):
            return
        now_ms = self._limits.now_ms()
        gone = DigestMap(DIGEST_BYTES, 0) if self._unseen is None else self._unseen
        # The new checkpoint of what was read just now says that it is there.
        noted = [*gone, *self._back.difference(taken.key for taken in chunk.taken)]
        for start in range(0, len(noted), ASKED_MAX):
            keys = noted[start : start + ASKED_MAX]
            self._points.ask(keys)
            for key in keys:
                point = self._points.find_recent(key)
                if len(chunk.checkpoints) >= CHUNK_RECORDS:
                    return
                if point is None:
                    continue
                is_gone = key in gone
                if bool(point.gone_ms) is not is_gone:
                    point = msgspec.structs.replace(point, gone_ms=now_ms if is_gone else 0)
                    chunk.taken.append(_Taken("", key, point))
                    self._save(key, point, chunk)
                elif is_gone and now_ms - point.gone_ms > GONE_MS:
                    chunk.removed.append(key)
                    chunk.checkpoints.append(Checkpoint(self.place + key, None))
            self._points.let_go(self._unsaved)
        chunk.back = frozenset(self._back)

    def _take_notes(self) -> None:
        """Keep the notes on files that are not read: they may be asked for while the tree changes."""
        refused = [*self._tree.notes, *((path, reason) for path, (_, reason) in self._failed.items())]
        for path, stat in self._cut_off.items():
            file = self._tree.find_file(path)
            if file is not None and file.stat == stat:
                refused.append((path, _CUT_OFF))
        told = ((printable_path(self._absolute(path)), reason) for path, reason in refused)
        self._notes = tuple(f"{path} {reason}." for path, reason in told)

    # Names

    def _below(self, path: str) -> str | None:
        """Return ``path`` as a path below the root; None for one that is not there."""
        root = self.directory
        if path == root:
            return ""
        return path[len(root) + 1 :] if path.startswith(f"{root}/") else None

    def _absolute(self, path: str) -> str:
        return f"{self.directory}/{path}" if path else self.directory


class _Folders(Set[str]):
    """The whole paths of the folders that a tree has now. They are made when they are gone through."""

    def __init__(self, tree: Tree, root: str) -> None:
        self._tree, self._root = tree, root
        self.version = tree.folders_version
        self._hashes = Hashes.of([root, *self._make()])

    def _make(self) -> Iterator[str]:
        return (f"{self._root}/{path}" for path in list(self._tree.folders) if path)

    def __contains__(self, path: object) -> bool:
        """Return whether there was such a folder."""
        return isinstance(path, str) and self._hashes.has(path)

    def __iter__(self) -> Iterator[str]:
        """Yield those that are still there."""
        is_same = self.version == self._tree.folders_version
        yield self._root
        yield from (each for each in self._make() if is_same or self._hashes.has(each))

    def __len__(self) -> int:
        """Return how many there were."""
        return len(self._hashes)


def _may_go_on(point: Point, stat: FileStat) -> bool:
    """Return whether a file of the same name may have grown only, or not at all."""
    if (point.size, point.mtime_ns) == (stat.size, stat.mtime_ns):
        return True  # a copy, or another owner or mode: another inode or change time
    return point.inode == stat.inode and stat.size > point.size
