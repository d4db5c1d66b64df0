"""Writes a ledger and sessions as Qwen Code does, with a canary wherever it keeps text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias

from tests.sources.claude_code.claude_home import CANARY, Json, uuid_of
from tests.sources.gemini_cli.gemini_home import BEGIN_MS, moment_of
from tests.sources.home_reading import Spent

MODEL = "qwen3-coder-plus"
Object: TypeAlias = dict[str, Json]


def spent(*numbers: int) -> Spent:
    """Return what calls are billed for."""
    sums = Spent()
    for number in numbers:
        each = Spent(1, 6_000 + 9 * number, 4_000 + number, 300 + number, 70 + number)
        sums = Spent(*map(sum, zip(sums, each, strict=True)))
    return sums


def numbers_of(number: int) -> dict[str, int]:
    """Return the numbers of a call, as the ledger calls them."""
    sent, got = 10_000 + 10 * number, 300 + number
    return {
        "inputTokens": sent,
        "outputTokens": got,
        "cachedTokens": 4_000 + number,
        "thoughtsTokens": 70 + number,
        "totalTokens": sent + got,
    }


class Session:
    """A session: its file, and its lines in the ledger."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.id = uuid_of("qwen", name)
        self.path = home / "projects" / f"-home-{CANARY}" / "chats" / f"{self.id}.jsonl"
        self.ledger = home / "usage" / "token-usage-2026-11.jsonl"
        self.lines: list[Object] = []

    def write(self, line: Object) -> None:
        """Append one line to the session's file."""
        self.lines.append(line)
        append(self.path, line)

    def prompt(self, number: int, **more: Json) -> None:
        """Write what the user says."""
        message: Json = {"role": "user", "parts": [{"text": CANARY}]}
        self.write({**self._common("user", number), "provenance": "real_user", "message": message, **more})

    def call(self, number: int, *, is_in_ledger: bool = True, numbers: Json = None, **more: Json) -> None:
        """Write one call wherever the tool does; ``more`` replaces fields of the event."""
        counts = numbers_of(number) if numbers is None else numbers
        assert isinstance(counts, dict)
        names = ("input", "output", "cached_content", "thoughts", "total")
        ts = moment_of(BEGIN_MS + 60_000 * number)
        event: Object = {
            "event.name": "qwen-code.api_response",
            "event.timestamp": ts,
            "response_id": f"chatcmpl-{number}",
            "model": MODEL,
            **{f"{name}_token_count": each for name, each in zip(names, counts.values(), strict=True)},
            "response_text": f'{CANARY} "type":"user"',
            "prompt_id": f"{self.id}########0",
            **more,
        }
        system = self._common("system", number)
        self.write({**system, "subtype": "ui_telemetry", "systemPayload": {"uiEvent": event}})
        self.write({**self._common("assistant", number), "message": CANARY, "usageMetadata": {"totalTokenCount": 7}})
        if is_in_ledger:
            append(self.ledger, {"timestamp": ts, "sessionId": self.id, "model": MODEL, "source": "main", **counts})

    def tool(self, number: int) -> None:
        """Write what a tool was asked and gave."""
        event: Json = {"event.name": "qwen-code.tool_call", "function_args": {CANARY: CANARY}}
        self.write({**self._common("system", number), "subtype": "ui_telemetry", "systemPayload": {"uiEvent": event}})
        self.write({**self._common("tool_result", number), "message": CANARY})

    def fork(self, name: str) -> Session:
        """Copy the session under a new id, as ``--fork-session`` and ``/branch`` do."""
        fork = Session(self.home, name)
        for line in self.lines:
            origin: Json = {"sessionId": self.id, "messageUuid": line["uuid"]}
            text = json.dumps({**line, "forkedFrom": origin}).replace(f"{self.id}########", f"{fork.id}########")
            fork.write({**json.loads(text), "sessionId": fork.id})
        return fork

    def _common(self, kind: str, number: int) -> Object:
        uuid = uuid_of(kind, self.id, number, len(self.lines))
        at = moment_of(BEGIN_MS + 60_000 * number + 1)
        return {"uuid": uuid, "sessionId": self.id, "timestamp": at, "type": kind, "cwd": f"/home/{CANARY}"}


def append(path: Path, line: Object) -> None:
    """Append one line to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def write_home(home: Path, stage: int) -> None:
    """Write sessions, forks of forks, and a ledger that lacks some of their calls."""
    for path in (home / ".qwen").rglob("*.jsonl"):
        path.unlink()
    for name in range(2):
        session = Session(home / ".qwen", f"s{name}")
        for number in range(100 * name, 100 * name + 3 * (stage + 1), 3):
            session.prompt(number)
            session.call(number)
            session.tool(number)
            session.call(number + 1, is_in_ledger=name == 0)
            session.call(number + 2, numbers=dict.fromkeys(numbers_of(0), 0))
        fork = session.fork(f"f{name}")
        for number in range(100 * name + 50, 100 * name + 51 + stage):
            fork.call(number)
        fork.fork(f"ff{name}")
