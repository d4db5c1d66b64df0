"""The databases of real runs: every session is told, and every number that Cline recorded is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.usage import MeterReading, SessionState, Trigger
from aico.features.files.sqlite import SqliteQuery
from aico.features.sources.cline import hub, sessions
from tests.files.databases import LIMITS
from tests.sources.cline.homes import recorded_home, truth_of

SILENT_ROWS = {
    "1795876098667_y9z1m",
    "1795876271016_jn69z",
    "1795876604840_em71h",
    "1795876631995_u43sl",
    "1795876660470_d3f75",
    "1795877177640_zhilk",
}
"""Sessions that were cut: Cline wrote no number into their rows, though all but one had been billed."""
ONE_CALL_MORE = {
    "1795876098667_y9z1m": (1_000, 10, 100),
    "1795876660470_d3f75": (2_000, 20, 200),
    "1795877177640_zhilk": (4_000, 40, 400),
}
"""Sessions that were cut in a call whose event tells more than the transcript: it was billed."""


async def readings_of(query: SqliteQuery, path: Path) -> dict[str, MeterReading]:
    """Return the reading of each session of a database."""
    reading = await query.open(str(path), LIMITS).read(Trigger.STARTUP)
    assert reading.counts.rejections == reading.counts.partials == ()
    found = [record for record in reading.records if isinstance(record, MeterReading)]
    assert len(found) == len(reading.records)
    return {record.session: record for record in found}


def numbers_of(reading: MeterReading) -> tuple[int, int | None, int | None, int | None, float | None]:
    """Return gross input, output, cache reads and writes, and cost."""
    gross = sum(count or 0 for count in reading[3:6])
    return gross, reading.output, reading.cache_read, reading.cache_write_5m, reading.cost_usd


@pytest.mark.parametrize(("case", "count"), [("mix", 20), ("case2", 1)])
async def test_every_session_is_told_and_its_row_is_exact(tmp_path: Path, case: str, count: int) -> None:
    """Each has a state; those without numbers say nothing, the others exactly what was billed without their agents."""
    truth = truth_of(case)
    with recorded_home(case, tmp_path) as folder:
        readings = await readings_of(sessions.QUERY, folder / sessions.NAME)
    assert readings.keys() == truth.keys()
    assert len(readings) == count
    for session, reading in readings.items():
        assert reading.state in {SessionState.DONE, SessionState.INTERRUPTED, SessionState.FAILED}
        assert reading.is_silent is (session in SILENT_ROWS)
        if not reading.is_silent:
            billed = truth[session]
            *tokens, cost = numbers_of(reading)
            assert tokens == [billed.input_gross, billed.output, billed.cache_read, billed.cache_write]
            assert cost == pytest.approx(billed.cost, abs=1e-12)


async def test_events_tell_what_rows_do_not(tmp_path: Path) -> None:
    """Numbers of sessions that were cut, and of agents; a call that was not measured is no zero."""
    truth = truth_of("mix")
    with recorded_home("mix", tmp_path) as folder:
        rows = await readings_of(sessions.QUERY, folder / sessions.NAME)
        events = await readings_of(hub.QUERY, folder / hub.NAME)
    assert events.keys() - rows.keys() == {"1795875824491_kvk7o"}
    assert events.pop("1795875824491_kvk7o").is_silent
    assert numbers_of(rows["1795875852471_jw73z"])[:2] == (2_500, 24)
    assert numbers_of(events["1795875852471_jw73z"])[:2] == (3_500, 74)
    assert rows["1795876604840_em71h"].is_silent
    assert numbers_of(events["1795876604840_em71h"])[:2] == (2_000, 20)
    for session, reading in events.items():
        billed = truth[session]
        agents = list(billed.agents.values())
        expected = ONE_CALL_MORE.get(session) or (
            billed.input_gross + sum(int(str(agent["input_gross"])) for agent in agents),
            billed.output + sum(int(str(agent["output"])) for agent in agents),
            billed.cache_read,
        )
        assert numbers_of(reading)[:3] == expected


async def test_rows_and_events_are_readings_of_one_meter(tmp_path: Path) -> None:
    """No event says less than its row: each number by its high water, nothing is added."""
    assert hub.HUB.meter_id == sessions.SESSIONS.meter_id
    with recorded_home("mix", tmp_path) as folder:
        rows = await readings_of(sessions.QUERY, folder / sessions.NAME)
        events = await readings_of(hub.QUERY, folder / hub.NAME)
    both = rows.keys() & events.keys()
    assert len(both) > 10
    for session in both:
        pairs = zip(numbers_of(rows[session]), numbers_of(events[session]), strict=True)
        assert all((row or 0) <= (event or 0) for row, event in pairs)


async def test_clean_up_moves_no_last_activity(tmp_path: Path) -> None:
    """Cline wrote its own time into the rows of sessions whose process went away: their start is all that is left."""
    with recorded_home("mix", tmp_path) as folder:
        readings = await readings_of(sessions.QUERY, folder / sessions.NAME)
    cleaned = {session for session in readings if session.endswith(("mm5c3", "y9z1m", "u43sl", "d3f75"))}
    assert len(cleaned) == 4
    for session, reading in readings.items():
        assert reading.ts is not None
        began_ms = int(session.partition("_")[0])
        assert (reading.ts - began_ms < 100) is (session in cleaned)
        assert session not in cleaned or reading.state is SessionState.INTERRUPTED
