"""Runs the tests of the core and those in a real browser at the same time, as two runs of pytest.

    python scripts/side_by_side.py "not slow"                   those that the marks choose
    python scripts/side_by_side.py slow "slow and not variant"  the browser's by marks of their own

Two runs, because synchronous Playwright disturbs asynchronous tests after it; at the same time, because both wait a
lot. What the core's run says is shown as it comes, that of the browser's below it, when both have ended. Exits with 0
when both are well.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "--numprocesses=auto", "--maxprocesses=4"]
CORE = [*PYTEST, "--dist=worksteal", "--ignore=tests/ui", "--ignore=tests/system"]
BROWSER = [*PYTEST, "--dist=loadfile", "tests/ui"]
"""A file stays with one process: its tests share a service."""


def main(marks: str, browser_marks: str) -> int:
    """Run both and return the exit code."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        browser = subprocess.Popen([*BROWSER, "-m", browser_marks], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            core = subprocess.run([*CORE, "-m", marks], cwd=ROOT, check=False).returncode
            code = browser.wait()
        except KeyboardInterrupt:
            browser.wait()  # it was interrupted, too
            return 130
        said.seek(0)
        print("In a real browser:", said.read(), sep="\n", flush=True)
    return core or code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[-1]))
