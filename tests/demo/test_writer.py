"""The made-up ledger reaches the disk as Cline's does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aico.features.demo.writer import temporary_path, write_by_rename


def names_in(directory: Path) -> list[str]:
    """Return the names of a directory's members."""
    return [path.name for path in directory.iterdir()]


async def test_write_by_rename_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    """The name points to a new file with the new bytes; the one that a reader holds keeps the old ones."""
    ledger = tmp_path / "taskHistory.json"
    ledger.write_bytes(b"old")
    with ledger.open("rb") as held:
        await write_by_rename(ledger, b"[]")
        assert held.read() == b"old"
    assert ledger.read_bytes() == b"[]"
    assert names_in(tmp_path) == [ledger.name]


async def test_write_by_rename_takes_its_temporary_file_away_when_it_fails(tmp_path: Path) -> None:
    """An error of the system is passed on, and no half-done file stays."""
    ledger = tmp_path / "taskHistory.json"
    ledger.mkdir()
    with pytest.raises(OSError, match="taskHistory"):
        await write_by_rename(ledger, b"[]")
    assert names_in(tmp_path) == [ledger.name]


def test_temporary_path_has_the_name_that_cline_gives(tmp_path: Path) -> None:
    """``taskHistory.json.tmp.<ms>.<base36>.json``, in the same directory, different each time."""
    first, second = (temporary_path(tmp_path / "taskHistory.json") for _ in range(2))
    assert re.fullmatch(r"taskHistory\.json\.tmp\.\d{13}\.[0-9a-z]{7}\.json", first.name)
    assert first.parent == tmp_path
    assert first != second
