"""Writes budgets, plans and what was told of them: each call one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from aico.core.db.counters import keep_plan_values
from aico.core.db.database import Database
from aico.core.db.statements import insert, put
from aico.core.db.terms import Delivery, Fired, FiredKey
from aico.core.terms import Budget, Plan

_BUDGET = ("period", "amount_nano", "source", "model", "project", "fixed_by", "set_at")
_PLAN = ("price_nano", "currency", "renews_on", "five_hours_nano", "week_nano", "fixed_by", "set_at")
_FIRED_KEY = ("budget", "terms", "since", "threshold")
_FIRED = ("period", "amount_nano", "spent_nano", "is_at_least", "at", "delivery", "tries")
_PUT_BUDGET = put("budget", ("name",), _BUDGET)
_PUT_PLAN = put("plan", ("source",), _PLAN)
_ADD_FIRED = insert("budget_fired", (*_FIRED_KEY, *_FIRED), " ON CONFLICT DO NOTHING")
_SET_DELIVERY = """
    UPDATE budget_fired SET delivery = ?, tries = ? WHERE budget = ? AND terms = ? AND since = ? AND threshold = ?
"""
_ADVANCE = "UPDATE database_state SET revision = revision + 1 RETURNING epoch, revision"
_PLAN_SOURCES = "SELECT source FROM plan"


async def store_budgets(
    database: Database, now_ms: int, *, put_: Sequence[Budget] = (), removed: Collection[str] = ()
) -> None:
    """Write budgets over those of the same names, and remove others. Raises StorageBusy, StorageError."""

    def write(connection: sqlite3.Connection) -> None:
        connection.executemany("DELETE FROM budget WHERE name = ?", [(name,) for name in removed])
        connection.executemany(_PUT_BUDGET, [(each.name, each.period.value, *each[2:], now_ms) for each in put_])

    await database.write(write)


async def store_plans(
    database: Database, now_ms: int, *, put_: Sequence[Plan] = (), removed: Collection[str] = ()
) -> tuple[str, int]:
    """Write plans over those of the same sources, and remove others; return epoch and the new revision.

    They decide which usage costs money, so every sum that was read is another one afterwards. Counters go on from
    their present values. Raises StorageBusy, StorageError.
    """

    def write(connection: sqlite3.Connection) -> tuple[str, int]:
        before = {str(source) for (source,) in connection.execute(_PLAN_SOURCES)}
        after = (before - set(removed)) | {each.source for each in put_}
        keep_plan_values(connection, begun=after - before, ended=before - after)
        connection.executemany("DELETE FROM plan WHERE source = ?", [(source,) for source in removed])
        connection.executemany(_PUT_PLAN, [(*each, now_ms) for each in put_])
        epoch, revision = connection.execute(_ADVANCE).fetchone()
        return str(epoch), int(revision)

    return await database.write(write)


async def note_fired(database: Database, reached: Sequence[Fired], forget_before: str) -> list[Fired]:
    """Note thresholds that were reached; return those that nobody had noted yet, in their order.

    Those of periods that began before ``forget_before``, a day, are dropped. Raises StorageBusy, StorageError.
    """

    def write(connection: sqlite3.Connection) -> list[Fired]:
        connection.execute("DELETE FROM budget_fired WHERE since < ?", (forget_before,))
        return [each for each in reached if connection.execute(_ADD_FIRED, _row_of(each)).rowcount]

    return await database.write(write)


async def note_delivery(database: Database, key: FiredKey, delivery: Delivery, tries: int) -> None:
    """Note how the call of the webhook stands. Raises StorageBusy, StorageError."""
    await database.write(lambda connection: _ignore(connection.execute(_SET_DELIVERY, (delivery.value, tries, *key))))


def _row_of(fired: Fired) -> tuple[str | int | bool, ...]:
    key, period, amount, spent, is_at_least, at, delivery, tries = fired
    return (*key, period.value, amount, spent, is_at_least, at, delivery.value, tries)


def _ignore(_cursor: sqlite3.Cursor) -> None:
    pass
