"""The invented homes that first readings are measured with, and their yardsticks: all come to the same sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fake_claude_home import FORMS, Sums
from bench.fake_codex_home import CODEX_FORMS, FakeCodexHome
from bench.large_home import LargeHome, run_yardstick
from tests.sources.codex.codex_home import CODEX
from tests.sources.line_homes import home_of


async def test_home_of_codex_comes_to_what_it_says(tmp_path: Path) -> None:
    """By day and model, by form, and its prompts."""
    home = FakeCodexHome(tmp_path, 1)
    home.write()
    async with home_of(CODEX, home.sessions) as read:
        await read.read()
        assert read.refused() == []
        stored = {name: Sums(*sums) for name, sums in read.by_model_and_day().items()}
        by_form = dict.fromkeys(CODEX_FORMS, Sums())
        for session, booked in read.by_session().items():
            by_form[home.forms[session]] = by_form[home.forms[session]].plus(Sums(*booked))
        assert sum(read.prompts().values()) == home.prompt_count
    days: dict[str, Sums] = {}
    true_forms = dict.fromkeys(CODEX_FORMS, Sums())
    for key, sums in home.truth.items():
        name = f"{key.model} {key.day}"
        days[name] = days.get(name, Sums()).plus(sums)
        true_forms[key.form] = true_forms[key.form].plus(sums)
    assert (stored, by_form) == (days, true_forms)


def test_yardsticks_come_to_the_sums_of_the_home(tmp_path: Path) -> None:
    """Y reads every form of it right, and W finds that nothing has changed; after a change it stops."""
    home = LargeHome(tmp_path / "home", 8)
    home.write()
    assert {key.form for key in home.truth} == {*FORMS, *CODEX_FORMS}
    for what in ("first", "warm"):
        run_yardstick(home, tmp_path / "yard.db", what)
    home.codex.truth.popitem()
    with pytest.raises(AssertionError, match="other sums"):
        run_yardstick(home, tmp_path / "yard.db", "warm")
