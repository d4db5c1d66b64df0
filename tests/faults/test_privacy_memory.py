"""The memory of the service after an import: no byte of a conversation stands anywhere in it. Linux only.

Every canary is made of one mark, repeated: fragments of 15 bytes are found, also as UTF-16 or UTF-32. The service
rests while it is searched: nothing is read again unless somebody writes or asks.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.fake_session_store import SECRET
from tests.e2e.server_process import HANG_S
from tests.faults.canary_databases import HELD_EVENT, SESSIONS, canary_databases, switched_on
from tests.faults.canary_ledger import DAMAGES, HELD_MODEL, MARK, STRANGE, ledger
from tests.faults.memory_search import search_memory
from tests.faults.patched_server import BUG_IN_THE_PARSER, VISIBLE, PatchedServer

AT_REST = {"AICO_RESCAN_INTERVAL_S": "0", "AICO_LOG_LEVEL": "debug", "AICO_READ_ATTEMPTS": "3"}


def write_ledger(folder: Path, data: bytes) -> None:
    """Put the ledger where a server of ``folder`` looks for it."""
    path = folder / "cline" / "taskHistory.json"
    path.parent.mkdir()
    path.write_bytes(data)


def test_memory_holds_no_conversation_after_an_import(tmp_path: Path) -> None:
    """After a first import, and one of the same bytes, with broken entries and everything that must be mended.

    The model that was imported is found by the same search.
    """
    write_ledger(tmp_path, ledger(damage="".join(STRANGE.values())))
    with PatchedServer(tmp_path, AT_REST, VISIBLE) as server, server.client() as client:
        server.wait_for_state("watching")
        receipt = client.post("/api/cline/import").json()
        assert receipt["skipped_count"] > 10
        assert receipt["error_count"] > 10
        assert receipt["partial_count"] > 5
        canaries, kept = search_memory(server.process.pid, MARK, HELD_MODEL)
        assert canaries == []
        assert kept


def test_memory_holds_no_conversation_of_the_databases(tmp_path: Path) -> None:
    """Nor after the session store and the hub's events were read, which happens in another process."""
    write_ledger(tmp_path, ledger())
    data = tmp_path.resolve() / "cline"
    settings = {**AT_REST, **switched_on(data)}
    with canary_databases(data), PatchedServer(tmp_path, settings, VISIBLE) as server, server.client() as client:
        server.wait_for_state("watching")
        (receipt,) = client.post("/api/import").json()["receipts"]
        assert receipt["imported_count"] + receipt["skipped_count"] > 2 * SESSIONS
        for mark in (SECRET, MARK):
            canaries, kept = search_memory(server.process.pid, mark, HELD_EVENT)
            assert canaries == []
            assert kept


@pytest.mark.parametrize("damage", ["torn", "no JSON", "control byte", "zeros"])
def test_memory_holds_no_conversation_after_a_refusal(tmp_path: Path, damage: str) -> None:
    """A file that is no ledger leaves no more than one that is; its folder's name is found by the same search."""
    write_ledger(tmp_path, ledger(damage=DAMAGES[damage]))
    with PatchedServer(tmp_path, AT_REST, VISIBLE) as server, server.client() as client:
        server.wait_for_state("degraded", "ledger_format")
        assert client.post("/api/cline/import").status_code == 422
        canaries, kept = search_memory(server.process.pid, MARK, tmp_path.name)
        assert canaries == []
        assert kept


def test_memory_holds_no_conversation_after_a_bug(tmp_path: Path) -> None:
    """Also where an import breaks off in the middle, and its trace with all frames is kept for a while.

    The watcher tries again and again, so that a search may meet the bytes of a reading under way: what stays, counts.
    """
    write_ledger(tmp_path, ledger())
    with PatchedServer(tmp_path, AT_REST, VISIBLE, BUG_IN_THE_PARSER) as server, server.client() as client:
        assert client.post("/api/cline/import").status_code == 500
        assert "in bug" in server.log()
        deadline = time.monotonic() + HANG_S
        while (found := search_memory(server.process.pid, MARK, tmp_path.name))[0]:
            assert time.monotonic() < deadline, found[0]
        assert found[1]
