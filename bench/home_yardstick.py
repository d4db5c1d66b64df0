"""The yardsticks of a large home: ``python -m bench.home_yardstick first|warm DATABASE ROOT...``.

Y, ``first``: map each file, find the marker of usage, cut that line, decode it with msgspec, store a row for each
request and one for each file in SQLite (WAL, FULL, checkpointed). W, ``warm``: stat all files, compare with the table
of files, and add the rows up by model. Both print their use after their imports, and their sums. They know
none of the odd cases but those that the invented homes have.
"""

from __future__ import annotations

import json
import mmap
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

Row: TypeAlias = tuple[str, str, str, str, int, int, int, int, int]
"""Key, session, moment, model, and tokens: fresh input, cache read, two kinds of cache write, output."""
_CLAUDE, _CODEX = b'"usage":{', b'"total_token_usage":{'
_TABLES = """
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    CREATE TABLE usage (key TEXT PRIMARY KEY, session TEXT, moment TEXT, model TEXT, input INTEGER, cache_read INTEGER,
        cache_write_5m INTEGER, cache_write_1h INTEGER, output INTEGER) WITHOUT ROWID;
    CREATE TABLE file (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER) WITHOUT ROWID;
"""
_TOTALS = """
    SELECT model, COUNT(*), SUM(input), SUM(cache_read), SUM(cache_write_5m), SUM(cache_write_1h), SUM(output)
    FROM usage GROUP BY model
"""


class _Split(msgspec.Struct):
    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class _Usage(msgspec.Struct):
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation: _Split
    output_tokens: int


class _Message(msgspec.Struct):
    id: str
    model: str
    usage: _Usage


class _Answer(msgspec.Struct):
    timestamp: str
    session: str = msgspec.field(name="sessionId")
    message: _Message
    ref: str = msgspec.field(name="requestRef", default="")


class _Count(msgspec.Struct):
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


class _Info(msgspec.Struct):
    total_token_usage: _Count
    last_token_usage: _Count


class _Payload(msgspec.Struct):
    info: _Info


class _Total(msgspec.Struct):
    timestamp: str
    payload: _Payload


class _Context(msgspec.Struct):
    model: str


class _Turn(msgspec.Struct):
    payload: _Context


_ANSWER = msgspec.json.Decoder(_Answer)
_TOTAL = msgspec.json.Decoder(_Total)
_TURN = msgspec.json.Decoder(_Turn)


def _list_files(roots: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    for root in roots:
        waiting = [root]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir():
                        waiting.append(entry.path)
                    elif entry.name.endswith(".jsonl"):
                        yield entry.path, entry.stat()


def _read_claude(data: mmap.mmap, rows: dict[str, Row]) -> None:
    at = data.find(_CLAUDE)
    while at >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        line = data[begin:end]
        at = data.find(_CLAUDE, end)
        if b'"toolUseResult":{' in line:
            continue
        said = _ANSWER.decode(line)
        message = said.message
        usage, split = message.usage, message.usage.cache_creation
        key = said.ref or f"{message.id} {usage.input_tokens} {usage.cache_read_input_tokens}"
        known = rows.get(key)
        if known is None or known[8] < usage.output_tokens:
            rows[key] = (
                *(key, said.session, said.timestamp, message.model),
                *(usage.input_tokens, usage.cache_read_input_tokens),
                *(split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens, usage.output_tokens),
            )


def _read_codex(data: mmap.mmap, name: str, rows: dict[str, Row]) -> None:
    at = data.find(b'"type":"turn_context"')
    turn = data[data.rfind(b"\n", 0, at) + 1 : data.find(b"\n", at)]
    model, session = _TURN.decode(turn).payload.model, name[-42:-6]
    at = data.find(_CODEX)
    while at >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        said = _TOTAL.decode(data[begin:end])
        at = data.find(_CODEX, end)
        total, last = said.payload.info.total_token_usage, said.payload.info.last_token_usage
        key = f"{session} {total.input_tokens} {total.output_tokens}"
        fresh = last.input_tokens - last.cached_input_tokens
        rows[key] = (key, session, said.timestamp, model, fresh, last.cached_input_tokens, 0, 0, last.output_tokens)


def read_first(database: str, roots: list[str]) -> list[tuple[str | int, ...]]:
    """Read everything below ``roots`` into a new ``database``; return the totals by model."""
    rows: dict[str, Row] = {}
    files = []
    for path, status in _list_files(roots):
        files.append((path, status.st_size, status.st_mtime_ns))
        if not status.st_size:
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            if "/rollout-" in path:
                _read_codex(data, path, rows)
            else:
                _read_claude(data, rows)
    connection = sqlite3.connect(database)
    connection.executescript(_TABLES)
    connection.executemany(f"INSERT INTO usage VALUES ({', '.join('?' * 9)})", rows.values())
    connection.executemany("INSERT INTO file VALUES (?, ?, ?)", files)
    connection.commit()
    totals = connection.execute(_TOTALS).fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return totals


def read_again(database: str, roots: list[str]) -> list[tuple[str | int, ...]]:
    """Find that nothing below ``roots`` has changed; return the totals by model."""
    connection = sqlite3.connect(database)
    known = {path: (size, mtime) for path, size, mtime in connection.execute("SELECT * FROM file")}
    for path, status in _list_files(roots):
        if known.get(path) != (status.st_size, status.st_mtime_ns):
            raise RuntimeError("a file has changed")
    totals = connection.execute(_TOTALS).fetchall()
    connection.close()
    return totals


if __name__ == "__main__":
    began_s, began_wall_s = time.process_time(), time.perf_counter()
    result = {"first": read_first, "warm": read_again}[sys.argv[1]](sys.argv[2], sys.argv[3:])
    used = {"cpu_s": time.process_time() - began_s, "wall_s": time.perf_counter() - began_wall_s}
    print(json.dumps({**used, "totals": sorted(result)}))
