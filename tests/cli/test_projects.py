"""``aico projects``: alone, and beside a running service; sums by project on the terminal."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from aico.cli import main
from tests.e2e.forked_aico import ForkedServerProcess
from tests.e2e.server_process import environment, prepare_database
from tests.quick_variants import first_is_quick
from tests.users_things_guard import SETTINGS_OF_USERS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all the machine has, with one session of Claude Code, which is read."""
    own = environment(tmp_path) | {"AICO_SOURCES": "claude-code"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    for name in list(os.environ):
        if name.startswith(SETTINGS_OF_USERS) and name not in own:
            monkeypatch.delenv(name)
    logs = Path(own["HOME"]) / ".claude" / "projects" / "-srv-shop"
    logs.mkdir(parents=True)
    usage = {"input_tokens": 1_000, "output_tokens": 100}
    message = {"id": "m", "model": "claude-opus-4-1", "stop_reason": "end_turn", "usage": usage}
    session = "00000001-1111-4222-8333-444444444444"
    line = {"type": "assistant", "sessionId": session, "version": "2.1.50", "cwd": "/srv/shop", "message": message}
    text = json.dumps({**line, "timestamp": "2026-01-05T10:00:00.000Z"}) + "\n"
    (logs / f"{session}.jsonl").write_text(text, encoding="utf-8")
    prepare_database(tmp_path)
    return tmp_path


@pytest.mark.parametrize("beside", first_is_quick(False, True))
def test_projects_are_switched_read_backwards_reported_and_forgotten(
    folder: Path, capsys: pytest.CaptureFixture[str], beside: bool
) -> None:
    """The same words with a service and without one; what was counted is named when it was asked for."""

    def say(*words: str) -> str:
        capsys.readouterr()
        assert main([*words]) == 0
        return capsys.readouterr().out

    with ExitStack() as stack:
        if beside:
            stack.enter_context(ForkedServerProcess(folder, {"AICO_SOURCES": "claude-code"}))
        say("import")
        assert say("projects") == "off: no name of a folder is kept; 0 sessions have one\n"
        kept = "the paths of folders, but for the last name of the working folder"
        assert kept not in say("sources")
        assert "on: the last name of the working folder is kept" in say("projects", "on")
        told = [line for line in say("sources").splitlines() if kept in line]
        assert any(".claude/projects" in line for line in told)
        assert not any("cline" in line for line in told)
        say("import")
        assert json.loads(say("projects", "--json"))["named"] == 0
        say("projects", "on", "--backwards")
        say("import")
        assert say("projects").endswith("1 session has one\n")
        report = say("report", "--by", "project", "--from", "2026-01-01", "--to", "2026-01-31")
        assert "  shop  " in report
        only = say("report", "--by", "project", "--from", "2026-01-01", "--to", "2026-01-31", "--json")
        assert json.loads(only)["groups"][0]["project"] == "shop"
        assert "`aico projects forget`" in say("projects", "off").replace("python -m aico", "aico")
        assert "0 sessions have one" in say("projects", "forget")
