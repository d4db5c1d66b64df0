"""Installs Debian packages for tests, as root on Debian only (CI), without starting any service of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STATE = Path(__file__).resolve().parent.parent / ".make"
POLICY = Path("/usr/sbin/policy-rc.d")
"""Asked by every package whether its service may be started; Debian ships none, which means yes."""
FORBID = b"#!/bin/sh\nexit 101\n"
APT_INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends"]
APT_UPDATE = ["apt-get", "update"]


def can_install() -> bool:
    """Return whether this is root on Debian."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def install(packages: Sequence[str], log: Path) -> bool:
    """Install ``packages``, after an update of the lists if that is needed; return whether it worked."""
    if not can_install():
        return False
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = [*APT_INSTALL, *packages]
    with services_forbidden():
        # The lists of a fresh machine are old or missing.
        return run(command, log, environment) or (run(APT_UPDATE, log, environment) and run(command, log, environment))


@contextmanager
def services_forbidden() -> Iterator[None]:
    """Let no package start its service while the block runs; a policy that is there already is left alone."""
    try:
        descriptor = os.open(POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    try:
        os.write(descriptor, FORBID)
        os.close(descriptor)
        yield
    finally:
        POLICY.unlink()


def run(command: Sequence[str], log: Path, environment: dict[str, str]) -> bool:
    """Run ``command`` with its output in ``log``; return whether it succeeded."""
    STATE.mkdir(exist_ok=True)
    with log.open("a", encoding="utf-8") as output:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        answer = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    return answer.returncode == 0
