"""The first readings of many sessions come to the same whether they are stored at once or one by one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.db import first_readings
from aico.core.db.database import Database
from aico.core.db.keys import growth_keys, split_key
from aico.core.db.writer import Batch, UsageWriter
from aico.core.receipts import FreshSession, ImportReceipt
from aico.core.usage import MeterReading, ReadingCounts, SessionState, Trigger, UsageEvent, digest
from tests.core.repository_on_file import NOW_MS, temporary_database
from tests.hypothesis_profiles import examples

NEVER = 10**9
DAY_MS = 86_400_000
# Nothing and 0 are as frequent as numbers: what is unpriced, silent or empty hangs on all of them together.
COUNTS = st.sampled_from([None, None, None, 0, 0, 1, 7, 10**12])
COSTS = st.one_of(
    st.none(),
    st.just(0.0),
    st.sampled_from([0.0, 0.1, 5e-10, 12.345678901, 999_999.9999999995, 1e6]),
    st.floats(0, 1e6),
)
READINGS = st.builds(
    MeterReading,
    session=st.sampled_from([f"s{number}" for number in range(12)]),
    ts=st.one_of(st.none(), st.integers(NOW_MS - 2 * DAY_MS, NOW_MS), st.just(NOW_MS - DAY_MS)),
    model=st.sampled_from([None, "m", "vendor/m_2"]),
    input=COUNTS,
    cache_read=COUNTS,
    cache_write_5m=COUNTS,
    cache_write_1h=COUNTS,
    output=COUNTS,
    reasoning=COUNTS,
    cost_usd=COSTS,
    state=st.sampled_from(SessionState),
    parent=st.sampled_from([None, "s0"]),
    unknown=st.sampled_from([(), ("tokensIn", "ts")]),
    forked_from=st.none(),
    started_ts=st.one_of(st.none(), st.integers(NOW_MS - 3 * DAY_MS, NOW_MS + DAY_MS)),
)
TABLES = {
    "sessions": """
        SELECT u.key, parent_key, first_ts, last_ts, m.name, state, seen_at, label FROM session AS u
        JOIN model AS m ON m.id = u.model ORDER BY 1
    """,
    "meters": "SELECT u.key, meter.* FROM meter JOIN session AS u ON u.id = meter.session ORDER BY 1, 3",
    "events": """
        SELECT u.key, m.name, kind, key_high, key_low, origin, ts, input, cache_read, cache_write_5m, cache_write_1h,
            output, reasoning, recorded_nano, own_nano, list_nano, price_ref, context, e.state, unknown
        FROM usage_event AS e JOIN session AS u ON u.id = e.session JOIN model AS m ON m.id = e.model ORDER BY 1, 7, 4
    """,
    "slots": "SELECT m.name, s.* FROM usage_slot AS s JOIN model AS m ON m.id = s.model ORDER BY 1, 3",
    "model days": "SELECT m.name, d.* FROM usage_day AS d JOIN model AS m ON m.id = d.model ORDER BY 1, 3",
    "days": """
        SELECT u.key, m.name, d.* FROM usage_session_day AS d JOIN session AS u ON u.id = d.session
        JOIN model AS m ON m.id = d.model ORDER BY 1, 2, 4
    """,
    "totals": "SELECT m.name, t.* FROM usage_total AS t JOIN model AS m ON m.id = t.model ORDER BY 1",
    "tasks": "SELECT * FROM cline_task_usage ORDER BY 1",
    "runs": "SELECT added_count, updated_count, skipped_count, remaining_count, revision FROM import_run ORDER BY id",
}
NUMBERED = {"session", "model"}
"""Columns whose numbers follow the order of writing; the names that they stand for are compared."""


@dataclass(frozen=True)
class Outcome:
    """Everything that came of some batches."""

    tables: dict[str, list[dict[str, object]]]
    receipts: list[ImportReceipt]
    told: list[list[FreshSession]]


def distinct(readings: Sequence[MeterReading]) -> list[MeterReading]:
    """Return the last reading of each session."""
    return list({reading.session: reading for reading in readings}.values())


def read_tables(path: Path) -> dict[str, list[dict[str, object]]]:
    """Return every table by column; dollars and nano-dollars as one number, for they may be divided in two ways."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return {name: [whole(dict(row)) for row in connection.execute(statement)] for name, statement in TABLES.items()}


def whole(row: dict[str, object]) -> dict[str, object]:
    """Return ``row`` with whole sums of money and without numbers of its own."""
    for money in ("recorded", "own", "listed", "list"):
        dollars = row.pop(f"{money}_usd", None)
        if dollars is not None:
            row[f"{money}_nano"] = int(str(dollars)) * 10**9 + int(str(row[f"{money}_nano"]))
    return {name: value for name, value in row.items() if name not in NUMBERED}


async def write(batches: Sequence[Batch], many: int) -> Outcome:
    """Store ``batches``, at once those of at least ``many`` new sessions, and return what came of them."""
    with temporary_database() as path, patch.object(first_readings, "MANY", many):
        database = Database(path)
        await database.open()
        try:
            writer = UsageWriter(database, lambda: NOW_MS)
            results = [await writer.apply(batch) for batch in batches]
        finally:
            await database.close()
        receipts = [replace(receipt, duration_ms=0) for receipt, _committed in results]
        told = [
            sorted(committed.rows, key=lambda row: row.session)
            for _receipt, committed in results
            if committed is not None
        ]
        return Outcome(read_tables(path), receipts, told)


def batch_of(
    readings: Sequence[MeterReading],
    *,
    origin: str = "ledger",
    is_joint: bool = False,
    shared: frozenset[str] = frozenset(),
) -> Batch:
    """Return a batch of Cline's, whose second origin has the stronger word."""
    return Batch(
        source="cline",
        origin=origin,
        meter=origin,
        records=tuple(readings),
        counts=ReadingCounts(Trigger.WATCH),
        is_joint=is_joint,
        shared=shared,
        meters=("ledger", "sessions"),
        has_task_rows=True,
    )


@pytest.mark.slow
@settings(max_examples=examples(0.5))
@given(
    histories=st.lists(
        st.tuples(
            st.lists(READINGS, max_size=8).map(distinct),
            st.sampled_from(["ledger", "sessions"]),
            st.booleans(),
            st.frozensets(st.sampled_from(["s1", "s2", "s3"])),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_readings_stored_at_once_come_to_the_same_as_one_by_one(
    histories: list[tuple[list[MeterReading], str, bool, frozenset[str]]],
) -> None:
    """Every table, receipt and told session is the same, for new and known sessions, silent and unpriced ones."""
    batches = [
        batch_of(readings, origin=origin, is_joint=joint, shared=shared)
        for readings, origin, joint, shared in histories
    ]
    assert asyncio.run(write(batches, 1)) == asyncio.run(write(batches, NEVER))


async def test_copied_ledger_whose_older_numbers_come_second_makes_no_fall() -> None:
    """Two ledgers of many tasks are read at once; the one that was looked at last may be stored first."""
    newer, older = (
        [MeterReading(f"s{number}", NOW_MS, "m", tokens, None, None, None, 1, None, cost) for number in range(300)]
        for tokens, cost in ((5, 0.5), (3, 0.3))
    )
    shared = frozenset(reading.session for reading in newer)
    outcome = await write([batch_of(newer, shared=shared), batch_of(older)], first_readings.MANY)
    assert [receipt.skipped_count for receipt in outcome.receipts] == [0, 300]
    assert [len(told) for told in outcome.told] == [300]
    assert not any(row.has_fallen for told in outcome.told for row in told)


async def test_those_that_are_shared_are_stored_with_many_that_are_not() -> None:
    """They are taken one by one beside the others, and none is left out."""
    readings = [MeterReading(f"s{number}", NOW_MS, "m", 5, None, None, None, 1, None, 0.5) for number in range(300)]
    shared = frozenset(reading.session for reading in readings[::10])
    outcome = await write([batch_of(readings, shared=shared)], first_readings.MANY)
    assert [receipt.added_count for receipt in outcome.receipts] == [300]
    assert {str(row["key"]) for row in outcome.tables["sessions"]} == {reading.session for reading in readings}
    assert [row["recorded_nano"] for row in outcome.tables["totals"]] == [150 * 10**9]


async def test_newest_sessions_are_told_in_the_same_order(tmp_path: Path) -> None:
    """Of more sessions than a message holds both ways tell the newest, the newest first."""
    readings = [
        MeterReading(f"s{number}", NOW_MS - number % 700 * 1000, "m", 1, None, None, None, 1, None, 0.5)
        for number in range(900)
    ]
    batches = [batch_of(readings[:1]), batch_of(sorted(readings, key=lambda reading: -(reading.ts or 0)))]
    rows = []
    for many in (1, NEVER):
        with patch.object(first_readings, "MANY", many), temporary_database() as path:
            database = Database(path)
            await database.open()
            writer = UsageWriter(database, lambda: NOW_MS)
            for batch in batches:
                _receipt, committed = await writer.apply(batch)
            await database.close()
        assert committed is not None
        assert committed.rows_truncated
        rows.append([row.session for row in committed.rows])
    assert len(rows[0]) == 500
    assert rows[0] == rows[1]


def test_readings_are_chosen_only_where_nothing_else_speaks_of_their_sessions() -> None:
    """A known session, one that is named twice, and one with a request besides are taken one by one."""
    readings = [MeterReading(f"s{number}", NOW_MS, "m", 1, None, None, None, 1, None, 0.5) for number in range(300)]
    event = UsageEvent(digest("e"), "s7", NOW_MS, "m", readings[0].tokens)
    assert first_readings.choose(readings, {}, ()) == readings
    assert first_readings.choose(readings, {"s5": 1}, ()) == [*readings[:5], *readings[6:]]
    assert first_readings.choose(readings, {}, {"s5"}) == [*readings[:5], *readings[6:]]
    assert first_readings.choose([*readings, readings[3]], {}, ()) == []
    assert first_readings.choose([*readings, event], {}, ()) == []
    assert first_readings.choose(readings[: first_readings.MANY - 1], {}, ()) == []


def test_growth_keys_are_the_digests_of_their_parts() -> None:
    """However they are made, they are the keys of what is stored already."""
    sessions, slots = ("1772000000000", "", "ü\ud800", "0"), (1_970_000, 0, -3, 12)
    models = ("vendor/m", "ö", "", "vendor/m")
    parts = zip(sessions, slots, models, strict=True)
    assert growth_keys(sessions, slots, models) == [split_key(digest(*each)) for each in parts]
