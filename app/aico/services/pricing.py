"""A newer price list prices what none before it knew. It changes nothing that has a price."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aico.core.db.writer import UsageWriter
from aico.core.errors import StorageError
from aico.core.receipts import UsageCommitted

BATCH = 2_000
"""Requests that one transaction looks at: changes and requests of callers go in between."""
_log = logging.getLogger(__name__)


async def price_unpriced(
    writer: UsageWriter,
    publish: Callable[[UsageCommitted], None],
    batch: int = BATCH,
    *,
    turn: asyncio.Lock | None = None,
) -> None:
    """Ask the present list once for every request without a list price, and tell what was found.

    ``turn`` is held during each transaction. A failure of the database leaves the rest for the next start.
    """
    turn = turn or asyncio.Lock()
    try:
        count = 0
        sources = await writer.list_unasked()
        for source in sources:
            after: int | None = 0
            while after is not None:
                async with turn:
                    after, committed = await writer.price_unpriced(source, after, batch)
                    if committed is not None:
                        # Nothing is awaited in between: revisions are published in the order of their commits.
                        publish(committed)
                        count += committed.receipt.updated_count
        if sources:
            await writer.note_list()
    except StorageError as error:
        _log.warning("not everything was looked up in the price list, the next start goes on: %s", error)
        return
    if count:
        _log.info("%d requests that had no list price have one now", count)
