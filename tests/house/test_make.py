"""The words of ``make`` on a machine that lacks something: one line, and what to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_VENV = 'case "$1 $2" in "-m venv" | "-m ensurepip") exit 1 ;; esac\nexec {python} "$@"\n'
TOO_OLD = "exit 1\n"
WHOLE = 'exec {python} "$@"\n'
NO_BUILD = 'case "$1 $2" in "-m pip") echo "ERROR: No matching distribution found for one==1"; exit 1 ;; esac\n' + WHOLE


@dataclass(frozen=True, slots=True)
class Machine:
    """A checkout without ``.venv``, on a machine whose PATH is one folder."""

    checkout: Path
    commands: Path

    def install(self, name: str, script: str) -> None:
        """Put a shell script on the PATH."""
        command = self.commands / name
        command.write_text("#!/bin/sh\n" + script.format(python=sys.executable), encoding="utf-8")
        command.chmod(0o755)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run ``command`` in the checkout."""
        path = {"PATH": str(self.commands)}
        return subprocess.run(command, cwd=self.checkout, env=path, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with make and sh, and no Python at all."""
    made = Machine(tmp_path / "checkout", tmp_path / "commands")
    made.commands.mkdir()
    shutil.copytree(ROOT / "scripts", made.checkout / "scripts")
    shutil.copy(ROOT / "Makefile", made.checkout)
    for name in ("sh", "make", "sed", "awk"):
        found = shutil.which(name)
        assert found is not None, f"these tests need {name}"
        (made.commands / name).symlink_to(found)
    return made


def only_line(answer: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a failed command said."""
    assert answer.returncode != 0
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    return line


def test_missing_venv_module_is_one_line_that_names_the_package(machine: Machine) -> None:
    """A Python whose venv module was left out is told with the Debian package that brings it."""
    machine.install("python3", NO_VENV)
    version = "{}.{}".format(*sys.version_info)
    assert f"apt install python{version}-venv" in only_line(machine.run("make", "serve"))


@pytest.mark.parametrize("names", [[], ["python3"]])
def test_missing_python_is_one_line_that_says_what_to_install(machine: Machine, names: list[str]) -> None:
    """No Python, or only an old one, is told with the version that is needed."""
    for name in names:
        machine.install(name, TOO_OLD)
    assert "Python 3.11 or later" in only_line(machine.run("make", "install"))


def test_python_that_does_not_run_is_passed_over(machine: Machine) -> None:
    """A version manager's command for a version that is not active does not stand in the way of the next one."""
    machine.install("python3.13", TOO_OLD)
    machine.install("python3.12", NO_VENV)
    machine.install("python3", WHOLE)
    assert machine.run("sh", "scripts/find-python").stdout == "ok python3\n"


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13", "python3.14", "python3", "python"])
def test_python_is_found_by_every_name(machine: Machine, name: str) -> None:
    """Some systems have no ``python3``, or an old one."""
    machine.install("python", TOO_OLD)
    machine.install("python3", TOO_OLD)
    machine.install(name, WHOLE)
    assert machine.run("sh", "scripts/find-python").stdout == f"ok {name}\n"


def test_python_that_a_library_has_no_build_for_is_told_with_those_that_have_all(machine: Machine) -> None:
    """A Python may be newer than the locks."""
    machine.install("python3", WHOLE)
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)
    machine.install("../checkout/.venv/bin/python", NO_BUILD)
    answer = machine.run("make", "install")
    errors = answer.stderr.splitlines()
    assert (answer.returncode, errors[0]) == (2, "ERROR: No matching distribution found for one==1")
    assert "no build for Python {}.{} ".format(*sys.version_info) in errors[1]
    assert "make serve PYTHON=python3.13" in errors[1]


def test_named_python_is_used_or_refused(machine: Machine) -> None:
    """``PYTHON=...`` is taken at its word: that one or none."""
    machine.install("python3", WHOLE)
    machine.install("python3.9", TOO_OLD)
    assert "as python3.9" in only_line(machine.run("make", "install", "PYTHON=python3.9"))


def test_unfinished_environment_is_not_trusted(machine: Machine) -> None:
    """A ``.venv`` whose set-up was killed is not used, however whole it looks."""
    machine.install("python3", WHOLE)
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)
    (machine.checkout / ".venv" / "bin" / "python").symlink_to(machine.commands / "python3")
    before = machine.run("sh", "scripts/find-python").stdout
    (machine.checkout / ".make").mkdir()
    (machine.checkout / ".make" / "unfinished").touch()
    after = machine.run("sh", "scripts/find-python").stdout
    assert (before, after) == ("ok .venv/bin/python\n", "ok python3\n")


def test_missing_tool_of_the_system_is_named_with_its_package(machine: Machine) -> None:
    """If nothing may be installed, each tool that the system tests lack is told with its Debian package."""
    answer = machine.run(sys.executable, "scripts/system_tools.py")
    assert answer.returncode == 1
    assert ("apt install strace" if sys.platform == "linux" else "Linux") in answer.stderr


def test_make_alone_lists_every_target(machine: Machine) -> None:
    """``make`` without a target changes nothing and lists what there is to do."""
    answer = machine.run("make")
    assert answer.returncode == 0
    assert [line.split()[1] for line in answer.stdout.splitlines()][:4] == ["help", "install", "serve", "demo"]
    serve, demo = answer.stdout.splitlines()[2:4]
    assert "on port 8611 or AICO_PORT" in serve
    assert "on a free port that it prints" in demo
