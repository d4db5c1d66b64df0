"""The session store of Copilot CLI as it writes it, in WAL mode, with conversations that nobody may read.

Source: Copilot CLI 1.0.102 (``assistant_usage_events``, ``turns``).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from aico.features.demo.texts import CANARY_PREFIX
from bench.fake_session_store import iso

CANARY = f"{CANARY_PREFIX}-turn"
"""In every text of a store that is not ours to read."""
SCHEMA = """
    CREATE TABLE IF NOT EXISTS assistant_usage_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, turn_index INTEGER, agent_id TEXT,
        parent_tool_call_id TEXT, model TEXT NOT NULL, copilot_usage_model TEXT, input_tokens INTEGER,
        output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER, reasoning_tokens INTEGER,
        total_nano_aiu INTEGER, token_details_json TEXT, created_at TEXT DEFAULT (datetime('now'))
    );
    CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY, session_id TEXT, user_message TEXT, reply TEXT);
"""


class CopilotStore:
    """One connection of the tool's to its store."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")  # readers see no difference, and a test waits for no disk
        self.connection.executescript(SCHEMA)

    def call(
        self,
        session: str,
        moment_ms: int,
        counts: tuple[object, object, object, object, object],
        *,
        model: object = "fake-model",
        created: object = None,
    ) -> None:
        """Write one call; ``counts`` are input, output, cache reads and writes, reasoning."""
        self.connection.execute(
            "INSERT INTO assistant_usage_events (session_id, model, input_tokens, output_tokens, cache_read_tokens,"
            " cache_write_tokens, reasoning_tokens, created_at, token_details_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (session, model, *counts, created or iso(moment_ms), CANARY),
        )
        self.connection.execute("INSERT INTO turns (session_id, user_message) VALUES (?, ?)", (session, CANARY))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
