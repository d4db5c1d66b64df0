"""An empty root for each of the tools that append wires, and what reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sources.line_homes import Home, home_of
from tests.sources.recorded_logs import KIMI_CLI, KIMI_CODE, PI


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty root."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
async def kimi_cli(root: Path) -> AsyncIterator[Home]:
    """Return what reads it as Kimi CLI's."""
    async with home_of(KIMI_CLI, root) as read:
        yield read


@pytest.fixture
async def kimi_code(root: Path) -> AsyncIterator[Home]:
    """Return what reads it as Kimi Code's."""
    async with home_of(KIMI_CODE, root) as read:
        yield read


@pytest.fixture
async def pi(root: Path) -> AsyncIterator[Home]:
    """Return what reads it as pi's."""
    async with home_of(PI, root) as read:
        yield read
