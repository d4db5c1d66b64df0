"""The real tool's files, held against the answers of its API: exact, in any order and from any point on."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.features.sources.gemini_cli import SOURCE
from tests.sources.home_reading import hold_from_any_prefix, hold_in_any_order, new_books, read
from tests.sources.truths import DATA, place, requests_of, sum_of

HOMES = sorted(path.name for path in (DATA / "gemini_cli").iterdir() if path.is_dir())
LATE = "compression while the tool ended"
"""A call that was billed and is in no file at all."""
HIDDEN = {
    "forms": ["compression", LATE, "routing"],
    "nous": ["routing"],
    "resume": ["compression", "routing", "session summary"],
    "toolone": ["routing"],
}
"""Calls that were billed and are in no session file, by home; of ``forms`` also answers that broke off."""
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
def test_any_order_and_any_prefix_book_the_same(name: str, tmp_path: Path) -> None:
    """Files in any order, in transactions of any size, twice by two paths; each up to any byte and on from there."""
    home = home_of(name, tmp_path)
    hold_in_any_order(SOURCE, home, ".gemini/tmp", "moved/tmp")
    hold_from_any_prefix(SOURCE, home)
