"""Databases of tools over time, in a real database of ours: homes met twice, restored, zeros, and kills."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aico.core.usage import Trigger
from aico.features.sources import copilot_cli, opencode
from aico.features.sources.source import Source
from tests.e2e.server_process import ServerProcess, prepare_database
from tests.sources.copilot_cli.fake_session_store import CopilotStore
from tests.sources.feeds import NOW_MS
from tests.sources.opencode.fake_message_store import ZEROS, MessageStore
from tests.sources.pipeline import pipeline, stored_events, stored_sums
from tests.sources.sqlite_homes import open_source

T = NOW_MS - 86_400_000
USED = (100, 20, 5, 40, 3)


def write_opencode(folder: Path) -> None:
    """Write a session and its fork."""
    store = MessageStore(folder / "opencode.db")
    store.session("one", T)
    for turn in range(6):
        store.answer("one", T + turn * 1_000, T + turn * 1_000 + 500, USED, cost=0.125)
    store.fork("one", "two", T + 60_000)
    store.answer("two", T + 61_000, T + 62_000, USED, cost=0.125)
    store.close()


def write_copilot(folder: Path) -> None:
    """Write calls."""
    store = CopilotStore(folder / "session-store.db")
    for turn in range(7):
        store.call("one", T + turn, (100, 5, 40, 0, None))
    store.close()


HOMES = [(opencode.SOURCE, write_opencode), (copilot_cli.SOURCE, write_copilot)]


@pytest.fixture(params=HOMES, ids=lambda home: home[0].id)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """Return a source whose home lies in ``home``: seven requests."""
    found, write = request.param
    write(tmp_path / "home")
    assert isinstance(found, Source)
    return found


async def test_one_home_by_two_roots_counts_once(tmp_path: Path, source: Source) -> None:
    """Also one that another machine has left, and that later comes back to its place under other inodes."""
    home, other = f"{tmp_path}/home", f"{tmp_path}/other"
    shutil.copytree(home, other)
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder, roots in ((once, (home,)), (twice, (home, other))):
        folder.mkdir()
        async with pipeline(folder, [source], tmp_path, paths={"": roots}) as reading:
            await reading.read()
    assert stored_sums(once) == stored_sums(twice) != {}
    before = stored_events(twice)
    shutil.rmtree(home)
    shutil.move(other, home)
    async with pipeline(twice, [source], tmp_path, paths={"": (home,)}) as reading:
        await reading.read()
        assert reading.committed == []
    assert stored_events(twice) == before


async def test_hundreds_of_zeros_cost_nothing(tmp_path: Path) -> None:
    """They are handed over once: the next notification brings what is new."""
    store = MessageStore(tmp_path / "opencode.db")
    store.connection.execute("BEGIN")
    store.session("one", NOW_MS - 5_000)
    for turn in range(800):
        store.answer("one", NOW_MS - 4_000 + turn, NOW_MS - 3_999 + turn, ZEROS)
    store.connection.execute("COMMIT")
    driver = open_source(opencode.SOURCE, tmp_path)
    assert len((await driver.take_in(Trigger.STARTUP)).records) == 800
    store.answer("one", NOW_MS, NOW_MS + 1, USED)
    assert len((await driver.take_in()).records) == 1
    store.close()


@pytest.mark.slow
def test_killed_service_books_everything_once(tmp_path: Path) -> None:
    """Killed again and again within its first reading, it goes on where it was."""
    store = MessageStore(tmp_path / "home.db")
    store.connection.execute("BEGIN")
    store.session("one", T)
    for turn in range(6_000):
        store.answer("one", T + turn * 10, T + turn * 10 + 5, USED)
    store.connection.execute("COMMIT")
    store.close()
    folder = tmp_path.resolve() / ".local/share/opencode"
    folder.mkdir(parents=True)
    shutil.move(tmp_path / "home.db", folder / "opencode.db")
    prepare_database(tmp_path)
    for _ in range(2):
        with ServerProcess(tmp_path, {"AICO_SOURCES": "opencode"}) as server:
            server.process.kill()
            server.wait()
    with ServerProcess(tmp_path, {"AICO_SOURCES": "opencode"}) as server, server.client() as client:
        client.post("/api/import", json={"source": "opencode"})
        totals: dict[str, object] = {}
        while totals.get("requests") != 6_000:
            totals = client.get("/api/summary", params={"source": "opencode", "from": 0}).json()["totals"]
            assert int(str(totals["requests"])) <= 6_000
        assert totals["output_tokens"] == 6_000 * 25
