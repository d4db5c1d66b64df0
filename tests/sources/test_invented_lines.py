"""A source of logs through the whole pipeline: cut, in any order, killed, moved, and forgotten."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from aico.core.db.upkeep.verification import verify
from aico.core.usage import Trigger
from aico.features.files import line_feed
from tests.quick_variants import first_is_quick
from tests.sources.feeds import NOW_MS
from tests.sources.invented_lines import SOURCE, LogFolder, model, say, use
from tests.sources.pipeline import intakes_of, pipeline, stored_events, stored_sums

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def logs(tmp_path: Path) -> LogFolder:
    """Return the tool's empty root."""
    return LogFolder(tmp_path.resolve() / "home" / ".lines" / "logs")


@pytest.fixture
def home(logs: LogFolder) -> Path:
    """Return the home that it lies in."""
    return logs.path.parents[1]


def database_folder(tmp_path: Path, name: str) -> Path:
    """Return an empty folder for a database."""
    folder = tmp_path / name
    folder.mkdir()
    return folder


async def read(folder: Path, home: Path, trigger: Trigger = Trigger.STARTUP) -> int:
    """Read everything as a new process does; return how many changes that made."""
    async with pipeline(folder, [SOURCE], home) as reading:
        await reading.read(trigger)
        return len(reading.committed)


CONTENT = b"".join(
    [
        say("hello"),
        model("m1"),
        use("1", 10, ts=NOW_MS - 900_000),
        use("é", 20, ts=NOW_MS - 600_000),
        b'[ spent "spent"\n',
        model("m2"),
        use("3", None, ts=NOW_MS),
        use("4", 40, ts=NOW_MS),
    ]
)


@pytest.mark.slow
@pytest.mark.parametrize("step", first_is_quick(37, 5))
async def test_any_prefix_and_then_the_rest_is_stored_as_the_whole(
    tmp_path: Path, logs: LogFolder, home: Path, step: int
) -> None:
    """Wherever the tool was interrupted in its writing, each time by a process of its own."""
    path = logs.append("a/one.jsonl", CONTENT)
    whole = database_folder(tmp_path, "whole")
    await read(whole, home)
    for cut in range(0, len(CONTENT), step):
        path.unlink()
        logs.append("a/one.jsonl", CONTENT[:cut])
        folder = database_folder(tmp_path, f"cut{cut}")
        await read(folder, home)
        logs.append("a/one.jsonl", CONTENT[cut:])
        await read(folder, home)
        assert stored_events(folder) == stored_events(whole) != []
        assert await read(folder, home) == 0


@pytest.mark.slow
async def test_order_in_which_files_come_makes_no_difference_to_sums(
    tmp_path: Path, logs: LogFolder, home: Path
) -> None:
    """Copies of a request in a fork, and a resumed session, whichever file is read first."""
    sums = set()
    files = {
        "a/one.jsonl": model("m") + use("1", 1) + use("2", 2),
        "a/two.jsonl": model("m") + use("2", 2) + use("3", 3),
        "b/three.jsonl": model("m") + use("3", 3) + use("1", 1) + use("4", 4),
    }
    for number, order in enumerate(permutations(files)):
        folder = database_folder(tmp_path, f"{number}")
        for name in order:
            logs.append(name, files[name])
            await read(folder, home)
        sums.add(tuple(sorted(stored_sums(folder).items())))
        for name in order:
            (logs.path / name).unlink()
    [(found,)] = sums
    assert found[1][0] == 10


async def test_everything_at_once_is_read_in_parts_with_the_same_sums(
    tmp_path: Path, logs: LogFolder, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is a transaction; the first reading ends with the last of them."""
    for number in range(20):
        logs.append(f"{number % 3}/{number}.jsonl", model("m"), *(use(f"{number}-{each}", 1) for each in range(5)))
    whole, parts = database_folder(tmp_path, "whole"), database_folder(tmp_path, "parts")
    assert await read(whole, home) == 1
    monkeypatch.setattr(line_feed, "CHUNK_FILES", 3)
    async with pipeline(parts, [SOURCE], home, max_entries_per_run=4) as reading:
        [receipt] = await reading.read(Trigger.STARTUP)
    assert (receipt.imported_count, receipt.remaining_count) == (100, 0)
    remaining = [event.receipt.remaining_count for event in reading.committed]
    assert all(remaining[:-1])
    assert remaining[-1] == 0
    assert stored_events(parts) == stored_events(whole)
    assert await read(parts, home) == 0


@pytest.mark.slow
@pytest.mark.parametrize("step", first_is_quick(9, 1))
async def test_reading_killed_before_any_statement_goes_on_where_it_was(
    tmp_path: Path, logs: LogFolder, home: Path, step: int
) -> None:
    """The readings after that give the same as one reading at once, and everything adds up in between."""
    for number in range(5):
        lines = (use(f"{number}-{each}", each, session=f"s{number}") for each in range(6))
        logs.append(f"a/{number}.jsonl", model(f"m{number}"), *lines)
    whole, killed = database_folder(tmp_path, "whole"), database_folder(tmp_path, "killed")
    await read(whole, home)
    command = [sys.executable, "-m", "tests.sources.line_killer", str(home), str(killed), str(step), SOURCE.id]
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True)
    folders = sorted(killed.iterdir())
    assert len(folders) > 45 // step
    for folder in folders:
        if (folder / "observer.db").exists():
            assert [check for check in verify(folder / "observer.db") if not check.ok] == []
        await read(folder, home)
        assert stored_events(folder) == stored_events(whole)
        assert stored_sums(folder) == stored_sums(whole)
        assert await read(folder, home) == 0


async def test_moved_rewritten_and_deleted_logs_change_no_sum(tmp_path: Path, logs: LogFolder, home: Path) -> None:
    """That holds with a look in between, and without one."""
    folder = database_folder(tmp_path, "data")
    one = logs.append("a/one.jsonl", model("m"), use("1", 1), use("2", 2), use("3", 3))
    two = logs.append("a/two.jsonl", model("m"), use("4", 4))
    await read(folder, home)
    before = stored_sums(folder)
    one.rename(logs.path / "a" / "moved.jsonl")
    two.write_bytes(model("m"))
    assert await read(folder, home) == 0
    (logs.path / "a" / "moved.jsonl").write_bytes(model("m") + use("3", 3) + use("1", 1))
    two.unlink()
    assert await read(folder, home) == 0
    assert stored_sums(folder) == before


async def test_look_at_a_root_counts_its_files_and_their_bytes(tmp_path: Path, logs: LogFolder, home: Path) -> None:
    """By metadata alone."""
    logs.append("a/one.jsonl", use("1", 1))
    path = logs.append("a/two.jsonl", use("2", 2))
    async with pipeline(database_folder(tmp_path, "data"), [SOURCE], home) as reading:
        [intake] = intakes_of(reading.ingest)
        look = intake.feed.look()
    assert (look.files, look.size_bytes) == (2, 2 * path.stat().st_size)
