"""The known places of Cline's stores. Metadata only: nothing is opened, no link is followed to a file.

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
from aico.features.files.editors import list_user_folders, list_windows_homes
from aico.features.sources.source import Elsewhere, Place, Surroundings

FROZEN_DAYS = 7
"""A ledger that was not written for so long is said to be frozen: newer Cline leaves it as it is."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_EXTENSIONS = ("saoudrizwan.claude-dev", "saoudrizwan.cline-nightly")


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
    data = [*_list_data_folders(home, environment), *(each / ".cline/data" for each in list_windows_homes())]
    storages = [
        user / "globalStorage" / extension for user in list_user_folders(home, environment) for extension in _EXTENSIONS
    ]
    return [folder / "state" / LEDGER_NAME for folder in (*data, *storages)]


def find_elsewhere(surroundings: Surroundings) -> tuple[Elsewhere, ...]:
    """Return the ledgers in known places that are not read, the last written first. Blocks for some system calls."""
    named = {place.path for place in choose_ledgers(surroundings)}
    return tuple(
        Elsewhere(str(ledger.path), ledger.size_bytes, int(ledger.written_at_s * 1000))
        for ledger in find_ledgers(surroundings.home, surroundings.environment)
        if str(ledger.path) not in named
    )


def list_session_places(home: Path, environment: Mapping[str, str] = _NOTHING) -> list[Path]:
    """Return every place where newer Cline writes its session store."""
    named = find_cline_folder(environment, "CLINE_DB_DATA_DIR")
    places = [folder / "db" / SESSIONS_NAME for folder in _list_data_folders(home, environment)]
    return _without_repetition([*([Path(named) / SESSIONS_NAME] if named else []), *places])


def find_ledgers(home: Path, environment: Mapping[str, str] = _NOTHING) -> list[FoundStore]:
    """Return the ledgers in known places by their real paths, the last written first. Blocks for some system calls."""
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
    seen = set()
    for path in paths:
        try:
            status = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            # Of a folder that is linked, only the real path can be read.
            yield Path(os.path.realpath(path)), status
