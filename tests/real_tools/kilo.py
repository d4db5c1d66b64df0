"""``python -m tests.real_tools.kilo KILO``: the real command line of Kilo against a fake API.

Seen with ``npm install @kilocode/cli@7.7.7``, whose program lies in ``@kilocode/cli-linux-x64/bin``.
"""

from __future__ import annotations

from pathlib import Path

from aico.features.sources import kilo
from tests.real_tools import opencode
from tests.real_tools.observed_tool import Run, main


def environment(home: Path, address: str) -> dict[str, str]:
    """Return what lets Kilo know the fake API alone."""
    return opencode.environment(home, address, "KILO")


RUNS = tuple(
    Run(*run.words, interrupted_after_s=run.interrupted_after_s and 2 * run.interrupted_after_s)
    for run in opencode.RUNS
)

if __name__ == "__main__":
    main(kilo.SOURCE, environment, RUNS)
