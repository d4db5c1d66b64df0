"""The place of an invented tool, for any reader of whole files."""

from __future__ import annotations

from pathlib import Path

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.guard import FileGuard

NAME = "usage.json"
MAX_BYTES = 1 << 20
ERRORS = SourceErrors(OriginName("invented", "log", "Invented log"))


def guard_of(path: Path, max_bytes: int = MAX_BYTES) -> FileGuard:
    """Return the guard of ``path``."""
    return FileGuard(str(path), {NAME}, max_bytes, ERRORS)
