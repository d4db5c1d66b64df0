"""Which files the service opens, as the system's own tracer sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.system.tracing import read_calls, strace_command


def test_tracer_sees_the_opening_of_a_file(tmp_path: Path) -> None:
    """The witness is awake: one deliberate look into a file, from a thread, stands in the record."""
    secret = tmp_path / "secrets.json"
    secret.write_text("{}")
    program = f"import threading; threading.Thread(target=lambda: open({str(secret)!r}).read()).start()"
    subprocess.run([*strace_command(tmp_path / "trace"), sys.executable, "-c", program], check=True)
    assert [call.path for call in read_calls(tmp_path / "trace") if call.only_reads and "secrets" in call.path] == [
        str(secret)
    ]
