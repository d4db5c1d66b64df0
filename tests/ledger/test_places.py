"""Known places are looked at, never into."""

from __future__ import annotations

import os
from pathlib import Path

from aico.features.ledger.places import FoundStore, find_ledgers, list_known_places


def test_known_places_are_ledgers_below_home(tmp_path: Path) -> None:
    """Every place has the one name that a ledger has, and none lies outside."""
    places = list_known_places(tmp_path)
    assert {place.name for place in places} == {"taskHistory.json"}
    assert all(place.is_relative_to(tmp_path) for place in places)
    assert len(set(places)) == len(places) == 23


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
