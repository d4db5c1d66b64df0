"""One open place of one source, and what names it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from aico.core.db.writer import Batch, UsageWriter
from aico.core.usage import AnyRecord, Trigger
from aico.features.files.feed import Feed, Reading, TreeFeed
from aico.features.sources.source import Origin, Source


class IntakeKey(NamedTuple):
    """What names an intake inside the process."""

    source: str
    origin: str
    path: str


@dataclass(frozen=True, slots=True)
class Intake:
    """A feed, and what it is a part of."""

    source: Source
    origin: Origin
    feed: Feed
    is_expected: bool = True
    """Whether something ought to lie there; of several known places, a tool writes to some."""
    has_siblings: bool = False
    """Whether the same origin is read in another place, too, such as a second ledger."""

    @property
    def key(self) -> IntakeKey:
        """What names it."""
        return IntakeKey(self.source.id, self.origin.id, self.feed.path)

    @property
    def place(self) -> str:
        """The name under which its checkpoint is stored."""
        return self.feed.place.hex()

    async def resume(self, writer: UsageWriter) -> None:
        """Let the feed go on where it was left. Raises StorageBusy, StorageError."""
        positions = await writer.list_checkpoints(self.source.id, self.place)
        self.feed.resume(positions.pop(self.place, None))
        if isinstance(self.feed, TreeFeed):
            begin = len(self.place)
            self.feed.resume_files({bytes.fromhex(name[begin:]): each for name, each in positions.items()})

    def batches(self, reading: Reading, trigger: Trigger, limit: int, started: float) -> list[Batch]:
        """Return a reading that ``trigger`` has caused as transactions of at most ``limit`` records, at least one."""
        records, origins = reading.records, self.source.origins
        parts: Sequence[Sequence[AnyRecord]] = [
            records[start : start + limit] for start in range(0, len(records), limit)
        ] or [()]
        meters = tuple(dict.fromkeys(origin.meter_id for origin in origins))
        counts = replace(reading.counts, trigger=trigger)
        later = replace(counts, skipped_count=0, rejections=(), partials=(), partial_count=0)
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
                    # Of several ledgers with one task, each tells its own: a lower number is no fall either.
                    is_joint=self.origin.meter_id != self.origin.id or self.has_siblings,
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
