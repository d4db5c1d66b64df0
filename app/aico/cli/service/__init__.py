"""``aico service``: has the system start the service by itself, and takes that back."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK
from aico.cli.database import refuse_unusable
from aico.cli.service.launchd import Launchd
from aico.cli.service.plan import Step
from aico.cli.service.program import Program, make_program
from aico.cli.service.purge import plan_purge
from aico.cli.service.state import ServiceState
from aico.cli.service.systemd import Systemd
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.command_name import command_name
from aico.core.errors import InstanceRunning, SupervisorRefused
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings


class Supervisor(Protocol):
    """Starts services on a system. Every method raises SupervisorRefused."""

    @property
    def name(self) -> str:
        """The name of the supervisor."""
        ...

    @property
    def path(self) -> Path:
        """The file that says whether we are installed."""
        ...

    def check(self) -> None:
        """Raise when it is not there for this user; changes nothing."""
        ...

    def plan_install(self, program: Program) -> list[Step]:
        """Return the steps of an installation."""
        ...

    def plan_uninstall(self) -> list[Step]:
        """Return the steps that take an installation back; none when there is none."""
        ...

    def plan_start(self) -> list[Step]:
        """Return the steps that start the installed service; one that runs goes on."""
        ...

    def plan_stop(self) -> list[Step]:
        """Return the steps that stop it until the next log-in."""
        ...

    def plan_restart(self) -> list[Step]:
        """Return the steps that stop it and start it anew."""
        ...

    def log_command(self, lines: int, *, follow: bool) -> tuple[str, ...]:
        """Return the program that prints the log, with its arguments."""
        ...

    def find_state(self) -> ServiceState:
        """Return how the service is."""
        ...

    def advice(self) -> list[str]:
        """Return the lines that the user should read after an installation."""
        ...


def control(options: argparse.Namespace) -> int:
    """Install, uninstall, start, stop or show; see the functions below."""
    supervisor = find_supervisor(os.environ)
    if options.action == "logs":
        return show_log(supervisor, max(0, options.lines), follow=bool(options.follow))
    if options.action in {"start", "stop", "restart"}:
        return drive(supervisor, str(options.action))
    if options.action == "status":
        return show(supervisor, as_json=bool(options.json))
    if options.action == "install":
        return install(supervisor, options)
    return uninstall(supervisor, options)


def find_supervisor(environment: Mapping[str, str]) -> Supervisor:
    """Return the supervisor of this system: launchd on macOS, else systemd."""
    home = Path("~").expanduser()
    if sys.platform == "darwin":
        return Launchd(home / "Library", os.getuid())
    return Systemd(Path(environment.get("XDG_CONFIG_HOME") or home / ".config"))


def install(supervisor: Supervisor, options: argparse.Namespace) -> int:
    """Write the service's file and start the service; an older installation is replaced. Data are left alone.

    Raises SupervisorRefused, InstanceRunning when the service already runs without the supervisor, SettingsError.
    """
    loaded = load(options)
    program = make_program(loaded, os.environ)
    if options.dry_run:
        return _preview(supervisor.plan_install(program))
    supervisor.check()
    _refuse_other_instance(supervisor, loaded.settings)
    _take(supervisor.plan_install(program))
    say(f"Installed: {supervisor.name} starts {supervisor.path}", *supervisor.advice())
    return EXIT_OK


def uninstall(supervisor: Supervisor, options: argparse.Namespace) -> int:
    """Stop the service and remove the files of :func:`install`; with ``--purge`` the database and its backups, too.

    Raises SupervisorRefused; InstanceRunning when the data are to go while somebody else still writes them; before
    anything is done, StorageForeign and StorageNewer for data that are not this version's to remove.
    """
    settings = load(options).settings
    if options.purge:
        refuse_unusable(settings.database_path)
    steps = supervisor.plan_uninstall()
    removal = plan_purge(settings.database_path) if options.purge else []
    if options.dry_run:
        return _preview([*steps, *removal])
    if steps:
        supervisor.check()
    _take(steps)
    say("Uninstalled." if steps else "It was not installed.")
    _take(removal)
    kept = settings.database_path
    say(f"What was imported is gone from {kept.parent}." if options.purge else f"What was imported stays in {kept}")
    return EXIT_OK


def drive(supervisor: Supervisor, action: str) -> int:
    """Start, stop or restart the installed service; exit with 1 if there is none. Raises SupervisorRefused."""
    if not supervisor.find_state().installed:
        complain(f"aico: it is not installed. To have {supervisor.name} start it: `{command_name()} service install`")
        return EXIT_FAILED
    plans = {"start": supervisor.plan_start, "stop": supervisor.plan_stop, "restart": supervisor.plan_restart}
    _take(plans[action]())
    say({"start": "Started.", "stop": "Stopped.", "restart": "Restarted."}[action])
    return EXIT_OK


def show_log(supervisor: Supervisor, lines: int, *, follow: bool) -> int:
    """Print the log of the installed service, by the program that keeps it. Raises SupervisorRefused."""
    if not supervisor.find_state().installed:
        complain(f"aico: it is not installed; `{command_name()} serve` in a terminal prints its log there")
        return EXIT_FAILED
    command = supervisor.log_command(lines, follow=follow)
    sys.stdout.flush()
    try:
        return EXIT_OK if subprocess.run(command, check=False).returncode == 0 else EXIT_FAILED  # noqa: S603  # fixed
    except OSError as error:
        raise SupervisorRefused(command[0], error.strerror or "could not be run") from error


def show(supervisor: Supervisor, *, as_json: bool) -> int:
    """Print how the service is; return 0 when it runs and will again, 3 when not, 1 when it is not installed."""
    state = supervisor.find_state()
    if as_json:
        say(json.dumps({"supervisor": supervisor.name, "path": str(supervisor.path), **asdict(state)}))
    else:
        words = (f"{'' if holds else 'not '}{name}" for name, holds in asdict(state).items())
        say(f"{', '.join(words)} ({supervisor.name}, {supervisor.path})")
    if not state.installed:
        return EXIT_FAILED
    return EXIT_OK if state.enabled and state.running else EXIT_DEGRADED


def _refuse_other_instance(supervisor: Supervisor, settings: Settings) -> None:
    holder = InstanceLock(settings.database_path).find_holder()
    if holder is not None and not supervisor.find_state().running:
        raise InstanceRunning(holder.pid, holder.url)


def _preview(steps: Sequence[Step]) -> int:
    lines = [line for step in steps for line in step.describe()]
    say(*(lines or ["There is nothing to do."]))
    return EXIT_OK


def _take(steps: Sequence[Step]) -> None:
    for step in steps:
        step.take()
