"""Homes of tools that keep a database: those that real runs left, and the sums that were sent for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from aico.core.usage import Tokens, Trigger, UsageEvent
from aico.features.files.feed import Reading, ReadLimits
from aico.features.sources.source import Source
from tests.sources.feeds import NOW_MS, FeedDriver

DATA = Path(__file__).parents[1] / "data"
LIMITS = ReadLimits(1 << 26, 6, lambda: NOW_MS)


class Sent(msgspec.Struct):
    """A request that was answered."""

    role: str
    model: str
    outcome: str
    prompt_tokens: int
    cached_in_prompt: int
    output: int
    thoughts: int


class _Truth(msgspec.Struct):
    requests: list[Sent]


class Spent(NamedTuple):
    """The sums that were sent, or booked, for one model."""

    requests: int
    input: int
    cache_read: int
    output: int
    reasoning: int


def restore(folder: Path, dump: Path) -> Path:
    """Make the database of ``dump``, of which the log holds everything, below ``folder``; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dump.stem}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.executescript(dump.read_text(encoding="utf-8"))
        for end in ("", "-wal"):
            # While it is open: the last one that closes it writes the log into the database.
            copy = folder / f"copy{end}"
            copy.write_bytes((folder / f"{path.name}{end}").read_bytes())
    for end in ("-shm", "-wal", ""):
        (folder / f"{path.name}{end}").unlink(missing_ok=True)
    for end in ("", "-wal"):
        (folder / f"copy{end}").rename(folder / f"{path.name}{end}")
    assert path.stat().st_size == 4096
    return path


def sent_in(home: Path) -> list[Sent]:
    """Return what the API had sent in a recorded home."""
    return msgspec.json.decode((home / "truth.json").read_bytes(), type=_Truth).requests


def sum_sent(requests: list[Sent]) -> dict[str, Spent]:
    """Return the sums of ``requests`` by model, in our words."""
    sums: dict[str, Spent] = {}
    for each in requests:
        fresh = each.prompt_tokens - each.cached_in_prompt
        more = Spent(1, fresh, each.cached_in_prompt, each.output, each.thoughts)
        sums[each.model] = add(sums.get(each.model), more)
    return sums


def sum_booked(events: list[UsageEvent]) -> dict[str, Spent]:
    """Return the sums of ``events`` by model, without the name of its seller, each key counted once."""
    sums: dict[str, Spent] = {}
    for event in {event.key: event for event in events}.values():
        name = (event.model or "").rpartition("/")[2]
        tokens: Tokens = event.tokens
        more = Spent(1, tokens.input or 0, tokens.cache_read or 0, tokens.output or 0, tokens.reasoning or 0)
        sums[name] = add(sums.get(name), more)
    return sums


def add(one: Spent | None, other: Spent) -> Spent:
    """Return the sum."""
    return other if one is None else Spent(*(a + b for a, b in zip(one, other, strict=True)))


def open_source(source: Source, path: Path) -> FeedDriver:
    """Return what drives the feed of ``path``."""
    return FeedDriver(source.origins[0].open(str(path), LIMITS))


async def read_all(source: Source, path: Path, trigger: Trigger = Trigger.STARTUP) -> list[Reading]:
    """Read ``path`` to its end."""
    return await open_source(source, path).take_in_all(trigger)


def events_of(readings: list[Reading]) -> list[UsageEvent]:
    """Return the requests in ``readings``."""
    return [record for reading in readings for record in reading.records if isinstance(record, UsageEvent)]
