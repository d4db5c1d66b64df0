"""The values that every reader of foreign files gives to the pipeline. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from aico.core.usage import AnyRecord, ReadingCounts, Trigger


class Look(NamedTuple):
    """The result of a look at a place's metadata; nothing was opened."""

    identity: Hashable
    """Differs when the content does; compared by inequality only, and stored as text."""
    written_ns: int
    """The last write, nanoseconds since 1970."""
    size_bytes: int
    files: int = 1
    """Files that the place is made of."""
    directory: tuple[int, int] | None = None
    """Device and inode of the directory that is watched, where the look came through it."""


class Checkpoint(NamedTuple):
    """How far a place was read, kept in the transaction that stores its records. Losing it costs time, never money."""

    place: bytes
    """16 bytes that name the place: a digest of its path. The path itself is never stored.

    A file of a tree is named by 32 bytes: those of the tree, and a digest of the path below it.
    """
    position: str | None
    """JSON of the reader's own, opaque to everybody else; None takes the checkpoint away."""


class Positions(Protocol):
    """The stored checkpoints of the files of a tree, by the digest of the path below the root. Each call blocks.

    Nobody else writes them, and a completed reading's are there. A position that cannot be read counts as not there.
    """

    def read_all(self) -> Iterator[tuple[bytes, str]]:
        """Yield every file and its position."""

    def find(self, files: Collection[bytes]) -> Mapping[bytes, str]:
        """Return the positions of ``files``, those that are stored."""


class Left(NamedTuple):
    """The rest that a reading leaves for those that follow at once."""

    files: int
    """At least 1."""
    bytes_done: int
    """Since the first of these readings."""
    bytes_total: int


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The operator's settings that a reader needs."""

    max_bytes: int
    read_attempts: int
    now_ms: Callable[[], int]
    is_one_of_several: bool = False
    """True if the origin has other places: then an error names the path."""
    wants_projects: Callable[[], bool] = bool
    """Returns True while the user asks for the names of working folders; by default False."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The new facts of one reading of a place."""

    records: Sequence[AnyRecord]
    """In the order in which they are to be written, the newest first where that is known."""
    counts: ReadingCounts
    checkpoints: tuple[Checkpoint, ...] = field(default=())
    """Written with the last of the records."""
    written_ns: int | None = None
    """The time of the last write to the files that were read, nanoseconds since 1970; None if it is not known."""
    repeats: bool = False
    """True when the bytes were those of the last completed reading."""
    size_bytes: int = 0
    """Bytes of the files that were read."""
    rested_s: float = 0.0
    """How long it waited before it began, so that a place that is always written is not always read."""
    left: Left | None = None
    """Not None: after :meth:`Feed.complete`, another reading goes on where this one has ended."""

    def find_progress(self, remaining_count: int) -> tuple[int, int]:
        """Return how many bytes are stored when ``remaining_count`` of its records are left, and how many there are.

        Of a file that is read at once, a share of records is taken for the same share of bytes: a reader hands records
        over in another order than that of the file, and no record knows its length.
        """
        if self.left is not None:
            return self.left.bytes_done, self.left.bytes_total
        return self.size_bytes * (len(self.records) - remaining_count) // (len(self.records) or 1), self.size_bytes


class Feed(Protocol):
    """One place of one origin, opened only inside :meth:`read`. Not to be read twice at once.

    Every method but :meth:`read` returns at once or after a few system calls.
    """

    @property
    def path(self) -> str:
        """The allowlisted path."""

    @property
    def title(self) -> str:
        """The name of the place in a sentence: "ledger"."""

    @property
    def directory(self) -> str:
        """The directory whose changes are watched."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the directory whose change may be a change of the place."""

    @property
    def place(self) -> bytes:
        """The bytes that name the place in checkpoints."""

    @property
    def identity(self) -> Hashable:
        """The result of ``stat`` at the last reading that was committed in full; None before, or when it may be old."""

    def look(self) -> Look:
        """Return the metadata of the files of the place. Raises SourceError. Blocks for a few system calls."""

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the directory; None when it cannot be reached without a link."""

    def resume(self, position: str | None) -> None:
        """Take over the stored checkpoint of this place, or none, before the first reading, or begin anew."""

    def hurry(self) -> None:
        """Let the reading that runs wait no more for an unfinished file."""

    def take_time(self) -> None:
        """Let the next reading wait for an unfinished file as long as the settings say."""

    async def read(self, trigger: Trigger) -> Reading:
        """Read once. Raises SourceError; nothing is remembered before :meth:`complete`."""

    def complete(self, reading: Reading) -> None:
        """Remember ``reading``: all of it is committed."""


@runtime_checkable
class TreeFeed(Feed, Protocol):
    """A root folder with many files below it, each with a checkpoint of its own."""

    @property
    def folders(self) -> Set[str]:
        """The paths of all known folders that may hold such files, the root among them: each is watched by itself."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each file or folder that is not read, with its path; for the user's eyes, not for a log."""

    def hint(self, path: str) -> bool:
        """Take notice that ``path`` may have changed; return whether that concerns this tree. Returns at once."""

    def is_known(self, path: str) -> bool:
        """Return whether ``path`` is a file that the next reading looks at by itself after a hint. Returns at once."""

    def note_watched(self, folders: Set[str], moved: Iterable[str] = ()) -> None:
        """Take over which folders are watched from now on. The others are swept at each look. Returns at once.

        Notifications of those of ``moved`` may have been lost a moment ago.
        """

    def resume_files(self, positions: Positions) -> None:
        """Take over the stored checkpoints of all files. Returns at once."""


@runtime_checkable
class CountedFeed(Protocol):
    """A place of many files that can be counted without being known: it is not read."""

    def count(self, is_unwanted: Callable[[], bool]) -> Look:
        """Return the metadata of the files, keeping nothing. Raises SourceError. Blocks for a walk of all folders.

        The count so far is returned once ``is_unwanted``, which is asked at each folder.
        """
