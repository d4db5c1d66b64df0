"""Migrations: forward and back with data, in step with the tables' classes, all or nothing."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel, create_engine

from aico.core.accounting import Amount
from aico.core.database import Database
from aico.core.errors import StorageError, StorageNewer
from aico.core.filters import UsageFilter
from aico.core.migrations import alembic_config, list_revisions, migrate, migration_engine, migrations_path
from aico.core.usage_statements import signed_models
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, Row, copy_of_template, list_names, open_store, read_rows, usage

ROOT = Path(__file__).resolve().parents[2]
REVISIONS = [step.revision for step in ScriptDirectory(str(migrations_path())).walk_revisions()][::-1]
KEPT = (
    "cline_task_usage",
    "usage_delta",
    "usage_rollup",
    "usage_total",
    "import_run",
    "database_state",
    "source_state",
)
"""Tables whose rows no later migration may lose."""


def read_schema(path: Path) -> dict[str, str]:
    """Return the text that made each table and index, without what does not matter in it."""
    rows = read_rows(path, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    return {str(name): re.sub(r"[\s\"]+", "", str(text)).upper() for name, text in rows}


def read_tables(path: Path, names: tuple[str, ...] = KEPT) -> dict[str, list[Row]]:
    """Return every row of the tables called ``names``, in any order: keys may be stored backwards."""
    rows = {name: read_rows(path, f"SELECT * FROM {name}") for name in names}  # noqa: S608  # names of our own tables
    return {name: sorted(each, key=repr) for name, each in rows.items()}


def read_revision(path: Path) -> str:
    """Return the revision that the database says it has."""
    return str(read_rows(path, "SELECT version_num FROM alembic_version")[0][0])


async def fill(path: Path) -> None:
    """Give the database a history: growth, a fall, a switch of model, an unknown one."""
    async with open_store(path) as store:
        await store.take_in([usage("a", total_cost=3.25), usage("b", model_id=None), usage("c", tokens_in=10**12)])
        store.now_ms += 5
        await store.take_in([usage("a", total_cost=1.0, model_id="other", ts=NOW_MS + 900_000)])
        await store.take_in([usage("b", model_id="m", tokens_in=300)])
        await store.repository.catch_up()


def test_revisions_are_told_by_the_names_of_their_files() -> None:
    """A start looks at names only; Alembic, which takes its time, knows the same ones in the same order."""
    assert list_revisions() == REVISIONS


@pytest.mark.parametrize("below", REVISIONS[:-1])
async def test_migration_goes_down_and_up_again_with_its_data(tmp_path: Path, below: str) -> None:
    """Each step can be taken back and made again; rows, deltas, rollup, runs and position survive."""
    path = copy_of_template(tmp_path)
    await fill(path)
    before, schema = read_tables(path), read_schema(path)
    command.downgrade(alembic_config(path), below)
    assert (read_revision(path), read_tables(path)) == (below, before)
    migrate(path)
    assert (read_revision(path), read_tables(path), read_schema(path)) == (REVISIONS[-1], before, schema)


def test_migration_goes_down_to_nothing(tmp_path: Path) -> None:
    """The first step can be taken back too: no table of ours stays."""
    path = copy_of_template(tmp_path)
    command.downgrade(alembic_config(path), "base")
    assert read_schema(path) == {}
    migrate(path)
    assert set(KEPT) < set(read_schema(path))


async def test_migration_rebuilds_the_counters_from_the_accounts(tmp_path: Path) -> None:
    """Counters made anew begin at what was spent by model, never below zero, and go on from there."""
    path = copy_of_template(tmp_path)
    await fill(path)
    command.downgrade(alembic_config(path), "0001")
    migrate(path)
    async with open_store(path) as store:
        async with store.reader.snapshot() as snapshot:
            counters = await snapshot.list_counters()
        await store.take_in([usage("d", tokens_in=1, tokens_out=2, total_cost=0.5)])
        async with store.reader.snapshot() as snapshot:
            grown = await snapshot.list_counters()
    assert counters["m"] == Amount(10**12 + 300, 20, 3_500_000_000)
    assert counters[""] == Amount(100, 10, 250_000_000)
    # 2.25 dollars were taken back while this model was in use.
    assert counters["other"].cost_nano_usd >= 0
    assert grown["m"] == Amount(10**12 + 301, 22, 4_000_000_000)


def test_migrations_make_what_the_classes_describe(tmp_path: Path) -> None:
    """Alembic finds no difference between the migrated database and the classes."""
    engine = migration_engine(copy_of_template(tmp_path))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    assert differences == []


def test_migrations_make_the_same_text_as_the_classes(tmp_path: Path) -> None:
    """What Alembic does not compare is equal too, but for keys stored backwards, which classes cannot say."""
    engine = create_engine(f"sqlite:///{tmp_path}/classes.db")
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    schema = read_schema(copy_of_template(tmp_path))
    forwards = {name: text.replace("DESC", "") for name, text in schema.items()}
    assert forwards == read_schema(tmp_path / "classes.db")
    assert {name: text.count("DESC") for name, text in schema.items() if text != forwards[name]} == {
        "cline_task_usage": 1,
        "ix_cline_task_usage_ts": 1,
        "usage_delta": 2,
        "usage_rollup": 1,
    }
    assert {name for name, text in schema.items() if text.endswith("WITHOUTROWID")} == {
        "cline_task_usage",
        "usage_delta",
        "usage_rollup",
        "usage_total",
        "task_peak",
        "task_store",
        "usage_task_day",
        "usage_task_model",
        "summed_source",
        "store_reading",
        "forgotten_task",
    }


async def test_sums_stay_current_when_days_are_stored_anew(tmp_path: Path) -> None:
    """Both ways: every sum is still what the deltas say, and the service need not make them anew."""
    path = copy_of_template(tmp_path)
    async with open_store(path) as store:
        await store.take_in([usage("a", model_id="m"), usage("b", model_id="n")])
        await store.repository.catch_up()
    command.downgrade(alembic_config(path), "0006")
    before = read_rows(path, "SELECT day, task_id, model, tokens_in, cost_nano_usd FROM usage_task_day ORDER BY 1, 2")
    migrate(path)
    after = read_rows(path, "SELECT day, task_id, model, tokens_in, cost_nano_usd FROM usage_task_day ORDER BY 1, 2")
    assert len(before) == 2
    assert before == after
    assert read_rows(path, "SELECT source FROM summed_source") == [("cline",)]
    assert failed_checks(path) == []


def test_days_are_added_up_as_they_are_stored(tmp_path: Path) -> None:
    """To sort the rows of a month by model would take longer than to read them; only those of the ends are sorted."""
    wanted = UsageFilter(first_quarter=10, end_quarter=1_000)
    for is_summed, sorted_parts in ((True, 2), (False, 1)):
        statement, values = signed_models("cline", wanted, is_summed=is_summed)
        with closing(sqlite3.connect(copy_of_template(tmp_path))) as connection:
            plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert sum("TEMP B-TREE" in step for step in plan) == sorted_parts


def test_migrations_make_a_chain(tmp_path: Path) -> None:
    """Every revision has one successor; an empty database passes through all of them."""
    path = tmp_path / "observer.db"
    for revision in REVISIONS:
        migrate(path, revision)
        assert read_revision(path) == revision


def test_migrate_writes_nothing_when_all_is_done(tmp_path: Path) -> None:
    """A start of the same version leaves the file alone."""
    path = copy_of_template(tmp_path)
    before = path.read_bytes()
    migrate(path)
    assert path.read_bytes() == before


async def test_database_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    """What this version does not understand it does not touch."""
    path = copy_of_template(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StorageNewer):
        await Database(path).open()
    assert path.read_bytes() == before
    assert list_names(tmp_path) == {"observer.db"}


def test_migrate_refuses_the_database_of_another_program(tmp_path: Path) -> None:
    """Another program's database is refused, and stays as it was."""
    path = tmp_path / "observer.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE usage_delta (x)")
    with pytest.raises(StorageError, match="another program"):
        migrate(path)
    assert set(read_schema(path)) == {"usage_delta"}


@pytest.mark.parametrize("is_empty", [True, False])
@pytest.mark.slow
def test_migration_killed_before_any_statement_heals(tmp_path: Path, is_empty: bool) -> None:
    """Killed at every statement and commit in turn, the next start comes to the same schema and the same data."""
    schema = read_schema(copy_of_template(tmp_path))
    begin, folder = tmp_path / "begin.db", tmp_path / "healed"
    folder.mkdir()
    if is_empty:
        begin.touch()
    else:
        begin = copy_of_template(tmp_path)
        asyncio.run(fill(begin))
        command.downgrade(alembic_config(begin), REVISIONS[0])
    subprocess.run([sys.executable, "-m", "tests.core.migration_killer", begin, folder], cwd=ROOT, check=True)
    healed = sorted(folder.iterdir())
    assert len(healed) > 5
    assert [path.name for path in healed if read_schema(path) != schema] == []
    if is_empty:
        assert {len(read_tables(path)["database_state"]) for path in healed} == {1}
    else:
        assert [path.name for path in healed if read_tables(path) != read_tables(begin)] == []


def test_alembic_migrates_from_the_command_line(tmp_path: Path) -> None:
    """Developers use Alembic's own command, with the database in a variable."""
    path = tmp_path / "observer.db"
    environment = os.environ | {"AICO_DATABASE_PATH": str(path)}
    arguments = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"]
    subprocess.run(arguments, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert read_revision(path) == REVISIONS[-1]
