"""The memory of the service as it is started in earnest, with the protection that it gives itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.server_process import ServerProcess
from tests.faults.canary_ledger import HELD_MODEL, MARK, STRANGE, ledger
from tests.faults.memory_search import search_memory

CAP_SYS_PTRACE = 1 << 19  # Source: capabilities(7)
AT_REST = {"AICO_RESCAN_INTERVAL_S": "0"}


def may_look_anywhere() -> bool:
    """Return whether this process has the right of root to look into others: containers may take it from root."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (rights,) = (line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(rights, 16) & CAP_SYS_PTRACE)


def test_memory_is_closed_to_its_own_user_and_holds_no_conversation(tmp_path: Path) -> None:
    """Another program of the same user may not look into it; one with root's rights finds no conversation there."""
    path = tmp_path / "cline" / "taskHistory.json"
    path.parent.mkdir()
    path.write_bytes(ledger(damage="".join(STRANGE.values())))
    with ServerProcess(tmp_path, AT_REST) as server, server.client() as client:
        server.wait_for_state("watching")
        assert client.post("/api/cline/import").json()["skipped_count"] > 10
        if not may_look_anywhere():
            with pytest.raises(PermissionError):
                search_memory(server.process.pid, MARK)
            return
        canaries, kept = search_memory(server.process.pid, MARK, HELD_MODEL)
        assert canaries == []
        assert kept
