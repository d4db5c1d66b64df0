"""The real tool's files, held against the answers of its API: exact, in any order and from any point on."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.features.sources.qwen_code import SOURCE
from tests.sources.home_reading import hold_from_any_prefix, hold_in_any_order, new_books, read
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
def test_any_order_and_any_prefix_book_the_same(name: str, tmp_path: Path) -> None:
    """Files in any order, in transactions of any size, twice by two paths; each up to any byte and on from there."""
    home = home_of(name, tmp_path)
    hold_in_any_order(SOURCE, home, ".qwen", "moved")
    hold_from_any_prefix(SOURCE, home)
