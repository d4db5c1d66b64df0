"""What the real tool wrote, held against what its API had sent: exact, in any order and from any point on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.features.sources.gemini_cli import SOURCE
from tests.sources.home_reading import cut, logs_of, new_books, read, read_anew, set_order
from tests.sources.truths import DATA, place, requests_of, sum_of

HOMES = sorted(path.name for path in (DATA / "gemini_cli").iterdir() if path.is_dir())
LATE = "compression while the tool ended"
"""What was billed and is in no file at all."""
HIDDEN = {
    "forms": ["compression", LATE, "routing"],
    "nous": ["routing"],
    "resume": ["compression", "routing", "session summary"],
    "toolone": ["routing"],
}
"""What was billed and is in no session file, by home; of ``forms`` also answers that broke off."""
PROMPTS = {"forms": 8, "nous": 1, "resume": 3, "toolone": 1}
RECORDED = {"main", "subagent"}
FINAL, UNMEASURED = 0, 4


def home_of(name: str, folder: Path) -> Path:
    """Place the recorded home called ``name``; return the user's home."""
    place(DATA / "gemini_cli" / name, folder / ".gemini")
    return folder.resolve()


def test_every_recorded_home_is_known() -> None:
    """None is passed over by its name."""
    assert set(HIDDEN) == set(HOMES)


@pytest.mark.parametrize("name", HOMES)
async def test_recorded_home_is_booked_exactly(name: str, tmp_path: Path) -> None:
    """Every answer counts once, with each kind of its tokens; what is in no session file is known by its kinds."""
    requests = requests_of(DATA / "gemini_cli" / name)
    recorded = [each for each in requests if each.role in RECORDED and each.outcome in {"ok", "nousage"}]
    assert sorted({each.role for each in requests} - RECORDED) == HIDDEN[name]
    async with new_books() as books:
        assert await read(books, SOURCE, home_of(name, tmp_path), origins=["chats"]) == [0, 0]
        assert books.by_model() == sum_of(recorded, has_thoughts_apart=True)
        assert books.states().get(UNMEASURED, 0) == sum(each.outcome != "ok" for each in recorded)
        assert books.prompts() == PROMPTS[name]


@pytest.mark.parametrize("origins", [["telemetry"], ["chats", "telemetry"], ["telemetry", "chats"]], ids=" ".join)
async def test_telemetry_is_complete_and_counts_once_with_the_sessions(origins: list[str], tmp_path: Path) -> None:
    """It holds every call that ended before the tool did; of a broken stream what its last piece has said."""
    requests = [each for each in requests_of(DATA / "gemini_cli" / "forms") if each.role != LATE]
    for each in requests:
        if each.outcome == "cut":
            each.output, each.thoughts, each.outcome = 1, 1, "ok"
    async with new_books() as books:
        assert await read(books, SOURCE, home_of("forms", tmp_path), origins=origins) == [0, 0]
        assert books.by_model() == sum_of(requests, has_thoughts_apart=True)
        assert books.states() == {FINAL: len(requests) - 2, UNMEASURED: 1}


def test_kinds_that_no_session_file_holds_are_gaps() -> None:
    """The card of the source names each of them."""
    gaps = {gap.id for gap in SOURCE.gaps}
    assert gaps == {"routing", "search", "loop-check", "summary", "compression", "cut"}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOMES)
def test_any_order_of_files_books_the_same(name: str, tmp_path: Path) -> None:
    """Read in any order, in transactions of any size, twice: the same sums, states, prompts and sessions."""
    home = home_of(name, tmp_path)
    expected = asyncio.run(read_anew(SOURCE, home))

    async def read_twice(paths: list[Path], size: int) -> tuple[object, ...]:
        set_order(paths)
        async with new_books() as books:
            await read(books, SOURCE, home, size=size)
            shutil.rmtree(home / "moved", ignore_errors=True)
            shutil.copytree(home / ".gemini" / "tmp", home / "moved" / "tmp")
            await read(books, SOURCE, home, roots=(str(home / "moved" / "tmp"),), size=size)
            shutil.rmtree(home / "moved")
            return books.everything()

    @settings(max_examples=5)
    @given(st.permutations(logs_of(home)), st.sampled_from([1, 2, 7]))
    def hold(paths: list[Path], size: int) -> None:
        assert asyncio.run(read_twice(paths, size)) == expected

    hold()


@pytest.mark.slow
@pytest.mark.parametrize("name", HOMES)
def test_any_prefix_then_the_rest_books_the_same(name: str, tmp_path: Path) -> None:
    """Each file read up to any byte, and on from there in another process, books as much as at once."""
    home = home_of(name, tmp_path)
    whole = {path.relative_to(home): path.read_bytes() for path in logs_of(home)}
    expected = asyncio.run(read_anew(SOURCE, home))

    async def read_twice(length_of: Callable[[Path], int]) -> tuple[object, ...]:
        with TemporaryDirectory() as folder:
            other = Path(folder)
            async with new_books() as books:
                cut(other, whole, length_of)
                await read(books, SOURCE, other)
                cut(other, whole, lambda path: len(whole[path]))
                await read(books, SOURCE, other)
                return books.everything()

    @settings(max_examples=8)
    @given(st.fixed_dictionaries({path: st.integers(0, len(data)) for path, data in whole.items()}))
    def hold(ends: dict[Path, int]) -> None:
        assert asyncio.run(read_twice(ends.__getitem__)) == expected

    hold()
