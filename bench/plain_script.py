"""Reads a home of Claude Code as a short script would: ``python -m bench.plain_script FOLDER DATABASE``.

It finds the transcripts, decodes each line that may tell of usage, keeps one row for each answer and each prompt, and
stores the rows with one ``executemany``. It is the yardstick of a first reading, and knows none of its odd cases.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from datetime import datetime
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import msgspec

_CREATE = (
    "CREATE TABLE usage (key TEXT PRIMARY KEY, kind INTEGER, session TEXT, ts INTEGER, model TEXT, input INTEGER, "
    "cache_read INTEGER, cache_write_5m INTEGER, cache_write_1h INTEGER, output INTEGER)"
)
_INSERT = f"INSERT INTO usage VALUES ({', '.join('?' * 10)})"


class _Usage(TypedDict):
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation: dict[str, int]
    output_tokens: int


class _Message(TypedDict):
    id: str
    model: str
    usage: _Usage


class _Line(TypedDict):
    type: str
    uuid: str
    timestamp: str
    sessionId: str
    isSidechain: bool
    requestRef: NotRequired[str]
    message: _Message


def run(folder: str, database: str) -> None:
    """Read everything below ``folder`` into a new ``database``."""
    rows: dict[str, tuple[str | int | None, ...]] = {}
    for path, _folders, names in os.walk(folder):
        for name in names:
            if not name.endswith(".jsonl"):
                continue
            with Path(path, name).open("rb") as file:
                for line in file:
                    if b'"usage":' not in line and b'"type":"user"' not in line:
                        continue
                    said = cast("_Line", msgspec.json.decode(line))
                    if said["type"] == "assistant":
                        message = said["message"]
                        usage = message["usage"]
                        split = usage["cache_creation"]
                        counts = usage["input_tokens"], usage["cache_read_input_tokens"]
                        key = said.get("requestRef") or f"{message['id']} {counts}"
                        row = (
                            *(key, 0, said["sessionId"], _epoch_ms(said["timestamp"]), message["model"], *counts),
                            *(split["ephemeral_5m_input_tokens"], split["ephemeral_1h_input_tokens"]),
                            usage["output_tokens"],
                        )
                        known = rows.get(key)
                        if known is None or cast("int", known[9]) < usage["output_tokens"]:
                            rows[key] = row
                    elif said["type"] == "user" and "toolUseResult" not in said and not said["isSidechain"]:
                        key = said["uuid"]
                        rows[key] = (key, 1, said["sessionId"], _epoch_ms(said["timestamp"]), None, *(0,) * 5)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(_CREATE)
    connection.executemany(_INSERT, rows.values())
    connection.commit()
    connection.close()


def _epoch_ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


if __name__ == "__main__":
    run(*sys.argv[1:3])
