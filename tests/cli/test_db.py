"""``aico db`` and ``aico forget``: what they do, say and refuse."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from aico.core.db.upkeep.backups import BackupFolder, get_position
from aico.core.db.upkeep.forgetting import forget
from aico.core.db.upkeep.replacement import list_aside
from aico.core.instance_lock import InstanceLock
from aico.core.receipts import ImportReceipt
from aico.core.sums import Sums
from aico.core.units import NANO
from aico.core.usage import MeterReading
from tests.core.database_damage import break_page, close_log, contents, failed_checks, set_contents
from tests.core.old_databases import open_old
from tests.core.repository_on_file import copy_of_template, list_names, open_store, read_rows, request, usage

DAY_MS = 86_400_000
FIRST_MS = 1_772_323_200_000
"""2026-03-01 in UTC."""
TASK_A = usage("a", ts=FIRST_MS, tokens_in=1_000, tokens_out=100, total_cost=3.0)
TASK_B = usage("b", ts=FIRST_MS + DAY_MS, tokens_in=1_000, tokens_out=100, total_cost=1.0)


def take_in(path: Path, *readings: MeterReading) -> ImportReceipt:
    """Store what the ledger says, as the service does; return the receipt."""

    async def run() -> ImportReceipt:
        async with open_store(path) as store:
            receipt, _committed = await store.writer.apply(store.batch(readings))
            return receipt

    return asyncio.run(run())


def read_counters(path: Path) -> dict[tuple[str, str], Sums]:
    """Return what the counters show."""

    async def run() -> dict[tuple[str, str], Sums]:
        async with open_store(path) as store:
            return await store.list_counters()

    return asyncio.run(run())


@pytest.fixture
def database(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the database of a user who has two tasks of two days."""
    path = home / "data" / "observer.db"
    path.parent.mkdir(mode=0o700)
    monkeypatch.setenv("AICO_DATABASE_PATH", str(path))
    copy_of_template(path.parent).chmod(0o600)
    take_in(path, TASK_A, TASK_B)
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


def test_db_restore_brings_a_backup_back(database: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The backup's tasks are there under another epoch, the database before it is kept, and imports go on."""
    main(["db", "backup", str(home / "copy.db")])
    later = (usage("a", ts=FIRST_MS, tokens_in=1_000, tokens_out=100, total_cost=5.0), usage("c"))
    take_in(database, *later)
    counters, before = read_counters(database), get_position(database)
    capsys.readouterr()
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
    assert stored(database) == ["a", "b"]
    after = get_position(database)
    assert after.epoch != before.epoch
    assert after.revision > before.revision
    assert read_counters(database) == counters
    (aside,) = list_aside(database)
    assert stored(aside) == ["a", "b", "c"]
    assert capsys.readouterr().out.splitlines() == [
        f"Restored {home / 'copy.db'}.",
        f"The database before it is kept as {aside}.",
    ]
    take_in(database, *later)
    assert read_counters(database) == counters
    assert failed_checks(database) == []


def test_db_restore_says_what_it_does_not_switch_on(
    database: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A source that was off before stays off, though it is on in the backup; the command to switch it on is said."""
    change(database, "INSERT INTO source_choice VALUES ('tool', 'files', 'here', 'r', 1, 1)")
    main(["db", "backup", str(home / "copy.db")])
    change(database, "UPDATE source_choice SET is_on = 0")
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
    said = capsys.readouterr().out
    assert "tool (files)" in said
    assert "aico sources" in said
    assert read_rows(database, "SELECT is_on FROM source_choice") == [(0,)]


def test_db_restore_leaves_switches_of_our_own_sources_as_they_are(database: Path, home: Path) -> None:
    """A source that the user switched off stays off; one that is read by default is read on, without a word."""
    main(["sources", "on", "cline"])
    main(["db", "backup", str(home / "on.db")])
    main(["sources", "off", "cline"])
    assert main(["db", "restore", str(home / "on.db")]) == EXIT_OK
    assert read_rows(database, "SELECT DISTINCT is_on FROM source_choice") == [(0,)]
    change(database, "DELETE FROM source_choice")
    main(["db", "restore", str(home / "on.db")])
    assert read_rows(database, "SELECT origin, is_on FROM source_choice") == [("ledger", 1)]


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
        read_rows(origin, "CREATE TRIGGER more AFTER INSERT ON usage_event BEGIN DELETE FROM import_run; END")
    before = get_position(database)
    assert main(["db", "restore", str(origin)]) == EXIT_FAILED
    assert str(origin) in (said := capsys.readouterr().err) or "another program" in said
    assert get_position(database) == before
    assert list_names(database.parent) == {"observer.db"}


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
    folder = home / "old"
    folder.mkdir()
    origin = open_old("0002", folder)
    close_log(origin)
    before, tasks = contents(origin), stored(origin)
    assert main(["db", "restore", str(origin)]) == EXIT_OK
    assert contents(origin) == before
    assert stored(database) == tasks
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
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE session SET label = 'The parser' WHERE key = 'a'")
    assert main(["forget", "a", "x"]) == EXIT_OK
    lock.release()
    said = capsys.readouterr().out
    assert "Not stored: x" in said
    assert "Would forget 1 task: 1000 tokens in, 100 out, $3.00." in said
    assert "\n  a  The parser\n" in said
    assert "What Cline adds to it later is not counted either. A new task is." in said
    assert get_position(database) == before


def test_forget_removes_for_good(database: Path) -> None:
    """The next imports skip the task, however it grows; no backup holds it any more; counters stay."""
    BackupFolder(database).make_daily(date(2026, 3, 1))
    counters = read_counters(database)
    assert main(["forget", "a", "--yes"]) == EXIT_OK
    assert [stored(backup) for backup in BackupFolder(database).list_all()] == [["b"]]
    receipt = take_in(database, usage("a", ts=FIRST_MS + 5, total_cost=900.0), TASK_B)
    assert (receipt.imported_count, receipt.skipped_count) == (0, 2)
    assert stored(database) == ["b"]
    assert read_counters(database) == counters
    assert failed_checks(database) == []


def test_forget_that_is_interrupted_leaves_the_task_in_no_backup(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is lost at any time after the commit is not made of a backup that holds the task."""
    BackupFolder(database).make_daily(date(2026, 3, 1))

    def commit_and_die(path: Path, source: str, sessions: Sequence[str], now_ms: int) -> None:
        forget(path, source, sessions, now_ms)
        raise KeyboardInterrupt

    monkeypatch.setattr("aico.services.forgetting.forget", commit_and_die)
    assert main(["forget", "a", "--yes"]) != EXIT_OK
    assert stored(database) == ["b"]
    assert BackupFolder(database).list_all() == []


def test_forget_takes_sessions_of_any_source(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task of Cline's that has the same id stays."""

    async def fill() -> None:
        async with open_store(database) as store:
            await store.take_in_of("claude-code", [request("1", session="a", cache_read=5, nano=2)])

    asyncio.run(fill())
    assert main(["forget", "a", "--source", "claude-code", "--yes"]) == EXIT_OK
    said = capsys.readouterr().out
    assert "Forgot 1 session of claude-code with 1 request: 105 tokens in, 10 out, <$0.01." in said
    assert "What Claude Code adds to it later is not counted either. A new session is." in said
    assert stored(database) == ["a", "b"]
    assert read_rows(database, "SELECT COUNT(*) FROM session") == [(2,)]
    assert failed_checks(database) == []


def test_forget_takes_the_beginning_of_an_id_of_any_source(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that means several sessions removes none of them, and says which they are."""
    longer = usage("abc-1", ts=FIRST_MS, tokens_in=7, tokens_out=1, total_cost=0.0)
    take_in(database, longer, usage("abd", ts=FIRST_MS))

    async def fill() -> None:
        async with open_store(database) as store:
            await store.take_in_of("codex", [request("1", session="abc-2"), request("2", session="xyz-1")])

    asyncio.run(fill())
    assert main(["forget", "xy", "--yes"]) == EXIT_OK
    assert "Forgot 1 session of codex " in capsys.readouterr().out
    assert main(["forget", "abc-1"]) == EXIT_OK
    assert "Would forget 1 task: 7 tokens in, 1 out, unpriced." in capsys.readouterr().out
    assert main(["forget", "abc", "--yes"]) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "several sessions begin with abc; write more of the id, or name the tool with --source:" in said
    assert ("  cline abc-1" in said, "  codex abc-2" in said) == (True, True)
    assert main(["forget", "abc-1", "abc-2", "--yes"]) == EXIT_FAILED
    assert "these are of several tools" in capsys.readouterr().err
    assert main(["forget", "abc", "--source", "cline", "--yes"]) == EXIT_OK
    assert main(["forget", "", "--yes"]) == EXIT_FAILED
    assert stored(database) == ["a", "abd", "b"]


def test_forget_says_at_least_of_a_sum_that_lacks_something(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unpriced usage is not told as free, and an empty result is told as one."""

    async def fill() -> None:
        async with open_store(database) as store:
            priced, free = request("1", session="s", nano=2 * NANO), request("2", session="s")
            await store.take_in_of("codex", [priced, free])

    asyncio.run(fill())
    assert main(["forget", "s"]) == EXIT_OK
    assert "20 out, at least $2.00." in capsys.readouterr().out
    assert main(["forget", "nothing"]) == EXIT_FAILED
    assert capsys.readouterr().out == "Not stored: nothing\n"
    assert main(["forget", "--before", "2020-01-01"]) == EXIT_FAILED
    assert capsys.readouterr().out == "No session of cline ended before that.\n"


def test_forgotten_task_stays_forgotten_when_the_database_is_lost(database: Path) -> None:
    """The backup that forgetting leaves knows what was forgotten: the ledger does not bring it back."""
    assert main(["forget", "a", "--yes"]) == EXIT_OK
    set_contents(database, b"my diary")
    # Prepares the database, as every start does, and finds nothing to forget.
    assert main(["forget", "x", "--yes"]) == EXIT_FAILED
    assert take_in(database, TASK_A, TASK_B).imported_count == 0
    assert stored(database) == ["b"]
    assert read_rows(database, "SELECT key FROM forgotten") == [("a",)]
    assert failed_checks(database) == []


def test_forgotten_task_comes_back_only_when_told_twice(
    database: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tasks that would return are named first; a task that the backup does not hold stays forgotten."""
    backup = str(home / "copy.db")
    main(["db", "backup", backup])
    take_in(database, usage("later"))
    main(["forget", "a", "later", "--yes"])
    bring_back = ["db", "restore", backup, "--no-keep-forgotten"]
    capsys.readouterr()
    assert main(bring_back) == EXIT_FAILED
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["Would bring back 1 session forgotten since:", "  a"]
    assert (said[-1].startswith("Nothing was changed."), stored(database)) == (True, ["b"])
    assert main(["db", "restore", backup]) == EXIT_OK
    assert "Kept away, because forgotten since: 1 session. --no-keep-forgotten" in capsys.readouterr().out
    assert stored(database) == ["b"]
    counters = read_counters(database)
    assert main([*bring_back, "--yes"]) == EXIT_OK
    assert "Back, though forgotten since: 1 session." in capsys.readouterr().out
    assert (stored(database), read_counters(database)) == (["a", "b"], counters)
    take_in(database, TASK_A, TASK_B, usage("later"))
    assert (stored(database), failed_checks(database)) == (["a", "b"], [])
    assert main(bring_back) == EXIT_OK


def test_forgotten_task_stays_forgotten_when_a_backup_is_restored(database: Path, home: Path) -> None:
    """One from before holds it still: it is left out of what takes the database's place."""
    main(["db", "backup", str(home / "copy.db")])
    assert main(["forget", "a", "--yes"]) == EXIT_OK
    assert main(["db", "restore", str(home / "copy.db")]) == EXIT_OK
    assert stored(database) == ["b"]
    assert take_in(database, TASK_A, TASK_B).imported_count == 0
    assert failed_checks(database) == []


def test_forget_before_a_moment(database: Path) -> None:
    """All tasks whose last activity is earlier go."""
    assert main(["forget", "--before", "2026-03-02T00:00:00Z", "--yes"]) == EXIT_OK
    assert stored(database) == ["b"]


def test_forget_fails_when_nothing_would_go(database: Path) -> None:
    """A script learns that there was nothing."""
    assert main(["forget", "x", "--yes"]) == EXIT_FAILED
    assert stored(database) == ["a", "b"]


@pytest.mark.parametrize(("url", "code"), [(None, "instance_running"), ("http://127.0.0.1:1", "service_unreachable")])
def test_forget_removes_nothing_behind_a_service(
    database: Path, capsys: pytest.CaptureFixture[str], url: str | None, code: str
) -> None:
    """While another process writes and cannot be asked, nothing goes, and it is said why."""
    lock = InstanceLock(database).acquire(url)
    assert main(["forget", "a", "--yes"]) == EXIT_FAILED
    lock.release()
    assert f"[{code}]" in capsys.readouterr().err
    assert stored(database) == ["a", "b"]


def test_forget_names_the_files_that_hold_it_still(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was set aside is not ours to change: it is named."""
    aside = database.with_name("observer.db.corrupt-20260301T000000Z")
    aside.write_bytes(contents(database))
    assert main(["forget", "a", "--yes"]) == EXIT_OK
    assert str(aside) in capsys.readouterr().out
