"""The real tool's files, held against the answers of its API: exact, in any order and from any point on."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.features.sources.codex import SOURCE
from tests.sources.codex.codex_home import CODEX
from tests.sources.line_homes import Sum, home_of, read_whole
from tests.sources.pipeline import pipeline, stored_events

DATA = Path(__file__).parents[2] / "data" / "codex"
HOMES = sorted(path.name for path in DATA.iterdir() if path.is_dir())
PLAIN = [name for name in HOMES if name != "compressed"]


class _Details(msgspec.Struct):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class _Thoughts(msgspec.Struct):
    reasoning_tokens: int = 0


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    input_tokens_details: _Details = msgspec.field(default_factory=_Details)
    output_tokens: int = 0
    output_tokens_details: _Thoughts = msgspec.field(default_factory=_Thoughts)


class _Request(msgspec.Struct):
    model: str
    usage: _Usage
    on_disk: bool


class _Truth(msgspec.Struct):
    requests: list[_Request]


class Truth(NamedTuple):
    """The answers of the API of a recorded home."""

    by_model: dict[str, tuple[int, ...]]
    """Requests and tokens of all kinds, as far as they are on disk."""
    elsewhere_count: int
    """Requests that were billed and have no numbers on disk."""


def truth_of(name: str) -> Truth:
    """Return the truth beside a recorded home."""
    truth = msgspec.json.decode((DATA / name / "truth.json").read_bytes(), type=_Truth)
    sums: dict[str, tuple[int, ...]] = {}
    for each in truth.requests:
        if each.on_disk:
            usage, read = each.usage, each.usage.input_tokens_details
            sent = usage.input_tokens - read.cached_tokens - read.cache_write_tokens
            thought = usage.output_tokens_details.reasoning_tokens
            numbers = (1, sent, read.cached_tokens, read.cache_write_tokens, 0, usage.output_tokens, thought)
            sums[each.model] = tuple(map(sum, zip(sums.get(each.model, (0,) * 7), numbers, strict=True)))
    return Truth(sums, sum(not each.on_disk for each in truth.requests))


def test_every_recorded_home_is_known() -> None:
    """None is passed over by its name."""
    assert len(HOMES) == 8


@pytest.mark.parametrize("name", HOMES)
async def test_recorded_home_is_booked_exactly(tmp_path: Path, name: str) -> None:
    """Through the real pipeline: each kind of token of each model, and what has no numbers is unmeasured by number."""
    truth = truth_of(name)
    async with pipeline(tmp_path, [SOURCE], tmp_path, paths={"": (str(DATA / name),)}) as reading:
        (receipt,) = await reading.read()
        assert (receipt.error_count, receipt.partial_count) == (0, 0)
    columns = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"]
    with closing(sqlite3.connect(tmp_path / "observer.db")) as connection:
        rows = connection.execute(
            f"SELECT m.name, COUNT(*), {', '.join(f'SUM(e.{each})' for each in columns)} FROM usage_event AS e "  # noqa: S608
            "JOIN model AS m ON m.id = e.model WHERE e.kind = 0 AND e.state = 0 GROUP BY 1"
        ).fetchall()
        [(unmeasured,)] = connection.execute("SELECT COUNT(*) FROM usage_event WHERE kind = 0 AND state = 4").fetchall()
        [(others,)] = connection.execute("SELECT COUNT(*) FROM usage_event WHERE state NOT IN (0, 4)").fetchall()
    assert {model: tuple(numbers) for model, *numbers in rows} == truth.by_model
    assert (unmeasured, others) == (truth.elsewhere_count, 0)


async def test_threads_are_told_apart_by_who_started_them() -> None:
    """An agent stands below its root; a fork is a session of its own, and what it copies counts for its origin."""
    async with home_of(CODEX, DATA / "fork_and_subagent") as home:
        await home.read()
        assert {key[-4:]: each.requests for key, each in home.by_session().items()} == {
            "405a": 2,
            "5758": 2,
            "9883": 3,
            "1040": 2,
        }
        assert home.ask("SELECT substr(key, -4), substr(parent_key, -4) FROM session WHERE parent_key <> ''") == [
            ("1040", "9883")
        ]
    async with home_of(CODEX, DATA / "upgraded_thread") as home:
        await home.read()
        assert {key[-4:]: (each.requests, each.input) for key, each in home.by_session().items()} == {
            "2d25": (4, 5090 + 5180 + 5270 + 5450),
            "a0dd": (1, 5360),
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_any_order_of_files_books_the_same(name: str) -> None:
    """Read in any order, in batches of any size: the same sums by model, day and session, states and prompts."""
    root = DATA / name
    expected = asyncio.run(read_whole(CODEX, root))

    @settings(max_examples=6)
    @given(st.permutations(CODEX.logs_of(root)), st.sampled_from([1, 2, 3, 7]))
    def hold(paths: list[Path], size: int) -> None:
        assert asyncio.run(read_whole(CODEX, root, paths, size)) == expected

    hold()


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_any_prefix_then_the_rest_books_the_same(name: str) -> None:
    """Each file read up to any byte, and on from there after its state went through JSON, books as much as at once."""
    root = DATA / name
    expected = asyncio.run(read_whole(CODEX, root))
    sizes = {path: path.stat().st_size for path in CODEX.logs_of(root)}

    async def read_twice(ends: dict[Path, int]) -> dict[str, object]:
        async with home_of(CODEX, root) as home:
            await home.read(end=ends.__getitem__)
            await home.read()
            return await home.everything()

    @settings(max_examples=8)
    @given(st.fixed_dictionaries({path: st.integers(0, size) for path, size in sizes.items()}))
    def hold(ends: dict[Path, int]) -> None:
        assert asyncio.run(read_twice(ends)) == expected

    hold()


async def test_a_fork_whose_original_is_gone_counts_what_it_copies() -> None:
    """All four answers that stand in the fork count; once the original is read, nothing more does, but its last one."""
    original, fork = CODEX.logs_of(DATA / "upgraded_thread")
    async with home_of(CODEX, DATA / "upgraded_thread") as home:
        await home.read([fork])
        assert home.total() == Sum(4, 5090 + 5180 + 5270 + 5360, 15010 + 15020 + 15030 + 15040, 0, 0, 1630)
        await home.read([original])
        assert home.total().requests == 5


async def test_archiving_and_compressing_reads_and_counts_nothing_again(tmp_path: Path) -> None:
    """A rollout in the archive is not read again; one that is compressed there is, and counts once."""
    root = tmp_path / "home" / ".codex"
    shutil.copytree(DATA / "fork_and_subagent", root)
    async with pipeline(tmp_path, [SOURCE], root.parent) as reading:
        (first,) = await reading.read()
        before, archive = stored_events(tmp_path), root / "archived_sessions"
        archive.mkdir()
        for path in CODEX.logs_of(root):
            path.rename(archive / path.name)
        (moved,) = await reading.read()
        for path in CODEX.logs_of(root):
            path.with_name(f"{path.name}.zst").write_bytes(zstandard.compress(path.read_bytes()))
            path.unlink()
        (packed,) = await reading.read()
    assert (first.added_count, moved.skipped_count, packed.skipped_count) == (9, 0, 9)
    assert stored_events(tmp_path) == before
