"""The path against tricks and against somebody who exchanges what it names as fast as the system can."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from aico.core.errors import SourceError, SourceNotFound, SourcePathRefused
from tests.faults.fault_counts import count_of
from tests.files.places import NAME, guard_of
from tests.files.test_swap_race import OURS, SECRET, read_once, swapping

TRIES_MAX = 20_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger stands, its directories made."""
    path = tmp_path.resolve() / "data" / "state" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(OURS)
    return path


def link_to_file(path: Path, other: Path) -> Path:
    """Exchange the ledger with a link to a secret."""
    other.symlink_to(path.parents[2] / "elsewhere" / path.name)
    return path


def hard_link_to_file(path: Path, other: Path) -> Path:
    """Exchange the ledger with a second name of a secret."""
    other.hardlink_to(path.parents[2] / "elsewhere" / path.name)
    return path


def fifo(path: Path, other: Path) -> Path:
    """Exchange the ledger with a pipe that nobody writes into."""
    os.mkfifo(other)
    return path


def directory(path: Path, other: Path) -> Path:
    """Exchange the ledger with a directory."""
    other.mkdir()
    return path


def link_to_directory(path: Path, other: Path) -> Path:
    """Exchange the ledger's directory with a link to another one."""
    other.symlink_to(path.parents[2] / "elsewhere")
    return path.parent


def link_to_process_root(path: Path, other: Path) -> Path:
    """Exchange the ledger's directory with a link that leads through the system's own magic links."""
    other.symlink_to(f"/proc/self/root{path.parents[2] / 'elsewhere'}")
    return path.parent


@pytest.mark.parametrize(
    "trick", [link_to_file, hard_link_to_file, fifo, directory, link_to_directory, link_to_process_root]
)
def test_nothing_else_is_read_in_the_moment_of_an_exchange(path: Path, trick: Callable[[Path, Path], Path]) -> None:
    """In every other moment something else has the name; only our own bytes or a refusal come out, without a wait."""
    each = count_of(f"outcomes of each kind beside exchanges, {trick.__name__}", quick=300, soak=200_000)
    elsewhere = path.parents[2] / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / path.name).write_bytes(SECRET)
    other = path.parents[2] / "other"
    part = trick(path, other)
    guard = guard_of(path, 1000)
    seen: Counter[bytes | type[SourceError]] = Counter()
    with swapping(part, other):
        while min(seen[OURS], seen[SourcePathRefused]) < each and seen.total() < TRIES_MAX:
            seen[read_once(guard)] += 1
    assert set(seen) <= {OURS, SourcePathRefused, SourceNotFound}
    assert min(seen[OURS], seen[SourcePathRefused]) >= each


@pytest.mark.parametrize("prefix", ["/proc/self/root", "/proc/{pid}/root", "/proc/thread-self/root"])
def test_path_through_the_system_s_own_links_is_refused(path: Path, prefix: str) -> None:
    """A path that reaches the very ledger through a link of the system's is another path."""
    spelling = f"{prefix.format(pid=os.getpid())}{path}"
    assert Path(spelling).read_bytes() == OURS
    assert read_once(guard_of(Path(spelling), 1000)) is SourcePathRefused
