"""Homes of Claude Code to measure with, of any size, and the sums that are right for them. No line is a real one.

A home has sessions in each of the forms in which Claude Code's versions write usage. The same seed writes the same
bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Object: TypeAlias = dict[str, Json]

FORMS = (
    "blocks",
    "snapshots",
    "fork",
    "no_request_id",
    "constant_id",
    "midnight",
    "rewritten",
    "subagents",
    "long_results",
)
"""A session has one of them: see the method of that name."""
_MODELS = ("claude-opus-4-8", "claude-sonnet-4-5", "claude-haiku-5-5")
_NEW, _WITHOUT_ORIGIN, _FULL_USAGE, _PLACEHOLDERS = "2.1.332", "2.1.310", "2.1.200", "2.1.50"
END_S = 1_772_000_000
"""When the last session begins, seconds since 1970."""
_DAY_S = 86_400
_DAYS = 60
_REWRITTEN_MAX = 20
"""Files that can be written anew are kept in memory."""
_LONG_SHARE = 0.03
"""Results of tools that are long, in the form of those."""
_WORDS = 'the build "failed" in\nline 17: naïve ünits of\tthe queue {"usage": 1} are not \\ what was expected'
PROSE = _WORDS * 1_000


class Sums(NamedTuple):
    """The booked amounts of answers."""

    requests: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Key(NamedTuple):
    """The key of a sum."""

    day: int
    """Days of UTC since the epoch."""
    model: str
    form: str


@dataclass(slots=True)
class _Answer:
    """One answer, on however many lines."""

    number: int
    model: str
    sums: Sums
    message_id: str
    request_id: str | None
    ref: str | None


@dataclass(slots=True)
class _Transcript:
    """One file, in memory until it is written."""

    path: Path
    session: str
    version: str
    now_s: float
    agent: str | None = None
    lines: list[Object] = field(default_factory=list)

    def tick(self, seconds: float) -> str:
        """Let time pass; return the moment as Claude Code writes it."""
        self.now_s += seconds
        return datetime.fromtimestamp(self.now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def write(self) -> int:
        """Write all lines, as ones that were written long ago; return their size in bytes."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in self.lines)
        self.path.write_bytes(data)
        self.rest()
        return len(data)

    def rest(self) -> None:
        """Give the file the time of its last line."""
        os.utime(self.path, (self.now_s, self.now_s))


class FakeClaudeHome:
    """Writes a home and knows what it must come to."""

    def __init__(self, folder: Path, size_bytes: int, folder_count: int = 50, seed: int = 1) -> None:
        self.folder = folder
        """The folder that ``CLAUDE_CONFIG_DIR`` names."""
        self.truth: dict[Key, Sums] = {}
        self.forms: dict[str, str] = {}
        """The form of each session; those of agents have the same, and begin with its name and a slash."""
        self.prompt_count = 0
        self.size_bytes = 0
        self.file_count = 0
        self._wanted_bytes = size_bytes
        self._folder_count = folder_count
        self._rng = Random(seed)  # noqa: S311 - reproducible on purpose
        self._session_count = 0
        self._answer_count = 0
        self._rewritten: list[_Transcript] = []

    @property
    def projects(self) -> Path:
        """The folder of transcripts."""
        return self.folder / "projects"

    def write(self) -> None:
        """Write sessions, every form in turn, until there are enough bytes; then the folders that are still lacking."""
        while self.size_bytes < self._wanted_bytes:
            for form in FORMS:
                self._write_family(form)
        while self._session_count < self._folder_count:
            talk = self._begin("blocks", _NEW)
            self._note(talk)
            self._keep(talk)

    def rewrite(self) -> int:
        """Write the files of that form anew, in place: the last answer is gone, another two are there; count them."""
        for transcript in self._rewritten:
            while transcript.lines[-1]["type"] != "assistant":
                transcript.lines.pop()
            while transcript.lines[-1]["type"] == "assistant":
                transcript.lines.pop()
            for _ in range(2):
                self._answer(transcript, "rewritten", blocks=2)
            data = b"".join(msgspec.json.encode(line) + b"\n" for line in transcript.lines)
            with transcript.path.open("r+b") as file:
                file.write(data)
                file.truncate()
            transcript.rest()
        return len(self._rewritten)

    def append_answer(self, path: Path, number: int) -> None:
        """Append one line with an answer, a new one for each ``number``, to a session's file, as of now."""
        transcript = _Transcript(path, path.stem, _NEW, time.time())
        usage = _usage_of(Sums(1, 10, 20_000 + number, 300, 0, 400), None)
        said = _message("msg_live", _MODELS[0], PROSE[:400], usage, stop="end_turn")
        line = self._line(transcript, "assistant", 0, said, {"requestRef": f"live-{number}"})
        with path.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(line) + b"\n")

    # Families of sessions

    def _write_family(self, form: str) -> None:
        if form == "fork":
            self._write_forks()
        elif form == "midnight":
            self._write_midnights()
        elif form == "subagents":
            self._write_with_agents()
        else:
            version = {"snapshots": _PLACEHOLDERS, "blocks": _NEW, "long_results": _NEW}.get(form, _FULL_USAGE)
            transcript = self._begin(form, version)
            for _ in range(self._rng.randint(4, 40)):
                self._turn(transcript, form)
            self._keep(transcript)
            if form == "rewritten" and len(self._rewritten) < _REWRITTEN_MAX:
                self._rewritten.append(transcript)

    def _write_forks(self) -> None:
        """Write a session and copies of it that went on: with and without a word on where their lines are from."""
        origin = self._begin("fork", _WITHOUT_ORIGIN)
        for _ in range(self._rng.randint(4, 20)):
            self._turn(origin, "fork")
        self._keep(origin)
        for version in (_WITHOUT_ORIGIN, _NEW):
            copy = self._begin("fork", version)
            copy.now_s = origin.now_s + 60
            for line in origin.lines:
                if line["type"] in {"user", "assistant"}:
                    is_stated = version == _NEW and line["type"] == "assistant"
                    stated: Object = {"requestSessionId": origin.session} if is_stated else {}
                    copy.lines.append({**line, "sessionId": copy.session, **stated})
            for _ in range(self._rng.randint(1, 8)):
                self._turn(copy, "fork")
            self._keep(copy)

    def _write_midnights(self) -> None:
        """Write a session of several days, whose last answer of each day ends on the next."""
        transcript = self._begin("midnight", _FULL_USAGE)
        for _ in range(self._rng.randint(2, 8)):
            self._turn(transcript, "midnight")
            transcript.now_s = (transcript.now_s // _DAY_S + 1) * _DAY_S - 0.9
            self._answer(transcript, "midnight", blocks=3)
        self._keep(transcript)

    def _write_with_agents(self) -> None:
        """Write a session and its agents, whose usage stands in the session's results of tools, too."""
        transcript = self._begin("subagents", _NEW)
        for _ in range(self._rng.randint(2, 10)):
            self._turn(transcript, "subagents")
            name = f"{self._rng.getrandbits(60):015x}"
            folder = transcript.path.with_suffix("") / "subagents"
            agent = _Transcript(folder / f"agent-{name}.jsonl", transcript.session, _NEW, transcript.now_s, name)
            agent.lines.append(self._user(agent, {"role": "user", "content": self._text(600)}))
            for _ in range(self._rng.randint(1, 6)):
                self._answer(agent, "subagents", blocks=self._rng.randint(1, 3), model=_MODELS[2])
                self._result(agent, "subagents")
            transcript.now_s = agent.now_s
            usage = _usage_of(Sums(1, 7, 7, 7, 7, 7), None)
            result: Object = {"agentId": name, "content": self._text(2_000), "usage": usage}
            transcript.lines.append(self._user(transcript, _tool_result(self._text(800)), {"toolUseResult": result}))
            self._keep(agent)
        self._keep(transcript)

    # One session

    def _begin(self, form: str, version: str) -> _Transcript:
        self._session_count += 1
        session = self._uuid()
        self.forms[session] = form
        slug = f"-home-dev-project{self._session_count % self._folder_count:05}"
        began_s = END_S - self._rng.random() * _DAYS * _DAY_S
        return _Transcript(self.projects / slug / f"{session}.jsonl", session, version, began_s)

    def _keep(self, transcript: _Transcript) -> None:
        self.size_bytes += transcript.write()
        self.file_count += 1

    def _turn(self, transcript: _Transcript, form: str) -> None:
        """Write a prompt and the answers to it, with the results of tools between them."""
        transcript.now_s += self._rng.random() * 60
        self._note(transcript)
        self.prompt_count += 1
        transcript.lines.append(self._user(transcript, {"role": "user", "content": self._text(400)}))
        for step in range(self._rng.randint(1, 4)):
            if step:
                self._result(transcript, form)
            self._answer(transcript, form, blocks=self._rng.randint(1, 3))

    def _note(self, transcript: _Transcript) -> None:
        """Write a line without usage."""
        files: Object = {f"src/file{number}.py": {"version": 1, "backupFileName": None} for number in range(8)}
        transcript.lines.append(
            {"type": "file-history-snapshot", "messageId": self._uuid(), "snapshot": {"trackedFileBackups": files}}
        )

    def _result(self, transcript: _Transcript, form: str) -> None:
        """Write the result of a tool: some kilobytes, or up to 4 MB in the form of long ones."""
        size = min(int(self._rng.lognormvariate(8.0, 1.2)), 200_000)
        if form == "long_results" and self._rng.random() < _LONG_SHARE:
            size = self._rng.randint(300_000, 4_000_000)
        text = self._text(size)
        more: Object = {"toolUseResult": {"stdout": text[: size // 2], "stderr": ""}}
        transcript.lines.append(self._user(transcript, _tool_result(text), more))

    def _answer(self, transcript: _Transcript, form: str, blocks: int, model: str | None = None) -> None:
        """Write one answer, a line for each block, and add it to the truth."""
        rng = self._rng
        self._answer_count += 1
        number = self._answer_count
        sums = Sums(
            1,
            rng.randint(1, 400),
            10_000 + number,  # so that no two answers of one id have the same counts
            rng.randint(0, 3_000),
            rng.randint(0, 3_000),
            rng.randint(30, 3_000),
        )
        has_ref = transcript.version in {_NEW, _WITHOUT_ORIGIN}
        answer = _Answer(
            number,
            model or rng.choice(_MODELS[:2]),
            sums,
            "chatcmpl-0" if form == "constant_id" else f"msg_{number:024}",
            None if form == "no_request_id" else f"req_{number:024}",
            self._uuid() if has_ref else None,
        )
        if answer.ref is not None:
            self._request(transcript, answer.ref, answer.model)
        for place in range(blocks):
            self._block(transcript, answer, place, is_last=place == blocks - 1)
            if not place:
                key = Key(int(transcript.now_s // _DAY_S), answer.model, form)
                self.truth[key] = self.truth.get(key, Sums()).plus(sums)

    def _request(self, transcript: _Transcript, ref: str, model: str) -> None:
        agent: Object = {"agentId": transcript.agent} if transcript.agent else {}
        line: Object = {"type": "api-request", "sessionId": transcript.session, **agent, "id": ref}
        params: Object = {"model": model, "max_tokens": 32_000}
        transcript.lines.append(
            {**line, "timestamp": transcript.tick(0.01), "version": transcript.version, "params": params}
        )

    def _block(self, transcript: _Transcript, answer: _Answer, place: int, *, is_last: bool) -> None:
        is_placeholder = transcript.version == _PLACEHOLDERS and not is_last
        usage = _usage_of(answer.sums, self._rng.randint(1, 8) if is_placeholder else None)
        text = self._text(400)
        stop = None if is_placeholder else "tool_use"
        said = _message(answer.message_id, answer.model, text, usage, stop=stop)
        request: Object = {} if answer.request_id is None else {"requestId": answer.request_id}
        ref: Object = {} if answer.ref is None else {"requestRef": answer.ref, "apiBlockIndex": place}
        transcript.lines.append(self._line(transcript, "assistant", 0.5, said, {**request, **ref}))

    def _user(self, transcript: _Transcript, message: Json, more: Mapping[str, Json] | None = None) -> Object:
        return self._line(transcript, "user", 0.2, message, more or {})

    def _line(
        self, transcript: _Transcript, kind: str, seconds: float, message: Json, more: Mapping[str, Json]
    ) -> Object:
        """Return a line with its fields in the order in which its version writes them."""
        is_new = transcript.version in {_NEW, _WITHOUT_ORIGIN}
        head: Object = {"parentUuid": self._uuid(), "isSidechain": transcript.agent is not None}
        if transcript.agent:
            head["agentId"] = transcript.agent
        session: Object = {
            "userType": "external",
            "cwd": "/home/dev/project",
            "sessionId": transcript.session,
            "version": transcript.version,
            "gitBranch": "main",
        }
        name: Object = {"type": kind}
        said: Object = {"message": message}
        moment: Object = {"uuid": self._uuid(), "timestamp": transcript.tick(seconds)}
        if not is_new:
            return {**head, **session, **name, **said, **more, **moment}
        if kind == "user":
            return {**head, **name, **said, **moment, **more, **session}
        return {**head, **said, **more, **name, **moment, **session}

    def _text(self, mean: int) -> str:
        """Return words, some ``mean`` characters of them."""
        size = max(1, int(mean * (0.5 + self._rng.random())))
        begin = self._rng.randrange(len(_WORDS))
        laps = -(-(begin + size) // len(PROSE))
        return (PROSE if laps == 1 else PROSE * laps)[begin : begin + size]

    def _uuid(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128)))


def _usage_of(sums: Sums, placeholder: int | None) -> Object:
    return {
        "input_tokens": sums.input,
        "cache_creation_input_tokens": sums.cache_write_5m + sums.cache_write_1h,
        "cache_read_input_tokens": sums.cache_read,
        "output_tokens": sums.output if placeholder is None else placeholder,
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
        "cache_creation": {
            "ephemeral_5m_input_tokens": sums.cache_write_5m,
            "ephemeral_1h_input_tokens": sums.cache_write_1h,
        },
        "service_tier": "standard",
    }


def _message(message_id: str, model: str, text: str, usage: Object, *, stop: str | None) -> Object:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def _tool_result(text: str) -> Object:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": text}]}
