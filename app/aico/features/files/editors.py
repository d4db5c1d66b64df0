"""The places in which editors of Visual Studio Code's family keep their extensions' files. One table for all sources.

Source: ``userDataPath.js`` of Visual Studio Code (``VSCODE_PORTABLE``, ``VSCODE_APPDATA``, then the system's), its
servers (``VSCODE_AGENT_FOLDER``), and the names that its relatives give these folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

EDITORS = (
    "Code",
    "Code - Insiders",
    "Code - OSS",
    "VSCodium",
    "VSCodium - Insiders",
    "Cursor",
    "Windsurf",
    "Windsurf - Next",
    "Trae",
    "Trae CN",
    "Kiro",
    "Antigravity",
    "Void",
    "Positron",
)
"""The folder of each editor in the system's folder of configurations."""
_SERVERS = (
    ".vscode-server",
    ".vscode-server-insiders",
    ".vscode-remote",  # development containers, Codespaces
    ".vscodium-server",
    ".vscodium-server-insiders",
    ".openvscode-server",
    ".cursor-server",
    ".windsurf-server",
    ".trae-server",
    ".trae-cn-server",
    ".kiro-server",
    ".antigravity-server",
    ".positron-server",
)
"""The folders of an editor's server on the other side of a connection, below the home directory there."""
_FLATPAKS = (
    ("com.visualstudio.code", "Code"),
    ("com.visualstudio.code.insiders", "Code - Insiders"),
    ("com.visualstudio.code-oss", "Code - OSS"),
    ("com.vscodium.codium", "VSCodium"),
    ("com.vscodium.codium-insiders", "VSCodium - Insiders"),
)
"""Snaps of these editors are not confined: they use the folders of the others."""
_PORTABLE_PARENTS = ("", "Applications", "Downloads")
_PORTABLE_FOLDERS = (
    "VSCode-linux-x64/data",
    "VSCode-linux-arm64/data",
    "code-portable-data",  # macOS: beside the application
    "code-insiders-portable-data",
)
_NOBODY = {"All Users", "Default", "Default User", "Public"}
WINDOWS_USERS = Path("/mnt/c/Users")
"""The Windows side of a Linux that runs in it (WSL)."""


def list_user_folders(
    home: Path, environment: Mapping[str, str], windows_users: Path = WINDOWS_USERS
) -> tuple[Path, ...]:
    """Return every folder that an editor may store in, there or not: ``globalStorage`` lies in it.

    Blocking: the names of the users of Windows are listed; nothing else is looked up.
    """
    return tuple(dict.fromkeys(_iterate(home, environment, windows_users)))


def list_windows_homes(windows_users: Path = WINDOWS_USERS) -> tuple[Path, ...]:
    """Return the home directories on the Windows side of this machine; none where there is none. Blocking."""
    try:
        return tuple(sorted(entry for entry in windows_users.iterdir() if entry.name not in _NOBODY))
    except OSError:
        return ()


def _iterate(home: Path, environment: Mapping[str, str], windows_users: Path) -> Iterator[Path]:
    if portable := _folder_of(environment, "VSCODE_PORTABLE"):
        yield portable / "user-data/User"
    systems = [
        _folder_of(environment, "VSCODE_APPDATA"),
        _folder_of(environment, "XDG_CONFIG_HOME"),
        home / ".config",
        home / "Library/Application Support",
        *(each / "AppData/Roaming" for each in list_windows_homes(windows_users)),
    ]
    yield from (system / editor / "User" for system in systems if system is not None for editor in EDITORS)
    yield from (home / ".var/app" / package / "config" / editor / "User" for package, editor in _FLATPAKS)
    servers = [_folder_of(environment, "VSCODE_AGENT_FOLDER"), *(home / name for name in _SERVERS)]
    yield from (server / "data/User" for server in servers if server is not None)
    for data in (_folder_of(environment, "XDG_DATA_HOME"), home / ".local/share"):
        if data is not None:
            yield data / "code-server/User"
    parents = (*(home / parent for parent in _PORTABLE_PARENTS), Path("/opt"), Path("/Applications"))
    yield from (parent / folder / "user-data/User" for parent in parents for folder in _PORTABLE_FOLDERS)


def _folder_of(environment: Mapping[str, str], variable: str) -> Path | None:
    """Return the folder that a variable names; None for no absolute one."""
    text = environment.get(variable, "")
    return Path(text) if os.path.isabs(text) else None  # noqa: PTH117  # as text
