"""``aico budget``, ``aico plan`` and ``aico webhook``: alone, and beside a running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from aico.cli import main
from tests.e2e.forked_aico import ForkedServerProcess, run_aico
from tests.e2e.server_process import database_path, prepare_database


class Said(Protocol):
    """Runs a command."""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Return what it says, which must end with ``code``."""
        ...


@pytest.fixture(
    params=[pytest.param(True, marks=pytest.mark.slow, id="beside a service"), pytest.param(False, id="alone")]
)
def said(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Said]:
    """Let the commands run by themselves, in this process, and once more as processes beside a service."""
    prepare_database(tmp_path)

    def beside(*arguments: str, code: int = 0) -> str:
        ended = run_aico(tmp_path, *arguments)
        assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
        return ended.stdout + ended.stderr

    def alone(*arguments: str, code: int = 0) -> str:
        assert main(arguments) == code
        return "".join(capsys.readouterr())

    if request.param:
        with ForkedServerProcess(tmp_path):
            yield beside
        return
    monkeypatch.setenv("AICO_DATABASE_PATH", str(database_path(tmp_path)))
    monkeypatch.setenv("AICO_LEDGER_PATH", f"{home}/taskHistory.json")
    yield alone


def test_budgets_and_plans_are_set_listed_and_removed(said: Said) -> None:
    """Each command says how it stands then; what cannot be is refused and changes nothing."""
    assert "No budget is set" in said("budget", "list")
    assert all(said(name) == said(name, "list") for name in ("budget", "plan", "price"))
    assert all(said(name) == said(name, "show") for name in ("webhook", "currency"))
    line = said("budget", "set", "my day", "--amount", "5", "--period", "day", "--source", "codex")
    assert line == "my day  $0.00 of $5.00 a day of codex, 0 %\n"
    [budget] = json.loads(said("budget", "list", "--json"))
    assert (budget["name"], budget["amount_usd"], budget["source"], budget["fixed"]) == ("my day", 5.0, "codex", False)
    for arguments, words in (
        (("--amount", "0", "--period", "day"), "amount_usd must be greater than 0"),
        (("--amount", "nan", "--period", "day"), "amount_usd"),
        (("--amount", "5", "--period", "day", "--source", "codx"), "did you mean codex?"),
    ):
        assert words in said("budget", "set", "other", *arguments, code=2)
    assert "the name must be text without slashes" in said(
        "budget", "set", "a/b", "--amount", "5", "--period", "day", code=2
    )
    # A client takes ".." out of an address: such a budget could be removed by no request.
    assert "the name must not be dots alone" in said("budget", "set", "..", "--amount", "5", "--period", "day", code=2)
    lines = said("budget", "set", "--amount", "9", "--period", "week", "--source", "codex", "--model", "a/b")
    assert lines.splitlines()[-1].startswith("weekly-codex-a-b  $0.00 of $9.00 a week of codex, a/b")
    said("budget", "remove", "weekly-codex-a-b")
    said("budget", "remove", "my day")
    assert "no budget of this name" in said("budget", "remove", "my day", code=1)

    assert "No tool is marked" in said("plan", "list")
    line = said("plan", "set", "claude-code", "--price", "200", "--renews", "31", "--five-hours", "25")
    assert line.startswith("claude-code  $0.00 at list price since 20")
    assert line.splitlines()[0].endswith(", of a plan of 200.00 USD")
    assert line.endswith("A cost that the tool records stays one.\n")
    [plan] = json.loads(said("plan", "list", "--json"))
    assert (plan["renews_on"], plan["limits"]) == (31, {"five_hours_usd": 25.0, "week_usd": None})
    assert "renews_on" in said("plan", "set", "codex", "--price", "20", "--renews", "32", code=2)
    said("plan", "remove", "claude-code")
    assert "no plan of this source" in said("plan", "remove", "claude-code", code=1)


def test_webhook_is_set_by_a_command_alone(said: Said, tmp_path: Path) -> None:
    """Its secret is told once; its address never with what may be a secret; a test says what came of it."""
    assert "No webhook is set" in said("webhook", "show")
    assert "There is no webhook" in said("webhook", "test", code=1)
    url = "http://127.0.0.1:9/hidden"
    *_, secret = said("webhook", "set", url).splitlines()
    assert len(secret) >= 32
    file = database_path(tmp_path).with_name("webhook.json")
    assert (file.stat().st_mode & 0o777, json.loads(file.read_text())) == (0o600, {"url": url, "secret": secret})
    for text in (
        said("webhook", "show"),
        said("webhook", "show", "--json"),
        said("webhook", "test", code=1),
        said("config", "show"),
    ):
        assert secret not in text
        assert "hidden" not in text
    assert "unreachable" in said("webhook", "test", code=1)
    (tmp_path / "secret").write_text("of mine, long enough\n")
    said("webhook", "set", url, "--secret-file", str(tmp_path / "secret"))
    assert json.loads(file.read_text()) == {"url": url, "secret": "of mine, long enough"}
    assert "must begin with https" in said("webhook", "set", "http://example.org", code=2)
    (tmp_path / "secret").write_text("short")
    assert "at least 16" in said("webhook", "set", url, "--secret-file", str(tmp_path / "secret"), code=2)
    assert "is removed" in said("webhook", "remove")
    assert not file.exists()
