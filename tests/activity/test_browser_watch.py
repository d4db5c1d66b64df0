"""Histories beside running browsers: each visit counts once, whatever happens to its file."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.db.browsers import Pairing
from aico.core.db.database import Database
from tests.activity.histories import (
    CANARY,
    NOW_US,
    Row,
    add_chromium,
    leave_chromium,
    make_chromium,
    make_firefox,
    write_chromium,
)
from tests.activity.watched_home import Watched
from tests.core.repository_on_file import copy_of_template

HOUR = 3_600_000_000
AT = NOW_US - HOUR


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """Return a watch on an empty home and database."""
    opened = Database(copy_of_template(tmp_path))
    await opened.open()
    home = tmp_path / "home"
    home.mkdir()
    yield Watched(home, opened, NOW_US // 1000)
    await opened.close()


async def test_each_visit_counts_once_whatever_happens_to_its_file(watched: Watched) -> None:
    """Open pages count when they are left; a restart, a vacuum, a move, a copy and a deletion add nothing."""
    assert await watched.sums() == {}
    assert watched.watch.reasons == {"browsers": "no_history"}
    path = make_chromium(
        watched.path, [Row(f"https://claude.ai/{CANARY}", AT, 5_000_000), Row("https://poe.com/", AT + 1)]
    )
    expected = {("claude.ai", "Chromium"): (5_000, 1), ("poe.com", "Chromium"): (0, 1)}
    assert await watched.sums() == expected
    assert (watched.watch.reasons, watched.told) == ({}, 1)
    leave_chromium(path, 2, 61_500_000)
    add_chromium(path, [Row("https://x.claude.ai/", AT + 2, 1_000_000), Row(f"https://{CANARY}.example/", AT + 3, 9)])
    expected = {("claude.ai", "Chromium"): (6_000, 2), ("poe.com", "Chromium"): (61_500, 1)}
    assert await watched.sums() == expected
    assert await watched.sums(anew=True) == expected
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM visits WHERE id = 4")
        connection.commit()
        connection.execute("VACUUM")
    assert await watched.sums() == expected
    shutil.copytree(path.parent, path.parent.with_name("Profile 2"))
    path.parent.rename(path.parent.with_name("Moved"))
    assert await watched.sums() == expected
    shutil.rmtree(path.parent.with_name("Profile 2"))
    moved = path.parent.with_name("Moved") / "History"
    moved.unlink()
    make_chromium(moved, [Row("https://claude.ai/", AT + 4, 2_000_000) for _ in range(1)])
    add_chromium(moved, [Row(f"https://claude.ai/{n}", AT + 5 + n, 1_000_000) for n in range(5)])
    assert await watched.sums() == expected | {("claude.ai", "Chromium"): (13_000, 8)}
    assert watched.told == 3
    assert CANARY.encode() not in b"".join(each.read_bytes() for each in watched.database.path.parent.glob("*.db*"))


async def test_running_browsers_are_read_and_left_as_they_are(watched: Watched) -> None:
    """An open transaction hides what it holds and nothing else; a log is read; no file is made, changed or locked."""
    path = make_chromium(watched.path, [Row("https://claude.ai/", AT, 5_000_000)])
    fox = make_firefox(
        watched.home / ".mozilla/firefox/a/places.sqlite", [Row("https://claude.ai/", AT + 9_000, 7_000_000)]
    )
    with closing(sqlite3.connect(path)) as running, closing(sqlite3.connect(fox)) as other:
        running.execute("BEGIN IMMEDIATE")
        write_chromium(running, Row("https://poe.com/", AT + 1, 5_000_000))
        other.execute("UPDATE moz_places_metadata SET total_view_time = 8000, updated_at = updated_at + 1")
        other.commit()
        before = {each: each.stat().st_mtime_ns for each in watched.home.rglob("*") if each.is_file()}
        assert path.with_name("History-journal") in before
        assert await watched.sums() == {("claude.ai", "Chromium"): (5_000, 1), ("claude.ai", "Firefox"): (8_000, 1)}
        assert {each: each.stat().st_mtime_ns for each in watched.home.rglob("*") if each.is_file()} == before
        running.commit()
    assert ("poe.com", "Chromium") in await watched.sums()
    # A journal that is on the disk: the commit has begun.
    path.with_name("History-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    assert await watched.watch.look()
    assert watched.watch.reasons == {"browsers": "browser_busy"}


async def test_history_is_asked_for_what_is_new_also_after_a_restart(watched: Watched) -> None:
    """How far it was read is kept with the visits; another list, another pairing or another history is read anew."""
    path = make_chromium(watched.path, [Row("https://claude.ai/", AT, 5_000_000), Row("https://poe.com/", AT + 1, 9)])
    assert len(await watched.sums()) == 2

    async def asked_from() -> int:
        """Let a new watch look; return the position that it went on from."""
        asked: list[int] = []
        watched.watch = watched.make()
        [reading] = await watched.positions(asked)
        assert reading.anchor is not None
        return asked[0]

    assert await asked_from() == 2
    add_chromium(path, [Row("https://claude.ai/", AT + 2, 1_000_000)])
    assert (await asked_from(), await asked_from()) == (2, 3)
    key = await watched.watch.store.add_pairing("d", AT // 1000, 0)
    pairing = Pairing(key, "d", AT // 1000, "chromium", None, None, AT // 1000, None)
    assert await watched.watch.store.add_report(pairing, "one", [], AT // 1000 + 5, 0)
    assert await asked_from() == 0
    assert await watched.sums(anew=True) == {("claude.ai", "Chromium"): (6_000, 2), ("poe.com", "Chromium"): (0, 1)}


async def test_browser_with_the_extension_is_not_counted_from_its_history(watched: Watched) -> None:
    """From its first report to its end; what began before counts up to there; other browsers count on."""
    paired_ms = AT // 1000
    key = await watched.watch.store.add_pairing("d", paired_ms, 0)
    pairing = Pairing(key, "d", paired_ms, "chromium", None, None, paired_ms, None)
    assert await watched.watch.store.add_report(pairing, "one", [], paired_ms, 0)
    assert not await watched.watch.store.add_report(pairing, "one", [], paired_ms, 0)
    rows = [Row("https://claude.ai/", AT - 2_000_000, 5_000_000), Row("https://claude.ai/", AT + 1_000_000, 5_000_000)]
    make_chromium(watched.path, rows)
    make_chromium(watched.home / ".config/vivaldi/Default/History", [Row("https://poe.com/", AT + 1, 1_000_000)])
    expected = {("claude.ai", "Chromium"): (2_000, 1), ("poe.com", "Vivaldi"): (1_000, 1)}
    assert await watched.sums() == expected
    await watched.watch.store.end_pairing(key, paired_ms + 60_000)
    add_chromium(watched.path, [Row("https://claude.ai/", AT + 61_000_000, 4_000_000)])
    assert (await watched.sums())["claude.ai", "Chromium"] == (6_000, 2)
