"""``python -m tests.sources.cline.reading_process FOLDER``: reads Cline's databases as the service does, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aico.core.usage import Trigger
from aico.features.sources.cline import hub, sessions
from tests.files.databases import LIMITS


async def main(folder: Path) -> None:
    """Read every database several times, say how many records there were, and keep the feeds until input ends."""
    feeds = [query.open(str(folder / query.name), LIMITS) for query in (sessions.QUERY, hub.QUERY)]
    count = 0
    for feed in feeds:
        for trigger in (Trigger.STARTUP, Trigger.RESCAN, Trigger.REQUEST):
            reading = await feed.read(trigger)
            feed.complete(reading)
            count += len(reading.records)
    print(count, flush=True)  # noqa: T201  # what the test waits for
    sys.stdin.read()
    assert all(feed.title for feed in feeds)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
