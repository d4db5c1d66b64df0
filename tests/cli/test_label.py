"""``aico label``: names of sessions, by the service where one runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from tests.cli.test_spending import SATURDAY, fill, spent
from tests.core.repository_on_file import copy_of_template
from tests.e2e.forked_aico import ForkedServerProcess, run_aico
from tests.e2e.server_process import database_path, prepare_database


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's database: sessions of two tools, one with an agent."""
    folder = tmp_path.resolve() / "data"
    folder.mkdir(mode=0o700)
    path = copy_of_template(folder)
    store(path)
    monkeypatch.setenv("AICO_DATABASE_PATH", str(path))
    return path


def store(path: Path) -> None:
    """Store three sessions of Claude Code, the third one an agent of the first, and one of Codex."""
    used = [spent(0, SATURDAY, 1), spent(1, SATURDAY, 1), spent(2, SATURDAY, 1)._replace(parent="s0")]
    fill(path, [("claude-code", used), ("codex", [spent(3, SATURDAY, 1)])])


def labels(path: Path) -> dict[tuple[str, str], str]:
    """Return the names that are stored, by source and session."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT s.name, u.key, u.label FROM session AS u JOIN source AS s ON s.id = u.source WHERE label NOT NULL"
        ).fetchall()
    return {(source, key): label for source, key, label in rows}


def test_session_is_named_and_its_name_taken_away(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The beginning of an id is enough where it is the only one; a tool can be named where it is not."""
    assert main(["label", "s1", " Parser 日本 "]) == EXIT_OK
    assert main(["label", "s0", "--source", "codex", "other"]) == EXIT_OK
    assert labels(database) == {("claude-code", "s1"): "Parser 日本", ("codex", "s0"): "other"}
    assert main(["label", "s1", ""]) == EXIT_OK
    assert labels(database) == {("codex", "s0"): "other"}
    assert capsys.readouterr().out.splitlines()[-1] == "claude-code s1: no name"


def test_name_that_cannot_be_given_is_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is guessed: none, several, too long, characters that turn a line around."""
    assert main(["label", "x", "text"]) == EXIT_FAILED
    assert capsys.readouterr().err == "aico label: no session begins with x\n"
    assert main(["label", "s0", "text"]) == EXIT_FAILED
    said = capsys.readouterr().err.splitlines()
    assert {line.split(",")[0].strip() for line in said[1:]} == {"codex s0", "claude-code s0"}
    for words in (["s1", "x" * 201], ["s1", "a\u202eb"]):
        assert main(["label", *words]) == EXIT_USAGE
    assert labels(database) == {}


@pytest.mark.slow
def test_service_names_the_session_where_it_runs(tmp_path: Path) -> None:
    """The one who holds the database writes it."""
    prepare_database(tmp_path)
    store(database_path(tmp_path))
    with ForkedServerProcess(tmp_path):
        ended = run_aico(tmp_path, "label", "s1", "by the service")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "claude-code s1: by the service\n", "")
    assert labels(database_path(tmp_path)) == {("claude-code", "s1"): "by the service"}
