"""The memory of a process that reads logs: no byte of a conversation stands anywhere in it. Linux only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.canary_ledger import MARK
from tests.faults.memory_search import search_memory
from tests.sources.invented_lines import LogFolder, model, say, use

ROOT = Path(__file__).parents[2]
HELD = "model-that-is-kept"


@pytest.mark.slow
def test_memory_holds_no_conversation_of_logs(tmp_path: Path) -> None:
    """Short lines and lines of several windows, with a needle and without, broken ones, and half a line at the end.

    The model that was read is found by the same search.
    """
    logs = LogFolder(tmp_path.resolve() / "logs")
    text = MARK * 40
    for number in range(300):
        broken = b'{"spent": "' + text.encode() + b'"}\n'
        logs.append("a/one.jsonl", model(HELD), say(text), use(f"{number}", number), broken)
    logs.append("a/two.jsonl", say(MARK * 400_000), b'{"spent": "' + MARK.encode() * 400_000 + b'"}\n', use("x", 1))
    logs.append("b/three.jsonl", b'{"spent": "' + MARK.encode() * 3_000_000 + b'"}\n', use("y", 1), say(text)[:-9])
    command = [sys.executable, "-m", "tests.files.log_reading_process", str(logs.path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert int(process.stdout.readline()) == 304
            canaries, kept = search_memory(process.pid, MARK, HELD)
        finally:
            process.stdin.close()
    assert canaries == []
    assert kept
