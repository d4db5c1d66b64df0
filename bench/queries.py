"""Figures: the answers that a page waits for, from a database of 100,000 tasks and 1,000,000 events."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import httpx

from aico.core.db.migrations import migrate
from aico.core.db.questions import EVENT_AS_SUMS
from aico.core.sums import GROWTH, SUM_COLUMNS
from aico.core.usage import SLOT_MS
from bench.figure import Figure, Measurement, Setup, blocking
from bench.intervals import percentile_interval
from bench.served import serve
from bench.sides import now_ms

_TASKS = 100_000
_SAMPLES = 200
_YEAR_SLOTS = 35_040
_MONTH_SLOTS = 2_920
_DAY_MS = 86_400_000
_HANG_S = 60.0
_TASK = "WITH RECURSIVE task (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM task WHERE n < {tasks} - 1)"
_COLUMNS = ", ".join(SUM_COLUMNS)
_SUMMED = ", ".join(f"SUM({name})" for name in SUM_COLUMNS)
_ORIGIN = "(SELECT id FROM origin WHERE source = {source} AND name = 'ledger')"
ROLLUPS = tuple(
    f"""
    INSERT INTO {table} ({key}, {_COLUMNS}) SELECT {key}, {_SUMMED} FROM (
        SELECT source, session, model, ts / {{slot_ms}} AS slot, ts / {{day_ms}} AS day, {EVENT_AS_SUMS}
        FROM usage_event) GROUP BY {key}
    """
    for table, key in (
        ("usage_slot", "source, slot, model"),
        ("usage_day", "source, day, model"),
        ("usage_session_day", "source, day, session, model"),
        ("usage_total", "source, model"),
    )
)
"""Statements that add up all events, as the writer does. Filled in are ``slot_ms`` and ``day_ms``."""
_FILL = (
    "INSERT OR IGNORE INTO origin (source, name) VALUES ({source}, 'ledger')",
    f"""
    {_TASK} INSERT INTO cline_task_usage SELECT printf('%013d', 1700000000000 + n * 7919),
        ({{last}} - (n * 2654435761 % {{slots}})) * {{slot_ms}},
        'maker/model-' || (n * 2654435761 % {{slots}} / {{month}} + n % 3), 10 * (n % 977), 10 * (n % 89),
        (n % 977) / 100.0, {{now}}, {{now}} FROM task
    """,
    "INSERT OR IGNORE INTO model (name) SELECT DISTINCT model_id FROM cline_task_usage",
    """
    INSERT INTO session (id, source, key, first_ts, last_ts, model, state, seen_at)
    SELECT ROW_NUMBER() OVER (ORDER BY task_id), {source}, task_id, ts - 9 * {slot_ms}, ts, m.id, 0, {now}
        FROM cline_task_usage JOIN model AS m ON m.name = model_id
    """,
    f"""
    INSERT INTO meter (session, origin, stated_by, last_input, last_output, last_nano, high_input, high_output,
        high_nano, unknown, is_joint)
    SELECT s.id, {_ORIGIN}, {_ORIGIN}, tokens_in, tokens_out, nano, tokens_in, tokens_out, nano, '', 0 FROM (
        SELECT *, CAST(round(total_cost * 100) AS INTEGER) * 10000000 AS nano FROM cline_task_usage
    ) JOIN session AS s ON s.key = task_id
    """,
    f"""
    WITH RECURSIVE part (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM part WHERE k < 9)
    INSERT INTO usage_event (source, kind, key_high, key_low, origin, session, ts, model, input, output, recorded_nano,
        context, state, unknown)
    SELECT {{source}}, {GROWTH.code}, s.id, k, {_ORIGIN}, s.id, s.last_ts - k * {{slot_ms}}, s.model,
        last_input / 10, last_output / 10, last_nano / 10, '', 0, ''
        FROM session AS s JOIN meter AS m ON m.session = s.id, part ORDER BY 7
    """,
    *ROLLUPS,
    "UPDATE source SET exact_since = {now} WHERE id = {source}",
    "UPDATE database_state SET revision = 1",
)


def fill(path: Path, task_count: int = _TASKS) -> None:
    """Make a database of a year, ten events a task, every sum in it right.

    Three models are in use at a time, and each month a new one.
    """
    path.parent.mkdir(mode=0o700)
    migrate(path)
    now = now_ms()
    slots = {"slots": _YEAR_SLOTS, "month": _MONTH_SLOTS, "slot_ms": SLOT_MS, "day_ms": _DAY_MS}
    with closing(sqlite3.connect(path)) as connection, connection:
        [(source,)] = connection.execute(
            "INSERT INTO source (name) VALUES ('cline') ON CONFLICT DO UPDATE SET name = name RETURNING id"
        )
        values = {"tasks": task_count, "now": now, "last": now // SLOT_MS, "source": source, **slots}
        for statement in _FILL:
            connection.execute(statement.format(**values))


@contextmanager
def _client(setup: Setup) -> Iterator[httpx.Client]:
    fill(setup.folder / "data" / "observer.db")
    ledger = setup.folder / "cline" / "taskHistory.json"
    ledger.parent.mkdir()
    ledger.write_bytes(b"[]")
    with serve(ledger, setup.folder) as served:
        served.wait_until_ready()
        with httpx.Client(base_url=served.url, timeout=_HANG_S, trust_env=False) as client:
            yield client


def _tail(setup: Setup, address: Callable[[int], str]) -> Measurement:
    """Return the 99th percentile of the time of many requests."""
    with _client(setup) as client:
        client.get(address(0)).raise_for_status()
        samples = []
        for number in range(_SAMPLES):
            began = time.perf_counter()
            client.get(address(number)).raise_for_status()
            samples.append((time.perf_counter() - began) * 1000)
    median = percentile_interval(samples, 50).median
    return Measurement(percentile_interval(samples, 99), len(samples), {"median_ms": median})


def _measure_pages(setup: Setup) -> Measurement:
    rng = Random(1)  # noqa: S311 - reproducible on purpose
    return _tail(setup, lambda _number: f"/api/cline/usage?limit=100&offset={rng.randrange(0, _TASKS, 100)}")


def _measure_month(setup: Setup) -> Measurement:
    now = now_ms()
    # Another period each time, so that a remembered answer does not count.
    return _tail(setup, lambda number: f"/api/cline/summary?tz=Europe/Paris&from={_month_ago(now, number)}")


def _month_ago(now: int, number: int) -> int:
    return now - 30 * _DAY_MS - number * SLOT_MS


def _measure_all(setup: Setup) -> Measurement:
    return _tail(setup, lambda number: f"/api/cline/summary?tz=Europe/Paris&from={number * SLOT_MS}")


QUERY_FIGURES = (
    Figure(
        "page_of_usage",
        "100 of 100,000 tasks with 1,000,000 events, 99th percentile",
        "ms",
        20.0,
        blocking(_measure_pages),
    ),
    Figure("summary_month", "their summary of 30 days, 99th percentile", "ms", 60.0, blocking(_measure_month)),
    Figure("summary_all", "their summary of all time, 99th percentile", "ms", 150.0, blocking(_measure_all)),
)
