"""The real pipeline on a real database: places of sources are read, stored and told, as the service does it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from aico.core.db.database import Database
from aico.core.db.reader import UsageReader
from aico.core.db.writer import UsageWriter
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.core.usage import Trigger
from aico.features.files.feed import Reading, ReadLimits
from aico.features.sources.source import Source, Surroundings
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from tests.sources.feeds import NOW_MS


def intakes_of(ingest: Ingest) -> list[Intake]:
    """Return what ``ingest`` reads, in the order in which it was added."""
    return [lane.intake for lane in ingest._lanes.values()]


class Pipeline:
    """A pipeline that reads, and the facts that it published."""

    def __init__(self, database: Database, ingest: Ingest, committed: list[UsageCommitted]) -> None:
        self.reader = UsageReader(database)
        self.ingest = ingest
        self.committed = committed
        """Every fact that was published."""

    async def read(self, trigger: Trigger = Trigger.REQUEST) -> list[ImportReceipt]:
        """Read every place once, to its end; return a receipt for each."""
        keys = [intake.key for intake in intakes_of(self.ingest)]
        await self.ingest.run(trigger, keys)
        for key in keys:
            assert await self.ingest.finish(key) is None
        return [self.ingest.last_receipts[key] for key in keys]


@asynccontextmanager
async def pipeline(
    folder: Path,
    sources: Sequence[Source],
    home: Path,
    *,
    paths: Mapping[str, tuple[str, ...]] | None = None,
    environment: Mapping[str, str] | None = None,
    max_entries_per_run: int = 10_000,
) -> AsyncIterator[Pipeline]:
    """Yield the pipeline of ``sources`` with their places below ``home``, as if the process began anew.

    All origins are read; the database lies in ``folder``. ``paths`` names places by origin, in the
    stead of the known ones.
    """
    database = Database(folder / "observer.db")
    await database.open()
    committed: list[UsageCommitted] = []

    def publish(event: UsageCommitted, _intake: Intake, _reading: Reading) -> None:
        committed.append(event)

    def now_ms() -> int:
        return NOW_MS

    writer = UsageWriter(database, now_ms)
    ingest = Ingest(writer, publish, now_ms, max_entries_per_run)
    around = Surroundings(home, environment or {}, paths or {})
    try:
        for source in sources:
            for origin in source.origins:
                for place in origin.places(around):
                    feed = origin.open(place.path, ReadLimits(1 << 28, 6, now_ms))
                    intake = Intake(source, origin, feed)
                    if feed.find_directory_identity() is not None:
                        await intake.resume(writer)
                        ingest.add(intake)
        yield Pipeline(database, ingest, committed)
    finally:
        await ingest.close()
        await database.close()


def stored_sums(folder: Path) -> dict[tuple[str, str, int], tuple[int, ...]]:
    """Return what is booked in the database in ``folder``, by source, model and day."""
    statement = """
        SELECT s.name, m.name, d.day, SUM(d.input), SUM(d.cache_read), SUM(d.cache_write_5m), SUM(d.output),
            SUM(d.requests), SUM(d.recorded_usd) * 1000000000 + SUM(d.recorded_nano)
        FROM usage_session_day AS d JOIN source AS s ON s.id = d.source JOIN model AS m ON m.id = d.model
        GROUP BY 1, 2, 3
    """
    with closing(sqlite3.connect(folder / "observer.db")) as connection:
        return {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(statement)}


def stored_events(folder: Path) -> list[tuple[object, ...]]:
    """Return every event of the database in ``folder`` by its own names, in a fixed order."""
    statement = """
        SELECT s.name, e.kind, e.key_high, e.key_low, u.key, e.ts, m.name, e.input, e.cache_read, e.output,
            e.recorded_nano, e.state
        FROM usage_event AS e JOIN source AS s ON s.id = e.source JOIN session AS u ON u.id = e.session
        JOIN model AS m ON m.id = e.model ORDER BY 1, 2, 3, 4
    """
    with closing(sqlite3.connect(folder / "observer.db")) as connection:
        return connection.execute(statement).fetchall()
