"""An empty folder of transcripts, what writes into it and what reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sources.claude_code.claude_home import SESSION, Clock, Transcript
from tests.sources.claude_code.transcript_driver import Home, home_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty folder of transcripts."""
    folder = tmp_path / "projects"
    folder.mkdir()
    return folder


@pytest.fixture
async def home(root: Path) -> AsyncIterator[Home]:
    """Return what reads it."""
    async with home_of(root) as read:
        yield read


@pytest.fixture
def session(root: Path) -> Transcript:
    """Return a transcript of the newest version."""
    return Transcript(root, SESSION, Clock())
