"""``aico db`` and ``aico forget``: what they do, say and refuse."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from alembic import command

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from aico.core.instance_lock import InstanceLock
from aico.core.migrations import alembic_config
from aico.core.upkeep.backups import BackupFolder, get_position
from tests.core.database_damage import break_page, close_log, contents, failed_checks
from tests.core.repository_on_file import list_names, read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry

DAY_MS = 86_400_000
FIRST_MS = 1_772_323_200_000
"""2026-03-01 in UTC."""
COUNTERS = "SELECT SUM(tokens_in), SUM(cost_usd) FROM usage_counter"


@pytest.fixture
def ledger(home: Path) -> LedgerFile:
    """Return the ledger of a user who has two tasks of two days."""
    ledger = LedgerFile(home / ".cline/data/state/taskHistory.json")
    ledger.write(entry("a", ts=FIRST_MS, cost=3), entry("b", ts=FIRST_MS + DAY_MS, cost=1))
    return ledger


@pytest.fixture
def database(
    home: Path, ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """Return the database that holds both tasks."""
    path = home / "data" / "observer.db"
    monkeypatch.setenv("AICO_DATABASE_PATH", str(path))
    assert main(["import"]) == EXIT_OK
    capsys.readouterr()
    return path


def stored(path: Path) -> list[object]:
    """Return the ids of the stored tasks."""
    return [row[0] for row in read_rows(path, "SELECT task_id FROM cline_task_usage ORDER BY task_id")]


def test_db_backup_copies_to_a_new_file(database: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also while a service holds the lock; a second time it is refused, and the first copy stays."""
    target = home / "copy.db"
    lock = InstanceLock(database).acquire("http://127.0.0.1:1")
    assert main(["db", "backup", str(target)]) == EXIT_OK
    lock.release()
    assert stored(target) == ["a", "b"]
    assert target.stat().st_mode & 0o777 == 0o600
    before = contents(target)
    assert main(["db", "backup", str(target)]) == EXIT_FAILED
    assert "already" in capsys.readouterr().err
    assert contents(target) == before


def test_db_restore_brings_a_backup_back(
    database: Path, ledger: LedgerFile, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The backup's tasks are there under another epoch, the database before it is kept, and imports go on."""
    main(["db", "backup", str(home / "copy.db")])
    ledger.write(entry("a", ts=FIRST_MS, cost=5), entry("c"))
    main(["import"])
    counters = read_rows(database, "SELECT SUM(cost_usd) FROM usage_counter")
    before = get_position(database)
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
    assert stored(database) == ["a", "b"]
    after = get_position(database)
    assert after.epoch != before.epoch
    assert after.revision > before.revision
    assert read_rows(database, "SELECT SUM(cost_usd) FROM usage_counter") == counters
    (aside,) = [name for name in list_names(database.parent) if name.startswith("observer.db.backup-")]
    assert stored(database.with_name(aside)) == ["a", "b", "c"]
    assert str(aside) in capsys.readouterr().out
    assert failed_checks(database) == []
    main(["import"])
    assert stored(database) == ["a", "b", "c"]
    assert failed_checks(database) == []


def test_db_restore_lets_no_counter_count_twice(database: Path, ledger: LedgerFile, home: Path) -> None:
    """What came after the backup was shown as growth before; when imports bring it back, only what exceeds it is."""
    main(["db", "backup", str(home / "copy.db")])
    ledger.write(entry("a", ts=FIRST_MS, tokens_in=5_000, cost=5), entry("c", tokens_in=70, cost=7))
    main(["import"])
    shown = read_rows(database, COUNTERS)
    for _ in range(2):
        assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
        main(["import"])
        assert read_rows(database, COUNTERS) == shown
    ledger.write(entry("a", ts=FIRST_MS, tokens_in=5_001, cost=6), entry("c", tokens_in=72, cost=7))
    main(["import"])
    ((tokens, dollars),) = shown
    assert isinstance(tokens, int)
    assert isinstance(dollars, int)
    assert read_rows(database, COUNTERS) == [(tokens + 3, dollars + 1)]
    assert read_rows(database, "SELECT * FROM task_peak") == []
    assert failed_checks(database) == []


def test_db_restore_of_another_history_counts_everything(database: Path, ledger: LedgerFile, home: Path) -> None:
    """Where the counters cannot have included the tasks of both, nothing is left out and they never fall."""
    main(["db", "backup", str(home / "copy.db")])
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    ledger.write(entry("c", tokens_in=500, cost=7))
    main(["import"])
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
    main(["import"])
    assert failed_checks(database) == []


def test_db_restore_wants_the_service_stopped(database: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While another process writes, nothing is changed, and what to do is said."""
    main(["db", "backup", str(home / "copy.db")])
    before = get_position(database)
    lock = InstanceLock(database).acquire("http://127.0.0.1:1")
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_FAILED
    lock.release()
    assert "stop it first" in capsys.readouterr().err
    assert get_position(database) == before


@pytest.mark.parametrize("kind", ["missing", "garbage", "damaged", "empty", "foreign", "trigger"])
def test_db_restore_refuses_what_is_no_backup(
    database: Path, home: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there, damaged, empty, another program's, or has more than data changes nothing."""
    origin = home / "copy.db"
    if kind == "garbage":
        origin.write_bytes(b"my diary\n" * 1_000)
    elif kind == "empty":
        origin.touch()
    elif kind == "damaged":
        main(["db", "backup", str(origin)])
        break_page(origin, 3)
    elif kind == "foreign":
        read_rows(origin, "CREATE TABLE notes (text)")
    elif kind == "trigger":
        main(["db", "backup", str(origin)])
        read_rows(origin, "CREATE TRIGGER more AFTER INSERT ON usage_delta BEGIN DELETE FROM import_run; END")
    before = get_position(database)
    assert main(["db", "restore", str(origin)]) == EXIT_FAILED
    assert str(origin) in (said := capsys.readouterr().err) or "another program" in said
    assert get_position(database) == before
    assert list_names(database.parent) == {"observer.db", "observer.db.lock"}


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_db_restore_believes_no_log_that_another_user_put_beside_the_backup(
    database: Path, home: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """SQLite would read it for the end of the backup, or play it back and remove the files that it names."""
    backup = home / "copy.db"
    main(["db", "backup", str(backup)])
    planted = backup.with_name(backup.name + end)
    (home / "elsewhere").write_bytes(b"x")
    planted.symlink_to(home / "elsewhere")
    before = contents(database)
    assert main(["db", "restore", str(backup)]) == EXIT_FAILED
    planted.unlink()
    planted.hardlink_to(home / "elsewhere")
    assert main(["db", "restore", str(backup)]) == EXIT_FAILED
    assert contents(database) == before
    assert (home / "elsewhere").read_bytes() == b"x"


def test_db_restore_takes_a_copy_together_with_its_own_log(database: Path, home: Path) -> None:
    """A database that was copied by hand while it was open says a part of what it says in the log beside it."""
    copy = home / "copy.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE cline_task_usage SET model_id = 'only-in-the-log'")
        connection.commit()
        for end in ("", "-wal"):
            shutil.copyfile(f"{database}{end}", f"{copy}{end}")
    change(database, "UPDATE cline_task_usage SET model_id = 'later'")
    assert main(["db", "restore", str(copy)]) == EXIT_OK
    assert set(read_rows(database, "SELECT model_id FROM cline_task_usage")) == {("only-in-the-log",)}


def test_db_restore_migrates_a_backup_of_an_older_version(database: Path, home: Path) -> None:
    """The backup itself stays as it was; what takes the database's place has the present schema."""
    origin = home / "copy.db"
    main(["db", "backup", str(origin)])
    command.downgrade(alembic_config(origin), "0002")
    close_log(origin)
    before = contents(origin)
    assert main(["db", "restore", str(origin)]) == EXIT_OK
    assert contents(origin) == before
    assert stored(database) == ["a", "b"]
    assert failed_checks(database) == []


def test_db_restore_goes_back_from_a_newer_version(
    database: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backup of a newer version is refused; a newer database makes room for an older backup, and is kept."""
    origin = home / "copy.db"
    main(["db", "backup", str(origin)])
    change(database, "UPDATE alembic_version SET version_num = '9999'")
    shutil.copyfile(database, home / "newer.db")
    assert main(["db", "restore", str(home / "newer.db")]) == EXIT_FAILED
    assert "newer version" in capsys.readouterr().err
    assert main(["db", "restore", str(origin)]) == EXIT_OK
    assert failed_checks(database) == []
    assert any(name.startswith("observer.db.backup-") for name in list_names(database.parent))


def test_db_restore_makes_a_database_where_there_is_none(database: Path, home: Path) -> None:
    """After the loss of everything a backup from elsewhere is enough."""
    main(["db", "backup", str(home / "copy.db")])
    database.unlink()
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
    assert stored(database) == ["a", "b"]


def test_db_restore_never_replaces_another_programs_database(database: Path, home: Path) -> None:
    """A wrong setting does not move somebody else's file."""
    main(["db", "backup", str(home / "copy.db")])
    database.unlink()
    read_rows(database, "CREATE TABLE notes (text)")
    before = contents(database)
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_FAILED
    assert contents(database) == before


def test_db_check_says_what_is_well(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check in a line, or as JSON, and exit code 0."""
    assert main(["db", "check"]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"OK"}
    assert main(["db", "check", "--json"]) == EXIT_OK
    assert [check["name"] for check in json.loads(capsys.readouterr().out)] == [line.split()[1] for line in lines]


def test_db_check_fails_on_what_disagrees(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that differs from its deltas, or a broken page, is exit code 1."""
    for upset in ("UPDATE cline_task_usage SET tokens_in = 0", None):
        if upset is None:
            break_page(database, 3)
        else:
            change(database, upset)
        assert main(["db", "check"]) == EXIT_FAILED
        assert "FAIL" in capsys.readouterr().out


def change(path: Path, statement: str) -> None:
    """Change the database as a second program would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("arguments", [["check"], ["backup", "x.db"]])
def test_db_says_when_there_is_no_database(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Nothing is made where nothing is."""
    monkeypatch.setenv("AICO_DATABASE_PATH", str(home / "data" / "observer.db"))
    assert main(["db", *arguments]) == EXIT_FAILED
    assert "There is no database" in capsys.readouterr().err
    assert not (home / "data").exists()


@pytest.mark.parametrize("arguments", [["db"], ["db", "mend"], ["db", "backup"], ["forget", "--before", "yesterday"]])
def test_db_and_forget_end_with_2_on_wrong_usage(home: Path, arguments: list[str]) -> None:
    """Words that are not known are wrong usage."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == EXIT_USAGE


@pytest.mark.parametrize("arguments", [[], ["a", "--before", "2026-03-02"]])
def test_forget_wants_to_know_what(database: Path, arguments: list[str]) -> None:
    """Neither everything nor two things at once."""
    assert main(["forget", *arguments]) == EXIT_USAGE


def test_forget_says_first_what_would_go(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --yes nothing is changed, and it may be asked while the service runs."""
    lock = InstanceLock(database).acquire("http://127.0.0.1:1")
    before = get_position(database)
    assert main(["forget", "a", "x"]) == EXIT_OK
    lock.release()
    said = capsys.readouterr().out
    assert "Not stored: x" in said
    assert "Would forget 1 tasks with 1 amounts: 1000 tokens in, 100 out, 3.000000 USD." in said
    assert get_position(database) == before


def test_forget_removes_for_good(database: Path, ledger: LedgerFile, capsys: pytest.CaptureFixture[str]) -> None:
    """The next imports skip the task, however it grows; no backup holds it any more; counters stay."""
    BackupFolder(database).make_daily(date(2026, 3, 1))
    assert main(["forget", "a", "--yes"]) == EXIT_OK
    assert BackupFolder(database).list_all() == []
    counters = read_rows(database, "SELECT * FROM usage_counter")
    ledger.write(entry("a", ts=FIRST_MS + 5, cost=900), entry("b", ts=FIRST_MS + DAY_MS, cost=1))
    capsys.readouterr()
    assert main(["import", "--json"]) == EXIT_OK
    receipt = json.loads(capsys.readouterr().out)
    assert (receipt["imported_count"], receipt["skipped_count"]) == (0, 2)
    assert stored(database) == ["b"]
    assert read_rows(database, "SELECT * FROM usage_counter") == counters
    assert failed_checks(database) == []


def test_forget_before_a_moment(database: Path) -> None:
    """All tasks whose last activity is earlier go."""
    assert main(["forget", "--before", "2026-03-02T00:00:00Z", "--yes"]) == EXIT_OK
    assert stored(database) == ["b"]


def test_forget_fails_when_nothing_would_go(database: Path) -> None:
    """A script learns that there was nothing."""
    assert main(["forget", "x", "--yes"]) == EXIT_FAILED
    assert stored(database) == ["a", "b"]


def test_forget_wants_the_service_stopped(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While another process holds what is stored in memory, nothing is removed."""
    lock = InstanceLock(database).acquire("http://127.0.0.1:1")
    assert main(["forget", "a", "--yes"]) == EXIT_FAILED
    lock.release()
    assert "stop it first" in capsys.readouterr().err
    assert stored(database) == ["a", "b"]


def test_forget_names_the_files_that_hold_it_still(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was set aside is not ours to change: it is named."""
    aside = database.with_name("observer.db.corrupt-20260301T000000Z")
    aside.write_bytes(contents(database))
    assert main(["forget", "a", "--yes"]) == EXIT_OK
    assert str(aside) in capsys.readouterr().out
