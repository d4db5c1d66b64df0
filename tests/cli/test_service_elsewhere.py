"""``aico service`` under launchd and from inside WSL, by stand-ins of their programs."""

from __future__ import annotations

import os
import pwd
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
QUERY = ["schtasks.exe", "/Query", "/TN", TASK]
RUNNING = '"DESK","\\\\ai-cost-observer","N/A","En cours","x","30/12/1999","267009","x"\n'


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
    """What is loaded is taken out first, since launchd loads nothing twice."""
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


@pytest.fixture
def windows(home: Path, programs: FakePrograms, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Return a WSL inside a Windows that does not know our task."""
    monkeypatch.setenv("WSL_DISTRO_NAME", "Ubuntu-24.04")
    programs.install("whoami.exe", {"": (0, "desk\\\\ada\\r\\n", "")})
    (programs.folder / "whoami.exe").write_text("#!/bin/sh\nprintf 'desk\\\\ada\\r\\n'\n", encoding="utf-8")
    (programs.folder / "wslpath").write_text(
        "#!/bin/sh\nprintf '%s\\n' '\\\\wsl.localhost\\Ubuntu-24.04\\home\\ada'\n", encoding="utf-8"
    )
    (programs.folder / "wslpath").chmod(0o755)
    programs.install("schtasks.exe", {"/Query": (1, "", "ERROR: The system cannot find the file specified.")})
    return programs


def script_path(home: Path) -> Path:
    """Return where the script belongs."""
    return home / ".config" / "ai-cost-observer" / "serve.sh"


def test_task_is_created_and_run(home: Path, windows: FakePrograms) -> None:
    """Windows gets a task in its own encoding by its own path, for its own user, and starts it."""
    assert main(["service", "install"]) == EXIT_OK
    folder = "\\\\wsl.localhost\\Ubuntu-24.04\\home\\ada\\.config\\ai-cost-observer"
    assert windows.calls() == [
        QUERY,
        ["schtasks.exe", "/Create", "/F", "/TN", TASK, "/XML", f"{folder}\\task.xml"],
        ["schtasks.exe", "/Run", "/TN", TASK],
    ]
    task = script_path(home).with_name("task.xml").read_bytes().decode("utf-16")
    assert "<UserId>desk\\ada</UserId>" in task
    assert f"--user {pwd.getpwuid(os.getuid()).pw_name} --cd ~" in task
    assert f"exec {sys.executable} -P -m aico serve\n" in script_path(home).read_text(encoding="utf-8")
    assert stat.S_IMODE(script_path(home).stat().st_mode) == 0o600


def test_running_task_is_ended_before_it_is_replaced_or_deleted(home: Path, windows: FakePrograms) -> None:
    """What runs is ended, whatever the language in which Windows says that it runs."""
    windows.install("schtasks.exe", {"CSV": (0, RUNNING, "")})
    assert main(["service", "install"]) == EXIT_OK
    assert [call[1] for call in windows.calls()] == ["/Query", "/Query", "/End", "/Create", "/Run"]
    assert main(["service", "uninstall"]) == EXIT_OK
    assert [call[1] for call in windows.calls()] == ["/Query", "/Query", "/Query", "/End", "/Delete"]
    assert list(script_path(home).parent.iterdir()) == []


def test_script_goes_when_windows_has_lost_the_task(home: Path, windows: FakePrograms) -> None:
    """A task that somebody deleted in Windows is not missed."""
    assert main(["service", "install"]) == EXIT_OK
    windows.calls()
    assert main(["service", "uninstall"]) == EXIT_OK
    assert {call[1] for call in windows.calls()} == {"/Query"}
    assert not script_path(home).exists()
    assert main(["service", "uninstall"]) == EXIT_OK


@pytest.mark.parametrize(
    ("enabled", "running", "code"),
    [("true", RUNNING, EXIT_OK), ("true", '"DESK","0"\n', EXIT_DEGRADED), ("false", RUNNING, EXIT_DEGRADED)],
)
def test_state_of_the_task_is_told(home: Path, windows: FakePrograms, enabled: str, running: str, code: int) -> None:
    """0 only for a task that runs and is enabled; the trigger has an ``Enabled`` of its own."""
    main(["service", "install"])
    assert main(["service", "status"]) == EXIT_FAILED
    document = (
        f"<Task><LogonTrigger><Enabled>true</Enabled></LogonTrigger><Settings><Enabled>{enabled}</Enabled></Settings>"
    )
    windows.install("schtasks.exe", {"/XML": (0, document, ""), "CSV": (0, running, "")})
    assert main(["service", "status"]) == code


def test_windows_out_of_reach_is_told(home: Path, windows: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """Where programs of Windows cannot be started from WSL, nothing is written."""
    (windows.folder / "whoami.exe").unlink()
    assert main(["service", "install"]) == EXIT_FAILED
    assert "whoami.exe: this program is not on the PATH." in capsys.readouterr().err
    (windows.folder / "whoami.exe").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    (windows.folder / "whoami.exe").chmod(0o755)
    assert main(["service", "install"]) == EXIT_FAILED
    assert "whoami.exe: ended with code 3." in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_name_that_a_task_cannot_hold_is_refused(
    home: Path, windows: FakePrograms, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A distribution with a blank in its name would become two words."""
    monkeypatch.setenv("WSL_DISTRO_NAME", "My Linux --exec")
    assert main(["service", "install"]) == EXIT_FAILED
    assert "'My Linux --exec' cannot be named in a task" in capsys.readouterr().err
    assert list(home.iterdir()) == []
