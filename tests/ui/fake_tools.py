"""Writes what other tools than Cline leave in the home directory that a service sees."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sources.claude_code.claude_home import CANARY
from tests.ui.restartable_service import Service


def transcript(home: Path, *answers: int, folder: str = "/home/ann/shop", at: str = "2026-01-05T10:00:00.000Z") -> None:
    """Write a session of Claude Code in ``folder``, with one line for each answer; ``home`` is the user's."""
    project = home / ".claude" / "projects" / folder.replace("/", "-")
    project.mkdir(parents=True, exist_ok=True)
    usage = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 50}
    lines = [
        json.dumps(
            {
                "type": "assistant",
                "sessionId": "00000001-1111-4222-8333-444444444444",
                "version": "2.1.50",
                "uuid": f"{number:08d}-1111-4222-8333-444444444444",
                "timestamp": at,
                "cwd": folder,
                "requestId": f"req_{number}",
                "message": {
                    "id": f"msg_{number}",
                    "role": "assistant",
                    "model": "claude-opus-5-5",
                    "content": [{"type": "text", "text": CANARY}],
                    "stop_reason": "end_turn",
                    "usage": usage,
                },
            }
        )
        for number in answers
    ]
    (project / "00000001-1111-4222-8333-444444444444.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")


def home_of(service: Service) -> Path:
    """Return the home directory that the service sees."""
    return service.database.parents[1]
