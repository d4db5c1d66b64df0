"""The commands before a database that is not of their version: newer, older, another program's, not there, damaged."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

from aico.cli import EXIT_FAILED, EXIT_OK, main
from aico.cli.completion import SHELLS
from aico.cli.words import build_parser
from aico.core.db.reader import UsageReader
from aico.core.errors import StorageAbsent, StorageError, StorageForeign, StorageNewer, StorageOlder
from aico.core.instance_lock import InstanceLock
from tests.cli.fake_supervisors import FakePrograms
from tests.core.database_damage import break_page, close_log
from tests.core.old_databases import open_old
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_process import HANG_S, ROOT
from tests.quick_variants import first_is_quick

Words: TypeAlias = tuple[str, ...]

LEDGER = ".cline/data/state/taskHistory.json"
DATABASE = "data/observer.db"
FIRST_MS = 1_772_323_200_000
"""2026-03-01 in UTC."""
READING: list[Words] = [
    ("export",),
    ("export", "--output", "FILE"),
    ("export", "--sort", "task_id", "--format", "json"),
    ("import", "--dry-run"),
    ("import", "--dry-run", "--json"),
    ("forget", "a"),
    ("forget", "--before", "2100-01-01"),
    ("activity", "forget", "apps"),
    ("sources",),
    ("sources", "--json"),
    ("projects",),
    ("budget", "list"),
    ("plan", "list"),
    (),
    ("today",),
    ("week",),
    ("month", "--csv"),
    ("report",),
    ("report", "--json"),
    ("status", "--short"),
    ("label", "a", "name"),
    ("activity",),
    ("price", "list"),
    ("price", "test", "m"),
    ("price", "review"),
    ("currency", "show"),
    ("otlp", "show"),
    ("otlp", "show", "--json"),
]
"""Commands that show rows and migrate nothing to do so. FILE is a name that is free."""
WRITING: list[Words] = [
    ("serve",),
    ("import",),
    ("import", "--json"),
    ("forget", "a", "--yes"),
    ("activity", "forget", "apps", "--yes"),
    ("sources", "on", "cline"),
    ("sources", "off", "cline.ledger"),
    ("projects", "on"),
    ("projects", "off"),
    ("projects", "forget"),
    ("budget", "set", "a", "--amount", "5", "--period", "day"),
    ("budget", "remove", "a"),
    ("price", "set", "m", "--input", "1", "--output", "2"),
    ("price", "remove", "m"),
    ("currency", "set", "EUR", "--rate", "0.9"),
    ("currency", "remove"),
    ("plan", "set", "codex", "--price", "20", "--renews", "1"),
    ("plan", "remove", "codex"),
]
"""Commands that bring the database to their schema first."""
OTHERS: list[Words] = [
    ("status",),
    ("status", "--json"),
    ("db", "backup", "FILE"),
    ("db", "check"),
    ("db", "check", "--json"),
    ("service", "uninstall", "--purge"),
    ("service", "uninstall", "--purge", "--dry-run"),
]
UNCONCERNED = {
    ("config", "show"),
    ("demo",),
    *(("service", action) for action in ("install", "status", "start", "stop", "restart", "logs")),
    *(("completion", shell) for shell in SHELLS),
    *(("webhook", action) for action in ("set", "show", "test", "remove")),
}
"""Commands that never look at the database's content."""
TOLD_APART = {("doctor",), ("db", "restore"), ("statusline",), ("completion", "sessions")}
"""Commands that have tests of their own below."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home after an import of two tasks, which lets every test here begin with a copy of it."""
    home = tmp_path_factory.mktemp("imported")
    ledger = LedgerFile(home / LEDGER)
    ledger.write(entry("a", ts=FIRST_MS, cost=3), entry("b", ts=FIRST_MS + 1, cost=1))
    places = ["--ledger-path", str(ledger.path), "--database-path", str(home / DATABASE)]
    assert main(["import", *places]) == EXIT_OK
    return home


@pytest.fixture
def database(imported: Path, home: Path, programs: FakePrograms, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a closed database of two tasks, of a user whose systemd does what it is asked."""
    programs.install("systemctl")
    shutil.copytree(imported, home, dirs_exist_ok=True)
    monkeypatch.setenv("AICO_DATABASE_PATH", str(home / DATABASE))
    monkeypatch.setenv("AICO_PORT", "0")
    return home / DATABASE


@pytest.fixture
def newer(database: Path) -> Path:
    """Return a database whose schema a later version has made: rows that would be misread, a column that is new."""
    read_rows(database, "ALTER TABLE cline_task_usage ADD COLUMN currency TEXT DEFAULT 'EUR'")
    set_revision(database, "9999")
    return database


@pytest.fixture
def older(database: Path) -> Path:
    """Return a database of the version before this one, with tasks of its own."""
    database.unlink()
    return open_old("0007-restored", database.parent)


def known_task(path: Path) -> str:
    """Return the id of a task that is stored at ``path``, whatever the schema."""
    ((task,),) = read_rows(path, "SELECT task_id FROM cline_task_usage ORDER BY task_id LIMIT 1")
    return str(task)


@pytest.fixture
def foreign(database: Path) -> Path:
    """Return another program's database, in the place of ours."""
    database.unlink()
    read_rows(database, "CREATE TABLE notes (text)")
    return database


def set_revision(path: Path, revision: str) -> None:
    """Say in the database that its schema is ``revision``."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    close_log(path)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` but the lock: it belongs to no database."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class Ended(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def run(words: Words, home: Path, capsys: pytest.CaptureFixture[str]) -> Ended:
    """Run a command; FILE is a file in the user's home. The service changes its process, and gets one of its own."""
    arguments = [str(home / word) if word == "FILE" else word for word in words]
    if words == ("serve",):
        python = [sys.executable, "-m", "aico"]
        ended = subprocess.run(
            [*python, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)
    code = main(arguments)
    return Ended(code, *capsys.readouterr())


def check_refused(ended: Ended, expected: StorageError) -> None:
    """Hold that a command has told ``expected`` with its code and its hint, and nothing else."""
    assert (ended.code, ended.out) == (EXIT_FAILED, "")
    first, second = ended.err.splitlines()
    assert first == f"aico: {expected} [{expected.code}]"
    assert second.strip().replace("python -m aico", "aico") == expected.hint


def list_commands(parser: argparse.ArgumentParser) -> set[Words]:
    """Return the words of every command that ``parser`` knows."""
    found: set[Words] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                found |= {(name, *rest) for rest in list_commands(below) or {()}}
        elif action.choices and not action.option_strings:
            found |= {(str(choice),) for choice in action.choices}
    return found


def test_every_command_is_tried_here() -> None:
    """A command that is added has to say what it does with a database that is not of its version."""
    tried = [*READING, *WRITING, *OTHERS]
    missing = [
        words
        for words in list_commands(build_parser()) - UNCONCERNED - TOLD_APART
        if not any(one[: len(words)] == words for one in tried)
    ]
    assert missing == []


@pytest.mark.parametrize("words", [*READING, *WRITING, *OTHERS], ids=" ".join)
def test_database_of_a_newer_version_is_refused_and_left_alone(
    home: Path, newer: Path, capsys: pytest.CaptureFixture[str], words: Words
) -> None:
    """It is told with code and hint, exit 1; nothing is printed, and no file is made, changed or removed."""
    before = tree(home)
    check_refused(run(words, home, capsys), StorageNewer())
    assert tree(home) == before


@pytest.mark.parametrize("kind", ["newer", "older", "foreign"])
def test_status_line_says_that_it_is_off(
    home: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """A tool would hide the line of a command that fails."""
    request.getfixturevalue(kind)
    before = tree(home)
    assert run(("statusline",), home, capsys) == Ended(EXIT_OK, "aico off\n", "")
    # A shell would show it in the middle of what is typed.
    assert run(("completion", "sessions"), home, capsys) == Ended(EXIT_OK, "", "")
    assert tree(home) == before


def test_doctor_tells_of_a_newer_version_and_of_everything_else(
    home: Path, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One FAIL with what to do, exit 1; the ledger, the disk and the rest are reported as ever, and nothing changes."""
    before = tree(home)
    assert main(["doctor", "--json"]) == EXIT_FAILED
    findings = {f"{found['subject']} {found['aspect']}".strip(): found for found in json.loads(capsys.readouterr().out)}
    assert findings["database"]["verdict"] == "FAIL"
    assert findings["database"]["text"].endswith(f"{StorageNewer()} {StorageNewer.hint}")
    assert {
        "cline.ledger place",
        "cline.ledger entries",
        "privacy",
        "disk",
        "port",
        "service",
        "kimi proxy",
    } <= findings.keys()
    assert [name for name, found in findings.items() if found["verdict"] == "FAIL"] == ["database"]
    assert tree(home) == before


def test_db_restore_refuses_a_backup_of_a_newer_version(
    home: Path, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the database nor the backup is touched. The way back from a newer database stays open: see test_db."""
    backup = home / "backup.db"
    shutil.copyfile(database, backup)
    set_revision(backup, "9999")
    before = tree(home)
    code = main(["db", "restore", str(backup)])
    check_refused(Ended(code, *capsys.readouterr()), StorageNewer())
    assert tree(home) == before


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_database_of_an_older_version_is_not_read_as_if_it_were_ours(
    home: Path, older: Path, capsys: pytest.CaptureFixture[str], words: Words
) -> None:
    """A command that only reads migrates nothing by the way, and names the one that does."""
    before = tree(home)
    check_refused(run(words, home, capsys), StorageOlder())
    assert tree(home) == before


def test_backup_of_an_older_version_is_one(home: Path, older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy before an upgrade is the one that is needed most, and `aico db restore` takes it."""
    task = known_task(older)
    assert main(["db", "backup", str(home / "FILE")]) == EXIT_OK
    assert main(["db", "restore", str(home / "FILE")]) == EXIT_OK
    capsys.readouterr()
    assert main(["forget", task]) == EXIT_OK
    assert "Would forget 1 task: " in capsys.readouterr().out


def test_check_of_an_older_version_says_what_to_do(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pages are looked at; its accounts are those of another schema, so that all is well cannot be said."""
    assert main(["db", "check"]) == EXIT_FAILED
    said = capsys.readouterr().out
    assert "OK    pages" in said
    assert "FAIL  schema" in said
    assert "start the service" in said


@pytest.mark.parametrize(
    "words", [("import",), ("forget", "TASK", "--yes"), ("sources", "on", "cline.sessions")], ids=" ".join
)
def test_database_of_an_older_version_is_migrated_by_what_writes(older: Path, words: Words) -> None:
    """After it, everything reads the database."""
    task = known_task(older)
    assert main([task if word == "TASK" else word for word in words]) == EXIT_OK
    assert main(["forget", known_task(older)]) == EXIT_OK
    assert main(["export"]) == EXIT_OK


@pytest.mark.parametrize("words", first_is_quick(*READING, *WRITING, *OTHERS), ids=" ".join)
def test_database_of_another_program_is_refused_and_left_alone(
    home: Path, foreign: Path, capsys: pytest.CaptureFixture[str], words: Words
) -> None:
    """It is neither read nor copied, and never removed as if it were ours."""
    before = tree(home)
    check_refused(run(words, home, capsys), StorageForeign())
    assert tree(home) == before


@pytest.mark.parametrize("is_empty", [False, True])
@pytest.mark.parametrize(
    "words",
    [("export",), ("forget", "a"), ("db", "backup", "FILE"), (), ("report", "--json"), ("status", "--short")],
    ids=" ".join,
)
def test_no_database_is_told_and_none_is_made(
    home: Path, database: Path, capsys: pytest.CaptureFixture[str], words: Words, is_empty: bool
) -> None:
    """A file without a table is none yet: a start was broken off before it made one."""
    database.unlink()
    if is_empty:
        database.touch()
    before = tree(home)
    check_refused(run(words, home, capsys), StorageAbsent(str(database)))
    assert tree(home) == before


@pytest.mark.parametrize("is_empty", [False, True])
def test_dry_run_without_a_database_would_import_everything(
    home: Path, database: Path, capsys: pytest.CaptureFixture[str], is_empty: bool
) -> None:
    """Before the first start nothing is stored, which is no error."""
    database.unlink()
    if is_empty:
        database.touch()
    before = tree(home)
    assert main(["import", "--dry-run"]) == EXIT_OK
    assert capsys.readouterr().out.startswith("Would import 2 tasks (2 new)")
    assert tree(home) == before


@pytest.mark.parametrize("kind", ["garbage", "damaged", "folder"])
@pytest.mark.parametrize("words", first_is_quick(*READING, ("db", "backup", "FILE")), ids=" ".join)
def test_damaged_database_is_an_error_and_stays(
    home: Path, database: Path, capsys: pytest.CaptureFixture[str], words: Words, kind: str
) -> None:
    """A database that cannot be read is told without a trace, and only a start sets it aside."""
    if kind == "damaged":
        break_page(database, 1)
    else:
        database.unlink()
        database.write_bytes(b"my diary\n" * 1_000) if kind == "garbage" else database.mkdir()
    before = tree(home)
    said = run(words, home, capsys)
    assert (said.code, said.out) == (EXIT_FAILED, "")
    assert said.err.startswith("aico: The database failed: ")
    assert "[storage_error]" in said.err
    assert tree(home) == before


@pytest.mark.parametrize("words", first_is_quick(*READING, ("db", "backup", "FILE"), ("db", "check")), ids=" ".join)
def test_pipe_in_the_place_of_the_database_is_never_waited_for(
    home: Path, database: Path, capsys: pytest.CaptureFixture[str], words: Words
) -> None:
    """SQLite would wait until somebody writes into it."""
    database.unlink()
    os.mkfifo(database)
    said = run(words, home, capsys)
    assert (said.code, said.out) == (EXIT_FAILED, "")
    assert "is no plain file. [storage_error]" in said.err


def test_export_shows_nothing_that_a_migration_has_overtaken(
    home: Path, database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newer version that begins while an export reads may have changed what the rows mean."""
    read = UsageReader.snapshot

    def overtaken(reader: UsageReader) -> object:
        set_revision(database, "9999")
        return read(reader)

    monkeypatch.setattr(UsageReader, "snapshot", overtaken)
    code = main(["export"])
    check_refused(Ended(code, *capsys.readouterr()), StorageNewer())


def test_status_asks_a_running_service_and_not_its_database(newer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A service of a newer version tells how it is; its database is its own."""
    lock = InstanceLock(newer).acquire("http://127.0.0.1:1")
    try:
        assert main(["status"]) == EXIT_FAILED
    finally:
        lock.release()
    assert "[service_unreachable]" in capsys.readouterr().err
