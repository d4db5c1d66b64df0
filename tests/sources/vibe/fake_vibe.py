"""Fakes what Mistral Vibe writes: generations of a session, the pointer to the one that counts, journals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.sources.claude_code.claude_home import CANARY
from tests.sources.fake_wires import BEGIN_MS, TURN_MS, Json, id_of

ROOT = ".vibe/logs/session/unified"


class FakeSession:
    """A session of Mistral Vibe in a root."""

    def __init__(self, root: Path, name: str, parent: str | None = None, **meta: Json) -> None:
        self.id = id_of(name)
        self.folder = root / self.id
        self.parent = parent
        self.meta: dict[str, Json] = {"config": {"active_model": "alias", "model_name": "codestral"}, **meta}

    def write(self, generation: int, usage: Json, at_ms: int = BEGIN_MS, *, keep: int = 2, **session: Json) -> None:
        """Write a generation and point to it; ``keep`` of them stay."""
        fields: dict[str, Json] = {"id": self.id, "parentSessionId": self.parent, "preview": CANARY, "updatedAt": at_ms}
        turn: Json = {"id": CANARY, "status": "completed"}
        snapshot: Json = {"session": {**fields, "tokenUsage": usage, **session}, "latestTurn": turn}
        state: Json = {"projection_state_version": 1, "snapshot": snapshot, "watermark": 1}
        folder = self.folder / "generations" / f"{generation:016}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "projection-state.json").write_text(json.dumps(state), encoding="utf-8")
        (folder / "checkpoint.json").write_text(CANARY, encoding="utf-8")
        (self.folder / "journal").mkdir(exist_ok=True)
        (self.folder / "journal" / f"{generation + 1:016}.jsonl").write_text(
            f'{{"text": "{CANARY}"}}\n', encoding="utf-8"
        )
        (self.folder / "meta.json").write_text(json.dumps({"title": CANARY, **self.meta}), encoding="utf-8")
        self.point(generation)
        for old in sorted((self.folder / "generations").iterdir())[:-keep]:
            shutil.rmtree(old)

    def point(self, generation: int) -> None:
        """Let ``CURRENT`` name a generation."""
        fresh = self.folder / "fresh"
        fresh.write_text(json.dumps({"generation": f"{generation:016}", "session_id": self.id}), encoding="utf-8")
        fresh.replace(self.folder / "CURRENT")


def total(sent: int, cached: int, output: int) -> dict[str, Json]:
    """Return a running total."""
    return {"inputTokens": sent, "cachedInputTokens": cached, "outputTokens": output, "totalTokens": sent + output}


def write_vibe(home: Path, stage: int) -> None:
    """Write sessions with an agent, a fork, odd numbers and broken files, each at a later generation than before."""
    root = home / ROOT
    shutil.rmtree(root, ignore_errors=True)
    for number in range(3):
        session = FakeSession(root, f"s{number}")
        for turn in range(2 * (stage + 1)):
            usage = total(10_000 * (turn + 1) + number, 4_000 * (turn + 1), 100 * (turn + 1))
            session.write(8 * turn, usage, BEGIN_MS + turn * TURN_MS + number)
        FakeSession(root, f"agent {number}", session.id).write(3, total(100 * (stage + 1), 0, 7))
        FakeSession(root, f"fork {number}", session.id, import_provenance={"source": CANARY}).write(3, total(50, 0, 5))
    odd: Json = {"inputTokens": CANARY, "cachedInputTokens": -1, "outputTokens": 5 * (stage + 1)}
    FakeSession(root, "odd", config={"model_name": f"{CANARY}\n"}).write(1, odd)
    FakeSession(root, "nothing").write(1, None)
    FakeSession(root, "broken").write(1, CANARY, updatedAt=CANARY, id=f"{CANARY}\n")
    (FakeSession(root, "none").folder).mkdir()
    (root / id_of("none") / "CURRENT").write_text(f'{{"generation": "../{CANARY}"}}', encoding="utf-8")
