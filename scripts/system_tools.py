"""Sees to the programs of the system that ``make test-system`` needs, or says what is missing and how to get it.

As root on Debian (CI) it installs their packages and starts none of their services; otherwise it changes nothing.
Exits 0 when all are there, else 1 after one line for each that is not.
"""

from __future__ import annotations

import os
import shutil
import sys

import prometheus
from debian import STATE, install

LOG = STATE / "system-tools.log"
PACKAGES = {
    "nginx": "nginx",
    "openssl": "openssl",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "firefox-esr": "firefox-esr",
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "xdotool": "xdotool",
    "xterm": "xterm",
    "zsh": "zsh",
    "fish": "fish",
}
"""Debian's package of each program."""
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])


def missing() -> list[str]:
    """Return the programs that are not there."""
    return [name for name in PACKAGES if shutil.which(name, path=PATH) is None]


def main() -> int:
    """Return the exit code."""
    if not sys.platform.startswith("linux"):
        print(
            "The system tests look at the service through Linux; `make test` and `make test-slow` are everything else.",
            file=sys.stderr,
        )
        return 1
    lacking = missing()
    if lacking:
        packages = sorted({PACKAGES[name] for name in lacking})
        print(f"The system tests need {', '.join(packages)} ...", file=sys.stderr)
        install(packages, LOG)
    lacking = missing()
    for name in lacking:
        print(f"The system tests need {name}: install it (Debian: apt install {PACKAGES[name]}).", file=sys.stderr)
    return 1 if lacking or not has_prometheus() else 0


def has_prometheus() -> bool:
    """Return whether Prometheus is there, getting it if it is not; else say so."""
    if prometheus.is_there():
        return True
    print("Downloading Prometheus for the system tests ...", file=sys.stderr)
    if prometheus.fetch(LOG):
        return True
    print("The system tests need prometheus and promtool on the PATH (Debian: package prometheus).", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
