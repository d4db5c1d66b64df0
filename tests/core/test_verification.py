"""The check of a database finds each way in which its accounts may disagree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.database import Database
from aico.core.repository import UsageRepository
from aico.core.upkeep.verification import verify
from tests.core.database_damage import break_page, copy_of_filled, failed_checks, find_pages
from tests.core.repository_on_file import NOW_MS, Store, read_rows, usage
from tests.quick_variants import first_row_is_quick

UPSETS = {
    "UPDATE cline_task_usage SET tokens_in = tokens_in + 1 WHERE task_id = 'task-00005'": {"tasks"},
    "UPDATE cline_task_usage SET total_cost = total_cost + 1e-9 WHERE task_id = 'task-00005'": {"tasks"},
    "DELETE FROM cline_task_usage WHERE task_id = 'task-00005'": {"deltas"},
    "INSERT INTO forgotten_task VALUES ('cline', 'task-00005', 1)": {"forgotten"},
    "UPDATE usage_rollup SET cost_nano = cost_nano + 1 WHERE quarter % 7 = 0": {"rollup"},
    "DELETE FROM usage_total WHERE model = 'model-1'": {"totals"},
    "UPDATE usage_counter SET tokens_out = 0": {"counters"},
    "UPDATE usage_task_day SET tokens_in = 0 WHERE task_id = 'task-00005'": {"days"},
    "UPDATE usage_task_model SET model = 'm' WHERE task_id = 'task-00005'": {"models"},
    "UPDATE alembic_version SET version_num = '0002'": {"schema"},
}


async def make_whole(folder: Path) -> Path:
    """Return a filled database whose sums by task are current."""
    path = await copy_of_filled(folder)
    database = Database(path)
    await UsageRepository(database, "cline", lambda: NOW_MS).catch_up()
    await database.close()
    return path


@pytest.mark.parametrize(("statement", "names"), first_row_is_quick(*UPSETS.items()))
async def test_verification_finds_what_disagrees(tmp_path: Path, statement: str, names: set[str]) -> None:
    """Each upset is found by the check that is there for it."""
    path = await make_whole(tmp_path)
    assert all(check.ok for check in verify(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    assert names <= {check.name for check in verify(path) if not check.ok}


async def test_verification_changes_nothing(tmp_path: Path) -> None:
    """A check only reads."""
    path = await make_whole(tmp_path)
    before = path.read_bytes()
    verify(path)
    assert path.read_bytes() == before


async def test_verification_finds_damaged_pages(tmp_path: Path) -> None:
    """A broken page is said, and nothing is concluded from what it held."""
    path = await copy_of_filled(tmp_path)
    break_page(path, find_pages(path, "usage_delta")[2])
    assert [check.name for check in verify(path) if not check.ok] == ["pages"]


async def test_verification_finds_what_others_can_read(tmp_path: Path) -> None:
    """Permissions that let others read are named with their file."""
    path = await copy_of_filled(tmp_path)
    path.chmod(0o644)
    (check,) = [check for check in verify(path) if not check.ok]
    assert check.name == "private"
    assert "observer.db" in check.text


async def test_verification_counts_beyond_64_bits(store: Store) -> None:
    """The greatest amounts there can be are added up as exactly as small ones."""
    great = [usage(f"t{number}", tokens_in=10**12, tokens_out=10**12, total_cost=1e6) for number in range(10_000)]
    await store.take_in(great)
    await store.repository.catch_up()
    assert failed_checks(store.path) == []
    assert read_rows(store.path, "SELECT SUM(cost_usd) FROM usage_total") == [(10**10,)]
