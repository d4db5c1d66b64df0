"""Runs the suites at the same time, each a run of pytest: the core, the dashboard in a real browser, the system.

    python scripts/side_by_side.py "not slow"   those of the core and the browser that the marks choose
    python scripts/side_by_side.py --all        everything; the system's where there is Linux

Runs of their own, because synchronous Playwright disturbs asynchronous tests after it; at the same time, because all
wait a lot: stretches of minutes that are played to the service cost next to nothing beside the others. The output of
the core's run is shown as it comes, that of the others below it, when all have ended. Exits with 0 when all are well.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest"]
AS_MANY_AS_CORES = ["--numprocesses=auto", "--maxprocesses=4"]
CORE = [*PYTEST, *AS_MANY_AS_CORES, "--dist=worksteal", "--ignore=tests/ui", "--ignore=tests/system"]
BROWSER = [*PYTEST, *AS_MANY_AS_CORES, "--dist=loadfile", "tests/ui"]
"""A file stays with one process: its tests share a service."""
SYSTEM = [*PYTEST, "--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder", "tests/system"]
"""Two for the files that take minutes, which come first, and one for all others."""


def main(*words: str) -> int:
    """Run them and return the exit code."""
    if words == ("--system",):
        return subprocess.run(SYSTEM, cwd=ROOT, check=False).returncode
    is_all = words == ("--all",)
    marks = [] if is_all else ["-m", *words]
    others = {"In a real browser": [*BROWSER, *marks]}
    if is_all and sys.platform.startswith("linux"):
        others["With tools of the system"] = SYSTEM
    with ExitStack() as stack:
        said = {
            name: stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            for name in others
        }
        running = [
            subprocess.Popen(command, cwd=ROOT, stdout=said[name], stderr=subprocess.STDOUT)
            for name, command in others.items()
        ]
        try:
            codes = [subprocess.run([*CORE, *marks], cwd=ROOT, check=False).returncode]
            codes += [each.wait() for each in running]
        except KeyboardInterrupt:
            for each in running:
                each.wait()  # it was interrupted, too
            return 130
        for name, output in said.items():
            output.seek(0)
            print(f"{name}:", output.read(), sep="\n", flush=True)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
