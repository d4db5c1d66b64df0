"""Migrations: forward and back with data, in step with the tables' classes, all or nothing."""

from __future__ import annotations

import os
import re
import shutil
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

import aico.core.db.activity_schema
import aico.core.db.browser_schema
import aico.core.db.schema  # noqa: F401  # fill the metadata
from aico.core.db.database import Database
from aico.core.db.migrations import migrate
from aico.core.db.revisions import list_revisions, migrations_path
from aico.core.db.upgrading import alembic_config, migration_engine
from aico.core.errors import StorageError, StorageNewer
from tests.core.database_damage import close_log, file_size_limit
from tests.core.old_databases import open_old
from tests.core.repository_on_file import Row, copy_of_template, list_names, read_rows

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
"""Tables whose rows no migration up to 0007 may lose."""


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


def test_revisions_are_told_by_the_names_of_their_files() -> None:
    """A start looks at names only; Alembic, which takes its time, knows the same ones in the same order."""
    assert list_revisions() == REVISIONS


@pytest.mark.parametrize("below", REVISIONS[: REVISIONS.index("0007")])
def test_migration_goes_down_and_up_again_with_its_data(tmp_path: Path, below: str) -> None:
    """Each step up to 0007 can be taken back and made again; rows, deltas, rollup, runs and position survive."""
    path = open_old("0007-restored", tmp_path)
    before, schema = read_tables(path), read_schema(path)
    command.downgrade(alembic_config(path), below)
    assert (read_revision(path), read_tables(path)) == (below, before)
    migrate(path, "0007")
    assert (read_revision(path), read_tables(path), read_schema(path)) == ("0007", before, schema)


def test_migration_goes_down_to_nothing(tmp_path: Path) -> None:
    """The first step can be taken back too: no table of ours stays."""
    path = open_old("0007-restored", tmp_path)
    command.downgrade(alembic_config(path), "base")
    assert read_schema(path) == {}
    migrate(path, "0007")
    assert set(KEPT) < set(read_schema(path))


def test_migration_to_many_sources_is_not_taken_back(tmp_path: Path) -> None:
    """Dropped data cannot be made again: the backup from before is the way back, and nothing is changed."""
    path = copy_of_template(tmp_path)
    command.downgrade(alembic_config(path), "0008")
    schema = read_schema(path)
    with pytest.raises(NotImplementedError, match="backup"):
        command.downgrade(alembic_config(path), "0007")
    assert (read_revision(path), read_schema(path)) == ("0008", schema)


def test_migration_rebuilds_the_counters_from_the_accounts(tmp_path: Path) -> None:
    """Counters made anew begin at what was spent by model: not below it, and not below zero."""
    path = open_old("0001", tmp_path)
    spent = """
        SELECT model, MAX(SUM(tokens_in), 0), MAX(SUM(tokens_out), 0), MAX(SUM(cost_nano_usd), 0) FROM usage_delta
        GROUP BY model ORDER BY model
    """
    expected = read_rows(path, spent)
    assert len(expected) > 3
    migrate(path, "0007")
    shown = read_rows(
        path, "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_counter ORDER BY model"
    )
    assert [row[:3] for row in shown] == [row[:3] for row in expected]
    costs = [
        (int(usd or 0) * 10**9 + int(nano or 0), int(row[3] or 0))
        for (*_, usd, nano), row in zip(shown, expected, strict=True)
    ]
    assert all(counted >= spent >= 0 for counted, spent in costs)


def test_migrations_make_what_the_classes_describe(tmp_path: Path) -> None:
    """Alembic finds no difference between the migrated database and the classes."""
    engine = migration_engine(copy_of_template(tmp_path))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    assert differences == []


def test_migrations_make_the_same_text_as_the_classes(tmp_path: Path) -> None:
    """Parts that Alembic does not compare are equal too, but for keys stored backwards, which classes cannot say."""
    engine = create_engine(f"sqlite:///{tmp_path}/classes.db")
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    schema = read_schema(copy_of_template(tmp_path))
    forwards = {name: text.replace("DESC", "") for name, text in schema.items()}
    assert forwards == read_schema(tmp_path / "classes.db")
    assert {name: text.count("DESC") for name, text in schema.items() if text != forwards[name]} == {
        "cline_task_usage": 1,
        "ix_cline_task_usage_ts": 1,
    }
    assert {name for name, text in schema.items() if text.endswith("WITHOUTROWID")} == {
        "activity_batch",
        "activity_checkpoint",
        "activity_forgotten",
        "activity_slot",
        "activity_span",
        "activity_visit",
        "budget",
        "budget_fired",
        "checkpoint",
        "cline_task_usage",
        "counted_cost",
        "counter_floor",
        "counter_shift",
        "forgotten",
        "forgotten_key",
        "forgotten_total",
        "gap",
        "inherited",
        "meter",
        "own_price",
        "plan",
        "plan_state",
        "plan_value",
        "price_list",
        "pricing_job",
        "rate",
        "source_choice",
        "usage_day",
        "usage_session_day",
        "usage_slot",
        "usage_total",
    }


def test_sums_stay_current_when_days_are_stored_anew(tmp_path: Path) -> None:
    """Down to 0006 and up again every sum by day is what it was, and is said to be current."""
    path = open_old("0007-restored", tmp_path)
    days = "SELECT day, task_id, model, tokens_in, cost_nano_usd FROM usage_task_day ORDER BY 1, 2, 3"
    before = read_rows(path, days)
    command.downgrade(alembic_config(path), "0006")
    assert read_rows(path, days) == before
    migrate(path, "0007")
    assert len(before) > 100
    assert read_rows(path, days) == before
    assert read_rows(path, "SELECT source FROM summed_source") == [("cline",)]


def test_migrations_make_a_chain(tmp_path: Path) -> None:
    """Every revision has one successor; an empty database passes through all of them."""
    path = tmp_path / "observer.db"
    for revision in REVISIONS:
        migrate(path, revision)
        assert read_revision(path) == revision


def read_everything(path: Path) -> tuple[list[Row], dict[str, list[Row]]]:
    """Return what made everything in the database, in its order, and the rows of all tables."""
    schema = read_rows(path, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid")
    made = [(*others, None if sql is None else re.sub(r"\s+", " ", str(sql))) for *others, sql in schema]
    tables = [str(name) for kind, name, *_ in schema if kind == "table"]
    return made, {name: read_rows(path, f"SELECT * FROM {name}") for name in tables}  # noqa: S608  # our own names


def test_new_database_is_what_the_migrations_make(tmp_path: Path) -> None:
    """One that is made at once is no other: ``scripts/newest_schema.py`` has to be run after a new migration."""
    at_once, by_steps, other = tmp_path / "observer.db", tmp_path / "steps.db", tmp_path / "other.db"
    for path in (at_once, by_steps, other):
        path.touch()
    migrate(at_once)
    migrate(other)
    command.upgrade(alembic_config(by_steps), "head")
    (made, rows), (expected, expected_rows) = read_everything(at_once), read_everything(by_steps)
    assert made == expected
    [(number, epoch, revision)] = rows.pop("database_state")
    assert (number, revision) == (1, 0)
    assert re.fullmatch("[0-9a-f]{16}", str(epoch))
    assert read_rows(other, "SELECT epoch FROM database_state") != [(epoch,)]
    del expected_rows["database_state"]
    assert rows == expected_rows
    pragmas = ("journal_mode", "page_size", "auto_vacuum", "encoding", "user_version", "application_id")
    for pragma in pragmas:
        assert read_rows(at_once, f"PRAGMA {pragma}") == read_rows(by_steps, f"PRAGMA {pragma}"), pragma


def test_new_database_is_made_without_alembic(tmp_path: Path) -> None:
    """It would stay in memory until the end."""
    (tmp_path / "observer.db").touch()
    script = (
        "import sys; from pathlib import Path; from aico.core.db.migrations import migrate; "
        "migrate(Path(sys.argv[1])); print('alembic' in sys.modules)"
    )
    command_line = [sys.executable, "-c", script, str(tmp_path / "observer.db")]
    done = subprocess.run(command_line, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert read_revision(tmp_path / "observer.db") == REVISIONS[-1]


def test_new_database_without_room_stays_without_a_table(tmp_path: Path) -> None:
    """All of it or nothing; the next start makes it."""
    path = tmp_path / "observer.db"
    path.touch()
    with file_size_limit(20_000), pytest.raises(StorageError):
        migrate(path)
    assert read_rows(path, "SELECT * FROM sqlite_master") == []
    migrate(path)
    assert read_revision(path) == REVISIONS[-1]


def test_migration_goes_on_where_only_alembics_note_was_made(tmp_path: Path) -> None:
    """An earlier version may have been killed behind its first statement."""
    path = tmp_path / "observer.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    migrate(path)
    assert read_revision(path) == REVISIONS[-1]


def test_migrate_writes_nothing_when_all_is_done(tmp_path: Path) -> None:
    """A start of the same version leaves the file alone."""
    path = copy_of_template(tmp_path)
    before = path.read_bytes()
    migrate(path)
    assert path.read_bytes() == before


async def test_database_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    """A version does not touch a database that it does not understand."""
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


@pytest.mark.parametrize(("name", "revision"), [("", "0001"), ("0001", "0007"), ("0007-restored", REVISIONS[-1])])
@pytest.mark.slow
def test_migration_killed_before_any_statement_heals(tmp_path: Path, name: str, revision: str) -> None:
    """Killed at every statement and commit in turn, the next start comes to the same schema and the same data."""
    begin, whole, folder = tmp_path / "observer.db", tmp_path / "whole.db", tmp_path / "healed"
    folder.mkdir()
    if name:
        close_log(open_old(name, tmp_path))
    else:
        begin.touch()
    shutil.copy(begin, whole)
    migrate(whole, revision)
    schema = read_schema(whole)
    tables = tuple(table for table in schema if not table.startswith("ix_"))
    expected = read_tables(whole, tables)
    subprocess.run([sys.executable, "-m", "tests.core.migration_killer", begin, revision, folder], cwd=ROOT, check=True)
    healed = sorted(folder.iterdir())
    # One of each table that a step makes, fills or drops, at least.
    assert len(healed) > len(tables)
    assert [path.name for path in healed if read_schema(path) != schema] == []
    if name:
        assert [path.name for path in healed if read_tables(path, tables) != expected] == []
    else:
        assert {len(read_rows(path, "SELECT * FROM database_state")) for path in healed} == {1}


@pytest.mark.slow
def test_alembic_migrates_from_the_command_line(tmp_path: Path) -> None:
    """Developers use Alembic's own command, with the database in a variable."""
    path = tmp_path / "observer.db"
    environment = os.environ | {"AICO_DATABASE_PATH": str(path)}
    arguments = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"]
    subprocess.run(arguments, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert read_revision(path) == REVISIONS[-1]
