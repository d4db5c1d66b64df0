"""The one table of editors' folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.features.files.editors import EDITORS, list_user_folders, list_windows_homes

HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("folder", "environment"),
    [
        ("/home/me/.config/Code/User", {}),
        ("/home/me/.config/Windsurf/User", {}),
        ("/home/me/Library/Application Support/Cursor/User", {}),
        ("/home/me/.vscode-server/data/User", {}),
        ("/home/me/.vscode-remote/data/User", {}),
        ("/home/me/.openvscode-server/data/User", {}),
        ("/home/me/.local/share/code-server/User", {}),
        ("/home/me/.var/app/com.vscodium.codium/config/VSCodium/User", {}),
        ("/home/me/VSCode-linux-x64/data/user-data/User", {}),
        ("/Applications/code-portable-data/user-data/User", {}),
        ("/cfg/Trae/User", {"XDG_CONFIG_HOME": "/cfg"}),
        ("/share/code-server/User", {"XDG_DATA_HOME": "/share"}),
        ("/usb/data/user-data/User", {"VSCODE_PORTABLE": "/usb/data"}),
        ("/app/Code - Insiders/User", {"VSCODE_APPDATA": "/app"}),
        ("/agent/data/User", {"VSCODE_AGENT_FOLDER": "/agent"}),
    ],
)
def test_folder_of_an_editor_is_known(folder: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Of each system and edition, where the editor itself and its variables put it; none is named twice."""
    known = list_user_folders(HOME, environment, tmp_path / "no windows")
    assert Path(folder) in known
    assert len(set(known)) == len(known)
    assert all(path.is_absolute() for path in known)


def test_variables_that_name_no_absolute_folder_name_none(tmp_path: Path) -> None:
    """An empty or relative one is no place."""
    strange = {"XDG_CONFIG_HOME": "", "VSCODE_PORTABLE": "data", "VSCODE_APPDATA": "~/x", "XDG_DATA_HOME": "."}
    nowhere = tmp_path / "no windows"
    assert list_user_folders(HOME, strange, nowhere) == list_user_folders(HOME, {}, nowhere)


def test_windows_side_is_looked_at_for_each_of_its_users(tmp_path: Path) -> None:
    """A Linux that runs in Windows sees the editors there; what is nobody's home is left out."""
    for name in ("Ann", "Public", "Default", "All Users"):
        (tmp_path / name).mkdir()
    assert list_windows_homes(tmp_path) == (tmp_path / "Ann",)
    there = [path for path in list_user_folders(HOME, {}, tmp_path) if path.is_relative_to(tmp_path)]
    assert there == [tmp_path / "Ann/AppData/Roaming" / editor / "User" for editor in EDITORS]
