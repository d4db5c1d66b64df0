"""The invented home of Claude Code that is measured with: what it says of itself is what is read of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from bench import plain_script
from bench.fake_claude_home import FORMS, FakeClaudeHome, Sums
from tests.sources.claude_code.transcript_driver import Home, home_of, transcripts_of


def home_in(folder: Path, folder_count: int = 3, seed: int = 1) -> FakeClaudeHome:
    """Write a small home with sessions of every form."""
    home = FakeClaudeHome(folder, 1, folder_count, seed)
    home.write()
    return home


def digest_of(home: FakeClaudeHome) -> str:
    """Return a digest of all names and bytes."""
    whole = sha256()
    for path in transcripts_of(home.projects):
        whole.update(str(path.relative_to(home.projects)).encode() + path.read_bytes())
    return whole.hexdigest()


def stored_by_form(home: FakeClaudeHome, read: Home) -> dict[str, Sums]:
    """Return what is booked by the form of its session."""
    booked: dict[str, Sums] = {}
    for session, sums in read.by_session().items():
        form = home.forms[session.partition("/")[0]]
        booked[form] = booked.get(form, Sums()).plus(Sums(*sums))
    return booked


@pytest.mark.slow
async def test_home_comes_to_what_it_says(tmp_path: Path) -> None:
    """By day and model, by form, and its prompts; also after files of it were written anew in place."""
    home = home_in(tmp_path)
    async with home_of(home.projects) as read:
        await read.read()
        for _ in range(2):
            by_model_and_day: dict[str, Sums] = {}
            by_form: dict[str, Sums] = {}
            for key, sums in home.truth.items():
                name = f"{key.model} {key.day}"
                by_model_and_day[name] = by_model_and_day.get(name, Sums()).plus(sums)
                by_form[key.form] = by_form.get(key.form, Sums()).plus(sums)
            stored = {name: Sums(*sums) for name, sums in read.by_model_and_day().items()}
            assert stored == by_model_and_day
            assert stored_by_form(home, read) == by_form
            assert set(by_form) == set(FORMS)
            assert sum(read.prompts().values()) == home.prompt_count
            assert home.rewrite() == 1
            read.readers.clear()
            await read.read()


@pytest.mark.slow
def test_home_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """And another one for another."""
    first, second, other = (digest_of(home_in(tmp_path / f"{number}", seed=number // 2)) for number in range(3))
    assert first == second != other


def test_home_has_as_many_folders_as_wished(tmp_path: Path) -> None:
    """Those without a session with usage hold a file, too."""
    home = home_in(tmp_path, folder_count=40)
    assert len(list(home.projects.glob("*/*.jsonl"))) >= 40
    assert len(list(home.projects.iterdir())) == 40


def test_plain_script_comes_to_the_same_sums(tmp_path: Path) -> None:
    """The yardstick stores as many rows as there are answers and prompts."""
    home = home_in(tmp_path / "home")
    plain_script.run(str(home.projects), str(tmp_path / "rows.db"))
    with closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        rows = connection.execute(
            "SELECT kind, COUNT(*), SUM(output) FROM usage GROUP BY kind ORDER BY kind"
        ).fetchall()
    total = Sums()
    for each in home.truth.values():
        total = total.plus(each)
    assert rows == [(0, total.requests, total.output), (1, home.prompt_count, 0)]
