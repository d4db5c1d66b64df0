"""Errors for a person who starts the service and types commands: settings, lock, port, files to write."""

from __future__ import annotations

from aico.core.errors.root import ObserverError


class SettingsError(ObserverError):
    """A setting is unknown, malformed or contradicts another one."""

    code = "configuration"
    hint = (
        "Correct it in the file, the variable or the flag that it comes from; then `aico doctor` looks at everything."
    )

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"Setting {setting}: {reason}.")
        self.setting = setting


class InstanceRunning(ObserverError):
    """Another process holds the exclusive lock beside the database."""

    code = "instance_running"
    hint = "Use the running service, or stop it first."

    def __init__(self, pid: int | None, url: str | None) -> None:
        where = f" at {url}" if url else ""
        who = f" (process {pid})" if pid else ""
        super().__init__(f"AI Cost Observer already runs{where}{who}.")
        self.pid = pid
        self.url = url


class ServiceUnreachable(ObserverError):
    """The process that holds the lock did not answer over HTTP."""

    code = "service_unreachable"
    hint = "Look at the log of the running service, or stop it and try again."

    def __init__(self, url: str) -> None:
        super().__init__(f"The running service at {url} does not answer.")
        self.url = url


class ServiceRefusal(ObserverError):
    """The process that holds the lock answered with an error of its own."""

    code = "service_refused"
    hint = "The service said what to do: see the first line."

    def __init__(self, code: str, detail: str, hint: str) -> None:
        # Another process speaks: nothing of it may steer the terminal.
        text = f"{detail} [{code}] {hint}"
        super().__init__("".join(character if character.isprintable() else "\ufffd" for character in text))
        self.service_code = code


class PortTaken(ObserverError):
    """Another program listens on the port."""

    code = "port_taken"
    hint = "Stop that program, or set AICO_PORT to another port."

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} of {host} is taken by another program.")


class OutputFailed(ObserverError):
    """Standard output, or the file of an export or a backup, cannot be written; or that file must not be."""

    code = "output_failed"
    hint = "Make room, or name another file. A file that was named and there before is as it was."

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}.")


class SupervisorRefused(ObserverError):
    """The program that starts services on this system (systemd, launchd) is not there or did not obey."""

    code = "supervisor_refused"
    hint = (
        "Log in as the user whose service it is, not by su or sudo; WSL starts systemd only with systemd=true in "
        "/etc/wsl.conf. `aico serve` runs without any of that."
    )

    def __init__(self, supervisor: str, reason: str) -> None:
        # Another program speaks: nothing of it may steer the terminal.
        said = "".join(character if character.isprintable() else " " for character in reason)
        super().__init__(f"{supervisor}: {said.strip()[:300].rstrip('.')}.")
