"""``python -m tests.real_tools.opencode OPENCODE``: the real command line of OpenCode against a fake API.

Seen with ``npm install opencode-ai@1.18.33``, whose program lies in ``opencode-linux-x64/bin``.
"""

from __future__ import annotations

import json
from pathlib import Path

from aico.features.sources import opencode
from tests.real_tools.fake_openai import SMALL
from tests.real_tools.observed_tool import Run, main


def environment(_home: Path, address: str, tool: str = "OPENCODE") -> dict[str, str]:
    """Return what lets OpenCode, or its fork, know the fake API alone."""
    price = {"input": 2, "output": 10, "cache_read": 0.2}
    limits = {"context": 128_000, "output": 8_000}
    models = {
        name: {"name": name, "limit": limits, "cost": price, "tool_call": True, "reasoning": True}
        for name in ("fake-model", SMALL)
    }
    options = {"baseURL": address, "apiKey": "dummy"}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Fake", "options": options, "models": models}
    settings = {
        "provider": {"fake": provider},
        "model": "fake/fake-model",
        "small_model": f"fake/{SMALL}",
        "permission": {"bash": "allow", "task": "allow"},
        "autoupdate": False,
    }
    return {
        f"{tool}_CONFIG_CONTENT": json.dumps(settings),
        f"{tool}_DISABLE_AUTOUPDATE": "1",
        f"{tool}_DISABLE_MODELS_FETCH": "1",
    }


RUNS = (
    Run("run", "say hello"),
    Run("run", "-c", "do [[two]] [[think]]"),
    Run("run", "-c", "--fork", "say it in the fork"),
    Run("run", "start [[agent]]"),
    Run("run", "do [[bare]]"),
    Run("run", "do [[fail]]"),
    Run("run", "do [[tool]] [[big]]"),
    Run("run", "-c", "say it behind what was compacted"),
    Run("run", "do [[slow]]", interrupted_after_s=25),
)

if __name__ == "__main__":
    main(opencode.SOURCE, environment, RUNS)
