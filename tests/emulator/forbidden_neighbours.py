"""The files around Cline's ledger that nobody may open, each with a canary."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from aico.features.demo.prompts import draw_canary

NEIGHBOURS = (
    "secrets.json",
    "globalState.json",
    "settings/cline_mcp_settings.json",
    "cache/openrouter_models.json",
    "tasks/1772000000000/ui_messages.json",
    "tasks/1772000000000/api_conversation_history.json",
    "tasks/1772000000000/task_metadata.json",
    "sessions/sessions.index.json",
    "sessions/1772000000000/messages.json",
    "workspaces/abcdef/workspaceState.json",
    "checkpoints/abcdef/config",
    "logs/cline.log",
    "state/taskHistory.backup.1772000000000.json",
    "state/taskHistory.json.tmp.1772000000000.k3j9x2a.json",
    "../cline-core-service.log",
)
"""Relative to Cline's data directory."""


def lay_out_neighbours(data_dir: Path, seed: int) -> tuple[Path, ...]:
    """Write every neighbour and return the paths."""
    rng = Random(seed)  # noqa: S311 - reproducible on purpose
    paths = tuple(data_dir / name for name in NEIGHBOURS)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{"id": "1", "apiKey": draw_canary(rng), "text": draw_canary(rng)}]))
    return paths
