"""A plan of steps that can be shown instead of taken."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aico.core.errors import SupervisorRefused

MARK = "Written by `aico service install`, removed by `aico service uninstall`."
"""Stands in every file that is ours: no other is ever overwritten or removed."""
_HANG_S = 60
_AGAIN_S = 0.5


class Step(Protocol):
    """One thing that changes the system."""

    def describe(self) -> list[str]:
        """Return the effects of the step, in lines."""
        ...

    def take(self) -> None:
        """Do it. Raises SupervisorRefused."""
        ...


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder for our user alone, if it is not there."""

    path: Path

    def describe(self) -> list[str]:
        """Return the folder."""
        return [f"make the folder {self.path} if it is not there (mode 0700)"]

    def take(self) -> None:
        """Make it and the missing folders above it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SupervisorRefused("Folder", f"cannot make {self.path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Write:
    """A file of ours, readable by our user alone."""

    path: Path
    content: bytes
    shown: str
    """The content as a person reads it."""

    def describe(self) -> list[str]:
        """Return the file and all that it will hold."""
        return [f"write {self.path} (mode 0600):", *(f"    {line}".rstrip() for line in self.shown.splitlines())]

    def take(self) -> None:
        """Put the whole file in its place at once. Raises SupervisorRefused when one of somebody else's is there."""
        check_ours(self.path)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(self.content)
                Path(name).replace(self.path)
            except OSError:
                Path(name).unlink()
                raise
        except OSError as error:
            raise SupervisorRefused("File", f"cannot write {self.path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Remove:
    """A file of ours that goes."""

    path: Path

    def describe(self) -> list[str]:
        """Return the file."""
        return [f"remove {self.path}"]

    def take(self) -> None:
        """Remove it. Raises SupervisorRefused when it is somebody else's."""
        if check_ours(self.path):
            try:
                self.path.unlink()
            except OSError as error:
                raise SupervisorRefused("File", f"cannot remove {self.path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Run:
    """Another program, run to its end."""

    command: tuple[str, ...]
    attempts: int = 1
    """How often it is tried; more than once only for a command that is known to fail for a moment."""

    def describe(self) -> list[str]:
        """Return the command as a shell takes it."""
        return [f"run {shlex.join(self.command)}"]

    def take(self) -> None:
        """Run it. Raises SupervisorRefused with the first line that it said."""
        for left in reversed(range(self.attempts)):
            answer = ask(self.command)
            if answer.returncode == 0:
                return
            if left:
                time.sleep(_AGAIN_S)
        raise refusal(self.command, answer)


def ask(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run ``command`` and return its exit code and output. Raises SupervisorRefused when it cannot be run."""
    name = command[0]
    if shutil.which(name) is None:
        raise SupervisorRefused(name, "this program is not on the PATH")
    try:
        return subprocess.run(  # noqa: S603  # a fixed program, no shell, arguments of our own
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_HANG_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SupervisorRefused(name, f"could not be run ({type(error).__name__})") from error


def refusal(command: Sequence[str], answer: subprocess.CompletedProcess[str]) -> SupervisorRefused:
    """Return the error for a command that failed."""
    said = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
    return SupervisorRefused(command[0], said[0] if said else f"ended with code {answer.returncode}")


def check_ours(path: Path) -> bool:
    """Return whether the file is there. Raises SupervisorRefused when it is and was not written by us."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SupervisorRefused("File", f"cannot read {path}: {error.strerror}") from error
    if MARK.encode() not in content:
        raise SupervisorRefused("File", f"{path} was not written by this program and is left as it is")
    return True
