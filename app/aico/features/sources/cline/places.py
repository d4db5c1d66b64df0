"""Where Cline is known to keep its stores. Metadata only: nothing is opened, no link is followed to a file.

Source: Cline's global storage in VS Code and its relatives, the data directory of its command line, and the
variables that move it (``resolveClineDataDir`` and ``resolveDbDataDir`` in Cline).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from aico.core.settings import LEDGER_NAME, SESSIONS_NAME, find_cline_folder
from aico.features.sources.source import Place, Surroundings

FROZEN_DAYS = 7
"""A ledger that was not written for so long is said to be frozen: newer Cline leaves it as it is."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_EDITORS = ("Code", "Code - Insiders", "Code - OSS", "VSCodium", "VSCodium - Insiders", "Cursor", "Windsurf")
_USER_FOLDERS = (".config/{editor}/User", "Library/Application Support/{editor}/User")
_OTHER_USERS = (
    ".vscode-server/data/User",
    ".vscode-server-insiders/data/User",
    ".vscodium-server/data/User",
    ".cursor-server/data/User",
    ".windsurf-server/data/User",
    ".local/share/code-server/User",
    ".var/app/com.visualstudio.code/config/Code/User",
    ".var/app/com.vscodium.codium/config/VSCodium/User",
)
_EXTENSION = f"globalStorage/saoudrizwan.claude-dev/state/{LEDGER_NAME}"


@dataclass(frozen=True, slots=True)
class FoundStore:
    """A store in a known place."""

    path: Path
    size_bytes: int
    written_at_s: float
    """Epoch seconds."""


def choose_ledgers(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return the ledgers that may be read: those that the operator names, or the one where Cline would write it.

    Source: Kimi Proxy's variable, then Cline's own (``resolveClineDataDir``).
    """
    if named := surroundings.configured.get("ledger"):
        chosen_by = surroundings.chosen_by.get("ledger", "[sources.cline] ledgers")
        return tuple(Place(path, chosen_by) for path in dict.fromkeys(named))
    environment = surroundings.environment
    if path := environment.get("KIMI_PROXY_CLINE_LEDGER_PATH"):
        return (Place(path, "KIMI_PROXY_CLINE_LEDGER_PATH"),)
    for name, below in (("CLINE_DATA_DIR", "state"), ("CLINE_DIR", "data/state")):
        if folder := environment.get(name, "").strip().rstrip("/"):
            return (Place(f"{folder}/{below}/{LEDGER_NAME}", name),)
    return (Place(f"{surroundings.home}/.cline/data/state/{LEDGER_NAME}", "default"),)


def list_known_places(home: Path, environment: Mapping[str, str] = _NOTHING) -> list[Path]:
    """Return every place, below ``home`` or named by a variable, where some edition of Cline writes its ledger."""
    editors = [home / folder.format(editor=editor) for folder in _USER_FOLDERS for editor in _EDITORS]
    users = [*editors, *(home / folder for folder in _OTHER_USERS)]
    data = [folder / "state" / LEDGER_NAME for folder in _list_data_folders(home, environment)]
    return [*data, *(user / _EXTENSION for user in users)]


def list_session_places(home: Path, environment: Mapping[str, str] = _NOTHING) -> list[Path]:
    """Return every place where newer Cline writes its session store."""
    named = find_cline_folder(environment, "CLINE_DB_DATA_DIR")
    places = [folder / "db" / SESSIONS_NAME for folder in _list_data_folders(home, environment)]
    return _without_repetition([*([Path(named) / SESSIONS_NAME] if named else []), *places])


def find_ledgers(home: Path, environment: Mapping[str, str] = _NOTHING) -> list[FoundStore]:
    """Return the ledgers in known places, the last written first. Blocking for a few system calls."""
    found = [
        FoundStore(path, status.st_size, status.st_mtime)
        for path, status in _list_files(list_known_places(home, environment))
    ]
    return sorted(found, key=lambda store: store.written_at_s, reverse=True)


def find_session_stores(home: Path, environment: Mapping[str, str] = _NOTHING) -> list[FoundStore]:
    """Return the session stores in known places, the last written first; what is newest lies in the log beside."""
    found = []
    for path, status in _list_files(list_session_places(home, environment)):
        log = [beside for _, beside in _list_files([path.with_name(path.name + "-wal")])]
        every = [status, *log]
        found.append(FoundStore(path, sum(one.st_size for one in every), max(one.st_mtime for one in every)))
    return sorted(found, key=lambda store: store.written_at_s, reverse=True)


def _list_data_folders(home: Path, environment: Mapping[str, str]) -> list[Path]:
    named = (find_cline_folder(environment, "CLINE_DATA_DIR"), find_cline_folder(environment, "CLINE_DIR", "data"))
    return _without_repetition([*(Path(folder) for folder in named if folder), home / ".cline/data"])


def _without_repetition(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(paths))


def _list_files(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        try:
            status = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, status
