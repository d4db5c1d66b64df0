"""``aico export``: the filters, and a file that is whole or untouched."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, export, main
from aico.cli.moments import parse_moment
from aico.cli.words import build_parser
from aico.core.errors import OutputFailed
from aico.core.settings import Settings
from aico.core.usage import Tokens, UsageEvent, digest
from aico.features.usage.export import SESSION_COLUMNS, TASK_COLUMNS
from aico.main import create_app
from tests.cli.test_spending import fill
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.quick_variants import first_row_is_quick

DAY_MS = 86_400_000
FIRST_MS = 1_772_323_200_000
"""2026-03-01 in UTC."""


@pytest.fixture
def stored(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the home of a user who has three tasks of three days stored."""
    ledger = LedgerFile(home / ".cline/data/state/taskHistory.json")
    ledger.write(
        entry("a", ts=FIRST_MS + 1, model="opus", cost=3, tokens_in=10),
        entry("b", ts=FIRST_MS + DAY_MS + 1, model="kimi", cost=1, tokens_in=30),
        entry("c", ts=FIRST_MS + 2 * DAY_MS + 1, model=None, cost=2, tokens_in=20),
    )
    assert main(["import"]) == EXIT_OK
    capsys.readouterr()
    return home


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let midnight here be midnight in UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    first_row_is_quick(
        ([], "cba"),
        (["--order", "asc"], "abc"),
        (["--sort", "total_cost"], "acb"),
        (["--sort", "cost_usd", "--source", "cline", "--model", "opus", "--model", "kimi"], "ab"),
        (["--sort", "tokens_in", "--order", "asc"], "acb"),
        (["--sort", "task_id"], "cba"),
        (["--from", "2026-03-02"], "cb"),
        (["--to", "2026-03-02"], "a"),
        (["--from", "2026-03-02T00:00:00Z", "--to", str(FIRST_MS + 2 * DAY_MS)], "b"),
        (["--from", "2026-03-02", "--sort", "total_cost", "--order", "asc"], "bc"),
        (["--model", "opus"], "a"),
        (["--unknown-model"], "c"),
        (["--q", "OPU"], "a"),
        (["--q", "nothing"], ""),
        (["--store", "ledger"], "cba"),
        (["--store", "sessions"], ""),
    ),
)
def test_export_holds_what_the_filter_asks_for_in_its_order(
    stored: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    """The filter and the order are those of the endpoint of the same name."""
    assert main(["export", "--cline", "--format", "json", *arguments]) == EXIT_OK
    assert "".join(one["task_id"] for one in json.loads(capsys.readouterr().out)) == expected


def test_export_has_a_flag_for_every_parameter_of_the_endpoint() -> None:
    """The command can ask for all that the page can, in the same words; pages of a list are the endpoint's alone."""
    application = create_app(Settings(ledger_path="/x/taskHistory.json", database_path=Path("/x/observer.db")))
    paths = application.openapi()["paths"]
    parameters = [one for path in ("/api/export", "/api/cline/export") for one in paths[path]["get"]["parameters"]]
    flags = {f"--{one['name'].replace('_', '-')}" for one in parameters}
    (commands,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
    options = {text: action for action in commands.choices["export"]._actions for text in action.option_strings}
    assert flags - options.keys() == set()
    assert {"--from", "--store", "--sort", "--source", "--tz"} <= flags
    assert set(options["--sort"].choices or ()) == set(export.SORTS)


def test_export_holds_the_sessions_of_all_tools(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The columns are those of ``GET /api/export``; those of Cline's tasks are asked for."""
    request = UsageEvent(digest(1), "t", FIRST_MS + 9 * DAY_MS, "gpt-5", Tokens(1_000, 0, 0, 0, 5), 10**6)
    fill(stored / ".local/share/ai-cost-observer/observer.db", [("codex", [request])])

    def rows(*arguments: str) -> list[dict[str, str]]:
        assert main(["export", *arguments]) == EXIT_OK
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    found = rows("--tz", "Europe/Paris")
    assert tuple(found[0]) == SESSION_COLUMNS
    assert [(row["source"], row["session_id"], row["cost_usd"]) for row in found] == [
        ("codex", "t", "0.001"),
        ("cline", "c", "2"),
        ("cline", "b", "1"),
        ("cline", "a", "3"),
    ]
    assert found[0]["last_activity_local"] == "2026-03-10T01:00:00.000+01:00"
    assert [row["session_id"] for row in rows("--source", "codex")] == ["t"]
    for arguments in (["--cline"], ["--store", "ledger"]):
        assert [(tuple(row), row["task_id"]) for row in rows(*arguments)] == [(TASK_COLUMNS, key) for key in "cba"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "codx"], "there is no source called 'codx'"),
        (["--tz", "Europe/Lutetia"], "tz: is no time zone"),
        (["--cline", "--source", "codex"], "--cline and --store write Cline's tasks alone"),
        (["--store", "ledger", "--project", "p"], "--cline and --store write Cline's tasks alone"),
    ],
)
def test_export_refuses_words_that_name_nothing(
    stored: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """An empty file would look as if nothing had been spent."""
    assert main(["export", *arguments]) == EXIT_USAGE
    answer = capsys.readouterr()
    assert answer.out == ""
    assert said in answer.err


def test_export_speaks_to_a_french_spreadsheet(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Semicolons, decimal commas and the mark that such a program asks for."""
    assert main(["export", "--dialect", "excel-fr", "--model", "opus"]) == EXIT_OK
    said = capsys.readouterr().out
    assert said.startswith("\ufeffsource;session_id;")
    assert ";3;" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "yesterday"],
        ["--from", "1969-01-01T00:00Z"],
        ["--to", str(10**15)],
        ["--to", "1" * 30],
        ["--model", "a", "--unknown-model"],
        ["--sort", "spent"],
    ],
)
def test_filter_that_means_nothing_is_wrong_usage(home: Path, arguments: list[str]) -> None:
    """A typing error ends with 2 before anything is read."""
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    assert ended.value.code == EXIT_USAGE


@pytest.mark.usefixtures("utc")
def test_moments_are_local_unless_they_say_otherwise() -> None:
    """A date is its midnight here; a zone is heeded; a number is the ledger's own time."""
    moments = ["2026-03-01", "2026-03-01T00:00", "2026-03-01T01:00+01:00", str(FIRST_MS)]
    assert [parse_moment(text) for text in moments] == [FIRST_MS] * 4


def test_file_is_replaced_as_a_whole_and_private(stored: Path) -> None:
    """The old content goes at once, and others cannot read the new one; nothing else is left."""
    target = stored / "costs.json"
    target.write_text("what was there" * 10_000, encoding="utf-8")
    target.chmod(0o644)
    before = set(stored.iterdir())
    assert main(["export", "--format", "json", "--output", str(target)]) == EXIT_OK
    assert len(json.loads(target.read_text(encoding="utf-8"))) == 3
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert set(stored.iterdir()) == before


def test_file_behind_a_link_is_replaced_and_the_link_stays(stored: Path) -> None:
    """A link leads to the file that its owner meant."""
    target = stored / "real.csv"
    target.write_bytes(b"")
    (stored / "link.csv").symlink_to(target)
    assert main(["export", "--output", str(stored / "link.csv")]) == EXIT_OK
    assert (stored / "link.csv").is_symlink()
    assert target.read_bytes().startswith(b"source,")


def test_file_behind_another_users_link_stays(
    stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that everybody may write to, another user's link may lead to a file that this user may not touch."""
    target = stored / "precious"
    target.write_bytes(b"precious")
    (stored / "link.csv").symlink_to(target)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert main(["export", "--output", str(stored / "link.csv")]) == EXIT_FAILED
    assert "another user's link" in capsys.readouterr().err
    assert target.read_bytes() == b"precious"


def test_file_stays_when_reading_fails(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that cannot be read costs nobody yesterday's export."""
    target = stored / "costs.csv"
    target.write_text("yesterday", encoding="utf-8")
    database = stored / ".local/share/ai-cost-observer/observer.db"
    database.write_bytes(b"this is no database" * 1000)
    before = set(stored.iterdir())
    assert main(["export", "--output", str(target)]) == EXIT_FAILED
    assert capsys.readouterr().err.startswith("aico: The database failed: ")
    assert target.read_text(encoding="utf-8") == "yesterday"
    assert set(stored.iterdir()) == before


def test_file_stays_when_writing_fails(tmp_path: Path) -> None:
    """If anything ends the writing half-way, the old file is whole and nothing lies beside it."""
    target = tmp_path / "costs.csv"
    target.write_text("yesterday", encoding="utf-8")

    def pieces() -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputFailed, match="No space left on device"):
        export.replace_file(target, pieces())
    assert target.read_text(encoding="utf-8") == "yesterday"
    assert list(tmp_path.iterdir()) == [target]


def test_export_never_replaces_what_the_program_lives_from(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The database and the ledger are no place for an export, by whatever name; nor is what is no file."""
    database = stored / ".local/share/ai-cost-observer/observer.db"
    ledger = stored / ".cline/data/state/taskHistory.json"
    (stored / "link").symlink_to(ledger)
    os.mkfifo(stored / "pipe")
    (stored / ".cline/data/db").mkdir()
    before = (database.read_bytes(), ledger.read_bytes())
    logs = (database.with_name("observer.db-wal"), stored / ".cline/data/db/sessions.db-wal")
    for target in (database, ledger, stored / "link", stored / "pipe", stored, *logs):
        assert main(["export", "--output", str(target)]) == EXIT_FAILED
        assert "cannot be written: " in capsys.readouterr().err
    assert (database.read_bytes(), ledger.read_bytes()) == before


def test_export_never_replaces_what_a_tool_keeps(
    stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every place of every source is kept: further ledgers, and databases with what lies beside them, read or not."""
    ledgers = [stored / name / "taskHistory.json" for name in ("one", "two", ".cline/data/state")]
    databases = [stored / ".cline/data/db" / name for name in ("sessions.db", "hub-events-hub-production.db")]
    kept = [*ledgers, *(each.with_name(each.name + end) for each in databases for end in ("", "-wal", "-shm"))]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"precious")
    monkeypatch.setenv("AICO_SOURCES_CLINE_LEDGERS", ",".join(map(str, ledgers[:2])))
    for path in kept:
        assert main(["export", "--output", str(path)]) == EXIT_FAILED
        assert "keeps its own data there" in capsys.readouterr().err
        assert path.read_bytes() == b"precious"
