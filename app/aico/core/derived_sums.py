"""Sums of the deltas that readers are quicker with: by quarter and model, by task and day, by model and task.

A small import keeps them in its transaction. For a large one that would cost half of its time, so it only says that
they are behind; they are made anew after it, from the deltas. Whoever reads them asks first.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from aico.core.db.driver import fetch
from aico.core.domain import DAY_QUARTERS
from aico.core.money import NANO
from aico.core.staging import ADD_ROLLUPS, ADD_TASK_DAYS, ADD_TASK_MODELS

SMALL_RUN = 500
"""Deltas that are posted to the sums at once; more of them leave the sums behind."""

_IS_CURRENT = "SELECT EXISTS (SELECT 1 FROM summed_source WHERE source = ?)"
_LEAVE_BEHIND = "DELETE FROM summed_source WHERE source = ?"
_SUM_QUARTERS = f"""
    INSERT INTO usage_rollup (source, quarter, model, tokens_in, tokens_out, cost_usd, cost_nano)
    SELECT source, quarter, model, SUM(tokens_in), SUM(tokens_out), SUM(whole), SUM(cost_nano_usd - whole * {NANO})
    FROM (
        SELECT *, (cost_nano_usd - (cost_nano_usd % {NANO} + {NANO}) % {NANO}) / {NANO} AS whole
        FROM usage_delta WHERE source = ?
    ) GROUP BY source, quarter, model
"""  # noqa: S608  # a constant of ours
_SUM_DAYS = f"""
    INSERT INTO usage_task_day (source, day, model, task_id, tokens_in, tokens_out, cost_nano_usd)
    SELECT source, quarter / {DAY_QUARTERS} AS day, model, task_id, SUM(tokens_in), SUM(tokens_out), SUM(cost_nano_usd)
    FROM usage_delta WHERE source = ? GROUP BY source, day, model, task_id
"""  # noqa: S608  # a constant of ours
_SUM_MODELS = """
    INSERT INTO usage_task_model (source, model, task_id, tokens_in, tokens_out, cost_nano_usd)
    SELECT source, model, task_id, SUM(tokens_in), SUM(tokens_out), SUM(cost_nano_usd)
    FROM usage_task_day WHERE source = ? GROUP BY source, model, task_id
"""
_CATCH_UP = (
    "DELETE FROM usage_rollup WHERE source = ?",
    "DELETE FROM usage_task_day WHERE source = ?",
    "DELETE FROM usage_task_model WHERE source = ?",
    _SUM_QUARTERS,
    _SUM_DAYS,
    _SUM_MODELS,
    "INSERT INTO summed_source (source) VALUES (?)",
)


async def are_current(connection: AsyncConnection, source: str) -> bool:
    """Return whether the sums of ``source`` say what its deltas say."""
    [(is_current,)] = await fetch(connection, _IS_CURRENT, (source,))
    return bool(is_current)


async def leave_behind(connection: AsyncConnection, source: str) -> None:
    """Say that the sums of ``source`` are not current any more: part of a transaction that changes the deltas."""
    await fetch(connection, _LEAVE_BEHIND, (source,))


async def post(connection: AsyncConnection, source: str, posted_count: int, *, is_current: bool) -> None:
    """Add what is staged, ``posted_count`` deltas, to sums that are current, or leave them behind.

    It is part of the transaction that writes the deltas. ``is_current`` is what the caller knows; if it does not know,
    the database is asked.
    """
    if posted_count > SMALL_RUN:
        await leave_behind(connection, source)
    elif posted_count and (is_current or await are_current(connection, source)):
        for statement in (ADD_ROLLUPS, ADD_TASK_DAYS, ADD_TASK_MODELS):
            await fetch(connection, statement, (source,))


async def catch_up(connection: AsyncConnection, source: str) -> None:
    """Make the sums of ``source`` anew from its deltas unless they are current: a transaction of its own."""
    if not await are_current(connection, source):
        for statement in _CATCH_UP:
            await fetch(connection, statement, (source,))
