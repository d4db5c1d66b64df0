"""The words that start this program: from where the user is, and from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aico.core.command_name import as_typed, command_anywhere, command_name


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay two programs side by side, ``aico`` and an interpreter, in a home of their own; nothing is on the PATH."""
    folder = tmp_path / "our checkout" / "bin"
    folder.mkdir(parents=True)
    for name in ("aico", "python"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [str(folder / "aico")])
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return folder


@pytest.mark.parametrize("on_path", [True, False])
def test_command_calls_itself_as_the_user_can(
    programs: Path, monkeypatch: pytest.MonkeyPatch, *, on_path: bool
) -> None:
    """A hint names the program by the words that start it from where the user is."""
    monkeypatch.setenv("PATH", str(programs) if on_path else "")
    assert command_name() == ("aico" if on_path else str(programs / "aico"))
    assert as_typed("an `aico` starts by `aico serve`") == f"an `aico` starts by `{command_name()} serve`"


def test_path_is_searched_as_a_shell_does(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of our name, and a file that cannot be run, are passed over; an empty part is no folder."""
    for folder in ("folders", "files"):
        (tmp_path / folder).mkdir()
    (tmp_path / "folders" / "aico").mkdir()
    (tmp_path / "files" / "aico").touch(mode=0o600)
    others = f"{tmp_path}/folders:{tmp_path}/files:"
    monkeypatch.setenv("PATH", f"{others}:{programs}/")
    assert command_name() == "aico"
    monkeypatch.setenv("PATH", others)
    monkeypatch.chdir(programs)
    assert command_name() == str(programs / "aico")


@pytest.mark.parametrize("started", ["aico", "-m", "uvicorn"])
def test_command_that_works_from_anywhere(programs: Path, monkeypatch: pytest.MonkeyPatch, started: str) -> None:
    """It is found whatever has started the service, and written as a shell takes it."""
    monkeypatch.setattr(sys, "argv", [str(programs / started)])
    assert command_anywhere() == "~/'our checkout/bin/aico'"
    monkeypatch.setenv("PATH", str(programs))
    assert command_anywhere() == "aico"


def test_command_of_another_installation_is_not_ours(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of our name on the PATH that is another one would ask another service; a link to ours is ours."""
    other = tmp_path / "other" / "aico"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert command_anywhere() == "~/'our checkout/bin/aico'"
    other.unlink()
    other.symlink_to(programs / "aico")
    assert command_anywhere() == "aico"


def test_command_of_a_program_that_is_not_installed(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without such a program, the interpreter starts it; outside the home directory by its whole path."""
    (programs / "aico").unlink()
    assert command_anywhere() == "~/'our checkout/bin/python' -m aico"
    monkeypatch.setenv("HOME", "/nowhere")
    assert command_anywhere() == f"'{programs}/python' -m aico"
