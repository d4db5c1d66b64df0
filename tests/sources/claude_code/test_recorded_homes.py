"""The real tool's files, held against the answers of its API: exact, in any order and from any point on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.claude_code.transcript_driver import Sum, home_of, read_whole, transcripts_of

DATA = Path(__file__).parents[2] / "data" / "claude_code"
HOMES = sorted(path.name for path in DATA.iterdir() if path.is_dir())
UNKNOWN_GAPS = {"killed_then_resumed", "v1_0_0_resume"}
"""Homes in which nothing says what was billed beyond what is recorded: a run was killed, or no version wrote totals."""


class _Count(msgspec.Struct):
    requests: int = 0
    input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0

    def as_sum(self) -> Sum:
        """Return it in our words."""
        long = self.ephemeral_1h_input_tokens
        short = self.cache_creation_input_tokens - long
        return Sum(self.requests, self.input_tokens, self.cache_read_input_tokens, short, long, self.output_tokens)


class _Totals(msgspec.Struct):
    completed_on_disk: _Count
    completed_not_on_disk: _Count


class _Truth(msgspec.Struct):
    totals: _Totals


class Case(NamedTuple):
    """A recorded home, and what its API had sent."""

    root: Path
    on_disk: Sum
    not_on_disk: Sum


def case_of(name: str) -> Case:
    """Return the recorded home called ``name``."""
    truth = msgspec.json.decode((DATA / name / "truth.json").read_bytes(), type=_Truth).totals
    return Case(DATA / name / "projects", truth.completed_on_disk.as_sum(), truth.completed_not_on_disk.as_sum())


def test_every_recorded_home_is_known() -> None:
    """None is passed over by its name."""
    assert len(HOMES) == 8


@pytest.mark.parametrize("name", HOMES)
async def test_recorded_home_is_booked_exactly(name: str) -> None:
    """Every completed answer that is on disk counts once, with each kind of its tokens; none is refused or partial."""
    case = case_of(name)
    async with home_of(case.root) as home:
        await home.read()
        assert (home.total(), home.refused()) == (case.on_disk, [])
        assert home.states() == {0: case.on_disk.requests}


@pytest.mark.parametrize("name", HOMES)
async def test_what_was_billed_beyond_the_transcripts_is_stated(name: str) -> None:
    """The totals at clean exits tell every hidden call, but for those of runs that keep no session at all."""
    case = case_of(name)
    async with home_of(case.root) as home:
        await home.read()
        gap = await home.gap()
    if name in UNKNOWN_GAPS:
        assert gap is None
        return
    assert gap is not None
    hidden = list(case.not_on_disk[1:])
    if name == "resume_fork_compact":
        # The last run was one without persistence: nothing of it is on disk.
        hidden = [number - of_run for number, of_run in zip(hidden, (108, 20800, 1032, 2048, 524), strict=True)]
    assert list(gap[:5]) == hidden


async def test_sessions_and_their_agents_are_told_apart() -> None:
    """An agent stands below the session that started it, and a copy counts for its origin."""
    agents = case_of("subagents")
    async with home_of(agents.root) as home:
        await home.read()
        root = "eecfbe3f-c826-4a93-bc5a-011cf8f3412b"
        assert {key: (each.requests, each.input) for key, each in home.by_session().items()} == {
            root: (2, 206),
            f"{root}/a5fdb447bf308162b": (2, 206),
            f"{root}/afc11d29b68bf7a64": (1, 103),
        }
        assert home.ask("SELECT parent_key FROM session WHERE parent_key IS NOT NULL") == [(root,), (root,)]
    forks = case_of("upgraded_session")
    async with home_of(forks.root) as home:
        await home.read()
        assert {key[:4]: each.input for key, each in home.by_session().items()} == {
            "ce2a": 101 + 102 + 105,
            "9f01": 103,
            "3dc3": 104,
        }
        assert home.prompts() == {key: {"c": 3, "9": 1, "3": 1}[key[0]] for key in home.by_session()}


async def test_copies_of_the_first_version_cost_and_count_nothing() -> None:
    """1.0.0 copies a session with new times, new ids of lines and a cost of 0: day, cost and prompts are the first."""
    case = case_of("v1_0_0_resume")
    async with home_of(case.root) as home:
        await home.read()
        costs = [0.0251655, 0.0253965, 0.025512, 0.0256275]
        assert home.ask("SELECT recorded_nano FROM usage_event WHERE kind = 0 ORDER BY ts") == [
            (round(cost * 10**9),) for cost in costs
        ]
        assert home.ask("SELECT MIN(ts) % 100000 FROM usage_event WHERE kind = 0") == [(85_430,)]
        assert set(home.prompts().values()) == {1}
        assert {each.requests for each in home.by_session().values()} == {1, 2}


@pytest.mark.parametrize("name", HOMES)
def test_any_order_of_files_books_the_same(name: str) -> None:
    """Read in any order, in batches of any size: the same sums by model, day and session, states, prompts and gaps."""
    root = case_of(name).root
    expected = asyncio.run(read_whole(root))

    @settings(max_examples=6)
    @given(st.permutations(transcripts_of(root)), st.sampled_from([1, 2, 3, 7]))
    def hold(paths: list[Path], size: int) -> None:
        assert asyncio.run(read_whole(root, paths, size)) == expected

    hold()


@pytest.mark.parametrize("name", HOMES)
def test_any_prefix_then_the_rest_books_the_same(name: str) -> None:
    """Each file read up to any byte, and on from there after its state went through JSON, books as much as at once."""
    root = case_of(name).root
    expected = asyncio.run(read_whole(root))
    sizes = {path: path.stat().st_size for path in transcripts_of(root)}

    async def read_twice(ends: dict[Path, int]) -> dict[str, object]:
        async with home_of(root) as home:
            await home.read(end=ends.__getitem__)
            await home.read()
            return await home.everything()

    @settings(max_examples=8)
    @given(st.fixed_dictionaries({path: st.integers(0, size) for path, size in sizes.items()}))
    def hold(ends: dict[Path, int]) -> None:
        assert asyncio.run(read_twice(ends)) == expected

    hold()
