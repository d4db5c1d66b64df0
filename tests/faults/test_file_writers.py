"""Readings beside a second process that writes without a rest: never a state that did not stand in the file."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aico.core.errors import SourceNotFound, SourceTooLarge
from aico.features.files.guard import FileGuard
from aico.features.files.parsed import Unparsable
from aico.features.files.snapshot import read_snapshot
from tests.emulator.ways_of_writing import Way
from tests.faults.fault_counts import SEED, count_of
from tests.faults.generation_ledgers import Generations
from tests.faults.nonstop_ledger_writer import APPEND, writing
from tests.files.places import NAME, guard_of
from tests.sources.cline.ledgers import PARSER

MAX_BYTES = 64 << 20


@dataclass(slots=True)
class Reader:
    """Reads the file over and over, and notes what came of it."""

    guard: FileGuard
    generations: Generations
    seen: Counter[str] = field(default_factory=Counter)
    numbers: list[int] = field(default_factory=list)

    def read(self) -> None:
        """Read and parse once."""
        try:
            snapshot = read_snapshot(self.guard, time.time_ns() // 1_000_000)
        except (SourceNotFound, SourceTooLarge) as error:
            self.seen[error.code] += 1
            return
        if not snapshot.stable:
            self.seen["unstable"] += 1
            return
        try:
            records = PARSER.parse(snapshot.buffer).records
        except Unparsable:
            self.seen["refused"] += 1
            return
        number = self.generations.find_number(records)
        if number is not None:
            self.seen["whole"] += 1
            self.numbers.append(number)
        else:
            # It counts only if a second reading finds the same bytes, because the file is young.
            self.seen["mixed, second look due" if snapshot.young else "mixed"] += 1


def reader_of(path: Path, entry_count: int) -> Reader:
    """Return a reader that knows the generations of ``entry_count`` entries."""
    return Reader(guard_of(path, MAX_BYTES), Generations(entry_count, SEED))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger stands."""
    return tmp_path.resolve() / NAME


@pytest.mark.parametrize(("entry_count", "share"), [(100, 6), (1_000, 3), (10_000, 1)])
def test_renamed_file_is_whole_at_every_reading(path: Path, entry_count: int, share: int) -> None:
    """However often another file takes its place, each reading is a whole generation, none older than the last."""
    reads = count_of(f"readings beside renames, {entry_count} entries", quick=share * 60, soak=share * 5_000)
    reader = reader_of(path, entry_count)
    with writing(path, Way.RENAME, entry_count=entry_count, seed=SEED) as writer:
        while reader.seen.total() < reads or len(set(reader.numbers)) < 2:
            reader.read()
        writer.stop()
    reader.read()
    assert set(reader.seen) == {"whole"}
    assert reader.numbers == sorted(reader.numbers)
    assert reader.numbers[-1] == writer.last


@pytest.mark.parametrize("way", [Way.TRUNCATE, Way.PIECES])
@pytest.mark.parametrize(("entry_count", "share"), [(100, 6), (1_000, 3), (10_000, 1)])
def test_file_that_is_being_written_is_never_taken_for_another(
    path: Path, way: Way, entry_count: int, share: int
) -> None:
    """A half-written file is refused, seen to move, or so young that it counts only when it is read again.

    After the last byte the very next reading is the last generation.
    """
    reads = count_of(f"readings beside {way}, {entry_count} entries", quick=share * 60, soak=share * 5_000)
    reader = reader_of(path, entry_count)
    with writing(path, way, entry_count=entry_count, seed=SEED) as writer:
        while reader.seen.total() < reads:
            reader.read()
        writer.stop()
    reader.read()
    assert reader.seen["mixed"] == 0, reader.seen
    assert set(reader.seen) <= {"whole", "unstable", "refused", "mixed, second look due"}
    assert reader.numbers[-1] == writer.last


@pytest.mark.parametrize(("entry_count", "share"), [(100, 6), (1_000, 3)])
def test_file_that_is_written_in_place_is_right_after_the_last_byte(path: Path, entry_count: int, share: int) -> None:
    """Mixtures of two generations can be read meanwhile, which is why imports look twice; the end is the last one."""
    reads = count_of(f"readings beside inplace, {entry_count} entries", quick=share * 60, soak=share * 5_000)
    reader = reader_of(path, entry_count)
    with writing(path, Way.IN_PLACE, entry_count=entry_count, seed=SEED) as writer:
        while reader.seen.total() < reads:
            reader.read()
        writer.stop()
    reader.read()
    assert reader.numbers[-1] == writer.last


def test_file_that_grows_without_end_is_read_within_bounds(path: Path) -> None:
    """A writer that appends faster than anybody reads holds up no reading, and never brings a state of its own."""
    reads = count_of("readings beside appends", quick=60, soak=2_000)
    reader = reader_of(path, 100)
    reader.guard = guard_of(path, 8 << 20)
    with writing(path, APPEND, entry_count=100, seed=SEED):
        while reader.seen.total() < reads:
            reader.read()
    assert set(reader.seen) <= {"whole", "unstable", "refused", "source_too_large"}
    assert set(reader.numbers) <= {0}
