"""Known places are looked at, never into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aico.features.sources.cline.places import FoundStore, choose_ledgers, find_ledgers, list_known_places
from aico.features.sources.source import Place, Surroundings


def test_known_places_are_ledgers(tmp_path: Path) -> None:
    """Every place has the one name that a ledger has; of each editor both editions of the extension, none twice."""
    places = list_known_places(tmp_path)
    assert {place.name for place in places} == {"taskHistory.json"}
    assert len(set(places)) == len(places)
    for extension in ("saoudrizwan.claude-dev", "saoudrizwan.cline-nightly"):
        below = f"data/User/globalStorage/{extension}/state/taskHistory.json"
        assert {tmp_path / ".vscode-server" / below, tmp_path / ".vscode-remote" / below} <= set(places)


def test_ledger_in_a_linked_folder_is_told_once_by_its_real_path(tmp_path: Path) -> None:
    """No link is followed to read it: its real path is the one that can be named."""
    real = tmp_path / "dotfiles/Code/User/globalStorage/saoudrizwan.claude-dev/state/taskHistory.json"
    real.parent.mkdir(parents=True)
    real.write_bytes(b"[]")
    for name in (".config", "Library/Application Support"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / "dotfiles")
    assert [store.path for store in find_ledgers(tmp_path)] == [real]


def test_ledgers_are_found_by_their_last_write_without_being_opened(tmp_path: Path) -> None:
    """The newest comes first; a folder or a link in a ledger's place is none, and an unreadable one is named too."""
    old, new, link, folder, *_ = list_known_places(tmp_path)
    for place in (old, new, link):
        place.parent.mkdir(parents=True)
    old.write_bytes(b"x" * 10)
    new.write_bytes(b"x" * 20)
    new.chmod(0)
    link.symlink_to(old)
    folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    os.utime(new, (2, 2))
    assert find_ledgers(tmp_path) == [FoundStore(new, 20, 2.0), FoundStore(old, 10, 1.0)]


@pytest.mark.parametrize(
    ("environment", "path", "chosen_by"),
    [
        ({}, "/home/me/.cline/data/state/taskHistory.json", "default"),
        ({"CLINE_DIR": "/c/"}, "/c/data/state/taskHistory.json", "CLINE_DIR"),
        ({"CLINE_DIR": "/c", "CLINE_DATA_DIR": "/d"}, "/d/state/taskHistory.json", "CLINE_DATA_DIR"),
        ({"CLINE_DATA_DIR": " "}, "/home/me/.cline/data/state/taskHistory.json", "default"),
        (
            {"CLINE_DATA_DIR": "/d", "KIMI_PROXY_CLINE_LEDGER_PATH": "/k/taskHistory.json"},
            "/k/taskHistory.json",
            "KIMI_PROXY_CLINE_LEDGER_PATH",
        ),
    ],
)
def test_ledger_is_where_cline_would_write_it(environment: dict[str, str], path: str, chosen_by: str) -> None:
    """The variables of Kimi Proxy and of Cline decide, in this order; else it stands below home."""
    assert choose_ledgers(Surroundings(Path("/home/me"), environment)) == (Place(path, chosen_by),)


def test_ledgers_that_the_operator_names_replace_all_others() -> None:
    """Each is a place of its own, the first one first, none twice."""
    one, other = "/a/taskHistory.json", "/b/taskHistory.json"
    around = Surroundings(Path("/home/me"), {"CLINE_DIR": "/c"}, {"ledger": (one, other, one), "sessions": ("/s",)})
    assert [place.path for place in choose_ledgers(around)] == [one, other]
    assert {place.chosen_by for place in choose_ledgers(around)} == {"[sources.cline] ledgers"}
