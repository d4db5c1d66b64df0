"""Which files are opened, seen by a second process through the system's own notifications. Linux only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.fake_cline_ledger import entry, ledger_bytes
from tests.e2e.forked_aico import run_aico
from tests.e2e.server_process import HANG_S, ServerProcess
from tests.emulator.forbidden_neighbours import lay_out_neighbours
from tests.faults.fault_counts import SEED, count_of
from tests.faults.opened_files_witness import (
    ACCESS,
    CREATE,
    DELETE,
    IS_DIRECTORY,
    MOVED,
    OPEN,
    Inotify,
    watching_folders,
)


class Cline:
    """Cline's folder with everything in it that nobody may open, and a ledger."""

    def __init__(self, home: Path) -> None:
        self.folder = home / ".cline"
        self.ledger = self.folder / "data" / "state" / "taskHistory.json"
        self.neighbours = lay_out_neighbours(self.folder / "data", SEED)
        self._outside = home / "outside.json"
        self.settings = {"AICO_LEDGER_PATH": str(self.ledger)}

    def write(self, data: bytes) -> None:
        """Put a ledger in place that was written elsewhere, so that none of our own openings is seen."""
        self._outside.write_bytes(data)
        self._outside.replace(self.ledger)


@pytest.fixture
def cline(tmp_path: Path) -> Cline:
    """Return Cline's folder with a ledger of one task."""
    cline = Cline(tmp_path.resolve())
    cline.write(ledger_bytes(entry("1")))
    return cline


@pytest.fixture
def server(tmp_path: Path, cline: Cline) -> Iterator[ServerProcess]:
    """Serve that ledger."""
    with ServerProcess(tmp_path, cline.settings) as server:
        yield server


def opened(witness: Inotify) -> set[Path]:
    """Return the files that were opened or read; fails when the system lost some."""
    events = list(witness.read())
    assert not any(event.overflowed for event in events)
    return {event.path for event in events if event.mask & (OPEN | ACCESS) and not event.mask & IS_DIRECTORY}


def use(client: httpx.Client, cline: Cline) -> None:
    """Import, fail to import, and ask for everything."""
    for number in range(3):
        cline.write(ledger_bytes(entry("1", tokens_in=number)))
        assert client.post("/api/cline/import").status_code == 200
    cline.write(b'[{"id":')
    assert client.post("/api/cline/import").status_code == 422
    for path in cline.neighbours:
        assert client.post("/api/cline/import", json={"path": str(path)}).status_code == 400
    for route in ("status", "usage", "summary", "export?format=csv", "export?format=json"):
        assert client.get(f"/api/cline/{route}").status_code == 200


def test_second_process_sees_only_the_ledger_opened(server: ServerProcess, cline: Cline, tmp_path: Path) -> None:
    """The service and ``aico doctor`` open the ledger alone, of all files below Cline's folder.

    The witness itself is tried at the end: it tells of one look at each of the others.
    """
    with watching_folders(cline.folder, OPEN | ACCESS) as witness, server.client() as client:
        use(client, cline)
        run_aico(tmp_path, "doctor", settings=cline.settings)
        assert opened(witness) == {cline.ledger}
        for path in cline.neighbours:
            path.read_bytes()
        inside = {path.resolve() for path in cline.neighbours if path.resolve().is_relative_to(cline.folder)}
        # The service goes on trying the broken ledger meanwhile; it alone.
        assert opened(witness) - {cline.ledger} == inside


def test_change_is_imported_whose_notification_was_lost(server: ServerProcess, cline: Cline) -> None:
    """When more happens in the directory than the system keeps notes of, the ledger is found changed all the same.

    The service is stopped meanwhile, so that it can read none of them, and a witness with notes of its own shows that
    the last ones were lost.
    """
    rounds = count_of("overflows of the queue of notifications", quick=1, soak=10)
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    noise = cline.ledger.with_name("noise")
    with server.client() as client:
        client.post("/api/cline/import").raise_for_status()
    for number in range(rounds):
        with watching_folders(cline.ledger.parent, CREATE | DELETE | MOVED) as witness:
            server.process.send_signal(signal.SIGSTOP)
            try:
                for _ in range(kept // 2 + 1_000):
                    os.close(os.open(noise, os.O_CREAT | os.O_WRONLY))
                    noise.unlink()
                cline.write(ledger_bytes(entry("1"), entry(f"after-{number}")))
            finally:
                server.process.send_signal(signal.SIGCONT)
            events = list(witness.read())
        assert events[-1].overflowed
        assert cline.ledger not in {event.path for event in events}
        # A connection from before may be closed for its idleness just now.
        with server.client() as client:
            wait_for_task(client, f"after-{number}")


def wait_for_task(client: httpx.Client, task_id: str) -> None:
    """Return when the service tells of the task by itself."""
    deadline = time.monotonic() + HANG_S
    while task_id not in client.get("/api/cline/usage?limit=1000").text:
        assert time.monotonic() < deadline, f"{task_id} is not imported"
