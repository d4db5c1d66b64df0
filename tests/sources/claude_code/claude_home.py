"""Writes transcripts as Claude Code's versions do, with a canary wherever a conversation, a path or a title stands."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, cast
from uuid import UUID, uuid5

from aico.core.usage import digest
from tests.sources.claude_code.transcript_driver import Sum

CANARY = "CANARY-of-a-conversation"
MODEL = "claude-opus-5-5"
NEW, WITHOUT_ORIGIN, TOTALS_ONLY, PLACEHOLDERS, FIRST = "2.1.332", "2.1.310", "2.1.280", "2.1.50", "1.0.5"
"""Versions that write: all marks; requests without the origin of copies; totals without requests; none of these."""
Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Object: TypeAlias = dict[str, Json]
BEGIN_S = 1_795_000_000


def uuid_of(*parts: str | int) -> str:
    """Return the same id for the same parts."""
    return str(uuid5(UUID(int=0), "/".join(map(str, parts))))


SESSION = uuid_of("session", 1)


def usage_of(number: int, *, output: int | None = None, is_split: bool = True) -> Object:
    """Return the usage of answer ``number``: 100 + n in, 500 + n out, 1000 + n read, 20 + 10 written."""
    split: Object = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}
    return {
        "input_tokens": 100 + number,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 1000 + number,
        "output_tokens": 500 + number if output is None else output,
        "cache_creation": split if is_split else {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def answer(*numbers: int) -> Sum:
    """Return the sum of whole answers."""
    count, total = len(numbers), sum(numbers)
    return Sum(count, 100 * count + total, 1000 * count + total, 20 * count, 10 * count, 500 * count + total)


class Clock:
    """Each line that is written comes a second after the one before."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S

    def tick(self) -> str:
        """Return the next moment, as Claude Code writes it."""
        self.now_s += 1
        return datetime.fromtimestamp(self.now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Transcript:
    """One file, and the tool that writes it."""

    def __init__(
        self,
        root: Path,
        session: str,
        clock: Clock,
        version: str = NEW,
        *,
        agent: str | None = None,
        path: Path | None = None,
        model: str = MODEL,
    ) -> None:
        slug = root / f"-home-{CANARY}"
        below = slug if agent is None else slug / session / "subagents"
        self.path = path or below / (f"{session}.jsonl" if agent is None else f"agent-{agent}.jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.session = session
        self.agent = agent
        self.version = version
        self.model = model
        self.clock = clock
        self.lines: list[Object] = []

    def write(self, line: Mapping[str, Json]) -> None:
        """Append one line, whatever it is."""
        self.lines.append(dict(line))
        self.write_raw(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode())

    def write_raw(self, line: bytes) -> None:
        """Append bytes as a line."""
        with self.path.open("ab") as file:
            file.write(line + b"\n")
        self.set_age(self.clock.now_s)

    def set_age(self, written_s: int) -> None:
        """Let the file be one that was written last at ``written_s``."""
        os.utime(self.path, (written_s, written_s))

    def _common(self, kind: str) -> Object:
        return {
            "isSidechain": self.agent is not None,
            **({"agentId": self.agent} if self.agent else {}),
            "type": kind,
            "uuid": uuid_of(self.session, self.agent or "", len(self.lines)),
            "timestamp": self.clock.tick(),
            "cwd": f"/home/{CANARY}",
            "sessionId": self.session,
            "version": self.version,
            "gitBranch": CANARY,
            "slug": CANARY,
        }

    def prompt(self, **more: Json) -> None:
        """Write what the user says; ``more`` may make it something else."""
        self.write({**self._common("user"), "message": {"role": "user", "content": CANARY}, **more})

    def tool_result(self) -> None:
        """Write what a tool returned; an agent's usage stands in it, too."""
        result: Json = {"stdout": CANARY, "usage": usage_of(77)}
        self.prompt(toolUseResult=result)

    def request(self, ref: str, *, model: str | None = MODEL) -> None:
        """Announce a request."""
        params: Object = {} if model is None else {"params": {"model": model, "tail": [CANARY]}}
        agent: Object = {"agentId": self.agent} if self.agent else {}
        line: Object = {"type": "api-request", "sessionId": self.session, **agent, "id": ref}
        self.write({**line, "timestamp": self.clock.tick(), "version": self.version, **params})

    def block(
        self,
        number: int,
        *,
        ref: str | None = None,
        id: str | None = None,  # noqa: A002  # the tool's name
        stop: str | None = "end_turn",
        usage: Json = None,
        message: Mapping[str, Json] | None = None,
        **more: Json,
    ) -> None:
        """Write one line of answer ``number``."""
        said: Object = {
            "id": id or f"msg_{number:06}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [{"type": "text", "text": CANARY}],
            "stop_reason": stop,
            "stop_details": None,
            "usage": usage_of(number) if usage is None else usage,
            **(message or {}),
        }
        marks: Object = {"requestId": f"req_{number}", **({} if ref is None else {"requestRef": ref})}
        self.write({**self._common("assistant"), "message": said, **marks, **more})

    def turn(self, number: int, blocks: int = 2) -> None:
        """Write a prompt and its whole answer, as this version does."""
        version = _numbers(self.version)
        if self.agent is None:
            self.prompt()
        ref = uuid_of("ref", number) if version >= _numbers("2.1.300") else None
        if ref is not None:
            self.request(ref, model=self.model)
        if version < _numbers("1.0.10"):
            self.block(number, costUSD=0.25, durationMs=20)
            return
        for place in range(blocks):
            is_last = place == blocks - 1
            if version >= _numbers("2.1.97"):
                self.block(number, ref=ref)
            else:
                usage = usage_of(number, output=None if is_last else 1)
                self.block(number, ref=ref, stop="end_turn" if is_last else None, usage=usage)

    def total(self, numbers: Sequence[int], hidden: int = 0, *, model: str = MODEL) -> None:
        """Write what was billed so far: answers ``numbers``, and ``hidden`` tokens in and out that stand nowhere."""
        billed: Object = {
            "inputTokens": sum(100 + number for number in numbers) + hidden,
            "outputTokens": sum(500 + number for number in numbers) + hidden,
            "thinkingTokens": 0,
            "cacheReadInputTokens": sum(1000 + number for number in numbers),
            "cacheCreationInputTokens": 30 * len(numbers),
            "cacheCreationEphemeral5mInputTokens": 20 * len(numbers),
            "cacheCreationEphemeral1hInputTokens": 10 * len(numbers),
        }
        self.write({"type": "cost-state", "sessionId": self.session, "modelUsage": {model: billed}})

    def fork(self, root: Path, session: str, version: str | None = None) -> Transcript:
        """Copy the conversation into a new session, as ``--fork-session`` of ``version`` does."""
        copy = Transcript(root, session, self.clock, version or self.version, model=self.model)
        for line in self.lines:
            if line["type"] not in {"user", "assistant"}:
                continue
            copied: Object = {**line, "sessionId": session}
            if _numbers(copy.version) < _numbers("1.0.10"):
                copied |= {"timestamp": self.clock.tick(), "uuid": uuid_of(session, "copy", len(copy.lines))}
                copied |= {"costUSD": 0, "durationMs": 0} if line["type"] == "assistant" else {}
            elif _numbers(copy.version) >= _numbers("2.1.326") and line["type"] == "assistant":
                copied.setdefault("requestSessionId", self.session)
            copy.write(copied)
        return copy


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def message_of(line: Object) -> Object:
    """Return the message of a line."""
    return cast("Object", line["message"])


def key_of_ref(ref: str) -> bytes:
    """Return the key of the request called ``ref``."""
    return digest("ref", json.dumps(ref).encode())
