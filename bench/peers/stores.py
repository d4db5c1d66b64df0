"""Writes a home as Cline writes it: the ledger, a folder per task, the session store, a folder per session.

Source: cline/cline, ``src/shared/ExtensionMessage.ts`` (``api_req_started``), ``src/core/storage/disk.ts``; the session
store as in ``bench.fake_session_store``. Every conversation is made up and holds a marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from aico.features.demo.js_json import stringify
from aico.features.demo.writer import replace_file
from bench.fake_session_store import SessionStore, core_metadata, editor_metadata, iso
from bench.peers.homes import Home, Kind, Request, Sums, Task

Json: TypeAlias = "dict[str, object]"


class WrittenHome:
    """A HOME with Cline's files in it, and Cline's open connection to its session store, in a ``with`` statement."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self.data = folder / ".cline" / "data"
        self._sessions: SessionStore | None = None

    def write(self) -> None:
        """Write everything."""
        if self.home.kind is not Kind.CURRENT:
            self._write_ledger()
        if self.home.kind is not Kind.CLASSIC:
            self._sessions = SessionStore(self.data / "db" / "sessions.db")
            self._sessions.connection.execute("BEGIN")
        for task in self.home.tasks:
            self._write_task(task)
        if self._sessions is not None:
            self._sessions.connection.execute("COMMIT")

    def rewrite(self, task: Task) -> None:
        """Write the files that Cline writes when ``task`` has got one more answer."""
        self._write_task(task)
        if self.home.kind is Kind.CLASSIC:
            self._write_ledger()

    def close(self) -> None:
        """Close the connection, as Cline does when it ends."""
        if self._sessions is not None:
            self._sessions.close()

    def _write_ledger(self) -> None:
        entries = [ledger_entry(task) for task in self.home.tasks if task.in_ledger]
        _write(self.data / "state" / "taskHistory.json", entries)

    def _write_task(self, task: Task) -> None:
        if task.in_ledger:
            folder = self.data / "tasks" / task.task_id
            _write(folder / "ui_messages.json", ui_messages(task))
            _write(folder / "api_conversation_history.json", conversation(task))
        if task.in_sessions and self._sessions is not None:
            folder = self.data / "sessions" / task.task_id
            for number, agent in enumerate(task.of_agents):
                name = f"scout__{number}{task.task_id}"
                _write(folder / f"{name}.messages.json", messages_file(task, agent, name))
                self._put(f"{task.task_id}__teamtask__{name}", agent, core_metadata(usage_of(agent)), is_subagent=True)
            _write(folder / f"{task.task_id}.messages.json", messages_file(task, task.in_sessions, "lead"))
            _write(folder / f"{task.task_id}.json", record(task))
            self._put(task.task_id, task.in_sessions, metadata_of(task), is_subagent=False)

    def _put(self, session_id: str, requests: Sequence[Request], metadata: Json, *, is_subagent: bool) -> None:
        if self._sessions is not None:
            last = requests[-1]
            self._sessions.put(
                session_id, metadata, updated_ms=last.ts, model=last.model.model_id, is_subagent=is_subagent
            )


def ledger_entry(task: Task) -> Json:
    """Return the task's entry of ``taskHistory.json``."""
    sums = Sums.of(task.in_ledger)
    return {
        "id": task.task_id,
        "ts": task.in_ledger[-1].ts,
        "task": task.prompt,
        "tokensIn": sums.tokens_in,
        "tokensOut": sums.tokens_out,
        "cacheWrites": sums.cache_writes,
        "cacheReads": sums.cache_reads,
        "totalCost": sums.cost_usd,
        "size": 4_000,
        "modelId": task.model.model_id,
        "apiProvider": task.model.provider,
    }


def ui_messages(task: Task) -> list[Json]:
    """Return ``ui_messages.json``: the prompt, then for each answer its cost and its text."""
    found: list[Json] = [{"ts": int(task.task_id), "type": "say", "say": "task", "text": task.prompt}]
    for one in task.in_ledger:
        cost = {
            "request": task.prompt,
            "tokensIn": one.tokens_in,
            "tokensOut": one.tokens_out,
            "cacheWrites": one.cache_writes,
            "cacheReads": one.cache_reads,
            "cost": one.cost_usd,
        }
        found.append({"ts": one.ts, "type": "say", "say": "api_req_started", "text": stringify(cost).decode()})
        found.append({"ts": one.ts + 900, "type": "say", "say": "text", "text": f"{task.prompt} answered"})
    return found


def conversation(task: Task) -> list[Json]:
    """Return ``api_conversation_history.json``."""
    details = "<environment_details>\n# Current Workspace Directory (/home/u/blog) Files\n</environment_details>"
    tag = f"<model>{task.model.model_id}</model>"
    texts = [f"<task>\n{task.prompt}\n</task>", details, tag]
    user: Json = {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}
    said: Json = {"role": "assistant", "content": [{"type": "text", "text": f"{task.prompt} answered"}]}
    return [user, *(said for _ in task.in_ledger)]


def messages_file(task: Task, requests: Sequence[Request], agent: str) -> Json:
    """Return a session's ``.messages.json``. Messages before a resumption have no figures."""
    said: list[Json] = [{"id": f"msg_{task.task_id}_{agent}_u", "role": "user", "ts": requests[0].ts - 1_000}]
    said[0]["content"] = [{"type": "text", "text": f'<user_input mode="act">{task.prompt}</user_input>'}]
    said += [message_of(task, one, f"msg_{task.task_id}_{agent}_{index}") for index, one in enumerate(requests)]
    return {
        "version": 1,
        "updated_at": iso(requests[-1].ts),
        "agent": agent,
        "sessionId": task.task_id,
        "origin": {"cwd": "/home/u/blog"},
        "messages": said,
    }


def message_of(task: Task, one: Request, message_id: str) -> Json:
    """Return one answer; its input includes cache reads and writes."""
    return {
        "id": message_id,
        "role": "assistant",
        "ts": one.ts,
        "content": [{"type": "text", "text": f"{task.prompt} answered"}],
        "metrics": {
            "inputTokens": one.tokens_in + one.cache_reads + one.cache_writes,
            "outputTokens": one.tokens_out,
            "cacheReadTokens": one.cache_reads,
            "cacheWriteTokens": one.cache_writes,
            "cost": one.cost_usd,
        },
        "modelInfo": {"id": one.model.model_id, "provider": one.model.provider},
    }


def usage_of(requests: Sequence[Request]) -> Json:
    """Return ``usage`` or ``aggregateUsage`` of a session."""
    sums = Sums.of(requests)
    return {
        "inputTokens": sums.tokens_in + sums.cache_reads + sums.cache_writes,
        "outputTokens": sums.tokens_out,
        "cacheReadTokens": sums.cache_reads,
        "cacheWriteTokens": sums.cache_writes,
        "totalCost": sums.cost_usd,
    }


def metadata_of(task: Task) -> Json:
    """Return a session's ``metadata_json``. A resumed task begins with its totals in the ledger."""
    if task.in_ledger:
        sums = Sums.of(task.own)
        counts = {"cacheWrites": sums.cache_writes, "cacheReads": sums.cache_reads, "legacyTask": True}
        more = {**counts, "modelId": task.model.model_id}
        return {**editor_metadata(sums.tokens_in, sums.tokens_out, sums.cost_usd), **more}
    return core_metadata(usage_of(task.own), usage_of(list(task.requests)))


def record(task: Task) -> Json:
    """Return the session's own small file beside its messages."""
    return {
        "version": 1,
        "session_id": task.task_id,
        "source": "cli",
        "started_at": iso(int(task.task_id)),
        "status": "idle",
        "provider": task.model.provider,
        "model": task.model.model_id,
        "cwd": "/home/u/blog",
        "workspace_root": "/home/u/blog",
        "prompt": task.prompt,
        "metadata": metadata_of(task),
    }


def _write(path: Path, value: object) -> None:
    """Write ``value`` as Cline does: beside it, then renamed over it."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    replace_file(path, stringify(value))
