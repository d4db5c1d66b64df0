"""Only plain files of one owner, without any link on their path, are opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aico.core.errors import (
    SessionsBusy,
    SessionsError,
    SessionsNotFound,
    SessionsPathRefused,
    SessionsTooLarge,
    SessionsUnreadable,
)
from aico.features.sessions import opening
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.opening import Refused, StoreDirectory
from bench.fake_session_store import SessionStore
from tests.sessions.store_imports import MAX_BYTES


def links(path: Path) -> None:
    """Put a link to the file in its place."""
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def links_hard(path: Path) -> None:
    """Give the file a second name."""
    path.with_suffix(".second").hardlink_to(path)


def pipes(path: Path) -> None:
    """Put a pipe in the file's place, whose opening would wait for ever."""
    path.unlink()
    os.mkfifo(path)


def folds(path: Path) -> None:
    """Put a directory in the file's place."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
@pytest.mark.parametrize("spoil", [links, links_hard, pipes, folds])
def test_store_is_refused_unless_each_of_its_files_is_plain(
    store: SessionStore, path: Path, spoil: Callable[[Path], None], end: str
) -> None:
    """A link, a second name, a pipe or a folder in the place of database, log or index."""
    spoil(path.with_name(path.name + end))
    with pytest.raises(SessionsPathRefused):
        SessionsGuard(str(path), MAX_BYTES).look()
    directory = StoreDirectory(str(path), MAX_BYTES)
    with pytest.raises(Refused) as refused, directory.open(end):
        pass
    directory.close()
    assert refused.value.code == "path_refused"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_store_is_refused_behind_a_linked_folder(store: SessionStore, path: Path, depth: int) -> None:
    """No component of the path may be a link."""
    folder = path.parents[depth - 1]
    folder.rename(folder.with_name("real"))
    folder.symlink_to("real")
    guard = SessionsGuard(str(path), MAX_BYTES)
    with pytest.raises(SessionsPathRefused):
        guard.look()
    assert guard.find_directory_identity() is None


def test_store_is_refused_when_a_file_belongs_to_somebody_else_than_its_folder(
    store: SessionStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another user laid into the folder is not Cline's. Giving a file away takes root: the folder seems to be."""
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        values = list(real(descriptor))
        values[4] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(SessionsPathRefused):
        SessionsGuard(str(path), MAX_BYTES).look()


def test_store_that_is_not_there_is_waited_for(tmp_path: Path, path: Path) -> None:
    """Neither a missing file nor a missing folder is a fault."""
    guard = SessionsGuard(str(path), MAX_BYTES)
    with pytest.raises(SessionsNotFound):
        guard.look()
    path.parent.mkdir(parents=True)
    with pytest.raises(SessionsNotFound):
        guard.look()


def test_store_that_is_too_large_is_refused(store: SessionStore, path: Path) -> None:
    """The bound is on each file, before a byte is read."""
    with pytest.raises(SessionsTooLarge):
        SessionsGuard(str(path), 1_000).look()


def test_store_with_a_rollback_under_way_is_busy(store: SessionStore, path: Path) -> None:
    """Only its writer may take half a transaction back."""
    path.with_name(path.name + "-journal").write_bytes(b"something")
    with pytest.raises(SessionsBusy):
        SessionsGuard(str(path), MAX_BYTES).look()


@pytest.mark.parametrize(
    "name", ["sessions.sqlite", "SESSIONS.DB", "sessions.db/", "../sessions.db", "x/../sessions.db", "x//sessions.db"]
)
def test_guard_takes_the_only_spelling_of_the_only_name(tmp_path: Path, name: str) -> None:
    """Any other spelling is a mistake of the operator's."""
    with pytest.raises(ValueError, match="must"):
        SessionsGuard(f"{tmp_path}/{name}", MAX_BYTES)


@pytest.mark.parametrize(
    ("number", "kind"), [("EACCES", SessionsUnreadable), ("EIO", SessionsUnreadable), ("ENXIO", SessionsPathRefused)]
)
def test_refusal_of_the_system_is_told_without_a_name(
    store: SessionStore, path: Path, monkeypatch: pytest.MonkeyPatch, number: str, kind: type[SessionsError]
) -> None:
    """An error of the operating system becomes one of ours."""

    def fail(*_arguments: object, **_more: object) -> int:
        raise OSError(getattr(__import__("errno"), number), "never told")

    monkeypatch.setattr(opening, "open_directory", fail)
    with pytest.raises(kind) as caught:
        SessionsGuard(str(path), MAX_BYTES).look()
    assert "never told" not in str(caught.value)


def test_look_differs_after_each_write_and_sees_the_log(store: SessionStore, path: Path) -> None:
    """A write that only reaches the log changes what a watcher compares."""
    guard = SessionsGuard(str(path), MAX_BYTES)
    before = guard.look()
    store.put("1", None)
    after = guard.look()
    assert before.identity != after.identity
    assert after.size_bytes > before.size_bytes
