"""A launchd agent.

launchd has no options like those that harden the systemd unit (sandbox-exec is deprecated and its language
undocumented), and no limit on restarts: it waits ``ThrottleInterval`` seconds between them.
Source: launchd.plist(5), launchctl(1).
"""

from __future__ import annotations

import plistlib
import re
from dataclasses import dataclass
from pathlib import Path

from aico.cli.service.plan import MARK, MakeFolder, Remove, Run, Step, Write, ask, check_ours, refusal
from aico.cli.service.program import Program
from aico.cli.service.state import ServiceState

LABEL = "ai-cost-observer"
_BOOTSTRAP_ATTEMPTS = 10
"""``bootout`` returns before the old agent is gone, and until then ``bootstrap`` fails."""


def agent_text(program: Program, log_path: Path) -> str:
    """Return the property list that starts ``program``. Pure."""
    content: dict[str, object] = {
        "Label": LABEL,
        "ProgramArguments": list(program.command),
        "EnvironmentVariables": dict(program.environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 60,
        "ExitTimeOut": 10,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardErrorPath": str(log_path),
    }
    text = plistlib.dumps(content, sort_keys=False).decode()
    return text.replace("<plist ", f"<!-- {MARK} -->\n<plist ", 1)


@dataclass(frozen=True, slots=True)
class Launchd:
    """The launchd of the user's session."""

    library: Path
    """``~/Library``."""
    user_id: int
    name = "launchd"

    @property
    def path(self) -> Path:
        """The agent's property list."""
        return self.library / "LaunchAgents" / f"{LABEL}.plist"

    @property
    def log_path(self) -> Path:
        """The file that takes the service's standard error."""
        return self.library / "Logs" / f"{LABEL}.log"

    @property
    def _domain(self) -> str:
        return f"gui/{self.user_id}"

    @property
    def _target(self) -> str:
        return f"{self._domain}/{LABEL}"

    def check(self) -> None:
        """Raise SupervisorRefused when this user has no session that agents can live in."""
        command = ("launchctl", "print-disabled", self._domain)
        answer = ask(command)
        if answer.returncode != 0:
            raise refusal(command, answer)

    def plan_install(self, program: Program) -> list[Step]:
        """Return the steps of an installation; taken again, they end in the same."""
        text = agent_text(program, self.log_path)
        return [
            MakeFolder(program.data_folder),
            MakeFolder(self.log_path.parent),
            Write(self.path, text.encode(), text),
            *self._stop(),
            Run(("launchctl", "enable", self._target)),
            Run(("launchctl", "bootstrap", self._domain, str(self.path)), attempts=_BOOTSTRAP_ATTEMPTS),
        ]

    def plan_uninstall(self) -> list[Step]:
        """Return the steps that take an installation back."""
        return [*self._stop(), Remove(self.path)] if check_ours(self.path) else []

    def plan_start(self) -> list[Step]:
        """Return the steps that start it; one that is loaded goes on."""
        if ask(("launchctl", "print", self._target)).returncode == 0:
            return [Run(("launchctl", "kickstart", self._target))]
        return [Run(("launchctl", "bootstrap", self._domain, str(self.path)))]

    def plan_stop(self) -> list[Step]:
        """Return the steps that stop it: unloaded, or launchd would start it anew."""
        return self._stop()

    def plan_restart(self) -> list[Step]:
        """Return the steps that start it anew."""
        command = ("launchctl", "bootstrap", self._domain, str(self.path))
        return [*self._stop(), Run(command, attempts=_BOOTSTRAP_ATTEMPTS)]

    def log_command(self, lines: int, *, follow: bool) -> tuple[str, ...]:
        """Return how the file is printed."""
        return ("tail", "-n", str(lines), *(["-F"] if follow else []), str(self.log_path))

    def find_state(self) -> ServiceState:
        """Return the state that launchd reports. Raises SupervisorRefused."""
        if not check_ours(self.path):
            return ServiceState(installed=False)
        self.check()
        disabled = ask(("launchctl", "print-disabled", self._domain)).stdout
        enabled = re.search(rf'"{LABEL}" => (disabled|true)', disabled) is None
        shown = ask(("launchctl", "print", self._target))
        running = shown.returncode == 0 and re.search(r"^\s*state = running$", shown.stdout, re.MULTILINE) is not None
        return ServiceState(installed=True, enabled=enabled, running=running)

    def advice(self) -> list[str]:
        """Return the lines that the user should read."""
        return [f"Its log: {self.log_path}", "It runs while you are logged in."]

    def _stop(self) -> list[Step]:
        loaded = ask(("launchctl", "print", self._target)).returncode == 0
        return [Run(("launchctl", "bootout", self._target))] if loaded else []
