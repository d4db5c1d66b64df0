"""Real tools' files, held against the answers of their APIs: exact, in any order and from any point on."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from tests.sources.line_homes import Home, Tool, home_of, read_whole
from tests.sources.recorded_logs import HOMES, KIMI_CLI, KIMI_CODE, PI, Recorded, copy_of

FIRST_OF_TOOL = {each.tool.source: each for each in reversed(HOMES)}
EVERY = pytest.mark.parametrize("recorded", HOMES, ids=lambda each: f"{each.tool.source}-{each.home}")


def measured(home: Home) -> dict[str, tuple[int, ...]]:
    """Return what is booked by model, without the requests that nothing is known of."""
    unmeasured = {
        str(model): int(str(count))
        for model, count in home.ask(
            "SELECT m.name, COUNT(*) FROM usage_event AS e JOIN model AS m ON m.id = e.model "
            "WHERE e.kind = 0 AND e.state = 4 GROUP BY 1"
        )
    }
    sums = {model: (each.requests - unmeasured.get(model, 0), *each[1:]) for model, each in home.by_model().items()}
    return {model: each for model, each in sums.items() if any(each)}


@EVERY
async def test_recorded_home_is_booked_exactly(recorded: Recorded) -> None:
    """Every answer on disk counts once, by model and kind of token; what is not recorded is named."""
    async with home_of(recorded.tool, recorded.path) as home:
        await home.read()
        assert (measured(home), home.refused()) == (recorded.truth(), [])
        assert home.states().get(4, 0) == recorded.unmeasured
        assert {kind: requests for kind, (requests, _tokens) in (await home.gaps()).items()} == recorded.gaps
        assert sum(home.prompts().values()) == recorded.prompts


@pytest.mark.slow
@EVERY
def test_any_order_and_any_prefix_books_the_same(recorded: Recorded) -> None:
    """Files in any order, each up to any byte first, in batches of any size: all sums, states, prompts and gaps."""
    tool, root = recorded.tool, recorded.path
    expected = asyncio.run(read_whole(tool, root))
    logs = tool.logs_of(root)
    ends = st.fixed_dictionaries({path: st.integers(0, path.stat().st_size) for path in logs})

    async def read_twice(paths: list[Path], again: list[Path], size: int, end: dict[Path, int]) -> dict[str, object]:
        async with home_of(tool, root) as home:
            await home.read(paths, size=size, end=end.__getitem__)
            await home.read(again, size=size)
            return await home.everything()

    @settings(max_examples=examples(0.2))
    @given(st.permutations(logs), st.permutations(logs), st.sampled_from([1, 2, 3, 10_000]), ends)
    def hold(paths: list[Path], again: list[Path], size: int, end: dict[Path, int]) -> None:
        assert asyncio.run(read_twice(paths, again, size, end)) == expected

    hold()


@EVERY
async def test_reading_that_begins_anew_changes_nothing(recorded: Recorded) -> None:
    """A lost checkpoint, or a parser of another version: nothing counts twice, and nothing is told."""
    async with home_of(recorded.tool, recorded.path) as home:
        await home.read()
        before, revision = await home.everything(), home.ask("SELECT revision FROM database_state")
        home.readers.clear()
        await home.read(reversed(recorded.tool.logs_of(recorded.path)))
        assert (await home.everything(), home.ask("SELECT revision FROM database_state")) == (before, revision)


@pytest.mark.parametrize("tool", [KIMI_CLI, KIMI_CODE, PI], ids=lambda tool: tool.source)
async def test_home_that_is_restored_or_reached_twice_doubles_nothing(tool: Tool, tmp_path: Path) -> None:
    """The same sessions in another folder add nothing."""
    recorded = FIRST_OF_TOOL[tool.source]
    root = copy_of(recorded, tmp_path)
    shutil.copytree(recorded.path, root / "again")
    async with home_of(tool, root) as home:
        await home.read()
        assert measured(home) == recorded.truth()
        assert sum(home.prompts().values()) == recorded.prompts


FORKS = {
    KIMI_CLI: ("869ac662", 6),
    KIMI_CODE: ("session_7ca05e7f", 3),
    PI: ("2026-11-28T14-30", 3),
}
"""Of each tool: the original, and how many requests its fork holds."""


@pytest.mark.parametrize("tool", FORKS, ids=lambda tool: tool.source)
async def test_fork_counts_where_its_original_is_gone(tool: Tool, tmp_path: Path) -> None:
    """The copied requests count in it; as soon as the original is back, nothing counts twice."""
    recorded = FIRST_OF_TOOL[tool.source]
    original, count = FORKS[tool]
    root = copy_of(recorded, tmp_path)
    async with home_of(tool, root) as home:
        await home.read([path for path in tool.logs_of(root) if original not in str(path)])
        assert sum(each.requests for each in home.by_model().values()) == count
        await home.read()
        assert measured(home) == recorded.truth()
