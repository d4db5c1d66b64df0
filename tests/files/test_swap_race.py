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
from aico.features.files.shape import Shape
from aico.features.files.tree_guard import Refusal, TreeGuard
from tests.files.places import guard_of
from tests.sources.invented_lines import ERRORS, LogFolder

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


def read_log_once(guard: TreeGuard, shape: Shape) -> bytes | type[Exception]:
    """List the folders down to the one log, and return its bytes, or why there are none."""
    folder = ""
    try:
        with guard.open() as root:
            for name in ("a", "s", "more"):
                listing = guard.list_folder(root, folder, shape.find_rests(folder))
                if listing is None or name not in listing.folders:
                    return Refusal
                folder = f"{folder}/{name}".strip("/")
            with guard.open_file(root, f"{folder}/part-1.jsonl") as (descriptor, _):
                return os.read(descriptor, 100)
    except (SourceError, Refusal, FileNotFoundError) as error:
        return type(error)


@pytest.mark.parametrize("swapped", ["root", "a", "a/s", "a/s/more", "a/s/more/part-1.jsonl"])
def test_guard_of_a_tree_reads_nothing_from_elsewhere_during_swaps(tmp_path: Path, swapped: str) -> None:
    """Whichever part of the tree is a link in every other moment, also between the listing and the opening."""
    home = tmp_path.resolve()
    for name, content in (("root", OURS), ("elsewhere", SECRET)):
        LogFolder(home / name).append("a/s/more/part-1.jsonl", content)
    below = "" if swapped == "root" else swapped
    part, target = home / "root" / below, home / "elsewhere" / below
    link = home / "link"
    link.symlink_to(target)
    shape = Shape(("*/*/more/part-*.jsonl",))
    guard = TreeGuard(str(home / "root"), shape, ERRORS)
    seen: Counter[bytes | type[Exception]] = Counter()
    refused = SourcePathRefused if swapped == "root" else Refusal
    with swapping(part, link):
        while min(seen[OURS], seen[refused]) < SEEN_EACH and seen.total() < READS_MAX:
            seen[read_log_once(guard, shape)] += 1
    assert set(seen) <= {OURS, refused, SourceNotFound, FileNotFoundError}
    assert min(seen[OURS], seen[refused]) >= SEEN_EACH
