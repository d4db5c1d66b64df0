"""Homes of Codex to measure with, of any size, and the sums that are right for them. No line is a real one.

Threads are written as versions write usage: a record for each response, totals alone, or first these and then those.
The same seed writes the same bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from bench.fake_claude_home import END_S, PROSE, Key, Object, Sums

CODEX_FORMS = ("records", "totals", "upgraded")
_MODELS = ("gpt-5.6-sol", "gpt-5.4-mini")
_RECORDS, _TOTALS = "0.171.0", "0.140.0"
_DAY_S = 86_400
_DAYS = 60


class _Counts(NamedTuple):
    """A usage as Codex counts it."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def plus(self, other: _Counts) -> _Counts:
        return _Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def written(self) -> Object:
        return {
            "input_tokens": self.input,
            "cached_input_tokens": self.cached,
            "cache_write_input_tokens": self.cache_write,
            "output_tokens": self.output,
            "reasoning_output_tokens": self.reasoning,
            "total_tokens": self.input + self.output,
        }


@dataclass(slots=True)
class _Rollout:
    """One thread, in memory until it is written."""

    thread: str
    now_s: float
    has_records: bool
    model: str
    total: _Counts = field(default_factory=_Counts)
    turn: str = ""
    data: bytearray = field(default_factory=bytearray)

    def say(self, kind: str, payload: Object) -> None:
        moment = datetime.fromtimestamp(self.now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.data += msgspec.json.encode({"timestamp": moment, "type": kind, "payload": payload}) + b"\n"


class FakeCodexHome:
    """Writes a home and knows what it must come to."""

    def __init__(self, folder: Path, size_bytes: int, seed: int = 1) -> None:
        self.folder = folder
        """The folder that ``CODEX_HOME`` names."""
        self.truth: dict[Key, Sums] = {}
        self.forms: dict[str, str] = {}
        """The form of each thread."""
        self.prompt_count = 0
        self.size_bytes = 0
        self.file_count = 0
        self._wanted_bytes = size_bytes
        self._rng = Random(seed)  # noqa: S311 - reproducible on purpose
        self._number = 0

    @property
    def sessions(self) -> Path:
        """The folder of rollouts."""
        return self.folder / "sessions"

    def write(self) -> None:
        """Write threads, every form in turn, until there are enough bytes."""
        while self.size_bytes < self._wanted_bytes:
            for form in CODEX_FORMS:
                self._write_thread(form)

    def _write_thread(self, form: str) -> None:
        began_s = END_S - self._rng.random() * _DAYS * _DAY_S
        rollout = _Rollout(self._id(began_s), began_s, form == "records", self._rng.choice(_MODELS))
        self.forms[rollout.thread] = form
        version = _RECORDS if rollout.has_records else _TOTALS
        rollout.say(
            "session_meta",
            {
                "id": rollout.thread,
                "session_id": rollout.thread,
                "cwd": "/home/dev/project",
                "originator": "codex_exec",
                "cli_version": version,
                "source": "exec",
                "base_instructions": {"text": self._text(8_000)},
            },
        )
        turns = self._rng.randint(4, 30)
        for number in range(turns):
            if form == "upgraded" and number == turns // 2:
                rollout.has_records = True
            self._write_turn(rollout, form)
        moment = datetime.fromtimestamp(began_s, UTC)
        folder = self.sessions / moment.strftime("%Y/%m/%d")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"rollout-{moment:%Y-%m-%dT%H-%M-%S}-{rollout.thread}.jsonl"
        path.write_bytes(rollout.data)
        os.utime(path, (rollout.now_s, rollout.now_s))
        self.size_bytes += len(rollout.data)
        self.file_count += 1

    def _write_turn(self, rollout: _Rollout, form: str) -> None:
        rng = self._rng
        rollout.now_s += rng.random() * 60
        rollout.turn = self._id(rollout.now_s)
        self.prompt_count += 1
        turn: Object = {"turn_id": rollout.turn}
        rollout.say("event_msg", {"type": "task_started", **turn, "model_context_window": 258_400})
        rollout.say("turn_context", {**turn, "cwd": "/home/dev/project", "model": rollout.model, "summary": "none"})
        prompt = self._text(400)
        content: Object = {"type": "input_text", "text": prompt}
        rollout.say("response_item", {"type": "message", "role": "user", "content": [content]})
        if rollout.has_records:
            item: Object = {"type": "UserMessage", "id": self._id(rollout.now_s), "content": [{"text": prompt}]}
            rollout.say("event_msg", {"type": "item_completed", **turn, "item": item})
        else:
            rollout.say("event_msg", {"type": "user_message", "message": prompt})
        for _ in range(rng.randint(1, 5)):
            self._write_answer(rollout, form)

    def _write_answer(self, rollout: _Rollout, form: str) -> None:
        rng = self._rng
        rollout.now_s += 0.5 + rng.random() * 5
        self._number += 1
        sent = rng.randint(15_000, 30_000)
        counts = _Counts(sent, rng.randint(0, 15_000), 0, rng.randint(30, 3_000), rng.randint(0, 30))
        sums = Sums(1, sent - counts.cached, counts.cached, 0, 0, counts.output)
        key = Key(int(rollout.now_s // _DAY_S), rollout.model, form)
        self.truth[key] = self.truth.get(key, Sums()).plus(sums)
        rollout.total = rollout.total.plus(counts)
        said: Object = {"type": "output_text", "text": self._text(400), "annotations": []}
        rollout.say("response_item", {"type": "message", "role": "assistant", "content": [said]})
        call = f"call_{self._number:016x}"
        arguments = self._text(200)
        rollout.say(
            "response_item", {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": call}
        )
        if rollout.has_records:
            ids: Object = {"thread_id": rollout.thread, "turn_id": rollout.turn, "session_id": rollout.thread}
            usage: Object = {"usage": counts.written(), "turn_token_usage": counts.written()}
            rollout.say(
                "token_usage_record",
                {**ids, "response_id": f"resp_{self._number:024x}", **usage, "thread_token_usage": counts.written()},
            )
        output = self._text(min(int(rng.lognormvariate(8.6, 1.2)), 400_000))
        rollout.say("response_item", {"type": "function_call_output", "call_id": call, "output": output})
        info: Object = {"total_token_usage": rollout.total.written(), "last_token_usage": counts.written()}
        window: Object = {"used_percent": 12.5, "window_minutes": 300, "resets_at": int(rollout.now_s) + 3_600}
        limits: Object = {"limit_id": "codex", "primary": window, "secondary": None}
        rollout.say("event_msg", {"type": "token_count", "info": info, "rate_limits": limits})

    def _id(self, moment_s: float) -> str:
        """Return an id of version 7 that is made at a moment."""
        head = f"{int(moment_s * 1_000):012x}"
        tail = f"{self._rng.getrandbits(48):012x}"
        return f"{head[:8]}-{head[8:]}-7{self._rng.getrandbits(12):03x}-8000-{tail}"

    def _text(self, mean: int) -> str:
        """Return words, some ``mean`` characters of them."""
        size = max(1, int(mean * (0.5 + self._rng.random())))
        begin = self._rng.randrange(100)
        laps = -(-(begin + size) // len(PROSE))
        return (PROSE if laps == 1 else PROSE * laps)[begin : begin + size]
