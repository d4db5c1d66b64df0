"""Documents stay short, and no file tells whose machine it was written on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.users_things_guard import users_home

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
SCREEN_LINES = 50
SCREEN_COLUMNS = 120


def read_tracked() -> dict[str, str]:
    """Return every text file that git knows in this checkout, by its name."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    found = {}
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            found[name] = content.decode()
    return found


def test_every_decision_fits_on_a_screen() -> None:
    """A decision record is read at a glance, or not at all."""
    longest = {path.name: path.read_text(encoding="utf-8").splitlines() for path in DECISIONS.glob("*.md")}
    assert longest
    assert [name for name, lines in longest.items() if len(lines) > SCREEN_LINES] == []
    assert [name for name, lines in longest.items() if max(map(len, lines)) > SCREEN_COLUMNS] == []


def test_decisions_are_numbered_without_gaps() -> None:
    """Decision records are counted from 0001, each number once."""
    names = sorted(path.name for path in DECISIONS.glob("*.md"))
    assert all(re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_no_file_names_this_machine() -> None:
    """Neither this checkout's place nor the home of the tester stands in any file."""
    private = [f"{place}/" for place in (ROOT, users_home()) if len(place.parts) > 1]
    assert {name for name, text in read_tracked().items() for place in private if place in text} == set()


def test_changelog_has_a_place_for_what_comes() -> None:
    """The changelog begins with what is not released yet."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
