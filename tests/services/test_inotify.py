"""The kernel's queue of events: what is told, what is lost aloud, and what ends without a word."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from aico.services.inotify import ADDED, DELETED, MODIFIED, FolderEvents

Watching = Callable[[Sequence[Path]], FolderEvents]


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Return what begins to watch folders until the test ends."""
    opened = []

    def begin(folders: Sequence[Path]) -> FolderEvents:
        opened.append(FolderEvents([str(folder) for folder in folders]))
        return opened[-1]

    yield begin
    for events in opened:
        events.close()


def test_changes_are_told_with_their_paths_and_looks_are_not(tmp_path: Path, watching: Watching) -> None:
    """Opening, reading and listing tell nothing: to look at a folder must not be a reason to look again."""
    events = watching([tmp_path])
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"x")
    assert events.read() == {(ADDED, str(one)), (MODIFIED, str(one))}
    one.read_bytes()
    assert list(tmp_path.iterdir()) == [one]
    assert events.read() == set()
    one.rename(two)
    assert events.read() == {(DELETED, str(one)), (ADDED, str(two))}
    two.chmod(0o600)
    two.unlink()
    assert events.read() == {(MODIFIED, str(two)), (DELETED, str(two))}


def test_full_queue_tells_of_every_folder(tmp_path: Path, watching: Watching) -> None:
    """What is lost is not known, so everything is to be looked at; afterwards, events are told as before."""
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    events = watching(folders)
    files = [folder / "file" for folder in folders]
    for file in files:
        file.touch()
    # Events that are not the same as the one before are not told together.
    for number in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))):
        os.utime(files[number % 3])
    told = set[tuple[int, str]]()
    while found := events.read():
        told |= found
    assert {(MODIFIED, str(folder)) for folder in folders} <= told
    files[0].unlink()
    assert events.read() == {(DELETED, str(files[0]))}


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_folder_that_goes_is_told_of_once_and_not_followed(
    tmp_path: Path, watching: Watching, *, is_made_anew: bool
) -> None:
    """Neither where it was moved to, nor what takes its name, is watched."""
    folder = tmp_path / "folder"
    folder.mkdir()
    events = watching([folder])
    if is_made_anew:
        folder.rmdir()
        folder.mkdir()
    else:
        folder.rename(tmp_path / "away")
        (tmp_path / "away" / "file").touch()
    assert events.read() == {(DELETED, str(folder))}
    (folder if is_made_anew else tmp_path / "away").joinpath("file").touch()
    assert events.read() == set()


def test_what_is_no_folder_is_named_and_the_others_are_watched(tmp_path: Path, watching: Watching) -> None:
    """A file, a link to a folder, and nothing at all are refused by the system itself."""
    folder, file, link = tmp_path / "folder", tmp_path / "file", tmp_path / "link"
    folder.mkdir()
    file.touch()
    link.symlink_to(folder)
    events = watching([file, link, tmp_path / "none", folder])
    assert set(events.failed) == {str(file), str(link), str(tmp_path / "none")}
    (folder / "new").touch()
    assert (ADDED, str(folder / "new")) in events.read()


def test_folder_of_several_names_is_told_of_by_each(tmp_path: Path, watching: Watching) -> None:
    """The system gives them one watch."""
    folder = tmp_path / "folder"
    folder.mkdir()
    other = folder / ".." / "folder"
    events = watching([folder, other])
    (folder / "new").mkdir()
    assert events.read() == {(ADDED, str(folder / "new")), (ADDED, str(other / "new"))}


def test_folder_whose_name_is_no_text_is_watched(tmp_path: Path, watching: Watching) -> None:
    """Names are bytes; they are told as Python spells them."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    events = watching([folder])
    (folder / os.fsdecode(b"\xff")).mkdir()
    assert events.read() == {(ADDED, str(folder / os.fsdecode(b"\xff")))}
