"""The reader of files that a tool writes as a whole, again and again: each reading takes in all of one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import attrgetter, ne

from aico.core.errors import SourceErrors, SourceFormat
from aico.core.usage import ReadingCounts, Record, Rejection, Trigger, digest
from aico.core.wide_text import describe_wide_text
from aico.features.files.feed import Checkpoint, Feed, Look, Reading, ReadLimits
from aico.features.files.guard import FileGuard
from aico.features.files.identity import FileIdentity, find_identity
from aico.features.files.parsed import Parse, Pieces, Unparsable, keep_newest, keys_of, moment_of
from aico.features.files.pieces import Piece, PiecewiseFile, parse_pieces
from aico.features.files.snapshot import YOUNG_MS, Fingerprint, Snapshot, read_snapshot

FIRST_RETRY_S = 0.05
"""Distance of the second attempt at an unfinished file; it doubles from one to the next."""


@dataclass(frozen=True, slots=True)
class WholeFile:
    """How the files of one origin are read: ``WholeFile(...).open`` is what an origin opens its places with."""

    errors: SourceErrors
    """The errors of the origin; they hold the name of its place."""
    names: tuple[str, ...]
    """The exact names that such a file can have."""
    parse: Parse
    pieces: Pieces | None = None
    """A second way of ``parse`` for large files; it must come to the same."""

    def open(self, path: str, limits: ReadLimits) -> Feed:
        """Return the feed of the file at ``path``; opens nothing. Raises ValueError for a path of another shape."""
        kind = replace(self, errors=self.errors.at(path)) if limits.is_one_of_several else self
        return WholeFileFeed(kind, FileGuard(path, self.names, limits.max_bytes, kind.errors), limits)


@dataclass(frozen=True, slots=True)
class _Completed:
    """The last reading that was committed to its end."""

    fingerprint: Fingerprint
    valid_count: int
    rejections: tuple[Rejection, ...]
    partials: tuple[Rejection, ...]
    partial_count: int
    pieces: Mapping[bytes, Piece]
    """The pieces that are kept for the next reading."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of one whole reading, compared with the last one."""

    completed: _Completed
    """The last completed reading, once this one is committed."""
    records: Sequence[Record] = ()
    """New or changed, the newest first."""
    signs: Mapping[Hashable, int] = field(default_factory=dict)
    """By the key of each of them."""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class _WholeReading(Reading):
    """A reading with the facts that must be remembered of it."""

    outcome: _Outcome = field(kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One look at the file: a whole reading, or the refusal that may be due to a write under way."""

    fingerprint: Fingerprint
    stable: bool
    young: bool
    outcome: _Outcome | None = None
    refusal: SourceFormat | None = None


class WholeFileFeed:
    """Reads one file whole, and hands over records that are new or changed since the last reading that was committed.

    Remembered of each record is its key and a hash of all that it says: of two states of one record the hash is the
    same once in 10**19, and the next start reads everything anew.
    """

    def __init__(self, kind: WholeFile, guard: FileGuard, limits: ReadLimits) -> None:
        self.place = digest(guard.path)
        self._kind = kind
        self._guard = guard
        self._limits = limits
        self._hurry = asyncio.Event()
        self._completed: _Completed | None = None
        self._resumed: FileIdentity | None = None
        self._known: dict[Hashable, int] = {}
        """A hash of the last committed state of each record, by its key."""

    @property
    def path(self) -> str:
        """The allowlisted path."""
        return self._guard.path

    @property
    def title(self) -> str:
        """The name of the place in a sentence."""
        return self._kind.errors.name.title

    @property
    def directory(self) -> str:
        """The directory whose changes are watched."""
        return self._guard.directory

    @property
    def names(self) -> tuple[str, ...]:
        """The one name in the directory whose change may be a change of the file."""
        return (self._guard.name,)

    @property
    def identity(self) -> FileIdentity | None:
        """The result of ``stat`` at the last reading that was committed to its end, in this process or before."""
        return self._resumed if self._completed is None else self._completed.fingerprint.identity

    def look(self) -> Look:
        """Return the metadata of the file. Raises SourceError. Blocks for a few system calls."""
        return self._guard.look()

    def find_directory_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the directory; None when it cannot be reached without a link."""
        return self._guard.find_directory_identity()

    def resume(self, position: str | None) -> None:
        """Begin anew, at a stored checkpoint or at none: the next reading hands over everything."""
        self._completed = None
        self._resumed = find_identity(position)
        self._known = {}

    def hurry(self) -> None:
        """Let the reading that runs wait no more for an unfinished file; it ends as if that were its last attempt."""
        self._hurry.set()

    def take_time(self) -> None:
        """Let the next reading wait for an unfinished file as long as the settings say."""
        self._hurry.clear()

    async def read(self, trigger: Trigger) -> Reading:
        """Read once. Raises SourceError; nothing is remembered before :meth:`complete`.

        Entries of the file are records that are handed over, skipped or rejected.
        """
        outcome = await self._read()
        completed = outcome.completed
        counts = ReadingCounts(
            trigger,
            completed.valid_count - len(outcome.records),
            completed.rejections,
            completed.partials,
            completed.partial_count,
        )
        checkpoint = Checkpoint(self.place, completed.fingerprint.identity.text)
        return _WholeReading(
            outcome.records,
            counts,
            (checkpoint,),
            completed.fingerprint.identity.mtime_ns,
            outcome.repeats,
            completed.fingerprint.identity.size,
            outcome=outcome,
        )

    def complete(self, reading: Reading) -> None:
        """Remember ``reading``, which is the last one of this feed: all of it is committed."""
        if not isinstance(reading, _WholeReading):
            raise TypeError("a reading of another feed")
        self._known.update(reading.outcome.signs)
        self._completed = reading.outcome.completed

    async def _read(self) -> _Outcome:
        """Return the result of a whole reading.

        An unfinished file is read again, up to ``read_attempts`` times, and so is one that is perhaps being written
        in place. One that stands still and cannot be parsed is of a wrong format, one that keeps changing unstable.
        """
        previous: _Attempt | None = None
        refusal: SourceFormat | None = None
        for number in range(self._limits.read_attempts):
            if previous is not None:
                if self._hurry.is_set():
                    break
                look_again = previous.outcome is not None
                await self._pause(YOUNG_MS / 1000 if look_again else FIRST_RETRY_S * 2 ** (number - 1))
            attempt = await asyncio.to_thread(self._attempt)
            if attempt.outcome is not None and not self._needs_second_look(attempt, previous):
                return attempt.outcome
            stands_still = previous is not None and attempt.stable and attempt.fingerprint == previous.fingerprint
            refusal = attempt.refusal if stands_still or self._limits.read_attempts == 1 else None
            previous = attempt
        if previous is not None and previous.outcome is not None:
            # Whole, but written over and over: better than nothing for as long as the writing goes on.
            return previous.outcome
        if refusal is not None:
            raise refusal
        raise self._kind.errors.unstable(self._limits.read_attempts, of=self._kind.errors.name)

    def _needs_second_look(self, attempt: _Attempt, previous: _Attempt | None) -> bool:
        """Return whether a whole reading may still mix two generations of the file.

        Only a writer in place can do that, to the very file that was read last time, and only just now.
        """
        if attempt.outcome is None or attempt.outcome.repeats or not attempt.young:
            return False
        if self._completed is not None:
            known, seen = self._completed.fingerprint.identity, attempt.fingerprint.identity
            if (known.device, known.inode) != (seen.device, seen.inode):
                return False
        agrees = previous is not None and previous.fingerprint.digest == attempt.fingerprint.digest
        return not (agrees and previous is not None and previous.outcome is not None)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless somebody is in a hurry."""
        waits = {asyncio.ensure_future(asyncio.sleep(seconds)), asyncio.ensure_future(self._hurry.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _attempt(self) -> _Attempt:
        """Read and parse once, in a thread; the bytes do not outlive it."""
        attempt = None if self._kind.pieces is None else self._look(self._kind.pieces)
        # Pieces that do not stand by themselves are used up, so the file is read once more, as a whole.
        return attempt or self._look_at_whole()

    def _look(self, pieces: Pieces) -> _Attempt | None:
        """Read and parse in pieces; None where that cannot be."""
        snapshot = read_snapshot(self._guard, self._limits.now_ms(), pieces.cut)
        try:
            attempt = self._begin(snapshot)
            if attempt.outcome is not None or not attempt.stable:
                return attempt
            if not snapshot.spans:
                return self._parse_whole(snapshot, attempt)
            known: Mapping[bytes, Piece] = {} if self._completed is None else self._completed.pieces
            parsed = parse_pieces(snapshot.buffer, snapshot.spans, pieces, known, self._known)
            return None if parsed is None else self._finish(attempt, parsed)
        finally:
            snapshot.wipe()

    def _look_at_whole(self) -> _Attempt:
        snapshot = read_snapshot(self._guard, self._limits.now_ms())
        try:
            attempt = self._begin(snapshot)
            if attempt.outcome is not None or not attempt.stable:
                return attempt
            return self._parse_whole(snapshot, attempt)
        finally:
            snapshot.wipe()

    def _begin(self, snapshot: Snapshot) -> _Attempt:
        """Return the attempt, with its outcome if the bytes are those of the last completed reading."""
        last, fingerprint = self._completed, snapshot.fingerprint
        outcome = None
        if snapshot.stable and last is not None and fingerprint.digest == last.fingerprint.digest:
            # Perhaps under another identity: a file that was only touched is read once.
            outcome = _Outcome(replace(last, fingerprint=fingerprint), repeats=True)
        return _Attempt(fingerprint, snapshot.stable, snapshot.young, outcome)

    def _parse_whole(self, snapshot: Snapshot, attempt: _Attempt) -> _Attempt:
        try:
            parsed = self._kind.parse(snapshot.buffer)
        except Unparsable as unparsable:
            # A trace holds the frames it went through, and those hold the buffer for as long as the failure lasts.
            reason, missing = describe_wide_text(bytes(snapshot.buffer[:4])) or unparsable.reason, unparsable.missing
        else:
            return self._finish(attempt, PiecewiseFile(parsed, 0, {}))
        return replace(attempt, refusal=self._kind.errors.format(reason, missing, of=self._kind.errors.name))

    def _finish(self, attempt: _Attempt, parsed: PiecewiseFile) -> _Attempt:
        fresh = parsed.fresh
        completed = _Completed(
            attempt.fingerprint,
            fresh.valid_count + parsed.repeated_count,
            fresh.rejections,
            fresh.partials,
            fresh.partial_count,
            parsed.pieces,
        )
        records, signs = self._compare(keep_newest(fresh.records))
        return replace(attempt, outcome=_Outcome(completed, records, signs))

    def _compare(self, records: Sequence[Record]) -> tuple[Sequence[Record], Mapping[Hashable, int]]:
        """Return the records that are not known as they are, the newest first, and the facts to remember of them."""
        keys, signs = keys_of(records), list(map(hash, records))
        if self._known:
            changed = list(map(ne, map(self._known.get, keys), signs))
            records, keys = list(compress(records, changed)), list(compress(keys, changed))
            signs = list(compress(signs, changed))
        return _newest_first(records), dict(zip(keys, signs, strict=True))


def _newest_first(records: Sequence[Record]) -> list[Record]:
    try:
        return sorted(records, key=attrgetter("ts"), reverse=True)
    except (AttributeError, TypeError):
        return sorted(records, key=moment_of, reverse=True)
