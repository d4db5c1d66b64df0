"""The check of a database finds each way in which its accounts may disagree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.db.upkeep import verification
from aico.core.db.upkeep.rebuilding import SUM_TABLES
from aico.core.db.upkeep.verification import Check, verify
from tests.core.database_damage import break_page, copy_of_filled, failed_checks, find_pages
from tests.core.repository_on_file import Store, read_rows, request, usage
from tests.quick_variants import first_row_is_quick

UPSETS = {
    "UPDATE cline_task_usage SET tokens_in = tokens_in + 1 WHERE task_id = 'task-00005'": {"tasks"},
    "UPDATE cline_task_usage SET total_cost = total_cost + 1e-9 WHERE task_id = 'task-00005'": {"tasks"},
    "DELETE FROM cline_task_usage WHERE task_id = 'task-00005'": {"tasks"},
    "INSERT INTO forgotten VALUES (1, 'task-00005', 1)": {"forgotten"},
    "INSERT INTO forgotten_key SELECT source, kind, key_high, key_low FROM usage_event WHERE id = 7": {"forgotten"},
    "UPDATE usage_slot SET recorded_nano = recorded_nano + 1 WHERE slot % 7 = 0": {"slots"},
    "UPDATE usage_slot SET prompts = 1": {"slots"},
    "DELETE FROM usage_total WHERE model = (SELECT id FROM model WHERE name = 'model-1')": {"totals"},
    "UPDATE usage_session_day SET input = 0 WHERE session = 5": {"days"},
    "UPDATE usage_event SET input = input + 1 WHERE id = 5": {"slots", "models", "days", "totals", "meters"},
    "UPDATE usage_event SET ts = ts + 900000 WHERE id = 5": {"slots"},
    "UPDATE usage_event SET output = -1 WHERE id = 5": {"events", "slots", "models", "days", "totals", "meters"},
    "UPDATE usage_day SET output = output + 1 WHERE day % 2 = 0": {"models"},
    "UPDATE usage_event SET state = 4 WHERE id = 5": {"slots", "models", "days", "totals"},
    "UPDATE meter SET high_nano = high_nano + 1 WHERE session = 5": {"meters"},
    "UPDATE meter SET last_input = high_input + 1 WHERE session = 5": {"meters", "tasks"},
    "DELETE FROM usage_event WHERE session = 5": {"slots", "models", "days", "totals", "meters"},
    "DELETE FROM session WHERE id = 5": {"keys", "tasks"},
    "UPDATE usage_event SET model = 99 WHERE id = 5": {"keys", "slots", "models", "days", "totals"},
    "UPDATE usage_event SET origin = 99 WHERE id = 5": {"keys"},
    "UPDATE usage_event SET price_ref = 99 WHERE id = 5": {"keys", "events"},
    "UPDATE usage_event SET list_nano = 0 WHERE id = 5": {"events"},
    "INSERT INTO counter_floor SELECT * FROM usage_total; UPDATE counter_floor SET output = -1": {"counters"},
    "INSERT INTO forgotten_total SELECT * FROM usage_total; UPDATE forgotten_total SET source = 99": {"counters"},
    "UPDATE alembic_version SET version_num = '0002'": {"schema"},
}


@pytest.mark.parametrize(("statement", "names"), first_row_is_quick(*UPSETS.items()))
async def test_verification_finds_what_disagrees(tmp_path: Path, statement: str, names: set[str]) -> None:
    """Each upset is found by the checks that are there for it, and by no other."""
    path = await copy_of_filled(tmp_path)
    assert all(check.ok for check in verify(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    assert {check.name for check in verify(path) if not check.ok} == names


async def test_verification_is_made_again_where_a_service_begins_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two moments contradict each other, and nothing is damaged."""
    path = await copy_of_filled(tmp_path)
    check_keys = verification._check_keys
    begun: list[Path] = []

    def begin(connection: sqlite3.Connection) -> Check:
        if not begun:
            begun.append(path)
            for table in ("usage_event", "meter", "cline_task_usage", "session", *SUM_TABLES):
                writer.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
            writer.executescript("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA shrink_memory")  # of a larger database not all pages are kept
        return check_keys(connection)

    monkeypatch.setattr(verification, "_check_keys", begin)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        checks = verify(path)
    assert begun
    assert [check.text for check in checks if not check.ok] == []


async def test_verification_changes_nothing(tmp_path: Path) -> None:
    """A check only reads."""
    path = await copy_of_filled(tmp_path)
    before = path.read_bytes()
    verify(path)
    assert path.read_bytes() == before


async def test_verification_finds_damaged_pages(tmp_path: Path) -> None:
    """A broken page is said, and nothing is concluded from what it held."""
    path = await copy_of_filled(tmp_path)
    break_page(path, find_pages(path, "usage_event")[2])
    assert [check.name for check in verify(path) if not check.ok] == ["pages"]


async def test_verification_finds_what_others_can_read(tmp_path: Path) -> None:
    """Permissions that let others read are named with their file."""
    path = await copy_of_filled(tmp_path)
    path.chmod(0o644)
    (check,) = [check for check in verify(path) if not check.ok]
    assert check.name == "private"
    assert "observer.db" in check.text


@pytest.mark.slow
async def test_verification_counts_beyond_64_bits(store: Store) -> None:
    """The greatest amounts there can be are added up as exactly as small ones."""
    great = [usage(f"t{number}", tokens_in=10**12, tokens_out=10**12, total_cost=1e6) for number in range(10_000)]
    await store.take_in(great)
    assert failed_checks(store.path) == []
    assert read_rows(store.path, "SELECT SUM(recorded_usd) FROM usage_total") == [(10**10,)]


async def test_verification_takes_several_meters_and_requests_of_one_session(store: Store) -> None:
    """The count of one origin need not be all that the session has spent; it is never more."""
    await store.take_in([usage(tokens_in=100, total_cost=2.0)])
    await store.take_in([usage(tokens_in=90, tokens_out=70)], "sessions")
    await store.take_in_of("tool", [request("1", session="a")])
    assert failed_checks(store.path) == []
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE meter SET high_output = 71 WHERE origin = 2")
    assert [check.name for check in failed_checks(store.path)] == ["meters"]


async def test_verification_holds_a_task_against_the_origin_that_states_its_numbers(store: Store) -> None:
    """A row that says what a weaker origin says, or a silent one, is found."""
    silent = usage(tokens_in=None, tokens_out=None, total_cost=None)
    await store.take_in([silent, usage("b")], "sessions")
    await store.take_in([usage(), usage("b", tokens_in=90)])
    assert failed_checks(store.path) == []
    upsets = ("tokens_in = 0, tokens_out = 0, total_cost = 0 WHERE task_id = 'a'", "tokens_in = 90 WHERE task_id = 'b'")
    for upset in upsets:
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute(f"UPDATE cline_task_usage SET {upset}")  # noqa: S608  # our own words
    (check,) = failed_checks(store.path)
    assert "differ from what was read: 2," in check.text
