"""Sums made anew from the events, and sessions taken out of all tables: for restore and forgetting.

Every function is part of a transaction of its caller.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from aico.core.db.counted import rebuild_shifts
from aico.core.db.counters import COUNTERS, counters_of, higher
from aico.core.db.forgotten_kinds import UNMEASURED_REQUEST
from aico.core.db.json_values import json_of
from aico.core.db.questions import EVENT_AS_COUNTED, EVENT_AS_SUMS
from aico.core.db.statements import add, put
from aico.core.sums import GROWTH, REQUEST, SUM_COLUMNS, Sums, row_of
from aico.core.usage import DAY_SLOTS, SLOT_MS, RequestState

_COLUMNS = ", ".join(SUM_COLUMNS)
_ADDED = ", ".join(f"SUM({name}) AS {name}" for name in SUM_COLUMNS)
SUM_TABLES = {
    "usage_slot": {"source": "source", "slot": f"ts / {SLOT_MS}", "model": "model"},
    "usage_day": {"source": "source", "day": f"ts / {SLOT_MS * DAY_SLOTS}", "model": "model"},
    "usage_session_day": {
        "source": "source",
        "day": f"ts / {SLOT_MS * DAY_SLOTS}",
        "session": "session",
        "model": "model",
    },
    "usage_total": {"source": "source", "model": "model"},
}
"""The tables that sum up the events: the columns of each key, each with its expression on an event."""

CHOSEN_EVENTS = """
    session IN (SELECT id FROM chosen) OR (source, kind, key_high, key_low) IN (SELECT * FROM forgotten_key)
"""
"""The condition for events that go: those of the chosen sessions, and copies of them in other sessions."""
_CHOOSE = """
    WITH RECURSIVE named(source, key) AS (
        SELECT t.id, j.value FROM source AS t JOIN json_each(?2) AS j WHERE t.name = ?1
        UNION SELECT s.source, s.key FROM named AS n JOIN session AS s ON s.source = n.source AND s.parent_key = n.key
    )
    INSERT OR IGNORE INTO chosen SELECT s.id FROM named JOIN session AS s USING (source, key)
"""
_REMEMBER_KEYS = f"""
    INSERT OR IGNORE INTO forgotten_key SELECT source, kind, key_high, key_low FROM usage_event
    WHERE session IN (SELECT id FROM chosen) AND kind <> {GROWTH.code}
    UNION ALL SELECT source, {UNMEASURED_REQUEST}, key_high, key_low FROM usage_event
    WHERE session IN (SELECT id FROM chosen) AND kind = {REQUEST.code}
        AND state IN ({RequestState.UNMEASURED.value}, {RequestState.OPEN.value})
"""  # noqa: S608  # our own names
_KEEP_SUM = f"""
    SELECT source, model, {_ADDED} FROM (
        SELECT source, model, {EVENT_AS_COUNTED} FROM usage_event AS e LEFT JOIN counted_cost AS c ON c.event = e.id
        WHERE {CHOSEN_EVENTS}
    ) GROUP BY source, model
"""  # noqa: S608  # our own names
_ADD_FORGOTTEN = add("forgotten_total", ("source", "model"), SUM_COLUMNS)
_PUT_FLOOR = put("counter_floor", ("source", "model"), SUM_COLUMNS)
_FLOOR = f"SELECT {_COLUMNS} FROM counter_floor WHERE source = ? AND model = ?"  # noqa: S608  # our own names
_ROWS_OF_TASKS = """
    DELETE FROM cline_task_usage WHERE task_id IN (
        SELECT s.key FROM session AS s JOIN chosen USING (id) JOIN source AS t ON t.id = s.source WHERE t.name = 'cline'
    )
"""
_REMOVE = (
    f"DELETE FROM usage_event WHERE {CHOSEN_EVENTS}",  # noqa: S608  # our own names
    "DELETE FROM meter WHERE session IN (SELECT id FROM chosen)",
    "DELETE FROM gap WHERE session IN (SELECT id FROM chosen)",
    _ROWS_OF_TASKS,
    "DELETE FROM inherited WHERE (source, key) IN (SELECT source, key FROM session JOIN chosen USING (id))",
    "DELETE FROM session WHERE id IN (SELECT id FROM chosen)",
)

Counters: TypeAlias = Mapping[tuple[str, str], Sums]
"""The values of counters, by source and model."""


def choose_sessions(connection: sqlite3.Connection, source: str, keys: Iterable[str]) -> None:
    """Add the stored sessions of ``source`` that are called ``keys`` to the temporary table ``chosen``.

    So are the sessions that these have started, and so on.
    """
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (id INTEGER PRIMARY KEY)")
    connection.execute(_CHOOSE, (source, json_of(keys)))


def remove_chosen(connection: sqlite3.Connection) -> None:
    """Take the chosen sessions out of every table; their events leave bare keys, and their sum stays in the counters.

    So do copies of forgotten requests in other sessions.
    """
    connection.execute(_REMEMBER_KEYS)
    gone = connection.execute(_KEEP_SUM).fetchall()
    connection.executemany(_ADD_FORGOTTEN, gone)
    for statement in _REMOVE:
        connection.execute(statement)
    rebuild_sums(connection)


def rebuild_sums(connection: sqlite3.Connection) -> None:
    """Make every sum anew from the events."""
    for table, key in SUM_TABLES.items():
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
        connection.execute(
            f"INSERT INTO {table} ({', '.join(key)}, {_COLUMNS}) {sums_of_events(key)}"  # our own names
        )
    rebuild_shifts(connection)


def sums_of_events(key: Mapping[str, str]) -> str:
    """Return the query for the sums of the events by ``key``, one of :data:`SUM_TABLES`."""
    names = ", ".join(f"{expression} AS {name}" for name, expression in key.items())
    by = ", ".join(key)
    return f"SELECT {by}, {_ADDED} FROM (SELECT {names}, {EVENT_AS_SUMS} FROM usage_event) GROUP BY {by}"  # noqa: S608


def begin_epoch(connection: sqlite3.Connection, revision: int) -> None:
    """Give the database another identity, and the revision after its own and after ``revision``.

    Everything is read again: checkpoints are of one identity.
    """
    connection.execute("DELETE FROM checkpoint")
    connection.execute(
        "UPDATE database_state SET epoch = ?, revision = MAX(revision, ?) + 1", (secrets.token_hex(8), revision)
    )


def get_counters(connection: sqlite3.Connection) -> dict[tuple[str, str], Sums]:
    """Return what the counters show, by source and model."""
    return counters_of(connection.execute(COUNTERS))


def raise_counters(connection: sqlite3.Connection, seen: Counters) -> None:
    """Let no counter show less than what was ``seen`` of it."""
    rows = []
    for (source, model), shown in seen.items():
        key = (number_of(connection, "source", source), number_of(connection, "model", model))
        known = connection.execute(_FLOOR, key).fetchone()
        floor = shown if known is None else higher(Sums.of(known), shown)
        rows.append((*key, *row_of(floor.vector)))
    connection.executemany(_PUT_FLOOR, rows)


def number_of(connection: sqlite3.Connection, table: str, name: str) -> int:
    """Return the number of the source or model called ``name``, which gets one if it has none."""
    connection.execute(f"INSERT INTO {table} (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))  # noqa: S608
    [(number,)] = connection.execute(f"SELECT id FROM {table} WHERE name = ?", (name,))  # noqa: S608  # our own names
    return int(number)
