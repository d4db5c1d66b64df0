"""A scheduled task of Windows that starts the service inside WSL.

The program runs on Windows only inside WSL, and nothing inside can bring WSL up when Windows starts: not even systemd
there, which lives as long as the distribution does. A task can, and as long as its ``wsl.exe`` runs, so does the
distribution. The task holds no path of the user's: Windows, the Task Scheduler (``$(Arg0)``, ``%NAME%``) and wsl.exe
each have their own quoting. What is to be started stands in a script inside WSL, quoted for one shell.

Nobody has run this on Windows yet: checked are the structure of the task and every call.
Source: Task Scheduler 1.2 schema (Microsoft Learn, "Task Scheduler Schema"), schtasks, "Basic commands for WSL".
"""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from aico.cli.service.plan import MARK, MakeFolder, Remove, Run, Step, Write, ask, check_ours, refusal
from aico.cli.service.program import Program
from aico.cli.service.state import ServiceState
from aico.core.errors import SupervisorRefused

TASK = "ai-cost-observer"
NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
SCRIPT = f".config/{TASK}/serve.sh"
"""Below the home directory: the one path that the task names."""
_PLAIN = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
_RUNNING = "267009"
"""SCHED_S_TASK_RUNNING as a last result."""


def script_text(program: Program) -> str:
    """Return the script that starts ``program``. Pure."""
    variables = [f"export {name}={shlex.quote(value)}\n" for name, value in program.environment.items()]
    return f"#!/bin/sh\n# {MARK}\numask 077\n{''.join(variables)}exec {shlex.join(program.command)}\n"


def task_text(distribution: str, user: str, windows_user: str) -> str:
    """Return the task that runs the script in ``distribution`` as ``user`` whenever ``windows_user`` logs on. Pure."""
    ET.register_namespace("", NAMESPACE)
    task = ET.Element(_tag("Task"), version="1.2")
    about = _add(task, "RegistrationInfo")
    _add(about, "Author", TASK)
    _add(about, "Description", MARK)
    logon = _add(_add(task, "Triggers"), "LogonTrigger")
    _add(logon, "Enabled", "true")
    _add(logon, "UserId", windows_user)
    principal = _add(_add(task, "Principals"), "Principal", id="Author")
    _add(principal, "UserId", windows_user)
    _add(principal, "LogonType", "InteractiveToken")
    _add(principal, "RunLevel", "LeastPrivilege")
    settings = _add(task, "Settings")
    for name, value in _SETTINGS.items():
        _add(settings, name, value)
    restart = _add(settings, "RestartOnFailure")
    _add(restart, "Interval", "PT1M")
    _add(restart, "Count", "5")
    execute = _add(_add(task, "Actions", Context="Author"), "Exec")
    _add(execute, "Command", r"%SystemRoot%\System32\wsl.exe")
    where = f"--distribution {distribution} --user {user} --cd ~"
    _add(execute, "Arguments", f"{where} --exec /bin/sh {SCRIPT}")
    ET.indent(task)
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{ET.tostring(task, encoding="unicode")}\n'


_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "Enabled": "true",
    "Hidden": "false",
    "ExecutionTimeLimit": "PT0S",
}
"""PT0S: no limit; the default would end the service after three days."""


@dataclass(frozen=True, slots=True)
class WindowsTask:
    """The Task Scheduler of the Windows around this WSL."""

    home: Path
    distribution: str
    user: str
    name = "Windows Task Scheduler"

    @property
    def path(self) -> Path:
        """The script."""
        return self.home / SCRIPT

    @property
    def task_path(self) -> Path:
        """The task as it was handed to Windows."""
        return self.path.with_name("task.xml")

    def check(self) -> None:
        """Raise SupervisorRefused when Windows cannot be reached, or has names that a task cannot hold safely."""
        for text in (self.distribution, self.user):
            if _PLAIN.fullmatch(text) is None:
                raise SupervisorRefused(self.name, f"{text!r} cannot be named in a task")
        self._find_windows_user()

    def plan_install(self, program: Program) -> list[Step]:
        """Return the steps of an installation; taken again, they end in the same."""
        script = script_text(program)
        task = task_text(self.distribution, self.user, self._find_windows_user())
        create = ("schtasks.exe", "/Create", "/F", "/TN", TASK, "/XML", self._windows_path())
        return [
            MakeFolder(program.data_folder),
            Write(self.path, script.encode(), script),
            # UTF-16 with its mark: what Windows itself exports.
            Write(self.task_path, f"\ufeff{task}".encode("utf-16-le"), task),
            *self._end(),
            Run(create),
            Run(("schtasks.exe", "/Run", "/TN", TASK)),
        ]

    def plan_uninstall(self) -> list[Step]:
        """Return the steps that take an installation back."""
        if not check_ours(self.path):
            return []
        known = [*self._end(), Run(("schtasks.exe", "/Delete", "/F", "/TN", TASK))] if self._exists() else []
        return [*known, Remove(self.task_path), Remove(self.path)]

    def find_state(self) -> ServiceState:
        """Return what the Task Scheduler says. Raises SupervisorRefused."""
        if not check_ours(self.path) or not self._exists():
            return ServiceState(installed=False)
        shown = ask(("schtasks.exe", "/Query", "/TN", TASK, "/XML")).stdout
        settings = shown.partition("<Settings>")[2].partition("</Settings>")[0]
        return ServiceState(installed=True, enabled="<Enabled>false</Enabled>" not in settings, running=self._runs())

    def advice(self) -> list[str]:
        """Return what the user should know."""
        return [
            "It starts when you log on to Windows; its log is the window of wsl.exe, which stays open (minimise it).",
            "Inside WSL nothing else starts it.",
        ]

    def _exists(self) -> bool:
        return ask(("schtasks.exe", "/Query", "/TN", TASK)).returncode == 0

    def _runs(self) -> bool:
        """Return whether the task runs. Its state is told in the language of Windows, its last result is a number."""
        shown = ask(("schtasks.exe", "/Query", "/TN", TASK, "/V", "/FO", "CSV", "/NH")).stdout
        return any(_RUNNING in row for row in csv.reader(shown.splitlines()))

    def _end(self) -> list[Step]:
        return [Run(("schtasks.exe", "/End", "/TN", TASK))] if self._exists() and self._runs() else []

    def _find_windows_user(self) -> str:
        return _answer_of(("whoami.exe",))

    def _windows_path(self) -> str:
        # Of the home directory, which is there: wslpath refuses what is not.
        home = _answer_of(("wslpath", "-w", str(self.home))).rstrip("\\")
        return "\\".join((home, *self.task_path.relative_to(self.home).parts))


def _answer_of(command: tuple[str, ...]) -> str:
    answer: subprocess.CompletedProcess[str] = ask(command)
    text = answer.stdout.strip()
    if answer.returncode != 0 or not text:
        raise refusal(command, answer)
    return text


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, _tag(name), attributes)
    child.text = text
    return child
