"""The guard against somebody who exchanges parts of the path for links as fast as the system can."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aico.core.errors import SourceError, SourceNotFound, SourcePathRefused
from aico.features.files.guard import FileGuard
from tests.files.places import guard_of

ROOT = Path(__file__).parents[2]
OURS = b'["ours"]'
SECRET = b'["SECRET"]'
SEEN_EACH = 200
"""How often each outcome must have been seen before the race counts as run."""
READS_MAX = 300_000


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Exchange two names in a second process for the time of the block."""
    command = [sys.executable, "-m", "tests.files.swapper", str(one), str(other)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.stdin and process.stdin.close()
            assert process.wait() == 0


def read_once(guard: FileGuard) -> bytes | type[SourceError]:
    """Return the bytes, or why there are none."""
    try:
        with guard.open() as descriptor:
            return os.read(descriptor, 100)
    except SourceError as error:
        return type(error)


@pytest.mark.parametrize("swapped", ["leaf", "parent", "grandparent"])
def test_guard_reads_nothing_from_elsewhere_during_swaps(path: Path, swapped: str) -> None:
    """While the leaf or a parent is a link in every other moment, only our own bytes or a refusal come out."""
    elsewhere = path.parents[2] / "elsewhere"
    (elsewhere / "state").mkdir(parents=True)
    for decoy in (elsewhere / path.name, elsewhere / "state" / path.name):
        decoy.write_bytes(SECRET)
    path.write_bytes(OURS)
    part, target = {
        "leaf": (path, elsewhere / path.name),
        "parent": (path.parent, elsewhere),
        "grandparent": (path.parent.parent, elsewhere),
    }[swapped]
    link = part.with_name("link")
    link.symlink_to(target)
    guard = guard_of(path)
    seen: Counter[bytes | type[SourceError]] = Counter()
    with swapping(part, link):
        while min(seen[OURS], seen[SourcePathRefused]) < SEEN_EACH and seen.total() < READS_MAX:
            seen[read_once(guard)] += 1
    assert set(seen) <= {OURS, SourcePathRefused, SourceNotFound}
    assert min(seen[OURS], seen[SourcePathRefused]) >= SEEN_EACH
