"""The systemd unit before systemd's own checker, and the service under the unit's filters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from aico.cli.service.program import Program
from aico.cli.service.systemd import UNIT, unit_text
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_process import HANG_S, ServerProcess, ledger_path

CONFINED = [sys.executable, "-m", "tests.system.run_confined"]
AWKWARD = ("plain", "a b", "100% %h", "$HOME ${X}", 'say "x"', "it's", "back\\slash", "Ünïcödé 観測", "a=b;c")
WRONG = {
    "ProtectSystem=strict": "ProtectSystem=strictly",
    "NoNewPrivileges=yes": "NoNewPrivileges=perhaps",
    "SystemCallFilter=@system-service": "SystemCallFilter=@no-such-group",
    "RestrictAddressFamilies=AF_UNIX": "RestrictAddressFamilies=AF_SURPRISE",
    "Restart=on-failure": "Restart=sometimes",
    "StartLimitBurst=5": "StartLimitBurst=many",
    "UMask=0077": "UMask=private",
    "SystemCallErrorNumber=EPERM": "SystemCallErrorNumber=ESURPRISE",
    "Type=exec": "Type=exact",
    'ReadWritePaths="-/': 'ReadWritePaths="-relative/',
}


def complaints(folder: Path, unit: str) -> str:
    """Return what ``systemd-analyze --user verify`` says of ``unit``: its exit code is 0 also for wrong values."""
    path = folder / UNIT
    path.write_text(unit, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    command = ["systemd-analyze", "--user", "--man=no", "verify", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG_S, check=False)
    return answer.stdout + answer.stderr


def program_in(folder: Path) -> Program:
    """Return a program that really lies in ``folder``."""
    folder.mkdir(exist_ok=True)
    python = folder / "python"
    python.symlink_to(sys.executable)
    variables = {"AICO_LEDGER_PATH": f"{folder}/taskHistory.json"}
    return Program((str(python), "-P", f"--{folder}"), variables, folder, needs_shared_tmp=False)


@pytest.mark.parametrize("name", AWKWARD)
def test_systemd_has_nothing_to_say_of_the_unit(tmp_path: Path, name: str) -> None:
    """The checker is silent, whatever the folder of the user is called."""
    assert complaints(tmp_path, unit_text(program_in(tmp_path / name))) == ""


@pytest.mark.parametrize(("right", "wrong"), WRONG.items())
def test_systemd_speaks_of_a_wrong_unit(tmp_path: Path, right: str, wrong: str) -> None:
    """The control: a value that systemd does not know makes the checker speak, so that its silence means something."""
    unit = unit_text(program_in(tmp_path / "plain"))
    assert right in unit
    assert complaints(tmp_path, unit.replace(right, wrong, 1)) != ""


def run_confined(code: str) -> str:
    """Return what ``code`` prints under the unit's filters."""
    command = [*CONFINED, sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=True)
    return answer.stdout.strip()


@pytest.mark.parametrize(
    "deed",
    [
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "import os; os.chroot('/')",
        "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
    ],
)
def test_filters_refuse_what_they_should(deed: str) -> None:
    """The control: under the filters memory is never both writable and executable, and no privileged call is made."""
    assert run_confined(f"try:\n    {deed}\nexcept PermissionError:\n    print('refused')") == "refused"


class ConfinedServer(ServerProcess):
    """A server under the unit's filters."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, settings)
        self._command = [*CONFINED, *self._command]


def test_service_does_all_its_work_under_the_filters(tmp_path: Path) -> None:
    """Migration, import, watching, page, export and an orderly end need nothing that the unit takes away."""
    ledger = LedgerFile(ledger_path(tmp_path))
    ledger.write(entry("1"))
    with ConfinedServer(tmp_path) as server, server.client() as client:
        server.wait_for_state("watching")
        assert client.get("/readyz").status_code == 200
        assert client.get("/").status_code == 200
        ledger.write(entry("1"), entry("2"))
        assert client.post("/api/cline/import").status_code == 200
        assert client.get("/api/cline/usage").json()["total"] == 2
        assert client.get("/api/cline/export").status_code == 200
        assert client.get("/metrics").status_code == 200
        assert server.stop() == 0
        assert "Traceback" not in server.log()
