"""Reads transcripts of Claude Code into a real database, at once and in any order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from aico.features.sources.claude_code.parser import FORMAT
from tests.sources import line_homes
from tests.sources.line_homes import SEEN_MS, Home, Sum, Tool

__all__ = ["SEEN_MS", "SOURCE", "FileReader", "Home", "Sum", "home_of", "read_whole", "transcripts_of"]
TOOL = Tool("claude-code", "projects", FORMAT)
SOURCE = TOOL.source


class FileReader(line_homes.FileReader):
    """One transcript, read on from where it was left."""

    def __init__(self, root: Path, path: Path, first_seen_ms: int = SEEN_MS) -> None:
        super().__init__(TOOL, root, path, first_seen_ms)


def transcripts_of(root: Path) -> list[Path]:
    """Return every transcript below ``root``, by name."""
    return TOOL.logs_of(root)


def home_of(root: Path) -> AbstractAsyncContextManager[Home]:
    """Yield the transcripts below ``root`` with an empty database."""
    return line_homes.home_of(TOOL, root)


async def read_whole(root: Path, paths: Sequence[Path] | None = None, size: int = 10_000) -> dict[str, object]:
    """Return everything that must not depend on the order of reading, of files read in the order of ``paths``."""
    return await line_homes.read_whole(TOOL, root, paths, size)
