"""Cline's session store as Cline writes it: the whole schema, in WAL mode, with conversations that nobody may read.

Source: cline/cline, ``sdk/packages/shared/src/db/sqlite-db.ts`` and ``sqlite-session-store.ts``.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from aico.features.demo.texts import CANARY_PREFIX

Json: TypeAlias = "dict[str, object]"

COLUMNS = """
    session_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    exit_code INTEGER,
    status TEXT NOT NULL,
    status_lock INTEGER NOT NULL DEFAULT 0,
    interactive INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    cwd TEXT NOT NULL,
    workspace_root TEXT NOT NULL,
    team_name TEXT,
    enable_tools INTEGER NOT NULL,
    enable_spawn INTEGER NOT NULL,
    enable_teams INTEGER NOT NULL,
    parent_session_id TEXT,
    parent_agent_id TEXT,
    agent_id TEXT,
    conversation_id TEXT,
    is_subagent INTEGER NOT NULL DEFAULT 0,
    prompt TEXT,
    metadata_json TEXT,
    transcript_path TEXT NOT NULL DEFAULT '',
    hook_path TEXT NOT NULL,
    messages_path TEXT,
    updated_at TEXT NOT NULL
"""
OTHERS = (
    "CREATE TABLE IF NOT EXISTS subagent_spawn_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT)",
    "CREATE TABLE IF NOT EXISTS schedules (schedule_id TEXT PRIMARY KEY, prompt TEXT NOT NULL, metadata_json TEXT)",
)
FIRST_MS = 1_772_000_000_000
SECRET = f"{CANARY_PREFIX}-session"
"""In every text of a store that is not ours to read."""


def iso(moment_ms: int) -> str:
    """Return the text of ``new Date(moment_ms).toISOString()``."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment_ms % 1000:03d}Z"


def usage(gross: int, out: int, cost: float, *, read: int = 0, written: int = 0) -> Json:
    """Return ``usage`` or ``aggregateUsage``: its input includes cache reads and writes."""
    cached = {"cacheReadTokens": read, "cacheWriteTokens": written}
    return {"inputTokens": gross, "outputTokens": out, **cached, "totalCost": cost}


def core_metadata(alone: Json, with_agents: Json | None = None) -> Json:
    """Return the text that Cline's core writes when a turn ends."""
    everything = with_agents or alone
    return {
        "title": f"{SECRET} title",
        "totalCost": alone["totalCost"],
        "aggregatedAgentsCost": everything["totalCost"],
        "usage": alone,
        "aggregateUsage": everything,
    }


def editor_metadata(tokens_in: int, tokens_out: int, cost: float, **more: object) -> Json:
    """Return the text that the VS Code extension writes with each answer, and when it resumes a task of the ledger."""
    counts = {"tokensIn": tokens_in, "tokensOut": tokens_out, "cacheWrites": 0, "cacheReads": 0}
    return {"title": f"{SECRET} title", "size": 1, "isFavorited": False, "totalCost": cost, **counts, **more}


class SessionStore:
    """One connection of Cline's to its store. Closing the last one takes the log away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")  # readers see no difference, and a test waits for no disk
        self.connection.execute("PRAGMA busy_timeout = 5000")
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS sessions ({COLUMNS})")
        for statement in OTHERS:
            self.connection.execute(statement)

    def put(
        self,
        session_id: str,
        metadata: Json | str | None,
        *,
        updated_ms: int = FIRST_MS,
        model: str = "z-ai/glm-5",
        is_subagent: bool = False,
        status: str = "idle",
    ) -> None:
        """Write one session, in a transaction of its own, as ``INSERT OR REPLACE`` does."""
        text = metadata if isinstance(metadata, str | None) else json.dumps(metadata)
        folder = f"/home/{SECRET}"
        row: dict[str, object] = {
            "session_id": session_id,
            "source": "vscode",
            "pid": 7,
            "started_at": iso(FIRST_MS),
            "status": status,
            "interactive": 1,
            "provider": "cline",
            "model": model,
            "cwd": folder,
            "workspace_root": folder,
            "enable_tools": 1,
            "enable_spawn": 1,
            "enable_teams": 0,
            "is_subagent": int(is_subagent),
            "prompt": f"{SECRET} prompt " * 20,
            "metadata_json": text,
            "hook_path": "",
            "messages_path": folder,
            "updated_at": iso(updated_ms),
        }
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        statement = f"INSERT OR REPLACE INTO sessions ({names}) VALUES ({marks})"
        self.connection.execute(statement, tuple(row.values()))

    def checkpoint(self, mode: str = "PASSIVE") -> None:
        """Copy the log into the database, as SQLite does by itself every thousand pages."""
        self.connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
