"""A systemd user unit.

Left out, with the reasons: a user's own systemd has no privileges. ``CapabilityBoundingSet``, ``PrivateDevices``,
``ProtectKernelModules``, ``ProtectKernelLogs`` and ``ProtectClock`` drop capabilities, which it may not: the service
would not start (218/CAPABILITIES). ``InaccessiblePaths`` and ``ProtectKernelTunables`` did not start (226/NAMESPACE)
when this was tried with systemd 252 and user namespaces; what is in the unit did. ``IPAddressDeny`` needs BPF, and a
Kimi Proxy may live elsewhere. ``PrivateUsers`` would fail where user namespaces are forbidden. Without it, systemd 254
and later use them where they can be had, and pass over the options that need them elsewhere; so do older ones
everywhere. ``ProtectHome=tmpfs`` and bind mounts would not be passed over, and hide the program itself.
``PrivateTmp`` goes when something that the service needs lies in ``/tmp``.
Source: systemd.exec(5), systemd.service(5), systemd.syntax(7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aico.cli.service.plan import MARK, MakeFolder, Remove, Run, Step, Write, ask, check_ours, refusal
from aico.cli.service.program import Program
from aico.cli.service.state import ServiceState

UNIT = "ai-cost-observer.service"
_SYSTEMCTL = ("systemctl", "--user")
_QUOTES = frozenset("\"'\\")
_TEMPLATE = """\
# {mark}
# Do not edit: the next install writes it anew. `systemctl --user edit {unit}` keeps changes apart.

[Unit]
Description=AI Cost Observer: what your AI coding tools cost
# Five failures in five minutes are no accident.
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart=:{command}
{environment}Restart=on-failure
RestartSec=5
# 2: wrong configuration. Another start would change nothing.
RestartPreventExitStatus=2
TimeoutStopSec=10
UMask=0077

# Works in every user's service.
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
# UNIX: the event loop wakes itself by a socket pair.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

# Works where the system lets users have namespaces, and is passed over elsewhere. Before systemd 254 it takes
# PrivateUsers=yes, too, with which the service does not start where it does not work.
# Everything is read-only, the folder of Cline too; only our own data may be written.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={data_folder}
{private_tmp}ProtectControlGroups=yes

[Install]
WantedBy=default.target
"""


def unit_text(program: Program) -> str:
    """Return the unit that starts ``program``. Pure."""
    variables = "".join(f"Environment={quote(f'{name}={value}')}\n" for name, value in program.environment.items())
    return _TEMPLATE.format(
        mark=MARK,
        unit=UNIT,
        command=" ".join(quote(word) for word in _startable(program.command)),
        environment=variables,
        # "-": a folder that is not there is passed over.
        data_folder=quote(f"-{program.data_folder}"),
        private_tmp="" if program.needs_shared_tmp else "PrivateTmp=yes\n",
    )


def quote(word: str) -> str:
    """Return ``word`` as systemd reads it: in quotes, with specifiers (``%``) and escapes doubled."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _startable(command: Sequence[str]) -> list[str]:
    """Return ``command`` so that systemd takes it: a program's own path may hold no quote there, an argument may."""
    if _QUOTES.isdisjoint(command[0]):
        return list(command)
    return ["/bin/sh", "-c", 'exec "$0" "$@"', *command]


@dataclass(frozen=True, slots=True)
class Systemd:
    """The user's own systemd."""

    config_home: Path
    """Units are looked for in ``systemd/user`` below it."""
    name = "systemd"

    @property
    def path(self) -> Path:
        """The unit."""
        return self.config_home / "systemd" / "user" / UNIT

    def check(self) -> None:
        """Raise SupervisorRefused when there is no systemd for this user."""
        command = (*_SYSTEMCTL, "show", "--property=Version")
        answer = ask(command)
        if answer.returncode != 0:
            raise refusal(command, answer)

    def plan_install(self, program: Program) -> list[Step]:
        """Return the steps of an installation; taken again, they end in the same."""
        text = unit_text(program)
        return [
            MakeFolder(program.data_folder),
            Write(self.path, text.encode(), text),
            Run((*_SYSTEMCTL, "daemon-reload")),
            Run((*_SYSTEMCTL, "enable", UNIT)),
            Run((*_SYSTEMCTL, "restart", UNIT)),
        ]

    def plan_uninstall(self) -> list[Step]:
        """Return the steps that take an installation back."""
        if not check_ours(self.path):
            return []
        return [
            Run((*_SYSTEMCTL, "disable", "--now", UNIT)),
            Remove(self.path),
            Run((*_SYSTEMCTL, "daemon-reload")),
        ]

    def plan_start(self) -> list[Step]:
        """Return the steps that start it."""
        return [Run((*_SYSTEMCTL, "start", UNIT))]

    def plan_stop(self) -> list[Step]:
        """Return the steps that stop it."""
        return [Run((*_SYSTEMCTL, "stop", UNIT))]

    def plan_restart(self) -> list[Step]:
        """Return the steps that start it anew."""
        return [Run((*_SYSTEMCTL, "restart", UNIT))]

    def log_command(self, lines: int, *, follow: bool) -> tuple[str, ...]:
        """Return how the journal prints it."""
        command = ("journalctl", "--user", "--unit", UNIT, "--no-pager", "--output=cat", f"--lines={lines}")
        return (*command, "--follow") if follow else command

    def find_state(self) -> ServiceState:
        """Return the state that systemd reports. Raises SupervisorRefused."""
        if not check_ours(self.path):
            return ServiceState(installed=False)
        self.check()
        enabled = ask((*_SYSTEMCTL, "is-enabled", UNIT)).returncode == 0
        running = ask((*_SYSTEMCTL, "is-active", UNIT)).returncode == 0
        return ServiceState(installed=True, enabled=enabled, running=running)

    def advice(self) -> list[str]:
        """Return the lines that the user should read."""
        return [
            f"Its log: journalctl --user --unit {UNIT}",
            "It runs while you are logged in. To have it run without that: loginctl enable-linger",
        ]
