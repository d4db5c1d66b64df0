"""Which files the service and its commands open, as the system's own tracer sees it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from aico.core.settings import APP_NAME, load_settings
from aico.features.sources.cline import hub, sessions
from aico.features.sources.registry import SOURCES
from aico.services.source_choices import SourceChoices
from tests.activity.histories import Row, make_chromium, make_firefox
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import entry, ledger_bytes, now_ms
from tests.e2e.server_process import HANG_S, ROOT, ServerProcess, database_path, environment
from tests.emulator.forbidden_neighbours import lay_out_neighbours
from tests.emulator.ways_of_writing import ALL_WAYS, write_ledger
from tests.faults.fault_counts import rng_of
from tests.system.system_call_trace import Call, read_calls, strace_command

LOOKS = {"stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"}
"""Calls that tell of a file what its directory knows, and nothing of its contents."""
WATCHES = {"inotify_add_watch"}
PROGRAM = """
import os, threading

def look():
    os.close(os.open({secret!r}, os.O_RDONLY))
    directory = os.open({folder!r}, os.O_PATH | os.O_DIRECTORY)
    os.close(os.open("tasks/secrets.json", os.O_RDWR, dir_fd=directory))
    os.listdir({folder!r})

threading.Thread(target=look).start()
"""


class TracedServer(ServerProcess):
    """A serving ``aico`` with every file that it names in the record ``trace``."""

    def __init__(self, folder: Path, settings: dict[str, str], trace: Path) -> None:
        super().__init__(folder, settings)
        self._command = [*strace_command(trace), *self._command]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal to the service, not to its tracer."""
        holder = json.loads(self.database.with_name(f"{self.database.name}.lock").read_bytes())
        os.kill(int(holder["pid"]), number)
        return self.wait()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Return where a record is kept."""
    (tmp_path / "traces").mkdir()
    return tmp_path / "traces" / "trace"


def test_tracer_sees_files_opened_by_name_and_from_a_directory(tmp_path: Path, trace: Path) -> None:
    """The witness is awake: deliberate looks from a thread, by path, beside a descriptor, and at a list of names."""
    folder = tmp_path / "cline"
    (folder / "tasks").mkdir(parents=True)
    secrets = [folder / "secrets.json", folder / "tasks" / "secrets.json"]
    for secret in secrets:
        secret.write_text("{}")
    program = PROGRAM.format(secret=str(secrets[0]), folder=str(folder))
    subprocess.run([*strace_command(trace), sys.executable, "-c", program], check=True)
    calls = [call for call in read_calls(trace) if call.path.startswith(str(folder))]
    assert [call.path for call in calls if call.only_reads and "secrets" in call.path] == [str(secrets[0])]
    assert {call.path for call in calls if call.opens and not call.only_reads} == {str(secrets[1])}
    assert str(folder) in {call.path for call in calls if call.lists}


def run_traced(folder: Path, settings: dict[str, str], trace: Path, *arguments: str) -> None:
    """Run a command of ``aico`` to its end."""
    command = [*strace_command(trace), sys.executable, "-m", "aico", *arguments]
    answer = subprocess.run(
        command, cwd=ROOT, env=environment(folder, settings), capture_output=True, timeout=HANG_S, check=False
    )
    assert answer.returncode in {0, 3}, answer.stderr


def use_everything(folder: Path, ledger: Path, trace: Path) -> None:
    """Serve, import what is written in each of Cline's ways and what is broken, ask for all, use the commands."""
    settings = {"AICO_LEDGER_PATH": str(ledger), "AICO_LOG_LEVEL": "debug"}
    rng = rng_of("opened files")
    with TracedServer(folder, settings, trace) as server, server.client() as client:
        for number, way in enumerate(ALL_WAYS):
            write_ledger(way, ledger, ledger_bytes(entry("1", tokens_in=number)), rng)
            assert client.post("/api/cline/import").status_code == 200
        ledger.write_bytes(b'[{"id":')
        assert client.post("/api/cline/import").status_code == 422
        assert client.post("/api/cline/import", json={"path": str(ledger.with_name("secrets.json"))}).status_code == 400
        write_ledger(ALL_WAYS[0], ledger, ledger_bytes(entry("1"), None), rng)
        for route in ("status", "usage", "summary", "export?format=csv"):
            assert client.get(f"/api/cline/{route}").status_code == 200
        for command in ("status", "import"):
            run_traced(folder, settings, trace.with_name(command), command)
        assert server.stop() == 0
    for command in ("doctor", "import", "export"):
        run_traced(folder, settings, trace.with_name(f"alone-{command}"), command)


def test_only_the_exact_ledger_is_ever_opened_and_only_for_reading(tmp_path: Path, trace: Path) -> None:
    """Below Cline's folder no file but one is opened by anything that ``aico`` does, and no name of another is said.

    Directories on the way are opened for walking alone (no list can be read from them), watched, and looked at. So is
    the way to Cline's databases: whether they are there is told to the user.
    """
    home = tmp_path.resolve() / "home"
    cline = home / ".cline"
    ledger = cline / "data" / "state" / "taskHistory.json"
    neighbours = lay_out_neighbours(cline / "data", seed=3)
    ledger.write_bytes(ledger_bytes(entry("1")))
    use_everything(home, ledger, trace)
    calls = [call for call in read_calls(trace.parent / "*") if f"{call.path}/".startswith(f"{cline}/")]
    opened = [call for call in calls if call.opens and not call.only_walks]
    assert {call.path for call in opened} == {str(ledger)}, lines(opened)
    assert len(opened) > len(ALL_WAYS)
    assert all(call.only_reads for call in opened), lines(opened)
    on_the_way = {str(folder) for folder in ledger.parents if folder.is_relative_to(cline)}
    databases = {str(cline / "data" / "db" / name) for name in (sessions.NAME, hub.NAME)}
    beside = str(cline / "data" / "db")
    assert on_the_way <= {call.path for call in calls if call.only_walks} <= {*on_the_way, beside}
    others = [call for call in calls if not call.opens and call.name not in LOOKS | WATCHES]
    assert lines(others) == []
    assert {call.path for call in calls if call.name in WATCHES} == {str(ledger.parent)}
    assert {call.path for call in calls} <= {str(ledger), *on_the_way, beside, *databases}
    assert {call.name for call in calls if call.path in databases} <= LOOKS
    assert not {str(path) for path in neighbours} & {call.path for call in calls}


def lines(calls: Sequence[Call]) -> list[str]:
    """Return the calls as they were written."""
    return [call.line for call in calls]


def lay_out_every_source(home: Path) -> dict[str, set[Path]]:
    """Put something into every known place of every source; return the files of each, by its id."""
    settings = load_settings({"ledger_path": str(home / ".cline/data/state/taskHistory.json")}, {}).settings
    laid: dict[str, set[Path]] = {}
    for choice in SourceChoices(SOURCES, settings).list_all():
        files = laid.setdefault(choice.source.id, set())
        for place in (Path(place.path) for place in choice.places):
            assert place.is_relative_to(home)
            is_file = place.suffix != "" and not place.name.startswith(".")
            names = [place] if is_file else [place / "p" / "s.jsonl", place / "p" / "q" / "s.json", place / "s.jsonl"]
            for file in names:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("[]\n" if choice.name == "cline.ledger" else '{"private": true}\n')
                files.add(file)
    return laid


def use_switches(folder: Path, settings: dict[str, str], trace: Path, switched: str | None) -> list[Call]:
    """Serve, switch one source on or none, ask for everything; return the calls on what belongs to a tool."""
    with TracedServer(folder, settings, trace) as server, server.client() as client:
        if switched is not None:
            assert client.put(f"/api/sources/{switched}", json={"enabled": True}).status_code == 200
        for route in ("/", "/api/sources", "/api/status", "/api/cline/status", "/api/summary", "/metrics"):
            assert client.get(route).status_code == 200
        assert client.post("/api/import").status_code < 500
        run_traced(folder, settings, trace.with_name(f"{trace.name}-status"), "status")
        assert server.stop() == 0
    for command in ("doctor", "sources"):
        run_traced(folder, settings, trace.with_name(f"{trace.name}-{command}"), command)
    calls = [(Path(call.path), call) for call in read_calls(trace.parent / f"{trace.name}*")]
    own = database_path(folder).parent
    theirs = [(path, call) for path, call in calls if path.is_relative_to(folder) and not path.is_relative_to(own)]
    return [call for path, call in theirs if APP_NAME not in str(path)]  # without our own settings


def test_nothing_is_opened_before_its_switch(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start without switches opens the ledger alone; one switch opens the files of that source, and no other's.

    A source that is off may be counted: folders are listed, and nothing in them is opened or watched.
    """
    home = tmp_path.resolve() / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    laid = lay_out_every_source(home)
    ledger = home / ".cline/data/state/taskHistory.json"
    settings = {"AICO_LEDGER_PATH": str(ledger)}
    first = use_switches(home, settings, trace, None)
    opened = [call for call in first if call.opens and "O_DIRECTORY" not in call.line]
    assert {call.path for call in opened} == {str(ledger)}, lines(opened)
    assert all(call.only_reads for call in opened)
    assert {call.path for call in first if call.name in WATCHES} == {str(ledger.parent)}
    assert {source for source, files in laid.items() if files and source != "cline"}, "no other source is known"
    second = use_switches(home, settings, trace.with_name("switched"), "claude-code")
    files = {str(file) for file in laid["claude-code"]}
    opened = [call for call in second if call.opens and "O_DIRECTORY" not in call.line]
    assert {str(ledger)} < {call.path for call in opened} <= {str(ledger), *files}, lines(opened)
    watched = {Path(call.path) for call in second if call.name in WATCHES}
    others = {file for source, each in laid.items() if source != "claude-code" for file in each if file != ledger}
    assert watched > {ledger.parent}
    assert not watched & {file.parent for file in others}


HISTORIES = {
    ".config/google-chrome/Default/History": make_chromium,
    ".config/chromium/Profile 1/History": make_chromium,
    ".config/BraveSoftware/Brave-Browser/Default/History": make_chromium,
    ".config/microsoft-edge/Default/History": make_chromium,
    ".mozilla/firefox/abc.default/places.sqlite": make_firefox,
}
SECRETS = ("Cookies", "Login Data", "Web Data", "Bookmarks", "Preferences", "cookies.sqlite", "logins.json", "key4.db")
SHELLS = (".bash_history", ".zsh_history", ".local/share/fish/fish_history")


def lay_out_activity(home: Path) -> dict[str, set[Path]]:
    """Put histories of browsers and shells into a home, with what else lies in a profile; return the files by kind."""
    laid: dict[str, set[Path]] = {"browsers": set(), "shell": set(), "": set()}
    for number, (name, make) in enumerate(HISTORIES.items()):
        path = make(home / name, [Row("https://claude.ai/", now_ms() * 1000 - number * 60_000_000, 5_000_000)])
        laid["browsers"].add(path)
        for secret in SECRETS:
            path.with_name(secret).write_text("secret")
            laid[""].add(path.with_name(secret))
    for shell in SHELLS:
        (home / shell).parent.mkdir(parents=True, exist_ok=True)
        (home / shell).write_text("claude\n")
        laid["shell"].add(home / shell)
    return laid


def see(home: Path, trace: Path, kind: str) -> list[Call]:
    """Serve with one kind of activity on until it has been seen; return the calls below the home."""
    settings = {"AICO_LEDGER_PATH": str(home / "none" / "taskHistory.json"), "AICO_ACTIVITY_KINDS": kind}
    with TracedServer(home, settings, trace) as server, server.client() as client:
        deadline = time.monotonic() + HANG_S
        while not is_seen(kind, client, home):
            assert time.monotonic() < deadline, "nothing was seen"
            time.sleep(0.05)
        assert server.stop() == 0
    run_traced(home, settings, trace.with_name(f"{trace.name}-activity"), "activity")
    return [call for call in read_calls(trace.parent / f"{trace.name}*") if call.path.startswith(f"{home}/")]


def is_seen(kind: str, client: httpx.Client, home: Path) -> bool:
    """Return whether the first look has been taken: all visits are there, or how far each shell's history goes."""
    if kind == "browsers":
        subjects = client.get("/api/activity", params={"from": 0}).json()["subjects"]
        return sum(int(each["count"]) for each in subjects) == len(HISTORIES)
    return read_rows(database_path(home), "SELECT COUNT(*) FROM activity_checkpoint") == [(len(SHELLS),)]


@pytest.mark.parametrize("kind", ["browsers", "shell"])
def test_only_files_of_kinds_that_are_on_are_opened(
    kind: str, tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Histories of browsers, or of shells, and for reading alone; what else lies in a profile is not even named."""
    home = tmp_path.resolve() / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    laid = lay_out_activity(home)
    calls = see(home, trace, kind)
    opened = [call for call in calls if call.opens and not Path(call.path).is_dir()]
    named = {Path(call.path) for call in calls}
    assert laid[kind] <= {Path(call.path) for call in opened}
    foreign = {path for path in laid["browsers"] | laid["shell"] if path not in laid[kind]}
    assert not foreign & {Path(call.path) for call in opened}
    assert not laid[""] & named
    theirs = [call for call in opened if Path(call.path) in laid[kind]]
    assert all(call.only_reads for call in theirs), lines(theirs)
    if kind == "shell":
        assert not any(path.is_relative_to(home / ".mozilla") for path in named)
