"""Figures: the answers that a page waits for, from a database of 100,000 tasks and 1,000,000 deltas."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import httpx

from aico.core.db.migrations import migrate
from bench.figure import Figure, Measurement, Setup, Unmeasurable, blocking
from bench.intervals import percentile_interval
from bench.served import serve
from bench.sides import now_ms

_TASKS = 100_000
_SAMPLES = 200
_QUARTER_MS = 900_000
_YEAR_QUARTERS = 35_040
_MONTH_QUARTERS = 2_920
_DAY_MS = 86_400_000
_LOOK_S = 0.1
_HANG_S = 60.0
_FILL = (
    """
    WITH RECURSIVE task (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM task WHERE n < {tasks} - 1)
    INSERT INTO cline_task_usage SELECT printf('%013d', 1700000000000 + n * 7919),
        ({last} - (n * 2654435761 % {quarters})) * {quarter_ms},
        'maker/model-' || (n * 2654435761 % {quarters} / {month} + n % 3), 10 * (n % 977), 10 * (n % 89),
        (n % 977) / 100.0, {now}, {now} FROM task
    """,
    """
    WITH RECURSIVE part (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM part WHERE k < 9)
    INSERT INTO usage_delta SELECT 'cline', ts / {quarter_ms} - k, task_id, model_id, tokens_in / 10, tokens_out / 10,
        CAST(round(total_cost * 100) AS INTEGER) * 1000000 FROM cline_task_usage, part ORDER BY 2, 3
    """,
    """
    INSERT INTO usage_rollup SELECT source, quarter, model, SUM(tokens_in), SUM(tokens_out),
        SUM(cost_nano_usd) / 1000000000, SUM(cost_nano_usd) % 1000000000 FROM usage_delta GROUP BY 1, 2, 3
    """,
    """
    INSERT INTO usage_total SELECT source, model, SUM(tokens_in), SUM(tokens_out), SUM(cost_usd), SUM(cost_nano)
        FROM usage_rollup GROUP BY 1, 2
    """,
    "INSERT INTO usage_counter SELECT * FROM usage_total",
    "INSERT INTO source_state VALUES ('cline', {now})",
    "UPDATE database_state SET revision = 1",
)


def _fill(path: Path) -> None:
    """Make a database of a year, every sum in it right; three models are in use at a time, and each month a new one."""
    path.parent.mkdir(mode=0o700)
    migrate(path)
    now = now_ms()
    quarters = {"quarters": _YEAR_QUARTERS, "month": _MONTH_QUARTERS, "quarter_ms": _QUARTER_MS}
    values = {"tasks": _TASKS, "now": now, "last": now // _QUARTER_MS, **quarters}
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in _FILL:
            connection.execute(statement.format(**values))


def _wait_for_sums(path: Path) -> None:
    """Return when the service has made the sums that a large import leaves behind."""
    deadline = time.monotonic() + _HANG_S
    with closing(sqlite3.connect(path)) as connection:
        while not connection.execute("SELECT EXISTS (SELECT 1 FROM summed_source)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise Unmeasurable("the sums were not made")
            time.sleep(_LOOK_S)


@contextmanager
def _client(setup: Setup) -> Iterator[httpx.Client]:
    _fill(setup.folder / "data" / "observer.db")
    ledger = setup.folder / "cline" / "taskHistory.json"
    ledger.parent.mkdir()
    ledger.write_bytes(b"[]")
    with serve(ledger, setup.folder) as served:
        served.wait_until_ready()
        _wait_for_sums(setup.folder / "data" / "observer.db")
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
    # Another period each time: what is remembered of the last answer does not count.
    return _tail(setup, lambda number: f"/api/cline/summary?tz=Europe/Paris&from={_month_ago(now, number)}")


def _month_ago(now: int, number: int) -> int:
    return now - 30 * _DAY_MS - number * _QUARTER_MS


def _measure_all(setup: Setup) -> Measurement:
    return _tail(setup, lambda number: f"/api/cline/summary?tz=Europe/Paris&from={number * _QUARTER_MS}")


QUERY_FIGURES = (
    Figure(
        "page_of_usage",
        "100 of 100,000 tasks with 1,000,000 deltas, 99th percentile",
        "ms",
        20.0,
        blocking(_measure_pages),
    ),
    Figure("summary_month", "their summary of 30 days, 99th percentile", "ms", 60.0, blocking(_measure_month)),
    Figure("summary_all", "their summary of all time, 99th percentile", "ms", 150.0, blocking(_measure_all)),
)
