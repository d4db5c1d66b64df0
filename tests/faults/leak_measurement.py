"""A process that lives through many updates and prints what they left behind: bytes, descriptors, threads.

A process of its own, without coverage and without pytest's capture: the first keeps something of every greenlet that
SQLAlchemy makes, the second every line that is logged.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterable, Iterator
from pathlib import Path

from websockets.asyncio.client import connect

from aico.core.usage import Trigger
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, entry

WARM_UP = 300
"""More than the hub keeps for pages that come back."""


async def live_long(folder: Path, count: int) -> dict[str, int]:
    """Return the last revision, and what grew over ``count`` updates after the first ones, while a page listens."""
    numbers = itertools.count(1_000_000)
    async with live(LedgerFile(folder / "cline" / "taskHistory.json")) as served:
        async with connect(served.socket_url, proxy=None, compression=None) as page:
            listening = asyncio.create_task(swallow(page))
            tracemalloc.start()
            await update(served, numbers, WARM_UP)
            before = measure()
            await update(served, numbers, count)
            after = measure()
            listening.cancel()
        return {"revision": served.service.hub.revision, **{name: after[name] - before[name] for name in after}}


async def update(served: Live, numbers: Iterator[int], count: int) -> None:
    """Let the ledger change and be imported so many times."""
    for number in itertools.islice(numbers, count):
        await asyncio.to_thread(served.ledger.write, entry("1", tokens_in=number), entry("2"))
        await served.service.sources.read(Trigger.REQUEST)


async def swallow(page: AsyncIterable[object]) -> None:
    """Listen, and keep nothing."""
    async for _ in page:
        pass


def measure() -> dict[str, int]:
    """Return bytes, descriptors and threads in use."""
    gc.collect()
    return {
        "bytes": tracemalloc.get_traced_memory()[0],
        "descriptors": len(os.listdir("/dev/fd")),  # noqa: PTH208  # a count of what is open
        "threads": threading.active_count(),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(live_long(Path(sys.argv[1]), int(sys.argv[2])))))  # noqa: T201
