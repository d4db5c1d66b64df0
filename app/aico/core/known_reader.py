"""Reads what an import must know of the stored usage. Plain statements: compiling would take as long as they do."""

from __future__ import annotations

from operator import itemgetter

from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core.accounting import Amount
from aico.core.db.driver import fetch
from aico.core.domain import Store, make_usage
from aico.core.known_usage import KnownUsage

_POSITION = "SELECT epoch, revision FROM database_state"
_USAGE = "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
_PEAKS = "SELECT task_id, tokens_in, tokens_out, cost_nano_usd FROM task_peak WHERE source = ?"
_STORES = "SELECT task_id, store FROM task_store WHERE source = ?"
_FORGOTTEN = "SELECT task_id FROM forgotten_task WHERE source = ?"
_TASK_ID = itemgetter(0)


async def read_position(connection: AsyncConnection) -> tuple[str, int]:
    """Return the database's epoch and revision."""
    [(epoch, revision)] = await fetch(connection, _POSITION)
    return epoch, revision


async def read_known(connection: AsyncConnection, source: str) -> KnownUsage:
    """Return all that is stored of ``source``, as one snapshot sees it."""
    epoch, revision = await read_position(connection)
    rows = await fetch(connection, _USAGE)
    tasks = dict(zip(map(_TASK_ID, rows), map(make_usage, rows), strict=True))
    del rows  # as large as the tasks themselves
    peaks = await fetch(connection, _PEAKS, (source,))
    known = KnownUsage(tasks, {task_id: Amount(*highest) for task_id, *highest in peaks}, epoch, revision)
    stores = await fetch(connection, _STORES, (source,))
    known.stores = {task_id: Store(store) for task_id, store in stores}
    known.forgotten = frozenset(task_id for (task_id,) in await fetch(connection, _FORGOTTEN, (source,)))
    return known
