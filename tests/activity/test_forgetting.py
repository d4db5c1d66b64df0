"""Forgetting activity: a time of it goes, sums stay equal, and no history, report or backup brings it back."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from aico.core.activity import ActivitySpan
from aico.core.db.activity import ActivityStore, Checkpoint, add_spans, list_sums, list_totals
from aico.core.db.database import Database
from aico.core.db.upkeep.activity_forgetting import forget_activity, list_going
from aico.core.db.upkeep.backups import BackupFolder, write_backup
from aico.core.db.upkeep.recovery import list_returning, restore
from aico.core.db.upkeep.verification import verify
from aico.core.units import SLOT_MS
from aico.features.activity.heartbeats import Beat, without_forgotten
from tests.activity.histories import NOW_US, Row, make_chromium
from tests.activity.watched_home import Watched
from tests.core.repository_on_file import copy_of_template, read_rows
from tests.hypothesis_profiles import examples

START = 1_972_000 * SLOT_MS
NOW = START + 20 * SLOT_MS


def span(start_ms: int, duration_ms: int, subject: str = "Cursor", kind: str = "apps", count: int = 0) -> ActivitySpan:
    """Return a stretch of use."""
    return ActivitySpan(kind, subject, "c", start_ms, duration_ms, count, cost_nano=duration_ms)


def ill(path: Path) -> list[str]:
    """Return the names of the checks that fail."""
    return [check.name for check in verify(path) if not check.ok]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Return a database with three hours of an app, a command that was called, and an app of another kind."""
    opened = Database(copy_of_template(tmp_path))
    await opened.open()
    store = ActivityStore(opened)
    await store.add([span(START - 600_000, 12 * 900_000), span(START + 5, 60_000, "Zed")])
    await store.add([span(START, 0, "claude", "shell", 3)], Checkpoint("shell", "p", "7", START))
    await store.add([span(START + SLOT_MS, 5_000, "claude", "commands")])
    yield opened
    await opened.close()


async def sums(database: Database) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return milliseconds, calls, and whether there was a last use, of what is stored."""
    async with database.asking() as ask:
        found = await list_sums(ask, 0, 2**40)
    return {(each.kind, each.name): (each.duration_ms, each.count, each.last_ms) for each in found}


async def test_time_goes_and_all_else_stays(database: Database) -> None:
    """A stretch is cut at both bounds; totals stay, because counters never fall; the check finds nothing."""
    path = database.path
    going = list_going(path, ["apps", "shell"], START, START + 2 * SLOT_MS)
    assert [(each.kind, each.subject, each.duration_ms, each.count) for each in going] == [
        ("apps", "Cursor", 2 * SLOT_MS, 0),
        ("apps", "Zed", 60_000, 0),
        ("shell", "claude", 0, 3),
    ]
    async with database.asking() as ask:
        totals = await list_totals(ask)
    assert forget_activity(path, ["apps", "shell"], START + 1, START + SLOT_MS + 1, NOW) == going
    left = await sums(database)
    assert left == {
        ("apps", "Cursor"): (10 * SLOT_MS, 0, START - 600_000 + 12 * 900_000),
        ("commands", "claude"): (5_000, 0, START + SLOT_MS + 5_000),
    }
    assert read_rows(path, "SELECT start_ms, duration_ms FROM activity_span WHERE subject = 1 ORDER BY 1") == [
        (START - 600_000, 600_000),
        (START + 2 * SLOT_MS, 10 * SLOT_MS - 600_000),
    ]
    async with database.asking() as ask:
        assert await list_totals(ask) == totals
    assert read_rows(path, "SELECT COUNT(*) FROM activity_checkpoint") == [(0,)]
    assert ill(path) == []
    assert list_going(path, ["apps"], START, START + 2 * SLOT_MS) == []
    await ActivityStore(database).add([span(NOW + 1, 7_000)])
    assert (await sums(database))["apps", "Cursor"][0] == 10 * SLOT_MS + 7_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(0.2))
@given(
    pieces=st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(0, 4_000_000), st.integers(0, 2)), max_size=12),
    bounds=st.lists(st.tuples(st.integers(0, 9_000_000), st.integers(0, 4_000_000)), max_size=3),
)
def test_sums_agree_whatever_is_forgotten(
    tmp_path: Path, pieces: list[tuple[int, int, int]], bounds: list[tuple[int, int]]
) -> None:
    """Stretches, slots, totals and what was forgotten agree after any use and any forgetting; the time is empty."""
    path = copy_of_template(tmp_path)
    path.chmod(0o600)
    with closing(sqlite3.connect(path)) as connection, connection:
        add_spans(connection, [span(START + at, ms, f"app{n}", count=n) for at, ms, n in pieces])
    for first, length in bounds:
        forget_activity(path, ["apps"], START + first, START + first + length, NOW + 10**9)
        assert ill(path) == []
        assert list_going(path, ["apps"], START + first, START + first + length) == []
    path.unlink()


async def test_history_does_not_tell_a_forgotten_time_again(tmp_path: Path) -> None:
    """A new watch reads all of it anew and counts what lies outside; so does what is visited from then on."""
    opened = Database(copy_of_template(tmp_path))
    await opened.open()
    home = tmp_path / "home"
    home.mkdir()
    watched = Watched(home, opened, NOW_US // 1000)
    early, late = NOW_US - 7_200_000_000, NOW_US - 1_000_000_000
    make_chromium(watched.path, [Row("https://claude.ai/", early, 9_000_000), Row("https://poe.com/", late, 2_000_000)])
    assert set(await watched.sums()) == {("claude.ai", "Chromium"), ("poe.com", "Chromium")}
    forget_activity(opened.path, ["browsers"], 0, early // 1000 + 1, NOW_US // 1000)
    assert read_rows(opened.path, "SELECT name FROM activity_visit") == [("poe.com",)]
    assert set(await watched.sums(anew=True)) == {("poe.com", "Chromium")}
    assert ill(opened.path) == []
    await opened.close()


def test_late_report_of_a_forgotten_time_counts_nothing_of_it() -> None:
    """A beat that began inside is none; one that reaches into it ends where it begins."""
    beats = [Beat("a", 0, 20, 1), Beat("a", 12, 5, 1), Beat("a", 30, 5, 1)]
    assert without_forgotten(beats, [(10, 20)]) == [Beat("a", 0, 10, 1), Beat("a", 30, 5, 1)]


def test_backup_brings_back_no_forgotten_time_unless_told(tmp_path: Path) -> None:
    """A restore keeps it away and says so; told otherwise, it says first what would be back."""
    path, backup = copy_of_template(tmp_path), tmp_path / "backup.db"
    path.chmod(0o600)
    with closing(sqlite3.connect(path)) as connection, connection:
        add_spans(connection, [span(START, 5_000), span(START, 7_000, "claude", "commands")])
    write_backup(path, backup)
    forget_activity(path, ["apps"], 0, NOW, NOW)
    assert list_returning(path, backup) == ([], ["apps"])
    assert restore(path, backup, NOW).kinds_kept_away == ("apps",)
    assert ill(path) == []
    assert [each.kind for each in list_going(path, ["apps", "commands"], 0, NOW)] == ["commands"]
    assert restore(path, backup, NOW, keeps_forgotten=False).kinds_kept_away == ()
    assert ill(path) == []
    assert {each.kind for each in list_going(path, ["apps", "commands"], 0, NOW)} == {"apps", "commands"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE activity_slot SET duration_ms = duration_ms + 1 WHERE slot % 2 = 0",
        "UPDATE activity_span SET duration_ms = -1",
        "UPDATE activity_total SET count = count + 1",
        "DELETE FROM activity_total WHERE subject = 1",
        "DELETE FROM activity_subject WHERE id = 1",
        "INSERT INTO activity_forgotten_total VALUES (1, 1, 0)",
        """INSERT INTO activity_visit VALUES (5000, 'claude.ai', 1);
        INSERT INTO activity_forgotten VALUES ('browsers', 0, 9, 9)""",
    ],
)
def test_check_finds_what_disagrees(tmp_path: Path, statement: str) -> None:
    """Sums of activity are held against each other, and what was forgotten against what is there."""
    path = copy_of_template(tmp_path)
    path.chmod(0o600)
    with closing(sqlite3.connect(path)) as connection, connection:
        add_spans(connection, [span(START, 2 * SLOT_MS, count=2)])
    assert ill(path) == []
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    assert ill(path) == ["activity"]


def test_command_says_first_what_would_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It changes nothing until it is told twice; then backups hold nothing of it either; no kind is guessed."""
    folder = tmp_path.resolve() / "data"
    folder.mkdir(mode=0o700)
    path = copy_of_template(folder)
    monkeypatch.setenv("AICO_DATABASE_PATH", str(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        add_spans(connection, [span(START, 5_000), span(START, 60_000, "claude", "commands", 2)])
    old = BackupFolder(path).make_daily(date(2026, 1, 1))
    day = datetime.fromtimestamp(START / 1000).astimezone().date()
    for words in (("forget",), ("forget", "app"), ("forget", "--from", "2030-01-02", "--to", "2030-01-01")):
        assert main(["activity", *words]) == EXIT_USAGE
    assert main(["activity", "forget", "apps", "--to", f"{day - timedelta(days=1)}"]) == EXIT_FAILED
    meant = ["activity", "forget", "activity.commands", "--from", f"{day}", "--to", f"{day}"]
    assert main(meant) == EXIT_OK
    said = capsys.readouterr().out
    assert ("Would forget 1 min" in said, "claude" in said, "--yes" in said) == (True, True, True)
    assert list_going(path, ["commands"], 0, NOW) != []
    assert main([*meant, "--yes"]) == EXIT_OK
    assert "Forgot 1 min, and 2 calls and visits." in capsys.readouterr().out
    assert [each.kind for each in list_going(path, ["apps", "commands"], 0, NOW)] == ["apps"]
    [backup] = BackupFolder(path).list_all()
    assert backup != old
    assert read_rows(backup, "SELECT kind FROM activity_forgotten") == [("commands",)]
    assert ill(path) == []
