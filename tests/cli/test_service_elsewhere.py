"""``aico service`` under launchd, by a stand-in of its program."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, main
from aico.cli.service import plan
from tests.cli.fake_supervisors import FakePrograms

DOMAIN = f"gui/{os.getuid()}"
TARGET = f"{DOMAIN}/ai-cost-observer"
TASK = "ai-cost-observer"
GONE = (113, "", "Could not find service in domain")


@pytest.fixture
def mac(programs: FakePrograms, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Return a Mac on which nothing of ours is loaded."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(plan, "_AGAIN_S", 0.0)
    programs.install("launchctl", {f"print {TARGET}": GONE})
    return programs


def agent_path(home: Path) -> Path:
    """Return where the agent belongs."""
    return home / "Library" / "LaunchAgents" / f"{TASK}.plist"


def launchctl(*words: str) -> list[str]:
    """Return a call."""
    return ["launchctl", *words]


def test_agent_is_written_and_started(home: Path, mac: FakePrograms) -> None:
    """The agent is private, enabled and handed to the user's own session."""
    assert main(["service", "install"]) == EXIT_OK
    assert stat.S_IMODE(agent_path(home).stat().st_mode) == 0o600
    assert mac.calls()[-2:] == [
        launchctl("enable", TARGET),
        launchctl("bootstrap", DOMAIN, str(agent_path(home))),
    ]


def test_loaded_agent_is_replaced(home: Path, mac: FakePrograms) -> None:
    """A loaded agent is taken out first, since launchd loads nothing twice."""
    mac.install("launchctl")
    assert main(["service", "install"]) == EXIT_OK
    words = [call[1] for call in mac.calls()]
    assert words[-3:] == ["bootout", "enable", "bootstrap"]


def test_agent_is_handed_over_again_until_the_old_one_is_gone(
    home: Path, mac: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer comes before the old agent has ended; after a bounded number of attempts launchd's words are told."""
    mac.install("launchctl", {"bootstrap": (5, "", "Bootstrap failed: 5: Input/output error")})
    assert main(["service", "install"]) == EXIT_FAILED
    assert [call[1] for call in mac.calls()].count("bootstrap") == 10
    assert "Bootstrap failed: 5: Input/output error" in capsys.readouterr().err


def test_agent_is_removed(home: Path, mac: FakePrograms) -> None:
    """The agent is stopped, when it is loaded, and its file goes."""
    assert main(["service", "install"]) == EXIT_OK
    mac.calls()
    assert main(["service", "uninstall"]) == EXIT_OK
    assert "bootout" not in [call[1] for call in mac.calls()]
    assert not agent_path(home).exists()
    mac.install("launchctl")
    main(["service", "install"])
    mac.calls()
    assert main(["service", "uninstall"]) == EXIT_OK
    assert launchctl("bootout", TARGET) in mac.calls()


def test_agent_is_driven(home: Path, mac: FakePrograms, capfd: pytest.CaptureFixture[str]) -> None:
    """A loaded agent is kicked, one that is not is loaded; to stop is to unload, or launchd would start it anew."""
    assert main(["service", "install"]) == EXIT_OK
    mac.calls()
    assert main(["service", "start"]) == EXIT_OK
    assert mac.calls()[-1][1] == "bootstrap"
    mac.install("launchctl")
    for action, words in (("start", ["kickstart"]), ("stop", ["bootout"]), ("restart", ["bootout", "bootstrap"])):
        assert main(["service", action]) == EXIT_OK
        assert [call[1] for call in mac.calls() if not call[1].startswith("print")] == words
    log = home / "Library" / "Logs" / "ai-cost-observer.log"
    log.write_text("one\ntwo\n", encoding="utf-8")
    mac.install("tail", {"-n": (0, "two\n", "")})
    assert main(["service", "logs", "--lines", "1", "--follow"]) == EXIT_OK
    assert mac.calls()[-1] == ["tail", "-n", "1", "-F", str(log)]
    assert capfd.readouterr().out.splitlines()[-1] == "two"


@pytest.mark.parametrize(
    ("disabled", "state", "code"),
    [
        ("", "running", EXIT_OK),
        (f'"{TASK}" => enabled', "running", EXIT_OK),
        (f'"{TASK}" => disabled', "running", EXIT_DEGRADED),
        (f'"{TASK}" => true', "running", EXIT_DEGRADED),
        ("", "not running", EXIT_DEGRADED),
    ],
)
def test_state_of_the_agent_is_told(home: Path, mac: FakePrograms, disabled: str, state: str, code: int) -> None:
    """0 only for an agent that runs and is not disabled."""
    assert main(["service", "status"]) == EXIT_FAILED
    main(["service", "install"])
    mac.install(
        "launchctl", {"print-disabled": (0, disabled, ""), "print gui": (0, f"x = {{\n\tstate = {state}\n", "")}
    )
    assert main(["service", "status"]) == code


def test_missing_session_of_launchd_is_told(home: Path, mac: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """Over ssh there may be no graphical session; nothing is written."""
    mac.install("launchctl", {"": (125, "", "Domain does not support specified action")})
    assert main(["service", "install"]) == EXIT_FAILED
    assert "Domain does not support specified action" in capsys.readouterr().err
    assert list(home.iterdir()) == []
