"""Figures: one line appended to a log of any size, and folders in which nothing happens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec

from aico.core.clock import now_ms
from aico.core.db.database import Database
from aico.core.db.writer import UsageWriter
from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import Record, Rejection, RejectionCode, Tokens, Trigger, UsageEvent, digest
from aico.features.files.feed import ReadLimits
from aico.features.files.line_feed import LineFeed
from aico.features.files.lines import LineFile, LineFormat, PlainState
from aico.features.sources.source import Origin, Source
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from bench.figure import Figure, Measurement, Setup, blocking
from bench.intervals import median_interval

_LINES_PART = 20
"""Lines for each pair: one takes a few milliseconds."""
_TALK = b'{"type":"talk","text":"' + b"x" * 3_000 + b'"}\n'
_OLD_NS = 1_700_000_000_000_000_000
_FOLDERS = 5_000
_TICK_S = 2.0


class _Usage(msgspec.Struct):
    id: str
    ts: int
    tokens: int


class _Parser:
    state: PlainState = None

    def __init__(self, _file: LineFile, _state: PlainState) -> None:
        self._decoder = msgspec.json.Decoder(_Usage)

    def parse(self, line: memoryview, index: int) -> Iterable[Record | Rejection]:
        """Parse a line with a usage."""
        try:
            found = self._decoder.decode(line)
        except msgspec.DecodeError:
            return [Rejection(index, RejectionCode.WRONG_TYPE, None)]
        return [UsageEvent(digest(found.id), "session", found.ts, "model", Tokens(input=found.tokens))]


_FORMAT = LineFormat(1, (b'"tokens"',), _Parser)
_ERRORS = SourceErrors(OriginName("bench", "logs", "log"))


def _open(root: Path) -> LineFeed:
    return LineFeed(_ERRORS, ("*/*.jsonl",), _FORMAT, str(root), ReadLimits(1 << 30, 1, now_ms))


def _usage(number: int) -> bytes:
    return msgspec.json.encode({"type": "usage", "id": f"{number}", "ts": now_ms(), "tokens": number}) + b"\n"


async def _measure_append(size: int, setup: Setup) -> Measurement:
    """Append lines to a log of ``size`` bytes, and read each as the notification of it does."""
    log = setup.folder / "logs" / "project" / "session.jsonl"
    log.parent.mkdir(parents=True)
    with log.open("wb") as file:
        while file.tell() < size:
            file.write(_TALK[:-3][: max(size - file.tell() - 3, 0)] + _TALK[-3:])
    feed = _open(log.parents[1])
    origin = Origin("logs", "log", lambda _around: (), lambda _path, _limits: feed)
    intake = Intake(Source("bench", "Bench", (origin,)), origin, feed)
    samples = []
    async with AsyncExitStack() as stack:
        database = Database(setup.folder / "observer.db")
        await database.open()
        stack.push_async_callback(database.close)
        ingest = Ingest(UsageWriter(database, now_ms), lambda *_: None, now_ms, 10_000)
        stack.push_async_callback(ingest.close)
        ingest.add(intake)
        await ingest.run(Trigger.STARTUP, [intake.key])
        await ingest.finish(intake.key)
        feed.note_watched(feed.folders)
        for number in range(setup.pair_count * _LINES_PART):
            with log.open("ab", buffering=0) as file:
                file.write(_usage(number))
            began = time.process_time()
            feed.hint(str(log))
            feed.look()
            [receipt] = await ingest.run(Trigger.WATCH, [intake.key])
            samples.append((time.process_time() - began) * 1000)
            if receipt.added_count != 1:
                raise RuntimeError("the appended line was not read")
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


def _measure_rest(setup: Setup) -> Measurement:
    """Look at many folders with a log each, in which nothing was written for a long time."""
    for number in range(_FOLDERS):
        folder = setup.folder / "logs" / f"project{number}"
        folder.mkdir(parents=True)
        (folder / "session.jsonl").write_bytes(_TALK)
        for path in (folder / "session.jsonl", folder):
            os.utime(path, ns=(_OLD_NS, _OLD_NS))
    feed = _open(setup.folder / "logs")
    began = time.process_time()
    feed.look()
    walk_ms = (time.process_time() - began) * 1000
    began = time.process_time()
    feed.note_watched(feed.folders)
    feed.look()
    sweep_ms = (time.process_time() - began) * 1000
    samples = []
    for _ in range(setup.pair_count * _LINES_PART):
        began = time.process_time()
        feed.find_directory_identity()
        feed.look()
        samples.append((time.process_time() - began) / _TICK_S * 100)
    return Measurement(median_interval(samples), len(samples), {"walk_ms": walk_ms, "sweep_ms": sweep_ms})


LINE_FIGURES = (
    Figure(
        "line_appended_1k",
        "processor time of one line appended to a log of 1 kB, from the notification to the commit",
        "ms",
        4.0,
        partial(_measure_append, 1_000),
    ),
    Figure(
        "line_appended_500m",
        "the same with a log of 500 MB",
        "ms",
        4.0,
        partial(_measure_append, 500_000_000),
    ),
    Figure(
        "folders_at_rest",
        "share of a core for a look every 2 s at 5,000 watched folders in which nothing happens",
        "%",
        0.05,
        blocking(_measure_rest),
    ),
)
