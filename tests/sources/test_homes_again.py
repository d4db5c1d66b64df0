"""A home that is read again, by another way, after a death or after it was forgotten: nothing counts twice."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from aico.core.db.upkeep.forgetting import forget
from aico.core.db.upkeep.verification import verify
from aico.features.sources import codex, gemini_cli, kimi_cli, kimi_code, pi, qwen_code, vibe
from aico.features.sources.source import Source
from tests.e2e.server_process import ROOT
from tests.sources.codex.codex_home import write_home as write_codex
from tests.sources.fake_wires import write_kimi_cli, write_kimi_code, write_pi
from tests.sources.feeds import NOW_MS
from tests.sources.gemini_cli.gemini_home import write_home as write_gemini_cli
from tests.sources.home_reading import Books, new_books, read
from tests.sources.qwen_code.qwen_home import write_home as write_qwen_code
from tests.sources.vibe.fake_vibe import write_vibe

STAGE = 2


class Tool(NamedTuple):
    """A source, what fakes its tool, and the folder of the tool below a home."""

    source: Source
    write: Callable[[Path, int], None]
    folder: str


TOOLS = [
    Tool(codex.SOURCE, write_codex, ".codex"),
    Tool(gemini_cli.SOURCE, write_gemini_cli, ".gemini"),
    Tool(qwen_code.SOURCE, write_qwen_code, ".qwen"),
    Tool(kimi_cli.SOURCE, write_kimi_cli, ".kimi"),
    Tool(kimi_code.SOURCE, write_kimi_code, ".kimi-code"),
    Tool(pi.SOURCE, write_pi, ".pi"),
    Tool(vibe.SOURCE, write_vibe, ".vibe"),
]


@pytest.fixture(params=TOOLS, ids=lambda tool: tool.source.id)
def tool(request: pytest.FixtureRequest) -> Tool:
    """Return each tool in turn."""
    found = request.param
    assert isinstance(found, Tool)
    return found


@pytest.fixture
def home(tmp_path: Path, tool: Tool) -> Path:
    """Return a home in which the tool has worked for a while."""
    home = tmp_path.resolve() / "home"
    home.mkdir()
    tool.write(home, STAGE)
    return home


async def test_home_that_two_roots_reach_counts_once(home: Path, tool: Tool) -> None:
    """Copied from another machine, or put back from a backup after the first was deleted."""
    other = home.parent / "other" / tool.folder
    shutil.copytree(home / tool.folder, other)
    async with new_books() as books:
        await read(books, tool.source, home)
        before = books.everything()
        await read(books, tool.source, home, roots=(str(home / tool.folder), str(other)))
        assert books.everything() == before
        shutil.rmtree(home / tool.folder)
        await read(books, tool.source, home, roots=(str(other),))
        shutil.copytree(other, home / tool.folder)
        await read(books, tool.source, home)
        assert books.everything() == before


async def test_forgotten_session_stays_forgotten(home: Path, tool: Tool) -> None:
    """With what it had started; neither its own files bring it back nor copies in others."""
    async with new_books() as books:
        await read(books, tool.source, home)
        children, before = _children(books), _sessions(books)
        gone = next(session for session in books.by_session() or before if session not in children)
        forget(books.path, tool.source.id, [gone], NOW_MS)
        left = books.by_session()
        assert gone in before - _sessions(books)
        for origins in ([], [each.id for each in reversed(tool.source.origins)]):
            books.lose_checkpoints()
            await read(books, tool.source, home, origins=origins)
            assert books.by_session() == left
            assert gone not in _sessions(books)


def _sessions(books: Books) -> set[str]:
    return {str(key) for (key,) in books.ask("SELECT key FROM session")}


def _children(books: Books) -> set[object]:
    return {key for (key,) in books.ask("SELECT key FROM session WHERE parent_key IS NOT NULL")}


@pytest.mark.slow
async def test_death_at_any_statement_loses_and_doubles_nothing(home: Path, tool: Tool, tmp_path: Path) -> None:
    """The readings after it give the same sums as one reading without a death."""
    killed = tmp_path / "killed"
    killed.mkdir()
    command = [sys.executable, "-m", "tests.sources.line_killer", str(home), str(killed), "40", tool.source.id]
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True)
    async with new_books() as books:
        await read(books, tool.source, home)
        expected = books.everything()
    folders = sorted(killed.iterdir())
    assert len(folders) > 2
    for folder in folders:
        again = Books(folder)
        if again.path.exists():
            assert [check for check in verify(again.path) if not check.ok] == []
        await read(again, tool.source, home)
        assert again.everything() == expected
