"""Drives the feed of any place as the pipeline does: reads it, takes in what it says, completes it, reads again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from pathlib import Path

from aico.core.usage import MeterReading, PlanReading, ProjectSeen, Record, Trigger
from aico.features.files.feed import Feed, Reading, ReadLimits, TreeFeed
from aico.features.files.parsed import keys_of
from aico.features.sources.source import Origin

NOW_MS = 1_780_000_000_000
"""The time that a feed's clock shows."""


def open_feed(
    origin: Origin,
    path: Path,
    *,
    read_attempts: int = 6,
    max_bytes: int = 1 << 28,
    now_ms: Callable[[], int] = lambda: NOW_MS,
) -> Feed:
    """Return the feed of ``path``; its clock stands still unless another one is named."""
    return origin.open(str(path), ReadLimits(max_bytes, read_attempts, now_ms))


def entry_count(reading: Reading) -> int:
    """Return the number of entries that a reading accounts for."""
    return len(reading.records) + reading.counts.skipped_count + len(reading.counts.rejections)


class KeptPositions:
    """The checkpoints that a driver keeps, as the database would tell them."""

    def __init__(self, list_files: Callable[[], Mapping[bytes, str]]) -> None:
        self._list_files = list_files
        self.asked: list[set[bytes]] = []
        """The files that were asked for, each time."""

    def read_all(self) -> Iterator[tuple[bytes, str]]:
        """Yield all of them."""
        yield from self._list_files().items()

    def find(self, files: Collection[bytes]) -> dict[bytes, str]:
        """Return those of ``files``."""
        self.asked.append(set(files))
        stored = self._list_files()
        return {key: stored[key] for key in files if key in stored}


class FeedDriver:
    """Reads one feed, and keeps what its records say."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.stored: dict[Hashable, Record] = {}
        """The last state of each record that was taken in, by its key."""
        self.position: str | None = None
        """The checkpoint that was stored last."""
        self.files: dict[bytes, str] = {}
        """The checkpoints of the files of a tree."""
        self.positions = KeptPositions(lambda: self.files)
        if isinstance(feed, TreeFeed):
            feed.resume_files(self.positions)

    async def read(self, trigger: Trigger = Trigger.WATCH) -> Reading:
        """Read once, and take in nothing."""
        return await self.feed.read(trigger)

    async def take_in(self, trigger: Trigger = Trigger.WATCH) -> Reading:
        """Read once, and take in everything."""
        reading = await self.read(trigger)
        self.commit(reading)
        return reading

    def commit(self, reading: Reading) -> None:
        """Take in everything that ``reading`` says; a known model outlives readings that know none."""
        records = [record for record in reading.records if not isinstance(record, PlanReading | ProjectSeen)]
        for key, record in zip(keys_of(records), records, strict=True):
            before = self.stored.get(key)
            if isinstance(record, MeterReading) and isinstance(before, MeterReading) and record.model is None:
                record = record._replace(model=before.model)  # noqa: PLW2901
            self.stored[key] = record
        for place, position in reading.checkpoints:
            if place == self.feed.place:
                self.position = position
                continue
            assert place.startswith(self.feed.place)
            key = place[len(self.feed.place) :]
            if position is None:
                del self.files[key]
            else:
                self.files[key] = position
        self.feed.complete(reading)

    async def take_in_all(self, trigger: Trigger = Trigger.WATCH) -> list[Reading]:
        """Read and take in until nothing is left."""
        readings = [await self.take_in(trigger)]
        while readings[-1].left is not None:
            readings.append(await self.take_in())
        return readings

    def restart(self, feed: Feed) -> None:
        """Go on with a feed of a new process, from the checkpoint that is stored."""
        self.feed = feed
        feed.resume(self.position)
        if isinstance(feed, TreeFeed):
            feed.resume_files(self.positions)
