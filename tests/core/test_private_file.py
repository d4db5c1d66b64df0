"""Files of ours that somebody else had a hand in are refused, whatever they are."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.errors import StorageError
from aico.core.private_file import open_private


def make_link(path: Path) -> None:
    """Put a link to another file in the place."""
    other = path.with_name("other")
    other.write_bytes(b"precious")
    path.symlink_to(other)


def make_second_name(path: Path) -> None:
    """Make the place a second name of another file."""
    other = path.with_name("other")
    other.write_bytes(b"precious")
    path.hardlink_to(other)


@pytest.mark.parametrize("plant", [make_link, make_second_name, os.mkfifo, Path.mkdir])
def test_private_file_refuses_what_somebody_planted(tmp_path: Path, plant: object) -> None:
    """A link, a second name, a FIFO or a folder is neither opened, nor waited for, nor altered."""
    path = tmp_path / "observer.db"
    assert callable(plant)
    plant(path)
    with pytest.raises(StorageError):
        os.close(open_private(path, create=True))
    other = tmp_path / "other"
    assert not other.exists() or other.read_bytes() == b"precious"


def test_private_file_refuses_the_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user that made the file may change it under our hands."""
    path = tmp_path / "observer.db"
    path.touch()
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(StorageError, match="user"):
        open_private(path, create=True)


def test_private_file_and_its_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """Every folder that is made is for us alone, not the last one only."""
    path = tmp_path / "a" / "b" / "observer.db"
    code = (
        "import os, sys, pathlib; os.umask(0); from aico.core.private_file import open_private;"
        " os.close(open_private(pathlib.Path(sys.argv[1]), create=True))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=Path(__file__).parents[2])
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "a", tmp_path / "a" / "b", path)]
    assert modes == [0o700, 0o700, 0o600]


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal", ".sound", ".corrupt-20260301T000000Z.next"])
@pytest.mark.parametrize("plant", [make_link, make_second_name])
def test_preparation_refuses_what_somebody_planted_beside_the_database(
    tmp_path: Path, end: str, plant: Callable[[Path], None]
) -> None:
    """SQLite would read a planted log or journal as the end of our own database; nothing is set aside for it."""
    path = tmp_path / "observer.db"
    prepare_database(path, lambda: 0)
    before = path.read_bytes()
    planted = path.with_name(path.name + end)
    planted.unlink(missing_ok=True)
    plant(planted)
    with pytest.raises(StorageError, match="plain file"):
        prepare_database(path, lambda: 0)
    assert path.read_bytes() == before
    assert planted.lstat().st_nlink > 1 or planted.is_symlink()


def test_backups_are_neither_made_nor_read_in_a_folder_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of the folder could have us write elsewhere, or make a database from the owner's bytes."""
    path = tmp_path / "observer.db"
    prepare_database(path, lambda: 0)
    backups = BackupFolder(path)
    made = backups.make_daily(date(2026, 3, 1))
    assert backups.list_all() == [made]
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert backups.list_all() == []
    with pytest.raises(StorageError, match="folder of the user"):
        backups.make_daily(date(2026, 3, 2))


def test_private_file_that_is_missing_is_not_made_unasked(tmp_path: Path) -> None:
    """Looking makes nothing."""
    with pytest.raises(FileNotFoundError):
        open_private(tmp_path / "folder" / "observer.db", create=False)
    assert list(tmp_path.iterdir()) == []
