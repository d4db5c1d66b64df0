"""The memory of the service after the session store was read: conversations were in the child's only. Linux only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fake_session_store import editor_metadata
from tests.emulator.fake_session_process import SessionProcess
from tests.faults.canary_ledger import MARK
from tests.faults.memory_search import search_memory
from tests.faults.patched_server import VISIBLE, PatchedServer
from tests.sessions.store_imports import store_path

HELD_ID = "a-session-that-was-read"


@pytest.mark.slow
def test_memory_holds_no_conversation_after_the_session_store_was_read(tmp_path: Path) -> None:
    """Titles, prompts and folders of a thousand pages; the session's id is found by the same search."""
    path = store_path(tmp_path)
    settings = {"AICO_CLINE_SESSIONS": "true", "AICO_SESSIONS_PATH": str(path), "AICO_RESCAN_INTERVAL_S": "0"}
    with SessionProcess(path) as cline:
        for number in range(20):
            cline.put(f"{HELD_ID}-{number}", {**editor_metadata(1, 1, 0.5), "title": MARK * 200})
        with PatchedServer(tmp_path, settings, VISIBLE) as server, server.client() as client:
            receipt = client.post("/api/cline/import").json()
            assert receipt["imported_count"] + receipt["skipped_count"] == 20
            cline.put(f"{HELD_ID}-0", {**editor_metadata(2, 2, 0.75), "title": MARK * 200})
            assert client.post("/api/cline/import").json()["error_count"] == 0
            canaries, kept = search_memory(server.process.pid, MARK, HELD_ID)
            assert canaries == []
            assert kept
