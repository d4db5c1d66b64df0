"""The revisions of the schema that this version knows: the names of the migrations' files."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[2]


def migrations_path() -> Path:
    """Return the folder of the migrations: inside an installed package, beside ``app/`` in a checkout."""
    installed = _PACKAGE / "migrations"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "alembic"


def list_revisions() -> list[str]:
    """Return every revision of the schema that this version knows, the newest last: its files are named after them."""
    return sorted(path.name.partition("_")[0] for path in (migrations_path() / "versions").glob("[0-9]*_*.py"))
