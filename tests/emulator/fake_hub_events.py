"""The events of Cline's hub as Cline keeps them: a few that tell usage, among many that hold conversation.

Source: ``@cline/core`` 0.0.86 (the store of hub events).
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from bench.fake_session_store import SECRET, Json

SCHEMA = """
    CREATE TABLE IF NOT EXISTS hub_events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL,
        session_id TEXT,
        envelope_json TEXT NOT NULL,
        created_at INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS idx_hub_events_session ON hub_events(session_id, sequence);
    CREATE INDEX IF NOT EXISTS idx_hub_events_created ON hub_events(created_at);
"""


def usage_payload(session_id: str, total: Json) -> Json:
    """Return the payload of one call that has ended."""
    return {
        "sessionId": session_id,
        **dict.fromkeys(("delta", "totals", "usage", "aggregateUsage"), total),
        "agent": {"kind": "lead", "teamRole": f"{SECRET} role"},
    }


class HubEventsStore:
    """One connection of the hub's to its events."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")  # readers see no difference, and a test waits for no disk
        self.connection.executescript(SCHEMA)

    def add(self, event: str, session_id: str, timestamp: object, payload: object) -> None:
        """Append one event."""
        envelope = {
            "version": "v1",
            "event": event,
            "eventId": f"hevt_{SECRET}",
            "sessionId": session_id,
            "timestamp": timestamp,
            "payload": payload,
        }
        self.put(event, session_id, json.dumps(envelope))

    def put(self, event: str, session_id: str, envelope: str) -> None:
        """Append one event as it is."""
        statement = "INSERT INTO hub_events (event, session_id, envelope_json, created_at) VALUES (?, ?, ?, 7)"
        self.connection.execute(statement, (event, session_id, envelope))

    def say(self, session_id: str, timestamp: int, count: int = 5) -> None:
        """Append pieces of an answer, and what else holds conversation."""
        for name in ("assistant.delta", "session.updated", "tool.finished", "agent.done"):
            for _ in range(count):
                payload = {"text": f"{SECRET} text", "aggregateUsage": {"inputTokens": 10**9}}
                self.add(name, session_id, timestamp, payload)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
