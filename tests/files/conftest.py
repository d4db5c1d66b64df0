"""The place of a foreign file in a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.files.places import NAME


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a tool may write its file: its directory made, no link on the way there."""
    path = tmp_path.resolve() / ".invented" / "data" / "state" / NAME
    path.parent.mkdir(parents=True)
    return path
