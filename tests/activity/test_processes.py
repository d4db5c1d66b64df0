"""Real programs of this user, told apart by number and start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from aico.core.activity_settings import ActivitySettings
from aico.features.activity import processes
from aico.features.activity.definitions import load_definitions
from aico.features.activity.processes import SystemProcesses
from aico.features.activity.programs import Program
from tests.e2e.server_process import HANG_S

DEFINITIONS = load_definitions(ActivitySettings(), "linux")
BOTH = ("apps", "commands")


@contextmanager
def running(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a copy of the shell under the name of ``path`` until the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        shutil.copy("/bin/sh", path)
    command = [str(path), "-c", "echo here; read x; exit 0", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        try:
            yield process
        finally:
            process.kill()


def names_of(found: Sequence[Program], *pids: int) -> dict[int, tuple[str, str]]:
    """Return kind and name of those with a number of ``pids``."""
    return {each.pid: (each.kind, each.name) for each in found if each.pid in pids}


def test_listed_programs_are_found_while_they_run(tmp_path: Path) -> None:
    """An app with its helpers and a command are found; the same words elsewhere are not; what ended is gone."""
    with (
        running(tmp_path / "cursor" / "cursor") as app,
        running(tmp_path / "cursor" / "cursor", "--type=renderer") as helper,
        running(tmp_path / "claude") as command,
        running(tmp_path / "other", "claude") as other,
    ):
        pids = (app.pid, helper.pid, command.pid, other.pid)
        # Others on this machine may run the same.
        table = SystemProcesses(DEFINITIONS, BOTH, list_pids=lambda: list(pids))
        wanted = {app.pid: ("apps", "Cursor"), helper.pid: ("apps", "Cursor"), command.pid: ("commands", "claude")}
        assert names_of(table.scan(), *pids) == wanted
        assert names_of(table.scan(), *pids) == wanted
        assert table.find(command.pid) == next(each for each in table.scan() if each.pid == command.pid)
        assert table.find(other.pid) is None
        loads = table.measure()
        assert loads["apps", "Cursor"].cpu_percent == 0
        assert loads["apps", "Cursor"].memory_mb > 0
        only_commands = SystemProcesses(DEFINITIONS, ["commands"])
        assert names_of(only_commands.scan(), *pids) == {command.pid: ("commands", "claude")}
    assert names_of(table.scan(), *pids) == {}
    assert table.find(command.pid) is None
    assert ("apps", "Cursor") not in table.measure()


def test_program_that_becomes_another_one_is_seen(tmp_path: Path) -> None:
    """A shell that executes a listed command keeps its number: it is looked at anew."""
    claude = shutil.copy("/bin/sh", tmp_path / "claude")
    command = ["/bin/bash", "-c", f"echo here; read x; exec {claude} -c 'echo there; read x; exit 0'"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "here\n"
        table = SystemProcesses(DEFINITIONS, BOTH)
        assert names_of(table.scan(), process.pid) == {}
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "there\n"
        assert names_of(table.scan(), process.pid) == {process.pid: ("commands", "claude")}
        process.kill()


def test_command_knows_its_terminal_and_what_it_lives_in(tmp_path: Path) -> None:
    """Also a terminal that was opened after the first look; and writing into it changes its times."""
    claude = shutil.copy("/bin/sh", tmp_path / "claude")
    table = SystemProcesses(DEFINITIONS, BOTH)
    table.scan()
    master, slave = os.openpty()
    # It becomes the session's terminal, as a terminal's window has it.
    command = ["setsid", "--ctty", claude, "-c", "echo here; read x; exit 0"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        try:
            assert b"here" in os.read(master, 100)
            [program] = [each for each in table.scan() if each.pid == process.pid]
            assert program.terminal == os.ttyname(slave)
            assert program.ancestors[0] == os.getpid()
        finally:
            process.kill()
            os.close(slave)
            os.close(master)


def test_number_that_is_used_again_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time belongs to the process that spent it: a second one under the same number begins at nothing."""
    signs: dict[int, tuple[object, ...]] = {1: (1,), 2: (1,)}
    table = SystemProcesses(DEFINITIONS, BOTH, list_pids=lambda: list(signs))
    asked: list[int] = []
    monkeypatch.setattr(processes, "_sign_of", signs.get)

    def match(pid: int, sign: tuple[object, ...]) -> processes._Known:
        asked.append(pid)
        return processes._Known(sign, None, None)

    monkeypatch.setattr(table, "_match", match)
    table.scan()
    table.scan()
    assert asked == [1, 2]
    signs[2] = (2,)
    table.scan()
    del signs[1]
    table.scan()
    signs[1] = (1,)
    table.scan()
    assert asked == [1, 2, 2, 1]


def test_processes_that_vanish_meanwhile_are_no_error() -> None:
    """Numbers of processes that have ended are passed over."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    table = SystemProcesses(DEFINITIONS, BOTH, list_pids=lambda: [ended.pid, 2**22 + 1, os.getpid()])
    assert table.scan() == []
    assert table.find(ended.pid) is None


def test_load_is_of_all_processes_of_an_app(tmp_path: Path) -> None:
    """Two busy processes are more than one; memory is added up, and the time before the first look is not counted."""
    clock = iter(float(second) for second in range(0, 1000, 10))
    with running(tmp_path / "cursor" / "cursor") as one, running(tmp_path / "cursor" / "cursor") as two:
        table = SystemProcesses(DEFINITIONS, BOTH, clock=lambda: next(clock), list_pids=lambda: [one.pid, two.pid])
        table.scan()
        first = table.measure()["apps", "Cursor"]
        alone = SystemProcesses(DEFINITIONS, BOTH, list_pids=lambda: [one.pid])
        alone.scan()
        assert first.memory_mb > alone.measure()["apps", "Cursor"].memory_mb * 1.5
        table.scan()
        assert 0 <= table.measure()["apps", "Cursor"].cpu_percent < 100


@pytest.mark.slow
def test_scan_of_three_hundred_processes_takes_no_time(tmp_path: Path) -> None:
    """At most 15 ms of processor time, once they are known."""
    shutil.copy("/bin/sh", tmp_path / "sleeper")
    others = [subprocess.Popen([tmp_path / "sleeper", "-c", "read x"], stdin=subprocess.PIPE) for _ in range(300)]
    try:
        table = SystemProcesses(DEFINITIONS, BOTH)
        table.scan()
        spent = []
        for _ in range(5):
            began = time.process_time()
            table.scan()
            table.measure()
            spent.append(time.process_time() - began)
        assert min(spent) <= 0.015, spent
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.communicate(timeout=HANG_S)
