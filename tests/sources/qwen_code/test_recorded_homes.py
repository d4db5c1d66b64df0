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

from aico.features.sources.qwen_code import SOURCE
from tests.sources.home_reading import cut, logs_of, new_books, read, read_anew, set_order
from tests.sources.truths import DATA, place, requests_of, sum_of

HOMES = sorted(path.name for path in (DATA / "qwen_code").iterdir() if path.is_dir())
PROMPTS = {"forms": 10, "resume_compress": 2, "tool": 1}
UNMEASURED = 4


def home_of(name: str, folder: Path) -> Path:
    """Place the recorded home called ``name``; return the user's home."""
    place(DATA / "qwen_code" / name, folder / ".qwen")
    return folder.resolve()


def test_every_recorded_home_is_known() -> None:
    """None is passed over by its name."""
    assert set(PROMPTS) == set(HOMES)


@pytest.mark.parametrize("origins", [["usage"], ["chats"], ["usage", "chats"], ["chats", "usage"]], ids=" ".join)
@pytest.mark.parametrize("name", HOMES)
async def test_recorded_home_is_booked_exactly(name: str, origins: list[str], tmp_path: Path) -> None:
    """Every call counts once, utility calls included, by the ledger, by the session files and by both in any order."""
    async with new_books() as books:
        assert await read(books, SOURCE, home_of(name, tmp_path), origins=origins) == [0, 0]
        requests = requests_of(DATA / "qwen_code" / name)
        if "chats" not in origins:
            requests = [each for each in requests if each.role != "without statistics"]
        assert books.by_model() == sum_of(requests, has_thoughts_apart=False)
        assert books.states().get(UNMEASURED, 0) == sum(each.outcome in {"cut", "nousage"} for each in requests)
        assert books.prompts() == (PROMPTS[name] if "chats" in origins else 0)


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
            shutil.copytree(home / ".qwen", home / "moved")
            await read(books, SOURCE, home, roots=(str(home / "moved"),), size=size)
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
