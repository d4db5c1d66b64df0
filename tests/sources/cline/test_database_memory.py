"""The memory of a process that reads Cline's databases: conversations were in the child's only. Linux only."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aico.features.sources.cline import hub, sessions
from bench.fake_session_store import FIRST_MS, SECRET, SessionStore, core_metadata, usage
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.faults.memory_search import search_memory

HELD_ID = "a-session-that-was-read"
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_memory_holds_no_conversation_after_the_databases_were_read(tmp_path: Path) -> None:
    """Prompts, titles and pieces of answers of some hundred pages; the session's id is found by the same search."""
    folder = tmp_path.resolve()
    command = [sys.executable, "-m", "tests.sources.cline.reading_process", str(folder)]
    with closing(SessionStore(folder / sessions.NAME)) as store, closing(HubEventsStore(folder / hub.NAME)) as events:
        for number in range(50):
            metadata = core_metadata(usage(100 + number, 5, 0.5))
            store.put(f"{HELD_ID}-{number}", {**metadata, "systemPrompt": f"{SECRET} " * 200})
            events.say(f"{HELD_ID}-{number}", FIRST_MS)
            events.add("usage.updated", f"{HELD_ID}-{number}", FIRST_MS, usage_payload("x", usage(1, 1, 1)))
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "100\n"
            canaries, kept = search_memory(process.pid, SECRET, HELD_ID)
        finally:
            process.communicate(timeout=60)
    assert canaries == []
    assert kept
