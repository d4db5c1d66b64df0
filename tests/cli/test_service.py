"""``aico service`` on a system with systemd, and what it holds to everywhere."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from aico.cli.service import program, purge
from aico.cli.service.plan import MakeFolder, Write
from aico.core.errors import SettingsError, SupervisorRefused
from aico.core.instance_lock import InstanceLock
from aico.core.settings import load_settings
from tests.cli.fake_supervisors import FakePrograms

UNIT = "ai-cost-observer.service"
USER = ["systemctl", "--user"]
INSTALLING = [[*USER, "daemon-reload"], [*USER, "enable", UNIT], [*USER, "restart", UNIT]]
REMOVING = [[*USER, "disable", "--now", UNIT], [*USER, "daemon-reload"]]
CHECK = [*USER, "show", "--property=Version"]
TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test


@pytest.fixture
def systemd(programs: FakePrograms) -> FakePrograms:
    """Return a machine whose systemd does what it is asked."""
    programs.install("systemctl")
    return programs


def unit_path(home: Path) -> Path:
    """Return where the unit belongs."""
    return home / ".config" / "systemd" / "user" / UNIT


def data_folder(home: Path) -> Path:
    """Return where the data lie."""
    return home / ".local" / "share" / "ai-cost-observer"


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return everything below ``folder``: name to content, None for a folder."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in found}


def keep_data(home: Path) -> None:
    """Put data of ours, and a file of somebody else, into the data folder."""
    data_folder(home).mkdir(parents=True)
    for name in ("observer.db", "observer.db-wal", "observer.db.corrupt-1", "letter.txt"):
        (data_folder(home) / name).write_bytes(name.encode())


def test_install_writes_a_private_unit_and_starts_it(home: Path, systemd: FakePrograms) -> None:
    """The unit and the data folder are for the user alone, and systemd is asked to start it now and at log-in."""
    assert main(["service", "install"]) == EXIT_OK
    assert stat.S_IMODE(unit_path(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(data_folder(home).stat().st_mode) == 0o700
    text = unit_path(home).read_text(encoding="utf-8")
    assert f'ExecStart=:"{sys.executable}" "-P" "-m" "aico" "serve"\n' in text
    assert f'ReadWritePaths="-{data_folder(home)}"\n' in text
    assert systemd.calls() == [CHECK, *INSTALLING]


def test_install_again_ends_in_the_same(home: Path, systemd: FakePrograms) -> None:
    """A second installation, as after an upgrade, leaves the same files, and every byte of the data."""
    keep_data(home)
    assert main(["service", "install"]) == EXIT_OK
    before = tree(home)
    systemd.calls()
    assert main(["service", "install"]) == EXIT_OK
    assert tree(home) == before
    assert systemd.calls() == [CHECK, *INSTALLING]


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_dry_run_shows_everything_and_does_nothing(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """The files and commands of the plan are printed; no file changes and systemd is not asked."""
    if action == "uninstall":
        main(["service", "install"])
        systemd.calls()
        capsys.readouterr()
    before = tree(home)
    assert main(["service", action, "--dry-run"]) == EXIT_OK
    said = capsys.readouterr().out
    assert tree(home) == before
    assert systemd.calls() == []
    assert str(unit_path(home)) in said
    assert ("    NoNewPrivileges=yes\n" in said) == (action == "install")
    for call in INSTALLING if action == "install" else REMOVING:
        assert f"run {' '.join(call)}\n" in said


def test_dry_run_of_nothing_says_so(home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an installation there is nothing to take back."""
    assert main(["service", "uninstall", "--dry-run"]) == EXIT_OK
    assert capsys.readouterr().out == "There is nothing to do.\n"


def test_uninstall_removes_only_what_install_wrote(home: Path, systemd: FakePrograms) -> None:
    """Data, configuration and other units stay."""
    keep_data(home)
    config = home / ".config" / "ai-cost-observer" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("port = 9000\n", encoding="utf-8")
    unit_path(home).parent.mkdir(parents=True)
    unit_path(home).with_name("other.service").write_text("[Unit]\n", encoding="utf-8")
    before = tree(home)
    assert main(["service", "install"]) == EXIT_OK
    systemd.calls()
    assert main(["service", "uninstall"]) == EXIT_OK
    assert tree(home) == before
    assert systemd.calls() == [CHECK, *REMOVING]


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
def test_what_is_installed_is_driven(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """One word to systemd; where nothing is installed, the command says how to."""
    assert main(["service", action]) == EXIT_FAILED
    assert "service install" in capsys.readouterr().err
    assert systemd.calls() == []
    main(["service", "install"])
    systemd.calls()
    assert main(["service", action]) == EXIT_OK
    assert systemd.calls()[-1] == [*USER, action, UNIT]


def test_log_is_printed_by_the_journal(home: Path, systemd: FakePrograms, capfd: pytest.CaptureFixture[str]) -> None:
    """Its newest lines, or what comes, as long as somebody looks; its failure is ours."""
    assert main(["service", "logs"]) == EXIT_FAILED
    systemd.install("journalctl", {"--follow": (1, "", "no journal"), "": (0, "a line\n", "")})
    main(["service", "install"])
    systemd.calls()
    assert main(["service", "logs", "--lines", "5"]) == EXIT_OK
    assert capfd.readouterr().out.splitlines()[-1] == "a line"
    asked = ["journalctl", "--user", "--unit", UNIT, "--no-pager", "--output=cat", "--lines=5"]
    assert systemd.calls()[-1] == asked
    assert main(["service", "logs", "--follow"]) == EXIT_FAILED
    assert systemd.calls()[-1] == [*asked[:-1], "--lines=100", "--follow"]


def test_uninstall_of_nothing_is_well(home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """Taken back twice is taken back."""
    assert main(["service", "uninstall"]) == EXIT_OK
    assert capsys.readouterr().out.startswith("It was not installed.\n")
    assert systemd.calls() == []


def test_purge_removes_the_data_and_nothing_else(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """Database, log and copies go; a file of somebody else in the folder stays. The dry run has named them all."""
    main(["service", "install"])
    (data_folder(home) / "backups").mkdir()
    (data_folder(home) / "backups" / "observer-2026-03-01.db").write_bytes(b"")
    (data_folder(home) / "backups" / "holidays.db").write_bytes(b"")
    for name in ("observer.db", "observer.db-wal", "observer.db.corrupt-1", "letter.txt"):
        (data_folder(home) / name).write_bytes(name.encode())
    capsys.readouterr()
    main(["service", "uninstall", "--purge", "--dry-run"])
    assert f"remove {data_folder(home) / 'observer.db'}\n" in capsys.readouterr().out
    assert main(["service", "uninstall", "--purge"]) == EXIT_OK
    assert set(tree(data_folder(home))) == {"letter.txt", "backups", "backups/holidays.db"}


def test_purge_leaves_no_empty_folder(home: Path, systemd: FakePrograms) -> None:
    """Folders without other files go, too."""
    main(["service", "install"])
    (data_folder(home) / "observer.db").write_bytes(b"")
    assert main(["service", "uninstall", "--purge"]) == EXIT_OK
    assert not data_folder(home).exists()


def test_purge_is_refused_while_somebody_writes(
    home: Path, systemd: FakePrograms, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service in a terminal keeps its database."""
    monkeypatch.setattr(purge, "PATIENCE_S", 0.0)
    keep_data(home)
    lock = InstanceLock(data_folder(home) / "observer.db").acquire("http://127.0.0.1:1")
    try:
        assert main(["service", "uninstall", "--purge"]) == EXIT_FAILED
    finally:
        lock.release()
    assert "already runs" in capsys.readouterr().err
    assert (data_folder(home) / "observer.db").exists()


def test_purge_without_data_is_well(home: Path, systemd: FakePrograms) -> None:
    """Data that was never there need not go."""
    assert main(["service", "uninstall", "--purge"]) == EXIT_OK
    assert tree(home) == {}


@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_unit_of_somebody_else_is_left_alone(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """A unit of the same name that this program did not write is neither replaced nor removed nor reported as ours."""
    unit_path(home).parent.mkdir(parents=True)
    unit_path(home).write_text("[Unit]\n", encoding="utf-8")
    assert main(["service", action]) == EXIT_FAILED
    assert "was not written by this program" in capsys.readouterr().err
    assert unit_path(home).read_text(encoding="utf-8") == "[Unit]\n"


@pytest.mark.parametrize(
    ("enabled", "active", "code"),
    [(0, 0, EXIT_OK), (0, 3, EXIT_DEGRADED), (1, 0, EXIT_DEGRADED), (1, 3, EXIT_DEGRADED)],
)
def test_status_tells_how_the_service_is(
    home: Path, programs: FakePrograms, capsys: pytest.CaptureFixture[str], enabled: int, active: int, code: int
) -> None:
    """0 only for a service that runs and will run again; what is installed but idle is 3."""
    programs.install("systemctl", {"is-enabled": (enabled, "", ""), "is-active": (active, "", "")})
    main(["service", "install"])
    capsys.readouterr()
    assert main(["service", "status", "--json"]) == code
    said = json.loads(capsys.readouterr().out)
    assert (said["installed"], said["enabled"], said["running"]) == (True, enabled == 0, active == 0)
    assert main(["service", "status"]) == code
    words = f"installed, {'' if enabled == 0 else 'not '}enabled, {'' if active == 0 else 'not '}running (systemd, "
    assert capsys.readouterr().out.startswith(words)


def test_status_of_nothing_is_1(home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """Not installed is told without asking systemd."""
    assert main(["service", "status"]) == EXIT_FAILED
    assert capsys.readouterr().out.startswith("not installed, not enabled, not running")
    assert systemd.calls() == []


def test_no_session_of_systemd_is_told_in_clear_words(
    home: Path, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """By su, sudo or in a container there is no systemd to talk to: nothing is written, and the way out is named."""
    programs.install("systemctl", {"": (1, "", "Failed to connect to bus: No medium found")})
    assert main(["service", "install"]) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "systemctl: Failed to connect to bus: No medium found." in said
    assert "not by su or sudo" in said
    assert tree(home) == {}


def test_missing_systemctl_is_told(home: Path, programs: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """A system without systemd is told so, and nothing is written."""
    assert main(["service", "install"]) == EXIT_FAILED
    assert "systemctl: this program is not on the PATH." in capsys.readouterr().err
    assert tree(home) == {}


def test_program_that_cannot_be_run_is_told(
    home: Path, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """A systemctl that is no program is one line, not a trace."""
    broken = programs.folder / "systemctl"
    broken.write_bytes(b"\x7fELF but not really")
    broken.chmod(0o755)
    assert main(["service", "install"]) == EXIT_FAILED
    assert "systemctl: could not be run (OSError)." in capsys.readouterr().err


def test_refusal_of_systemd_is_handed_on(
    home: Path, programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words of systemd are printed, without characters that steer the terminal; silence is told as a code."""
    programs.install("systemctl", {"enable": (4, "", "\x1b[31mUnit is masked.")})
    assert main(["service", "install"]) == EXIT_FAILED
    assert "systemctl: [31mUnit is masked." in capsys.readouterr().err
    programs.install("systemctl", {"restart": (5, "", "")})
    assert main(["service", "install"]) == EXIT_FAILED
    assert "systemctl: ended with code 5." in capsys.readouterr().err


def test_folder_that_cannot_be_made_is_told(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where a folder belongs, and a folder where a file belongs, are one clear line each."""
    (home / ".config").mkdir()
    (home / ".config" / "systemd").write_bytes(b"")
    assert main(["service", "install"]) == EXIT_FAILED
    assert "cannot read" in capsys.readouterr().err
    (home / ".config" / "systemd").unlink()
    unit_path(home).mkdir(parents=True)
    assert main(["service", "install"]) == EXIT_FAILED
    assert "Is a directory" in capsys.readouterr().err
    taken = home / "taken"
    taken.write_bytes(b"")
    with pytest.raises(SupervisorRefused, match="cannot make"):
        MakeFolder(taken / "folder").take()
    with pytest.raises(SupervisorRefused, match="cannot write"):
        Write(home / ("long" * 62), b"", "").take()  # a name that may be, but not with more around it


@pytest.mark.parametrize(
    ("variable", "setting"),
    [("AICO_TOKEN", "token"), ("AICO_OTLP_TOKEN", "otlp.token"), ("OTEL_BEARER_TOKEN", "otlp.token")],
)
def test_secret_of_the_shell_is_refused(
    home: Path,
    systemd: FakePrograms,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    setting: str,
) -> None:
    """A token in a variable would be lost without a word, or stand in a unit; the configuration file is named."""
    monkeypatch.setenv(variable, TOKEN)
    monkeypatch.setenv("OTEL_ENDPOINT", "collector.example.org")
    assert main(["service", "install"]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert f"Setting {setting}: is secret and set in this shell only" in said
    assert f"{home}/.config/ai-cost-observer/config.toml" in said
    assert TOKEN not in said
    assert systemd.calls() == []


def test_token_stays_in_its_private_file(home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]) -> None:
    """A token that others can read is refused; one in a private file is used from there and written nowhere."""
    config = home / ".config" / "ai-cost-observer" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[otlp]\nendpoint = "h"\ntoken = "{TOKEN}"\n', encoding="utf-8")
    config.chmod(0o644)
    assert main(["service", "install"]) == EXIT_USAGE
    assert "otlp.token: others can read it" in capsys.readouterr().err
    config.write_text(f'token = "{TOKEN}"\n', encoding="utf-8")
    assert main(["service", "install"]) == EXIT_USAGE
    assert "others can read it" in capsys.readouterr().err
    config.chmod(0o600)
    assert main(["service", "install"]) == EXIT_OK
    assert TOKEN.encode() not in unit_path(home).read_bytes()
    assert TOKEN not in capsys.readouterr().out


def test_choices_of_the_caller_are_written_down(
    home: Path, systemd: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A choice by flag or variable holds for the service; a setting in the file stays there."""
    config = home / "here.toml"
    config.write_text('log_level = "debug"\n', encoding="utf-8")
    monkeypatch.chdir(home)
    monkeypatch.setenv("AICO_CONFIG", "here.toml")
    monkeypatch.setenv("CLINE_DATA_DIR", f"{home}/cline data")
    monkeypatch.setenv("AICO_DATABASE_PATH", "data/costs.db")
    monkeypatch.setenv("AICO_ALLOWED_HOSTS", "one, two")
    assert main(["service", "install", "--port", "9000"]) == EXIT_OK
    text = unit_path(home).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("Environment=")]
    chosen = [line for line in lines if "SESSIONS" not in line]
    assert chosen == [
        'Environment="AICO_ALLOWED_HOSTS=one,two"',
        f'Environment="AICO_CONFIG={config}"',
        f'Environment="AICO_DATABASE_PATH={home}/data/costs.db"',
        f'Environment="AICO_LEDGER_PATH={home}/cline data/state/taskHistory.json"',
        'Environment="AICO_PORT=9000"',
    ]
    assert f'ReadWritePaths="-{home}/data"' in text


def test_choices_of_sources_are_written_down(
    home: Path, systemd: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources that variables choose are chosen in the service, too, and it finds them as they were given."""
    ledgers = f"{home}/a/taskHistory.json,{home}/b/taskHistory.json"
    given = {
        "AICO_SOURCES": "cline",
        "AICO_SOURCES_CLINE_LEDGERS": ledgers,
        "AICO_SOURCES_CLINE_ENABLED": "true",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert main(["service", "install"]) == EXIT_OK
    lines = unit_path(home).read_text(encoding="utf-8").splitlines()
    written = dict(re.findall(r'^Environment="(AICO_[A-Z_]+)=(.*)"$', "\n".join(lines), re.MULTILINE))
    expected = load_settings().settings
    assert load_settings(None, written | {"HOME": str(home)}).settings.sources == expected.sources
    assert {name: written[name] for name in given} == given | {"AICO_SOURCES_CLINE_ENABLED": "True"}
    assert written["AICO_LEDGER_PATH"] == expected.ledgers[0]


def test_export_that_is_switched_off_stays_off_in_the_service(
    home: Path, systemd: FakePrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable takes back the collector of the file, there as here: nothing leaves for any other name."""
    config = home / "here.toml"
    config.write_text('[otlp]\nendpoint = "https://collector.example:4317"\n', encoding="utf-8")
    monkeypatch.setenv("AICO_CONFIG", str(config))
    monkeypatch.setenv("AICO_OTLP_ENDPOINT", "")
    assert main(["service", "install"]) == EXIT_OK
    assert 'Environment="AICO_OTLP_ENDPOINT="' in unit_path(home).read_text(encoding="utf-8").splitlines()


def test_list_that_no_variable_can_hold_is_refused(
    home: Path,
) -> None:
    """A comma inside a name would become two names in the service."""
    loaded = load_settings({"allowed_hosts": ["a,b"]})
    with pytest.raises(SettingsError, match="holds a comma"):
        program.make_program(loaded, {})


def test_temporary_folder_is_shared_only_when_something_needed_lies_in_it(home: Path, systemd: FakePrograms) -> None:
    """A database below ``/tmp`` would be hidden by a ``/tmp`` of the service's own."""
    main(["service", "install"])
    # The home of this test may itself lie there.
    assert ("\nPrivateTmp=yes\n" in unit_path(home).read_text(encoding="utf-8")) != home.is_relative_to("/tmp")  # noqa: S108
    main(["service", "install", "--database-path", "/tmp/observer.db"])  # noqa: S108  # named, not written
    assert "PrivateTmp" not in unit_path(home).read_text(encoding="utf-8")


def test_service_in_a_terminal_is_told_first(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two services cannot share a database: a user with a running one is told its address, and nothing is installed."""
    data_folder(home).mkdir(parents=True)
    lock = InstanceLock(data_folder(home) / "observer.db").acquire("http://127.0.0.1:1")
    try:
        assert main(["service", "install"]) == EXIT_FAILED
    finally:
        lock.release()
    assert "already runs at http://127.0.0.1:1" in capsys.readouterr().err
    assert not unit_path(home).exists()


def test_install_replaces_a_running_service_of_its_own(home: Path, systemd: FakePrograms) -> None:
    """The service that holds the database is the one that is started anew."""
    assert main(["service", "install"]) == EXIT_OK
    lock = InstanceLock(data_folder(home) / "observer.db").acquire("http://127.0.0.1:1")
    try:
        assert main(["service", "install"]) == EXIT_OK
    finally:
        lock.release()


@pytest.mark.parametrize("name", ["a\nb", "a\x7fb", "a\udc80b"])
def test_path_that_no_service_file_can_hold_is_refused(
    home: Path, systemd: FakePrograms, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A line break in a path would begin a line of the unit; it is refused before anything is written."""
    assert main(["service", "install", "--database-path", f"{home}/{name}/observer.db"]) == EXIT_USAGE
    assert "holds characters that no service file can hold" in capsys.readouterr().err
    assert os.listdir(home) == []  # noqa: PTH208  # not even a name that cannot be decoded
