"""Writes rollouts as Codex does, in all the ways in which its versions write usage, and keeps what was billed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from aico.features.sources.codex.parser import FORMAT
from tests.sources.claude_code.claude_home import CANARY
from tests.sources.line_homes import Sum, Tool

CODEX = Tool("codex", "sessions", FORMAT, "rollout-*.jsonl")
BEGIN_MS = 1_795_000_000_000
MODEL = "gpt-5.6-sol"
OLD, MIDDLE, TURNS, NEW = "0.61.0", "0.98.0", "0.140.0", "0.171.0"
"""Totals that begin anew with each process; that go on; turns with ids; a record for each response."""
VERSIONS = (OLD, MIDDLE, TURNS, NEW)
Fields: TypeAlias = "dict[str, object]"
Counts: TypeAlias = tuple[int, int, int, int, int]
NOTHING: Counts = (0, 0, 0, 0, 0)


def uuid_at(ms: int, number: int) -> str:
    """Return an id of version 7 that was made at a moment."""
    head = f"{ms:012x}"
    return f"{head[:8]}-{head[8:]}-7000-8000-{number:012x}"


def counts_of(number: int) -> Counts:
    """Return the usage of the answer with a number: different for each, as Codex counts it."""
    return (20_000 + 100 * number, 15_000 + 10 * number, 50 * (number % 3), 400 + 3 * number, 120 + number)


def sum_of(counts: Counts) -> Sum:
    """Return a usage in our words."""
    sent, cached, written, output, _reasoning = counts
    return Sum(1, sent - cached - written, cached, written, 0, output)


def plus(one: Counts, other: Counts) -> Counts:
    """Return the sum of two usages."""
    return tuple(a + b for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def usage_of(counts: Counts) -> Fields:
    """Return a usage as Codex writes it."""
    names = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens")
    return {
        **dict(zip(names, counts, strict=False)),
        "reasoning_output_tokens": counts[4],
        "total_tokens": counts[0] + counts[3],
    }


@dataclass
class Work:
    """A home of Codex, its clock, and what was billed there."""

    root: Path
    now_ms: int = BEGIN_MS
    ids: int = 0
    billed: dict[tuple[str, int], Sum] = field(default_factory=dict)
    """By model and day of UTC."""
    lost_count: int = 0

    def tick(self, ms: int = 1_000) -> int:
        """Let time pass; return the moment."""
        self.now_ms += ms
        return self.now_ms

    def make_id(self) -> str:
        """Return an id that is made now."""
        self.ids += 1
        return uuid_at(self.now_ms, self.ids)

    def bill(self, model: str, counts: Counts) -> None:
        """Note an answer."""
        key = model, self.now_ms // 86_400_000
        known = self.billed.get(key, Sum(0, 0, 0, 0, 0, 0))
        self.billed[key] = Sum(*(a + b for a, b in zip(known, sum_of(counts), strict=True)))


@dataclass
class Rollout:
    """One thread, as a version of Codex writes it; a resumed one may be another version."""

    work: Work
    version: str = NEW
    model: str = MODEL
    agent_of: Rollout | None = None
    base: Rollout | None = None
    """The thread that it was forked from."""
    thread: str = ""
    folder: Path = Path()
    lines: list[Fields] = field(default_factory=list)
    total: Counts = NOTHING
    last: Counts = NOTHING
    has_info: bool = False
    turn: str = ""
    tier: str = ""
    """The service tier that the thread is set to; none is the ordinary one."""
    answers: int = 0

    def __post_init__(self) -> None:
        self.work.tick()
        self.thread = self.work.make_id()
        moment = datetime.fromtimestamp(self.work.now_ms / 1000, UTC)
        self.folder = self.work.root / "sessions" / moment.strftime("%Y/%m/%d")
        self.path = self.folder / f"rollout-{moment:%Y-%m-%dT%H-%M-%S}-{self.thread}.jsonl"
        self._begin()

    @property
    def root(self) -> str:
        """The thread that somebody started by hand."""
        return self.thread if self.agent_of is None else self.agent_of.root

    @property
    def has_counted(self) -> bool:
        """True if any line states totals, a copied one included."""
        payloads = [each["payload"] for each in self.lines]
        return any(isinstance(each, dict) and each.get("info") is not None for each in payloads)

    # Lines

    def say(self, kind: str, payload: Fields, at: int | None = None) -> None:
        """Append a line, with the present moment."""
        moment = datetime.fromtimestamp((self.work.now_ms if at is None else at) / 1000, UTC)
        line: Fields = {"timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z", "type": kind}
        self._append({**line, "payload": payload})

    def _append(self, line: Fields) -> None:
        self.lines.append(line)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _begin(self) -> None:
        head: Fields = {"id": self.thread, "cli_version": self.version, "source": "exec", "cwd": f"/home/{CANARY}"}
        if self.version == NEW:
            head["session_id"] = self.thread
        if self.agent_of is not None:
            head["source"] = {"subagent": {"thread_spawn": {"parent_thread_id": self.agent_of.thread, "depth": 1}}}
            if self.version == NEW:
                head["session_id"] = self.agent_of.root
        if self.base is not None:
            head["forked_from_id"] = self.base.thread
        head["base_instructions"] = {"text": CANARY}
        self.say("session_meta", head)

    # Events in a thread

    def resume(self, version: str | None = None) -> None:
        """Go on with another process, perhaps of another version."""
        self.work.tick(60_000)
        self.version = version or self.version
        if self.version == OLD:
            self.total, self.last, self.has_info = NOTHING, NOTHING, False

    def ask(self) -> None:
        """Begin a turn with a prompt of the user."""
        self.work.tick()
        has_turns = self.version in (TURNS, NEW)
        self.turn = self.work.make_id() if has_turns else ""
        prompt: Fields = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": CANARY}]}
        context: Fields = {"cwd": f"/home/{CANARY}", "model": self.model, "user_instructions": CANARY}
        if has_turns:
            self.say("event_msg", {"type": "task_started", "turn_id": self.turn})
            root: Fields = {"root_turn_id": self.turn} if self.version == NEW else {}
            self.say("turn_context", {"turn_id": self.turn, **root, **context})
        if self.version == NEW:
            tier: Fields = {"service_tier": self.tier} if self.tier else {}
            self.say("event_msg", {"type": "thread_settings_applied", "thread_settings": {"cwd": CANARY, **tier}})
        self.say("response_item", prompt)
        if self.version == NEW:
            item: Fields = {"type": "UserMessage", "id": self.work.make_id(), "content": [{"text": CANARY}]}
            self.say("event_msg", {"type": "item_completed", "turn_id": self.turn, "item": item})
        else:
            self.say("event_msg", {"type": "user_message", "message": CANARY})
        if not has_turns:
            self.say("turn_context", context)

    def answer(self, number: int, *, is_measured: bool = True) -> None:
        """Answer, with a call of a tool; without a usage where the API sent none."""
        self.work.tick()
        counts = counts_of(number)
        if is_measured:
            self.work.bill(self.model, counts)
        else:
            self.work.lost_count += 1
        if self.version in (OLD, MIDDLE):
            self.count()
        if self.version != NEW:
            self.say("event_msg", {"type": "agent_message", "message": CANARY})
        if self.version == OLD:
            self._measure(number, counts, is_measured=is_measured)
        item: Fields = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": CANARY}]}
        self.say("response_item", item)
        self.say("response_item", {"type": "function_call", "name": "shell", "arguments": CANARY, "call_id": "c"})
        if self.version == NEW and is_measured:
            self.record(number, counts)
        self.say("response_item", {"type": "function_call_output", "call_id": "c", "output": CANARY})
        if self.version != OLD:
            self._measure(number, counts, is_measured=is_measured)

    def _measure(self, number: int, counts: Counts, *, is_measured: bool) -> None:
        self.answers += 1
        if is_measured:
            self.total, self.last, self.has_info = plus(self.total, counts), counts, True
        self.count()

    def record(self, number: int, counts: Counts) -> None:
        """Write the record of a response."""
        payload: Fields = {"thread_id": self.thread, "turn_id": self.turn, "session_id": self.thread}
        payload |= {"response_id": f"resp_{self.thread}_{number}", "usage": usage_of(counts)}
        self.say("token_usage_record", {**payload, "turn_token_usage": usage_of(self.total)})

    def count(self) -> None:
        """State the totals, which may say again what was said."""
        info: Fields | None = None
        if self.has_info:
            info = {"total_token_usage": usage_of(self.total), "last_token_usage": usage_of(self.last)}
        window: Fields = {"used_percent": 12.5, "window_minutes": 300, "resets_at": self.work.now_ms // 1000 + 3600}
        limits: Fields = {"limit_id": "codex", "primary": window, "secondary": None, "plan_type": CANARY}
        self.say("event_msg", {"type": "token_count", "info": info, "rate_limits": limits})

    def compact(self, number: int) -> None:
        """Compact, which is a request of its own, and say the totals again with an estimate as the last usage."""
        self.answer(number)
        self.say("compacted", {"message": CANARY, "replacement_history": [{"role": "assistant", "content": CANARY}]})
        self.last = NOTHING
        self.count()

    def fork(
        self,
        *,
        version: str | None = None,
        is_copied: bool = True,
        keep: int | None = None,
    ) -> Rollout:
        """Return a fork; a copied one repeats the lines, or the first ones to ``keep``, with the present moment."""
        self.work.tick()
        fork = Rollout(self.work, version or self.version, self.model, base=self)
        fork.total, fork.has_info, fork.last = self.total, self.has_info, self.last
        if is_copied:
            fork.repeat(self.lines[:keep])
        return fork

    def start_agent(self, *, is_copied: bool = False) -> Rollout:
        """Return the thread of an agent that this one starts; a copy has its history, without its head and records."""
        agent = Rollout(self.work, self.version, self.model, agent_of=self)
        if is_copied:
            agent.total, agent.has_info, agent.last = self.total, self.has_info, self.last
            agent.repeat(self.lines, *("session_meta", "token_usage_record"))
        return agent

    def repeat(self, lines: list[Fields], *dropped: str) -> None:
        """Append lines of another thread with the present moment, but for those of some kinds.

        A version drops what it does not know.
        """
        unknown = {OLD: {"turn_id", "root_turn_id"}, MIDDLE: {"turn_id", "root_turn_id"}, TURNS: {"root_turn_id"}}
        for line in lines:
            if line["type"] not in dropped and not (line["type"] == "token_usage_record" and self.version != NEW):
                payload: Fields = line["payload"]  # type: ignore[assignment]
                known = {name: each for name, each in payload.items() if name not in unknown.get(self.version, ())}
                self.say(str(line["type"]), known)


def write_home(home: Path, stage: int) -> None:
    """Write threads as Codex does, through updates of it, with agents, forks and answers without numbers."""
    root = home / ".codex"
    shutil.rmtree(root, ignore_errors=True)
    for number, version in enumerate(VERSIONS):
        work = Work(root, BEGIN_MS - (number + 1) * 86_400_000, ids=1_000 * number)
        thread = Rollout(work, version)
        forks: list[Rollout] = []
        for turn in range(stage + 1):
            thread.resume(VERSIONS[(number + turn) % len(VERSIONS)])
            agent = thread.start_agent()
            for each in (thread, agent, *forks):
                each.ask()
                each.answer(work.ids)
            thread.answer(0, is_measured=False)
            forks.append(thread.fork(version=VERSIONS[-1]))
        archived = root / "archived_sessions"
        archived.mkdir(exist_ok=True)
        shutil.copy(thread.path, archived / thread.path.name)
