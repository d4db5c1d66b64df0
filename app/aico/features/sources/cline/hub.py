"""The events of Cline's hub: what a session has used, while its turn runs and when nothing else says it.

One event stands for each call that has ended, its agents' calls included. Its ``aggregateUsage`` is the total of its
session, earlier turns included, so the events of a session and its row in the session store are readings of one meter.
The same table holds conversation in its other events, and Cline drops all of them after some seven days.
Pure but for the origin at the end: no I/O, no clock, no logging.

Source: cline/cline, ``sdk/packages/core/src/hub`` (``usage.updated`` and the store of events), as of 3.0.65.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import MeterReading, Rejection
from aico.features.files.cells import RowJudge, RowRefused
from aico.features.files.sqlite import Judged, SqliteQuery
from aico.features.files.sqlite_process import Row
from aico.features.files.sqlite_question import Cell, json_of, number_in, text_in
from aico.features.sources.cline.databases import list_database_places
from aico.features.sources.cline.fields import start_of
from aico.features.sources.cline.sessions import SESSIONS, USAGE_FIELDS, greater, read_usage
from aico.features.sources.source import Origin, Place, Surroundings

NAME = "hub-events-hub-production.db"
OTHER_NAMES = r"hub-events-[A-Za-z0-9_-]+\.db"
"""Names that an operator may give: Cline makes one of the hub's owner."""
TABLE = "hub_events"
COLUMNS = ("sequence", "event", "envelope_json")
BEGINNING = -1
REST_S = 1.0
"""While a turn runs Cline writes a row for each piece of an answer: its database is asked once a second at most."""

_NUMBERS = (number_in("envelope", f"$.payload.aggregateUsage.{name}") for name in USAGE_FIELDS)
_SESSION, _TIME = text_in("envelope", "$.sessionId"), number_in("envelope", "$.timestamp")
STATEMENT = f"""
    WITH last AS (
        SELECT sequence, {json_of("envelope_json")} AS envelope
        FROM {TABLE} WHERE event = 'usage.updated' AND sequence = json_extract(?1, '$[0]') LIMIT -1
    ), told AS (
        SELECT sequence, {json_of("envelope_json")} AS envelope
        FROM {TABLE}
        WHERE event = 'usage.updated' AND sequence > coalesce((
            SELECT sequence FROM last
            WHERE {_SESSION} IS CAST(json_extract(?1, '$[1]') AS BLOB) AND {_TIME} IS json_extract(?1, '$[2]')
        ), {BEGINNING})
    )
    SELECT sequence, {_SESSION}, {_TIME}, {", ".join(_NUMBERS)}
    FROM told ORDER BY sequence
"""  # noqa: S608  # constants of this module; the one value is bound
"""Per event, the oldest first: its number, session, time in milliseconds, and ``USAGE_FIELDS``.

All are told unless the last one seen still stands under its number, with its session and time: else the database is
another, or was emptied. A number that is looked up costs nothing, in a database of any size.
"""


def judge_rows(rows: Sequence[Row]) -> Judged:
    """Return one reading for each session, each number the greatest of its events. Any exception is a bug.

    A session whose events say 0 in every place was not measured: its reading says nothing.
    """
    readings: dict[str, MeterReading] = {}
    rejections: list[Rejection] = []
    partials: list[Rejection] = []
    for index, row in enumerate(rows):
        judge = RowJudge(index)
        try:
            reading = _judge_row(row, judge)
        except RowRefused as refused:
            rejections.append(refused.rejection)
            continue
        partials += judge.partials
        before = readings.pop(reading.session, None)  # so that the newest comes last
        readings[reading.session] = reading if before is None else _merge(before, reading)
    return Judged(
        [_silence(reading) for reading in reversed(readings.values())],
        skipped_count=len(rows) - len(rejections) - len(readings),
        rejections=tuple(rejections),
        partials=tuple(partials),
    )


def _judge_row(row: Row, judge: RowJudge) -> MeterReading:
    """Return what one event says. Raises RowRefused."""
    _sequence, session_id, timestamp, *numbers = row
    session = judge.read_identifier(session_id, "sessionId")
    ts = judge.read_moment_ms(timestamp, "timestamp")
    totals = read_usage(numbers, "aggregateUsage", judge)
    return MeterReading(
        session=session,
        ts=ts,
        model=None,
        input=totals.input,
        cache_read=totals.cache_read,
        cache_write_5m=totals.cache_write,
        cache_write_1h=None,
        output=totals.output,
        reasoning=None,
        cost_usd=totals.cost_usd,
        unknown=judge.unknown,
        started_ts=start_of(session),
    )


def _merge(before: MeterReading, after: MeterReading) -> MeterReading:
    """Return the greater of each number, and the time of what is newer."""
    return after._replace(
        ts=greater(before.ts, after.ts),
        input=greater(before.input, after.input),
        cache_read=greater(before.cache_read, after.cache_read),
        cache_write_5m=greater(before.cache_write_5m, after.cache_write_5m),
        output=greater(before.output, after.output),
        cost_usd=greater(before.cost_usd, after.cost_usd),
    )


def _silence(reading: MeterReading) -> MeterReading:
    """Return ``reading`` without its numbers if they are all 0."""
    if any(reading[3:10]):
        return reading
    return reading._replace(input=None, cache_read=None, cache_write_5m=None, output=None, cost_usd=None)


def cursor_after(rows: Sequence[Row], _now_ms: int) -> Cell:
    """Return the number, session and time of the last event, as JSON; None without rows."""
    return json.dumps(rows[-1][:3]) if rows else None


QUERY = SqliteQuery(
    errors=SourceErrors(OriginName("cline", "hub", "store of hub events")),
    name=NAME,
    other_names=OTHER_NAMES,
    statement=STATEMENT,
    tables={TABLE: COLUMNS},
    views=("last", "told"),
    judge=judge_rows,
    cursor_after=cursor_after,
    first=BEGINNING,
    rest_s=REST_S,
    is_anchored=True,
)


def list_places(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return where the events are looked for: one exact name, unless the operator gives another."""
    return list_database_places(surroundings, "hub", NAME, "[sources.cline]")


HUB = Origin(
    id="hub",
    title="hub events",
    places=list_places,
    open=QUERY.open,
    meter=SESSIONS.meter_id,
    privacy="the conversation in the other events of the same table",
)
