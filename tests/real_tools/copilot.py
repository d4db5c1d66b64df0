"""``python -m tests.real_tools.copilot COPILOT``: the real command line of Copilot against a fake API.

Seen with ``npm install @github/copilot@1.0.102``, whose program lies in ``@github/copilot-linux-x64``.
"""

from __future__ import annotations

from pathlib import Path

from aico.features.sources import copilot_cli
from tests.real_tools.observed_tool import Run, main


def environment(_home: Path, address: str) -> dict[str, str]:
    """Return what lets Copilot know the fake API alone."""
    return {
        "COPILOT_PROVIDER_BASE_URL": address,
        "COPILOT_PROVIDER_API_KEY": "dummy",
        "COPILOT_MODEL": "fake-model",
        "COPILOT_AUTO_UPDATE": "false",
    }


ALL = "--allow-all-tools"
RUNS = (
    Run("-p", "say hello", ALL),
    Run("--continue", "-p", "do [[two]] [[think]]", ALL),
    Run("-p", "start [[agent]]", ALL),
    Run("-p", "do [[bare]]", ALL),
    Run("-p", "do [[fail]]", ALL),
    Run("-p", "do [[cut]]", ALL),
    Run("-p", "do [[slow]]", ALL, interrupted_after_s=6),
)

if __name__ == "__main__":
    main(copilot_cli.SOURCE, environment, RUNS)
