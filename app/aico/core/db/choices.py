"""The user's switches of origins. They hold for one machine and one set of places."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from aico.core.db.database import Database
from aico.core.db.statements import put
from aico.core.db.upkeep.sqlite_files import connect, in_our_words

_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'source_choice'"
"""Older schemas have no switches."""
_CHOICES = "SELECT source, origin, root, is_on, changed_at FROM source_choice WHERE machine = ?"
_PUT = put("source_choice", ("source", "origin", "machine", "root"), ("is_on", "changed_at"))


class SwitchKey(NamedTuple):
    """The origin and the places that a switch is for."""

    source: str
    origin: str
    root: str
    """A digest of the places, in hexadecimal digits."""


class Switch(NamedTuple):
    """How a switch stands, and since when."""

    is_on: bool
    changed_at: int
    """Epoch milliseconds."""


def list_switches(path: Path, machine: str) -> dict[SwitchKey, Switch]:
    """Return the switches that were set on ``machine``: none where the database at ``path`` has none yet.

    Nothing is left beside a database that nobody has open. Raises StorageBusy, StorageError. Blocking.
    """
    with in_our_words():
        if not path.exists() or path.stat().st_size == 0:
            return {}
    with in_our_words(), closing(connect(path, "ro")) as connection:
        rows = connection.execute(_CHOICES, (machine,)).fetchall() if connection.execute(_TABLE).fetchone() else []
    return {SwitchKey(source, origin, root): Switch(bool(is_on), at) for source, origin, root, is_on, at in rows}


async def set_switch(database: Database, machine: str, key: SwitchKey, switch: Switch) -> None:
    """Store how a switch stands. Raises StorageBusy, StorageError."""
    values = (key.source, key.origin, machine, key.root, switch.is_on, switch.changed_at)

    def write(connection: sqlite3.Connection) -> None:
        connection.execute(_PUT, values)

    await database.write(write)
