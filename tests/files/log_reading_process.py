"""``python -m tests.files.log_reading_process ROOT``: reads logs as the service does, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aico.core.usage import Trigger
from tests.sources.feeds import FeedDriver, open_feed
from tests.sources.invented_lines import SOURCE, use


async def main(root: Path) -> None:
    """Read the logs several times, say how many records there were, and keep everything until input ends."""
    driver = FeedDriver(open_feed(SOURCE.origins[0], root))
    for number in range(3):
        for trigger in (Trigger.STARTUP, Trigger.RESCAN, Trigger.REQUEST):
            await driver.take_in_all(trigger)
        with (root / "a" / "one.jsonl").open("ab") as file:
            file.write(use(f"later{number}", 1))
    print(len(driver.stored), flush=True)  # noqa: T201  # what the test waits for
    sys.stdin.read()
    assert driver.feed.title


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
