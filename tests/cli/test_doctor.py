"""``aico doctor``: each line in each of its states, brought about for real wherever a test may do that."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, doctor, main
from aico.cli.doctor import (
    activity,
    cline,
    clock,
    configuration,
    database,
    instance,
    mounts,
    otlp,
    places,
    sources,
    watching,
)
from aico.cli.doctor.finding import Finding, Verdict, advise
from aico.cli.service import find_supervisor
from aico.core.errors import ObserverError
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings, load_settings
from aico.services import notifier
from tests.cli.fake_supervisors import FakePrograms
from tests.cli.reported_sources import report_of, settings_of
from tests.core.repository_on_file import copy_of_template
from tests.e2e.fake_cline_ledger import LedgerFile, entry

TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL


@pytest.fixture
def ledger_file(home: Path) -> LedgerFile:
    """Return the ledger of a user of Cline's command line, with one task."""
    file = LedgerFile(home / ".cline/data/state/taskHistory.json")
    file.write(entry("1"))
    file.path.chmod(0o600)
    return file


def by_subject(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return the findings by their subject; the last of one subject counts."""
    return {finding.subject: finding for finding in findings}


async def clock_finding() -> Finding:
    """Return what is said of the clock."""
    settings = settings_of()
    (found,) = clock.examine_clock(await report_of(settings), settings)
    return found


async def test_clock_in_each_state(ledger_file: LedgerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of tomorrow, or a program of next week, say that the clock is wrong; a missing ledger says nothing."""
    assert (await clock_finding()).verdict is OK
    ahead_s = time.time() + 7_200
    os.utime(ledger_file.path, (ahead_s, ahead_s))
    found = await clock_finding()
    assert (found.verdict, "the ledger of Cline was written 2.0 hours in the future" in found.text) == (WARN, True)
    ledger_file.unlink()
    assert (await clock_finding()).verdict is OK
    program = tmp_path / "program"
    program.touch()
    os.utime(program, (ahead_s + 7 * 86_400, ahead_s + 7 * 86_400))
    monkeypatch.setattr(clock, "_PROGRAM", program)
    found = await clock_finding()
    assert (found.verdict, "installed" in found.text) == (WARN, True)


def test_settings_in_each_state(home: Path) -> None:
    """No file, a file, and a file whose secret others can read."""
    (found,) = configuration.examine_configuration(load_settings())
    assert (found.verdict, found.text.startswith("no ")) == (OK, True)
    config = home / ".config/ai-cost-observer/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'port = 9000\ntoken = "{TOKEN}"\n', encoding="utf-8")
    config.chmod(0o600)
    (found,) = configuration.examine_configuration(load_settings())
    assert (found.verdict, found.text) == (OK, f"{config} sets port, token")
    config.chmod(0o640)
    (found,) = configuration.examine_configuration(load_settings())
    assert (found.verdict, found.text.endswith(f"chmod 600 {config}")) == (WARN, True)
    assert TOKEN not in found.text


MOUNTS = """\
22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
23 22 0:40 / /mnt/c rw - 9p C:\\134 rw
24 22 0:41 / /home/ada/my\\040share rw shared:2 master:3 - nfs4 host:/x rw
25 24 0:42 / /home/ada/my\\040share/local rw - xfs /dev/sdb rw
26 22 0:43 / /clouds rw - fuse.sshfs host:/ rw
27 22 0:44 / /disk rw - ext4 /dev/sdc rw
28 22 0:45 / /disk rw - cifs //host/x rw
damaged line
"""


@pytest.mark.parametrize(
    ("path", "file_system", "remote"),
    [
        ("/home/ada/x", "ext4", False),
        ("/mnt/c", "9p", True),
        ("/mnt/cx", "ext4", False),
        ("/mnt/c/Users/ada/.cline", "9p", True),
        ("/home/ada/my share/x", "nfs4", True),
        ("/home/ada/my share/local/x", "xfs", False),
        ("/clouds/x", "fuse.sshfs", True),
        ("/disk/x", "cifs", True),
    ],
)
def test_file_system_is_that_of_the_innermost_mount(path: str, file_system: str, *, remote: bool) -> None:
    """Blanks are escaped, a later mount hides an earlier one, and what comes over a network is known."""
    assert mounts.file_system_of(path, MOUNTS) == file_system
    assert mounts.is_remote(file_system) is remote


async def test_file_system_in_each_state(
    ledger_file: LedgerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that passes no notifications, or is not safe for a database, is told with what to do."""
    table = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "MOUNTS", table)
    settings = settings_of()
    report = await report_of(settings)
    assert list(watching.examine_file_systems(report, settings)) == []
    for kind, verdict in (("ext4", OK), ("9p", WARN)):
        table.write_text(f"1 0 0:1 / / rw - {kind} x rw\n", encoding="utf-8")
        (found,) = watching.examine_file_systems(report, settings)
        assert (found.subject, found.verdict) == ("file system", verdict)
        assert found.text.startswith(f"{ledger_file.folder} lies on {kind}")
        missing = await report_of(settings_of(ledger_path=str(tmp_path / "none" / ledger_file.path.name)))
        (found,) = watching.examine_file_systems(missing, settings)
        assert found.text.startswith(f"{tmp_path / 'none'} does not exist yet, and would lie on {kind}")
        assert by_subject(database.examine_database(settings_of()))["database disk"].verdict is verdict


def test_limits_of_inotify_in_each_state(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that editors use up is told with the command that raises it."""
    monkeypatch.setattr(watching, "INOTIFY", tmp_path)
    (tmp_path / "max_user_instances").write_text("128\n", encoding="ascii")
    (tmp_path / "max_user_watches").write_text("100\n", encoding="ascii")
    found = list(watching.examine_limits(settings_of()))
    assert [one.verdict for one in found] == [OK, WARN]
    assert found[1].text == "max_user_watches is 100: sudo sysctl fs.inotify.max_user_watches=8192"


async def collected(findings: AsyncIterator[Finding]) -> Finding:
    """Return the only finding."""
    (found,) = [finding async for finding in findings]
    return found


class BrokenWatch:
    """Notifications that cannot be had."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        raise OSError(24, "Too many open files")


async def watcher_findings() -> list[Finding]:
    """Return what is said of notifications, directory by directory."""
    settings = settings_of()
    return [one async for one in watching.examine_notifications(await report_of(settings), settings)]


async def test_watcher_in_each_state(ledger_file: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notifications are really begun; where there is no folder, or none can be had, the service looks by itself."""
    (found,) = await watcher_findings()
    assert (found.verdict, str(ledger_file.folder) in found.text) == (OK, True)
    monkeypatch.setattr(notifier, "RustNotify", BrokenWatch)
    (found,) = await watcher_findings()
    assert (found.verdict, found.text.startswith("no notifications (OSError)")) == (WARN, True)
    ledger_file.path.unlink()
    ledger_file.folder.rmdir()
    (found,) = await watcher_findings()
    assert (found.verdict, "waits for it" in found.text) == (WARN, True)


async def test_each_directory_is_watched_once(ledger_file: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two origins in one directory are one line; one in a directory behind a link is told where its path is."""
    monkeypatch.setenv("AICO_SOURCES_CLINE_ENABLED", "true")
    databases = ledger_file.folder.parent / "db"
    databases.mkdir()
    found = await watcher_findings()
    assert [one.text.rpartition(" ")[2] for one in found] == [str(ledger_file.folder), str(databases)]
    databases.rename(databases.with_name("elsewhere"))
    databases.symlink_to(databases.with_name("elsewhere"))
    assert len(await watcher_findings()) == 1


@pytest.fixture
def stored(home: Path) -> Path:
    """Return an empty database of the newest schema in its private folder."""
    folder = home / ".local/share/ai-cost-observer"
    folder.mkdir(parents=True, mode=0o700)
    path = copy_of_template(folder)
    path.chmod(0o600)
    return path


def examined(subject: str) -> Finding:
    """Return what is said of one thing about the database."""
    return by_subject(database.examine_database(settings_of()))[subject]


def test_database_in_each_state(home: Path, stored: Path) -> None:
    """Whole, damaged, no database at all, missing: each has its verdict."""
    assert examined("database").verdict is OK
    whole = stored.read_bytes()
    stored.write_bytes(whole[: 4096 * 2] + b"\xff" * (len(whole) - 4096 * 2))
    assert examined("database").verdict is FAIL
    stored.write_bytes(b"this is no database" * 100)
    assert examined("database").verdict is FAIL
    stored.unlink()
    stored.with_name(f"{stored.name}.sound").unlink()  # so that the next start looks for the damage, too
    assert examined("database").verdict is OK
    stored.parent.rmdir()
    stored.parent.write_bytes(b"")
    found = examined("database")
    assert (found.verdict, "cannot be looked at" in found.text) == (FAIL, True)


def test_schema_in_each_state(stored: Path) -> None:
    """Newest, older, newer than this program, of another program, and not made yet."""
    assert examined("schema").verdict is OK
    with closing(sqlite3.connect(stored)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
        assert examined("schema").verdict is OK
        for change, words in (
            ("UPDATE alembic_version SET version_num = '9999'", "newer version"),
            ("DROP TABLE alembic_version", "another program"),
        ):
            connection.execute(change)
            connection.commit()
            refused = examined("database")
            assert (refused.verdict, words in refused.text) == (FAIL, True)
    stored.write_bytes(b"")
    found = examined("schema")
    assert (found.verdict, found.text.startswith("empty")) == (OK, True)


def test_privacy_in_each_state(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modes that let others in are told; so is a file that is not ours, here by being somebody else."""
    assert examined("privacy").verdict is OK
    stored.chmod(0o644)
    assert (examined("privacy").verdict, "0644" in examined("privacy").text) == (WARN, True)
    stored.chmod(0o600)
    stored.parent.chmod(0o755)
    found = examined("privacy")
    assert (found.verdict, found.text.endswith(f"chmod 700 {stored.parent}")) == (WARN, True)
    monkeypatch.setattr(os, "geteuid", lambda: 4_242)
    assert examined("privacy").verdict is FAIL


def test_disk_in_each_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk is told before it is full. Filling one is not for tests: what counts as full is raised instead."""
    monkeypatch.setattr(database, "_FREE_NONE_BYTES", 0)
    monkeypatch.setattr(database, "_FREE_SCARCE_BYTES", 0)
    assert examined("disk").verdict is OK
    monkeypatch.setattr(database, "_FREE_SCARCE_BYTES", 1 << 62)
    assert examined("disk").verdict is WARN
    monkeypatch.setattr(database, "_FREE_NONE_BYTES", 1 << 62)
    assert examined("disk").verdict is FAIL


def port_finding(settings: Settings) -> Finding:
    """Return what is said of the port."""
    return by_subject(instance.examine_port(settings))["port"]


def test_port_in_each_state(home: Path) -> None:
    """Any, free, taken by another program, our own, and an address that is not of this machine."""
    assert port_finding(settings_of()).verdict is OK
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = port_finding(settings_of(port=port))
        assert (found.verdict, "AICO_PORT" in found.text) == (FAIL, True)
        settings = settings_of(port=port)
        for url, verdict in (
            (f"http://127.0.0.1:{port}", OK),
            (f"http://127.0.0.1:{port}/observer", OK),
            (f"http://127.0.0.1:1/:{port}", None),
            (f"http://127.0.0.1:none/:{port}", FAIL),
        ):
            lock = InstanceLock(settings.database_path).acquire(url)
            try:
                found = port_finding(settings)
            finally:
                lock.release()
            if verdict is None:  # our own service listens elsewhere: the other program is in nobody's way
                assert found.verdict is OK
                assert found.text.startswith("the service runs at 1; ")
                continue
            assert (found.verdict, found.text.endswith("is the service's")) == (verdict, verdict is OK)
    assert port_finding(settings_of(port=port)).verdict is OK
    found = port_finding(settings_of(port=port).model_copy(update={"host": "192.0.2.1"}))
    assert (found.verdict, "AICO_HOST" in found.text) == (FAIL, True)


def test_refused_port_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port below 1024 is refused to most users, but not to root: here the system refuses it."""

    class Refusing(socket.socket):
        def bind(self, _address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("aico.cli.doctor.instance.socket.socket", Refusing)
    found = port_finding(settings_of(port=80))
    assert (found.verdict, "AICO_PORT to one above 1023" in found.text) == (FAIL, True)


@pytest.mark.parametrize(("enabled", "active", "verdict"), [(0, 0, OK), (1, 0, WARN), (0, 3, WARN), (1, 3, WARN)])
def test_start_in_each_state(programs: FakePrograms, enabled: int, active: int, verdict: Verdict) -> None:
    """By hand, by the system, and by a system that does not do it."""
    (found,) = instance.examine_start(settings_of())
    assert (found.verdict, "`aico service install`" in found.text) == (OK, True)
    programs.install("systemctl", {"is-enabled": (enabled, "", ""), "is-active": (active, "", "")})
    assert main(["service", "install"]) == EXIT_OK
    (found,) = instance.examine_start(settings_of())
    assert found.verdict is verdict
    programs.install("systemctl", {"": (1, "", "Failed to connect to bus")})
    (found,) = instance.examine_start(settings_of())
    assert (found.verdict, "Failed to connect to bus" in found.text) == (WARN, True)


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_start_names_a_service_that_an_older_version_installed(
    programs: FakePrograms, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """A file of any supervisor that calls the package by its old name starts nothing: the sentence says what to do."""
    monkeypatch.setattr(sys, "platform", system)
    programs.install({"linux": "systemctl", "darwin": "launchctl"}[system])
    assert main(["service", "install"]) == EXIT_OK
    path = find_supervisor(os.environ).path
    (fresh,) = instance.examine_start(settings_of())
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"\baico(?=\W+serve)|(?<=<string>)aico(?=<)", "app", text), encoding="utf-8")
    (old,) = instance.examine_start(settings_of())
    assert fresh.verdict is not FAIL
    assert (old.verdict, str(path) in old.text, "`aico service install`" in old.text) == (FAIL, True, True)


async def answering(body: bytes, status: int = 200) -> asyncio.Server:
    """Return a server on a free port that answers every request with ``body``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


def port_of(server: asyncio.Server) -> int:
    """Return the port that ``server`` listens on."""
    port: int = server.sockets[0].getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        (b'[{"id": "cline", "enabled": true, "state": "watching", "reason": null}]', 200, OK),
        (b'[{"id": "cline", "enabled": true, "state": "degraded", "reason": "watch_unavailable"}]', 200, WARN),
        (
            b'[{"id": "x", "enabled": true, "state": "waiting"}, {"id": "y", "enabled": true, "state": "failed"}]',
            200,
            WARN,
        ),
        (b'[{"id": "x", "enabled": true, "state": "waiting"}, {"id": "y", "enabled": false, "state": "off"}]', 200, OK),
        (b'{"code": "token_required", "detail": "No.", "hint": "Show it."}', 401, WARN),
        (b"[]", 200, OK),
        (b"{}", 200, FAIL),
        (b"<html>", 200, FAIL),
    ],
)
async def test_service_in_each_state(home: Path, body: bytes, status: int, verdict: Verdict) -> None:
    """The holder of the lock is asked over HTTP; its answer, or its silence, is told."""
    settings = settings_of()
    async with await answering(body, status) as server:
        lock = InstanceLock(settings.database_path).acquire(f"http://127.0.0.1:{port_of(server)}")
        try:
            found = await collected(instance.examine_instance(settings))
        finally:
            lock.release()
    assert found.verdict is verdict
    assert f"process {os.getpid()}" in found.text


async def test_service_that_does_not_run_is_told(home: Path) -> None:
    """Nobody, somebody who serves nothing yet, and a lock that is none."""
    settings = settings_of()
    found = await collected(instance.examine_instance(settings))
    assert (found.verdict, found.text) == (OK, "not running; start it with `aico serve`")
    lock = InstanceLock(settings.database_path).acquire()
    try:
        found = await collected(instance.examine_instance(settings))
    finally:
        lock.release()
    assert (found.verdict, found.text.startswith("an import runs")) == (OK, True)
    lock.path.unlink()
    lock.path.symlink_to("elsewhere")
    assert (await collected(instance.examine_instance(settings))).verdict is FAIL
    assert port_finding(settings_of(port=1)).subject == "port"


@pytest.mark.parametrize(
    ("status", "verdict", "text"),
    [(200, OK, "is well"), (401, WARN, "AICO_KIMI_PROXY_SECRET"), (500, WARN, "bad answer. Start it")],
)
async def test_kimi_proxy_in_each_state(home: Path, status: int, verdict: Verdict, text: str) -> None:
    """One that is well, one that does not want us, one that is ill."""
    async with await answering(b"{}", status) as server:
        settings = settings_of(kimi_proxy_url=f"http://127.0.0.1:{port_of(server)}")
        found = await collected(instance.examine_kimi_proxy(settings))
    assert (found.verdict, text in found.text) == (verdict, True)


KIND = '{"kinds": [{"id": "apps", "enabled": %s, "state": "%s", "reason": %s}]}'


@pytest.mark.parametrize(
    ("body", "verdict", "subject", "text"),
    [
        (KIND % ("false", "off", "null"), OK, "activity", "every kind is off"),
        (KIND % ("true", "watching", "null"), OK, "activity.apps", "watching"),
        (KIND % ("true", "watching", '"no_history"'), OK, "activity.apps", "no browser"),
        (KIND % ("true", "watching", '"foreground_no_display"'), WARN, "activity.apps", "import-environment"),
        (KIND % ("true", "unavailable", '"library_missing"'), WARN, "activity.apps", "pip install"),
        (KIND % ("true", "failed", "null"), WARN, "activity.apps", "aico service restart"),
    ],
)
async def test_activity_in_each_state(home: Path, body: str, verdict: Verdict, subject: str, text: str) -> None:
    """A kind that is on is told as the service sees it, with its cure. Without a service, the finding points to it."""
    settings = settings_of()
    alone = await collected(activity.examine_activity(settings))
    async with await answering(body.encode()) as server:
        lock = InstanceLock(settings.database_path).acquire(f"http://127.0.0.1:{port_of(server)}")
        try:
            found = await collected(activity.examine_activity(settings))
        finally:
            lock.release()
    assert (alone.verdict, alone.subject) == (OK, "activity")
    assert (found.verdict, found.subject, text in found.text) == (verdict, subject, True)


async def test_kimi_proxy_that_is_not_there_is_told(home: Path) -> None:
    """None named is well; one that cannot be reached is a warning; an address that is none is a failure."""
    assert (await collected(instance.examine_kimi_proxy(settings_of()))).verdict is OK
    async with await answering(b"") as server:
        port = port_of(server)
    found = await collected(instance.examine_kimi_proxy(settings_of(kimi_proxy_url=f"http://127.0.0.1:{port}")))
    assert (found.verdict, "unreachable" in found.text) == (WARN, True)
    found = await collected(instance.examine_kimi_proxy(settings_of(kimi_proxy_url="http://127.0.0.1:99999")))
    assert found.verdict is FAIL


def test_report_is_ordered_and_its_code_is_that_of_the_worst(
    ledger_file: LedgerFile,
    programs: FakePrograms,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lines for a person, objects for a program, and 1 as soon as one thing fails."""
    monkeypatch.setenv("AICO_READ_ATTEMPTS", "2")
    code = main(["doctor", "--port", "0"])
    lines = capsys.readouterr().out.splitlines()
    verdicts = {line.split()[0] for line in lines}
    assert (verdicts, code) in [({"OK"}, EXIT_OK), ({"OK", "WARN"}, EXIT_DEGRADED)]
    assert "`python -m aico serve`" in " ".join(lines)
    ledger_file.overwrite(b"{}")
    assert main(["doctor", "--port", "0", "--json"]) == EXIT_FAILED
    found = json.loads(capsys.readouterr().out)
    assert [set(one) for one in found] == [{"subject", "aspect", "verdict", "text"}] * len(found)
    not_running = {"subject": "service", "aspect": "", "text": "not running; start it with `aico serve`"}
    assert {"verdict": "OK", **not_running} in found


@pytest.mark.parametrize(
    ("verdicts", "code"), [([OK], EXIT_OK), ([OK, WARN], EXIT_DEGRADED), ([WARN, FAIL, OK], EXIT_FAILED), ([], EXIT_OK)]
)
def test_code_is_that_of_the_worst(
    home: Path, monkeypatch: pytest.MonkeyPatch, verdicts: list[Verdict], code: int
) -> None:
    """A script tells what works from what works but not fully, and both from what does not work."""

    async def collect(_loaded: object) -> list[Finding]:
        return [Finding("x", verdict, "It is so") for verdict in verdicts]

    monkeypatch.setattr(doctor, "collect", collect)
    assert main(["doctor", "--json"]) == code


def test_no_hint_sends_to_the_doctor_who_was_asked() -> None:
    """Any error may be a finding; its advice is what is left of its hint without the advice to look here."""
    hints = {kind: kind.hint for kind in list_errors(ObserverError)}
    assert any("`aico doctor`" in hint for hint in hints.values())
    for kind, hint in hints.items():
        told = advise(type("Error", (ObserverError,), {"hint": hint})("It failed."))
        assert "doctor" not in told, kind
        assert told.endswith((".", "?")), kind


def list_errors(kind: type[ObserverError]) -> list[type[ObserverError]]:
    """Return every kind of error below ``kind``."""
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in list_errors(below))]


def test_broken_configuration_is_a_finding(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other findings cannot be looked up, but a program that asked for JSON gets JSON, with the file's name."""
    file = home / ".config/ai-cost-observer/config.toml"
    file.parent.mkdir(parents=True)
    for content, words in (("port = 70000\n", f"(from {file})"), ("port = \n", str(file)), ("hue = 1\n", str(file))):
        file.write_text(content, encoding="utf-8")
        assert main(["doctor", "--json"]) == EXIT_FAILED
        (found,) = json.loads(capsys.readouterr().out)
        assert (found["subject"], found["verdict"], words in found["text"]) == ("settings", "FAIL", True)
    assert main(["doctor"]) == EXIT_FAILED
    assert capsys.readouterr().out.startswith("FAIL  settings ")


def test_doctor_changes_nothing(ledger_file: LedgerFile, stored: Path, programs: FakePrograms, home: Path) -> None:
    """Looking leaves every file and folder as it was."""

    def everything() -> dict[Path, tuple[int, int, int]]:
        statuses = {path: path.lstat() for path in home.rglob("*")}
        return {path: (one.st_ino, one.st_mode, one.st_mtime_ns) for path, one in statuses.items()}

    before = everything()
    assert main(["doctor", "--port", "0"]) in {EXIT_OK, EXIT_DEGRADED}
    assert everything() == before


def test_every_examination_is_in_the_report() -> None:
    """A new examination beside the others is also asked."""
    modules = (activity, cline, clock, database, instance, otlp, places, sources, watching)
    written = {value for module in modules for name, value in vars(module).items() if name.startswith("examine_")}
    assert written == {*doctor.OF_SOURCES, *doctor.WATCHING, *doctor.OF_MACHINE, *doctor.OF_OTHERS}
