"""Gets the programs prometheus and promtool for the system tests: those of this machine, else Debian's in ``.make``.

The package is unpacked, not installed: its installation would make a user, and a service that starts with the machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from debian import APT_UPDATE, STATE, run

FOLDER = STATE / "prometheus"
PROGRAMS = ("prometheus", "promtool")
PATH = os.pathsep.join([str(FOLDER / "usr/bin"), os.environ.get("PATH", "")])


def is_there() -> bool:
    """Return whether both programs can be run."""
    return all(shutil.which(name, path=PATH) for name in PROGRAMS)


def fetch(log: Path) -> bool:
    """Download and unpack the package; return whether it worked. Needs no rights but those to this folder."""
    STATE.mkdir(exist_ok=True)
    environment = dict(os.environ)
    with tempfile.TemporaryDirectory(dir=STATE, prefix="prometheus-") as name:
        folder = Path(name)
        download = ["env", "-C", name, "apt-get", "download", "prometheus"]
        # The lists of a fresh machine are old or missing.
        if not run(download, log, environment) and not (
            run(APT_UPDATE, log, environment) and run(download, log, environment)
        ):
            return False
        archive = next(folder.glob("prometheus_*.deb"))
        if not run(["dpkg", "-x", str(archive), str(folder / "unpacked")], log, environment):
            return False
        shutil.rmtree(FOLDER, ignore_errors=True)
        (folder / "unpacked").rename(FOLDER)
    return is_there()
