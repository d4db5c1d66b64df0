"""``python -m tests.files.measure_databases``: what readings of a database cost, and that none is wrong.

``readings 10000`` reads beside a writer at full speed in another process; ``large 300`` makes a database of so many MB,
and tells bytes, memory and time of its first reading and of one changed row. By hand, not a test.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aico.core.errors import SourceUnstable
from aico.core.usage import Trigger
from aico.features.files import sqlite_child, sqlite_rows
from aico.features.files.sqlite_process import Row
from aico.features.files.sqlite_question import Question
from aico.features.sources.opencode import MESSAGES
from aico.features.sources.source import ReadLimits
from tests.emulator.fake_sqlite_writer import SqliteWriter, sum_of_pairs
from tests.files.test_sqlite_rows import QUERY, prepare, take_pairs
from tests.sources.feeds import FeedDriver
from tests.sources.opencode.fake_message_store import SCHEMA

LIMITS = ReadLimits(1 << 26, 6, lambda: time.time_ns() // 1_000_000)
_NAME = "said.db"


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that goes away with the block."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


async def ask_here(question: Question) -> list[Row]:
    """Answer as the child does, in this process: its start would take most of the time."""
    return [json.loads(row) for row in await asyncio.to_thread(sqlite_child.read_database, question)]


async def read_beside(count: int) -> None:
    """Read ``count`` times beside a writer at full speed."""
    setattr(sqlite_rows, "ask_database", ask_here)  # noqa: B010  # it is not its own
    sqlite_rows.REST_S = sqlite_rows._REST_SHARE = 0
    with folder() as path, SqliteWriter(path / _NAME) as writer:
        prepare(writer)
        driver = FeedDriver(QUERY.open(str(path), LIMITS))
        seen: dict[str, int] = {}
        busy = rows = 0
        began = time.monotonic()
        writer.start_rows()
        answers = 0
        while answers < count:
            try:
                reading = await driver.take_in()
            except SourceUnstable:
                busy += 1
                continue
            answers += bool(reading.records)
            if reading.records and answers % 1_000 == 0:
                say(f"{answers} were right")
            rows += len(reading.records)
            take_pairs(seen, [reading])
        ((committed, failed),) = writer.stop_rows()
        took = time.monotonic() - began
        take_pairs(seen, await driver.take_in_all(Trigger.REQUEST))
        assert sum(seen.values()) == sum_of_pairs(int(str(committed)))
        say(f"{count} readings with news in {took:.0f} s, {rows} rows, {busy} gave up and were read again later")
        say(f"{committed} transactions beside them, {failed} locked out; every sum was right")


def fill(writer: SqliteWriter, megabytes: int) -> int:
    """Write sessions as OpenCode does: most bytes are parts; return the count of messages."""
    for statement in SCHEMA.split(";"):
        writer.execute(statement)
    now = time.time_ns() // 1_000_000
    writer.execute("INSERT INTO session VALUES ('s', 'global', NULL, '/', 'title', 0, 0, ?, ?)", now - 10**9, now)
    count = megabytes * 60
    for start in range(0, count, 500):
        messages, parts = [], []
        for number in range(start, min(start + 500, count)):
            at = now - 10**9 + number * 1_000
            tokens = {"input": 10, "output": 5, "reasoning": 1, "cache": {"read": 7, "write": 0}}
            data = {"role": "assistant", "time": {"created": at, "completed": at + 500}, "tokens": tokens, "cost": 0.5}
            names = {"modelID": "fake-model", "providerID": "fake", "path": {"cwd": "/home/user/project", "root": "/"}}
            messages.append((f"m{number}", "s", at, at + 500, json.dumps(data | names)))
            parts.append((f"p{number}", f"m{number}", "s", at, at, "x" * 16_000))
        writer.execute("BEGIN")
        writer.execute_many("INSERT INTO message VALUES (?, ?, ?, ?, ?)", messages)
        writer.execute_many("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", parts)
        writer.execute("COMMIT")
    return count


async def read_large(megabytes: int) -> None:
    """Read a database of ``megabytes``."""
    read: list[int] = []
    plain = sqlite_child._File.xRead

    def counted(self: sqlite_child._File, amount: int, offset: int) -> bytes:
        data = plain(self, amount, offset)
        read.append(len(data))
        return data

    with folder() as path, SqliteWriter(path / "opencode.db") as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA synchronous = OFF")
        count = fill(writer, megabytes)
        driver = FeedDriver(MESSAGES.open(str(path), LIMITS))
        began, own = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        readings = await driver.take_in_all(Trigger.STARTUP)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own
        size = sum(each.stat().st_size for each in path.iterdir())
        say(f"{size >> 20} MB, {count} answers: {len(readings)} readings in {time.monotonic() - began:.1f} s")
        say(f"child {peak >> 10} MB at most, this process {grown >> 10} MB more")
        sqlite_child._File.xRead = counted  # type: ignore[method-assign]
        setattr(sqlite_rows, "ask_database", ask_here)  # noqa: B010  # it is not its own
        for what, trigger in (("a notification", Trigger.WATCH), ("another reading", Trigger.REQUEST)):
            now = LIMITS.now_ms()
            writer.execute(
                "UPDATE message SET time_updated = ?, data = replace(data, '0.5', '0.7') WHERE id = ?",
                now,
                f"m{count - 1}",
            )
            read.clear()
            began = time.monotonic()
            reading = await driver.take_in(trigger)
            took = time.monotonic() - began
            log = (path / "opencode.db-wal").stat().st_size
            say(
                f"one changed row, {what}: {sum(read) >> 10} kB read, the log has {log >> 10}, {took * 1e3:.0f} ms,"
                f" {len(reading.records)} records"
            )
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("UPDATE message SET time_updated = ? WHERE id = ?", LIMITS.now_ms() + 5, f"m{count - 1}")
        read.clear()
        await driver.take_in()
        say(f"the same with a short log: {sum(read) >> 10} kB read")


if __name__ == "__main__":
    what, amount = sys.argv[1], int(sys.argv[2])
    asyncio.run(read_beside(amount) if what == "readings" else read_large(amount))
