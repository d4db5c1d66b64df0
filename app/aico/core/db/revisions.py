"""The revisions of the schema that this version knows: the names of the migrations' files."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]


def migrations_path() -> Path:
    """Return the folder of the migrations: inside an installed package, beside ``app/`` in a checkout."""
    installed = _PACKAGE / "migrations"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "alembic"


def list_revisions() -> list[str]:
    """Return every revision of the schema that this version knows, the newest last: its files are named after them."""
    names = os.listdir(migrations_path() / "versions")  # noqa: PTH208  # a third of the time of a glob, at each prompt
    return sorted(name.partition("_")[0] for name in names if name[:1].isdigit() and name.endswith(".py"))
