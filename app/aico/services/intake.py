"""One open place of one source, and its key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from aico.core.db.writer import Batch, UsageWriter
from aico.core.usage import AnyRecord, MeterReading, ReadingCounts, Trigger
from aico.features.files.feed import Feed, Reading, TreeFeed
from aico.features.sources.source import Origin, Source


class IntakeKey(NamedTuple):
    """The key of an intake inside the process."""

    source: str
    origin: str
    path: str


class Siblings:
    """The sessions that each place of an origin has told of, where it is read in several, such as two ledgers."""

    def __init__(self) -> None:
        self._told: dict[str, set[str]] = {}

    def find_shared(self, path: str, records: Sequence[AnyRecord]) -> frozenset[str]:
        """Note whose totals ``path`` tells in ``records``; return those of them that another place has told, too."""
        own = {record.session for record in records if isinstance(record, MeterReading)}
        self._told.setdefault(path, set()).update(own)
        return frozenset[str]().union(*(own & told for place, told in self._told.items() if place != path))


@dataclass(frozen=True, slots=True)
class Intake:
    """A feed, and the source and origin that it is a part of."""

    source: Source
    origin: Origin
    feed: Feed
    is_expected: bool = True
    """True if something ought to lie there; of several known places, a tool writes to some."""
    siblings: Siblings | None = None
    """The sessions that all places of the origin tell of, if there are several."""
    key: IntakeKey = field(init=False)
    """The key inside the process."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", IntakeKey(self.source.id, self.origin.id, self.feed.path))

    @property
    def place(self) -> str:
        """The name under which its checkpoint is stored."""
        return self.feed.place.hex()

    async def resume(self, writer: UsageWriter) -> None:
        """Let the feed go on where it was left; a position that cannot be read costs a reading from the beginning."""
        positions = writer.positions_of(self.source.id, self.place)
        self.feed.resume(await asyncio.to_thread(positions.find_own))
        if isinstance(self.feed, TreeFeed):
            self.feed.resume_files(positions)

    def batches(self, reading: Reading, trigger: Trigger, limit: int, started: float) -> list[Batch]:
        """Return a reading that ``trigger`` has caused as transactions of at most ``limit`` records, at least one."""
        records, origins = reading.records, self.source.origins
        shared = frozenset[str]() if self.siblings is None else self.siblings.find_shared(self.feed.path, records)
        parts: Sequence[Sequence[AnyRecord]] = [
            records[start : start + limit] for start in range(0, len(records), limit)
        ] or [()]
        meters = tuple(dict.fromkeys(origin.meter_id for origin in origins))
        counts = replace(reading.counts, trigger=trigger)
        later = counts if len(parts) == 1 else ReadingCounts(trigger)
        left = len(records)
        # Of files that were not opened yet nobody knows how many records they hold.
        files = 0 if reading.left is None else reading.left.files
        batches = []
        for number, part in enumerate(parts):
            left -= len(part)
            batches.append(
                Batch(
                    source=self.source.id,
                    origin=self.origin.id,
                    meter=self.origin.meter_id,
                    records=part,
                    counts=later if number else counts,
                    is_joint=self.origin.meter_id != self.origin.id,
                    shared=shared,
                    meters=meters,
                    checkpoints=()
                    if left
                    else tuple((checkpoint.place.hex(), checkpoint.position) for checkpoint in reading.checkpoints),
                    remaining_count=left + files,
                    started=started if not number else time.perf_counter(),
                    has_task_rows=self.source.has_task_rows,
                )
            )
        return batches
