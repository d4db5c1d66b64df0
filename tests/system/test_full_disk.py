"""The service on a disk that is really full, as root can make one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_process import ServerProcess
from tests.faults.fault_counts import count_of

_BLOCK = bytes(4096)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk of eight megabytes at ``folder``; yield False where this user, or this container, may not."""
    folder.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        assert "permi" in mounted.stderr or "superuser" in mounted.stderr, mounted.stderr
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(_BLOCK)
        except OSError:
            return


def test_service_outlives_a_disk_that_is_full(tmp_path: Path) -> None:
    """Stored usage stays, usage of the meantime comes when there is room, and the database agrees with itself."""
    with small_disk(tmp_path / "data") as is_small:
        if not is_small:
            # The same by limits of pages and bytes: tests/faults/test_database_trouble.py.
            return
        ledger = LedgerFile(tmp_path / "cline" / "taskHistory.json")
        ledger.write(entry("first"))
        count = 1
        with ServerProcess(tmp_path) as server:
            server.wait_for_state("watching")
            for _ in range(count_of("disk full, really", quick=3, soak=20)):
                fill(tmp_path / "data" / "filler")
                count += 100
                ledger.write(entry("first"), *(entry(f"{number:05}") for number in range(count - 1)))
                server.wait_for_state("degraded", "storage_error")
                (tmp_path / "data" / "filler").unlink()
                server.wait_for_state("watching")
            assert server.stop() == 0
        assert read_rows(server.database, "SELECT COUNT(*) FROM cline_task_usage") == [(count,)]
        assert failed_checks(server.database) == []
