"""Writes sessions and telemetry as Gemini CLI does, with a canary wherever it keeps text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from tests.sources.claude_code.claude_home import CANARY, Json, uuid_of
from tests.sources.feeds import NOW_MS
from tests.sources.home_reading import Spent

MODEL, ROUTER = "gemini-3.8-flash", "gemini-3.5-flash-lite"
Object: TypeAlias = dict[str, Json]
BEGIN_MS = NOW_MS - 40 * 86_400_000


def moment_of(ts: int) -> str:
    """Return a moment as JavaScript writes it."""
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tokens_of(number: int) -> dict[str, int]:
    """Return the numbers of an answer."""
    sent, got, cached, thoughts = 10_000 + 10 * number, 300 + number, 4_000 + number, 70 + number
    total = sent + got + thoughts
    return {"input": sent, "output": got, "cached": cached, "thoughts": thoughts, "tool": 0, "total": total}


def spent(*numbers: int) -> Spent:
    """Return what answers are billed for."""
    sums = Spent()
    for number in numbers:
        sent, got, cached, thoughts, *_ = tokens_of(number).values()
        each = Spent(1, sent - cached, cached, got + thoughts, thoughts)
        sums = Spent(*map(sum, zip(sums, each, strict=True)))
    return sums


class Session:
    """A session file, of the user's or of an agent, and what the tool does to it."""

    def __init__(self, root: Path, name: str, parent: str | None = None) -> None:
        self.id = uuid_of("gemini", name)
        self.parent = parent
        chats = root / f"-home-{CANARY}" / "chats"
        self.path = chats / f"session-2026-11-28T14-24-{self.id[:8]}.jsonl"
        if parent is not None:
            self.path = chats / parent / f"{self.id}.jsonl"
        self.history: list[Object] = []
        self.begin()

    def write(self, line: Object) -> None:
        """Append one line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def begin(self) -> None:
        """Write what every process begins with, also in a file that is there."""
        kind = "main" if self.parent is None else "subagent"
        self.write({"sessionId": self.id, "projectHash": CANARY, "startTime": moment_of(BEGIN_MS), "kind": kind})
        context: Object = {"id": "d0" * 16, "timestamp": moment_of(BEGIN_MS), "type": "user", "content": said()}
        self.write({"$set": {"messages": [context], "lastUpdated": moment_of(BEGIN_MS)}})

    def prompt(self, number: int) -> None:
        """Write what the user says."""
        self._add({"id": uuid_of("prompt", self.id, number), "type": "user", "content": said()}, number)

    def answer(self, number: int, tokens: Json = None, **more: Json) -> None:
        """Write an answer; without numbers of its own those of ``number``."""
        numbers: Json = dict(tokens_of(number)) if tokens is None else tokens
        fields: Object = {"content": CANARY, "thoughts": [{"subject": CANARY}], "tokens": numbers, "model": MODEL}
        self._add({"id": uuid_of("answer", self.id, number), "type": "gemini", **fields, **more}, number)

    def tool(self, number: int) -> None:
        """Write the last answer once more, with what its tool gave, and then that as a message."""
        again = self.history[-1] | {"toolCalls": [{"id": CANARY, "args": {CANARY: CANARY}, "result": [CANARY]}]}
        self.write(again)
        given: Json = [{"functionResponse": {"name": CANARY, "response": {"output": CANARY}}}]
        self._add({"id": uuid_of("result", self.id, number), "type": "user", "content": given}, number)

    def repeat(self, *, is_bare: bool = False, rewound: int = 0) -> None:
        """Write the history once more, as a resumed session does; bare, answers have neither tokens nor model."""
        kept: list[Json] = []
        for message in self.history[: len(self.history) - rewound]:
            left_out = {"tokens", "model", "thoughts"} if is_bare else set()
            kept.append({name: each for name, each in message.items() if name not in left_out})
        self.write({"$set": {"sessionId": self.id}})
        self.write({"$set": {"messages": kept, "lastUpdated": moment_of(BEGIN_MS)}})

    def rewind(self) -> None:
        """Take the last message back."""
        self.write({"$rewindTo": self.history[-1]["id"]})

    def write_whole(self) -> None:
        """Write the history as older versions do, as one document."""
        document = {"sessionId": self.id, "projectHash": CANARY, "messages": self.history, "summary": CANARY}
        self.path.with_suffix(".json").write_text(json.dumps(document, indent=2), encoding="utf-8")

    def _add(self, message: Object, number: int) -> None:
        message = {"id": message["id"], "timestamp": moment_of(BEGIN_MS + 60_000 * number), **message}
        self.history.append(message)
        self.write(message)


def said() -> Json:
    """Return what somebody said."""
    return [{"text": f'{CANARY} {{\n  "input": 7,\n'}]


class Telemetry:
    """A telemetry file, and what the tool writes into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def answer(self, session: Session, number: int, role: str = "main", counts: Json = None, **more: Json) -> None:
        """Write the records of one answer, of which one of three counts."""
        numbers = tokens_of(number) if counts is None else counts
        assert isinstance(numbers, dict)
        names = {"cached": "cached_content", "thoughts": "thoughts"}
        ts = BEGIN_MS + 60_000 * number - (3 if role in {"main", "subagent"} else 500)
        attributes: Object = {
            "session.id": session.parent or session.id,
            "user.email": CANARY,
            "event.name": "gemini_cli.api_response",
            "event.timestamp": moment_of(ts),
            "model": MODEL if role in {"main", "subagent"} else ROUTER,
            "duration_ms": 75,
            **{f"{names.get(name, name)}_token_count": each for name, each in numbers.items()},
            "prompt_id": session.id if session.parent is None else f"{session.id}#0",
            "finish_reasons": ["stop"],
            "role": role,
            "response_text": f'{CANARY} "input_token_count": 7,\n    "role": "main",',
            **more,
        }
        self.write({"attributes": attributes | {"event.name": "gemini_cli.api_request"}, "_body": CANARY})
        self.write({"resource": {"_rawAttributes": [["process.command_args", [CANARY]]]}, "attributes": attributes})
        self.write({"name": "llm_call", "attributes": {"gen_ai.usage.input_tokens": 7, "gen_ai.prompt": CANARY}})

    def write(self, record: Object) -> None:
        """Append one record, indented."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**record, "_body": CANARY}, indent=2) + "\n")


def write_home(home: Path, stage: int) -> None:
    """Write sessions with an agent, resumed, rewound, whole, and a telemetry file that tells of some of it."""
    root = home / ".gemini" / "tmp"
    for path in [*root.rglob("*.json*"), home / ".gemini" / "telemetry.log"]:
        path.unlink(missing_ok=True)
    telemetry = Telemetry(home / ".gemini" / "telemetry.log")
    for name in range(2):
        session = Session(root, f"s{name}")
        agent = Session(root, f"a{name}", parent=session.id)
        for number in range(100 * name, 100 * name + 4 * (stage + 1), 4):
            session.prompt(number)
            telemetry.answer(session, number, "utility_router")
            session.answer(number + 1)
            telemetry.answer(session, number + 1)
            session.tool(number + 1)
            agent.answer(number + 2)
            telemetry.answer(agent, number + 2, "subagent")
            session.answer(number + 3, tokens={} if number % 8 else None)
        session.begin()
        session.repeat(is_bare=bool(name))
        if name:
            session.rewind()
            session.repeat(rewound=2)
        session.write_whole()
