"""The database of OpenCode as OpenCode writes it, in WAL mode, with conversations that nobody may read.

Source: OpenCode 1.18.33 (the tables ``session``, ``message``, ``part``).
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TypeAlias

from aico.features.demo.texts import CANARY_PREFIX

Json: TypeAlias = "dict[str, object]"

CANARY = f"{CANARY_PREFIX}-message"
"""In every text of a database that is not ours to read."""
SCHEMA = """
    CREATE TABLE IF NOT EXISTS session (
        id text PRIMARY KEY, project_id text NOT NULL, parent_id text, directory text NOT NULL, title text NOT NULL,
        cost real DEFAULT 0 NOT NULL, tokens_input integer DEFAULT 0 NOT NULL,
        time_created integer NOT NULL, time_updated integer NOT NULL
    );
    CREATE TABLE IF NOT EXISTS message (
        id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL,
        data text NOT NULL
    );
    CREATE TABLE IF NOT EXISTS part (
        id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL, time_created integer NOT NULL,
        time_updated integer NOT NULL, data text NOT NULL
    );
    CREATE INDEX IF NOT EXISTS message_session_idx ON message (session_id, time_created, id);
"""
ZEROS = (0, 0, 0, 0, 0)


class MessageStore:
    """One connection of the tool's to its database. Times are epoch milliseconds."""

    def __init__(self, path: Path | None = None, *, checkpoints: bool = False) -> None:
        """Open the database at ``path``, or one in memory."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")  # readers see no difference, and a test waits for no disk
        if not checkpoints:
            self.connection.execute("PRAGMA wal_autocheckpoint = 0")
        self.connection.executescript(SCHEMA)
        self._count = self.connection.execute("SELECT count(*) FROM message").fetchone()[0]

    def session(self, name: str, created: int, parent: str | None = None) -> None:
        """Begin a session."""
        self.connection.execute(
            "INSERT INTO session (id, project_id, parent_id, directory, title, time_created, time_updated)"
            " VALUES (?, 'global', ?, ?, ?, ?, ?)",
            (name, parent, f"/home/{CANARY}", f"{CANARY} title", created, created),
        )

    def answer(
        self,
        session: str,
        created: int,
        completed: int | None = None,
        tokens: tuple[int, int, int, int, int] = ZEROS,
        *,
        name: str = "",
        provider: str = "fake",
        model: str = "fake-model",
        cost: float = 0,
        updated: int | None = None,
        more: Json | None = None,
    ) -> str:
        """Write an answer, with ``more`` in its JSON, and return its id.

        ``tokens`` are input, output, reasoning, cache reads and writes.
        """
        fresh, output, reasoning, read, write = tokens
        data: Json = {
            "parentID": f"msg_{CANARY}",
            "role": "assistant",
            "path": {"cwd": f"/home/{CANARY}", "root": "/"},
            "cost": cost,
            "tokens": {
                "total": sum(tokens),
                "input": fresh,
                "output": output,
                "reasoning": reasoning,
                "cache": {"read": read, "write": write},
            },
            "modelID": model,
            "providerID": provider,
            "time": {"created": created} | ({} if completed is None else {"completed": completed}),
            **({} if completed is None else {"finish": "stop"}),
            **(more or {}),
        }
        return self.put(session, created, data, name=name, updated=updated or completed)

    def prompt(self, session: str, created: int) -> str:
        """Write a prompt."""
        data: Json = {
            "role": "user",
            "time": {"created": created},
            "summary": {"title": CANARY, "diffs": [{"before": CANARY}]},
        }
        return self.put(session, created, data)

    def put(self, session: str, created: int, data: object, *, name: str = "", updated: int | None = None) -> str:
        """Write a message, or write it anew, and a part beside it."""
        self._count += 1
        name = name or f"msg_{session}_{self._count}"
        text = data if isinstance(data, str) else json.dumps(data)
        self.connection.execute(
            "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (id) DO UPDATE SET time_updated = ?4, data = ?5",
            (name, session, created, updated or created, text),
        )
        self.connection.execute(
            "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)",
            (f"prt_{name}", name, session, created, created, json.dumps({"type": "text", "text": CANARY})),
        )
        return name

    def fork(self, session: str, name: str, created: int) -> None:
        """Copy a session as ``--fork`` does: new ids, the same times."""
        self.session(name, created)
        rows = self.connection.execute(
            "SELECT time_created, data FROM message WHERE session_id = ? ORDER BY rowid", (session,)
        ).fetchall()
        for moment, data in rows:
            self.put(name, moment, data, updated=created)

    def drop(self, session: str) -> None:
        """Delete a session and what it holds."""
        for table, column in (("message", "session_id"), ("part", "session_id"), ("session", "id")):
            self.connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (session,))  # noqa: S608  # constants

    def close(self) -> None:
        """Close the connection, which writes the log into the database."""
        self.connection.close()
