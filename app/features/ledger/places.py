"""Where a ledger of Cline's is known to lie. Metadata only: nothing is opened, no link is followed to a file.

Source: Cline's global storage in VS Code and its relatives, and the data directory of its command line.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.settings import LEDGER_NAME

_EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf")
_USER_FOLDERS = (".config/{editor}/User", "Library/Application Support/{editor}/User")
_EXTENSION = f"globalStorage/saoudrizwan.claude-dev/state/{LEDGER_NAME}"


@dataclass(frozen=True, slots=True)
class FoundLedger:
    """A ledger in a known place."""

    path: Path
    size_bytes: int
    written_at_s: float
    """Epoch seconds."""


def list_known_places(home: Path) -> list[Path]:
    """Return every place below ``home`` where some edition of Cline writes its ledger."""
    editors = [home / folder.format(editor=editor) for folder in _USER_FOLDERS for editor in _EDITORS]
    users = [*editors, home / ".vscode-server/data/User"]
    return [home / ".cline/data/state" / LEDGER_NAME, *(user / _EXTENSION for user in users)]


def find_ledgers(home: Path) -> list[FoundLedger]:
    """Return the ledgers in known places, the last written first. Blocking for a few system calls."""
    found = [FoundLedger(path, status.st_size, status.st_mtime) for path, status in _list_files(home)]
    return sorted(found, key=lambda ledger: ledger.written_at_s, reverse=True)


def _list_files(home: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in list_known_places(home):
        try:
            status = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, status
