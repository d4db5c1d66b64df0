"""The hub's events tell the running total of a session, and the conversation beside them is never touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.core.errors import SourceNotFound
from aico.core.usage import MeterReading, Rejection, RejectionCode, Trigger
from aico.features.files.feed import Reading
from aico.features.files.sqlite import SqliteFeed
from aico.features.files.sqlite_process import Row, ask_database
from aico.features.sources.cline.hub import COLUMNS, HUB, NAME, QUERY, judge_rows
from aico.features.sources.source import Surroundings
from bench.fake_session_store import FIRST_MS, SECRET, Json, usage
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.files.databases import LIMITS, MAX_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the events lie."""
    return tmp_path.resolve() / "db" / NAME


@pytest.fixture
def store(path: Path) -> Iterator[HubEventsStore]:
    """Open the events as the hub does."""
    store = HubEventsStore(path)
    yield store
    store.close()


def add(store: HubEventsStore, session: str, total: Json, timestamp: object = FIRST_MS) -> None:
    """Add the event of one call."""
    store.add("usage.updated", session, timestamp, usage_payload(session, total))


def row(session: str | int | None, *numbers: int | float | str | None, ts: int | float | str | None = 7) -> Row:
    """Return a row of the statement's."""
    return [1, session, ts, *numbers]


def readings_in(reading: Reading) -> dict[str, MeterReading]:
    """Return the readings by session."""
    return {record.session: record for record in reading.records if isinstance(record, MeterReading)}


async def test_newest_total_of_each_session_is_told(store: HubEventsStore, path: Path) -> None:
    """Totals are cumulative: nothing is added up. The session of the newest event comes first."""
    add(store, "a", usage(1_000, 10, 0.25, read=100))
    store.say("a", FIRST_MS)
    add(store, "b", usage(50, 5, 0.5), FIRST_MS + 1)
    add(store, "a", usage(3_000, 30, 0.75, read=500, written=200), FIRST_MS + 2)
    reading = await QUERY.open(str(path), LIMITS).read(Trigger.STARTUP)
    found = readings_in(reading)
    assert list(found) == ["a", "b"]
    assert found["a"] == MeterReading("a", FIRST_MS + 2, None, 2_300, 500, 200, None, 30, None, 0.75)
    assert found["b"] == MeterReading("b", FIRST_MS + 1, None, 50, 0, 0, None, 5, None, 0.5)
    assert (reading.counts.skipped_count, reading.counts.partial_count) == (1, 0)


def test_each_number_is_the_greatest_of_its_session() -> None:
    """Should a hub count anew, nothing falls."""
    found = judge_rows([row("a", 100, 5, 10, 0, 0.5, ts=9_000_000_000_000), row("a", 40, 8, 0, 0, 0.25)])
    assert list(found.records) == [MeterReading("a", 9_000_000_000_000, None, 90, 10, 0, None, 8, None, 0.5)]


def test_calls_whose_numbers_are_all_zero_were_not_measured() -> None:
    """They are told, and say nothing; a session that was measured once keeps its numbers."""
    found = judge_rows([row("a", 0, 0, 0, 0, 0), row("b", 0, 0, 0, 0, 0), row("b", 9, 1, 0, 0, 0)])
    readings = {record.session: record for record in found.records if isinstance(record, MeterReading)}
    assert readings["a"].is_silent
    assert readings["b"][3:10] == (9, 0, 0, None, 1, None, 0.0)


def test_field_that_cannot_be_used_is_unknown_and_only_a_row_without_a_session_is_refused() -> None:
    """By place, code and field, in Cline's words."""
    found = judge_rows([row("a", 100, "text", 10, 0, -1), row(None, 1, 1, 0, 0, 1), row("b", *[None] * 5, ts="text")])
    readings = {record.session: record for record in found.records if isinstance(record, MeterReading)}
    assert readings["a"][3:10] == (90, 10, 0, None, None, None, None)
    assert readings["a"].unknown == ("aggregateUsage.outputTokens", "aggregateUsage.totalCost")
    assert readings["b"].is_silent
    assert readings["b"].ts is None
    assert found.rejections == (Rejection(1, RejectionCode.EMPTY, "sessionId"),)
    assert [each.field for each in found.partials] == [*readings["a"].unknown, "timestamp"]


def test_statement_names_what_is_asked_for_and_nothing_else() -> None:
    """One kind of event, and of its envelope the session, the time and the total."""
    paths = set(re.findall(r"\$[\w.]+", QUERY.statement))
    assert paths == {
        "$.sessionId",
        "$.timestamp",
        *(f"$.payload.aggregateUsage.{name}Tokens" for name in ("input", "output", "cacheRead", "cacheWrite")),
        "$.payload.aggregateUsage.totalCost",
    }
    assert "*" not in QUERY.statement
    assert set(COLUMNS) == {"sequence", "event", "envelope_json"}


async def test_no_word_of_other_events_or_columns_leaves_the_database(store: HubEventsStore, path: Path) -> None:
    """Canaries stand in every other event, column and field, also where a number should be."""
    store.say("a", FIRST_MS, 50)
    add(store, "a", usage(10, 1, 0.5))
    add(store, "b", {**usage(10, 1, 0.5), "inputTokens": SECRET, "outputTokens": {SECRET: SECRET}})
    store.put("usage.updated", SECRET, f'{{"sessionId": "c", "payload": "{SECRET}"}}')
    store.put("usage.updated", SECRET, f'{{"broken {SECRET}')
    store.put("usage.updated", SECRET, f'["{SECRET}"]')
    rows = await ask_database(QUERY.ask(str(path), -1, MAX_BYTES))
    assert SECRET not in repr(rows)
    assert [each[1] for each in rows] == ["a", "b", "c", None, None]
    reading = await QUERY.open(str(path), LIMITS).read(Trigger.STARTUP)
    assert SECRET not in repr(reading)
    assert len(reading.counts.rejections) == 2


async def take(feed: SqliteFeed, trigger: Trigger) -> list[int | None]:
    """Return the outputs that a reading tells, the newest first, and remember it."""
    reading = await feed.read(trigger)
    feed.complete(reading)
    return [record.output for record in readings_in(reading).values()]


@pytest.mark.slow
async def test_reading_for_a_notification_goes_on_behind_the_last_event(store: HubEventsStore, path: Path) -> None:
    """Events that Cline drops after some days take nothing away."""
    add(store, "a", usage(10, 1, 0.5))
    add(store, "b", usage(10, 2, 0.5))
    feed = QUERY.open(str(path), LIMITS)
    assert await take(feed, Trigger.STARTUP) == [2, 1]
    add(store, "a", usage(20, 3, 0.75))
    reading = await feed.read(Trigger.WATCH)
    assert [record.output for record in readings_in(reading).values()] == [3]
    assert reading.counts.skipped_count == 0
    feed.complete(reading)
    store.connection.execute("DELETE FROM hub_events")
    assert await take(feed, Trigger.WATCH) == []
    add(store, "a", usage(30, 4, 1.0))
    assert await take(feed, Trigger.WATCH) == [4]


@pytest.mark.parametrize("trigger", [Trigger.WATCH, Trigger.RESCAN, Trigger.STARTUP])
@pytest.mark.parametrize("count", [1, 3, 5])
async def test_database_that_was_made_anew_is_read_from_its_beginning(
    store: HubEventsStore, path: Path, count: int, trigger: Trigger
) -> None:
    """Its numbers begin at 1 again, and its inode may be that of the file before it: here it is the same file."""
    for number in range(3):
        add(store, "old", usage(10, number + 1, 0.5))
    feed = QUERY.open(str(path), LIMITS)
    await take(feed, Trigger.STARTUP)
    store.connection.execute("DELETE FROM hub_events")
    store.connection.execute("DELETE FROM sqlite_sequence")
    for number in range(count):
        add(store, f"new {number}", usage(10, 10 + number, 0.5))
    assert await take(feed, trigger) == [10 + number for number in reversed(range(count))]


def test_events_are_asked_once_a_second_at_most_and_only_when_somebody_wants_it(path: Path) -> None:
    """Beside them lies conversation: the origin is off until it is switched on."""
    assert QUERY.open(str(path), LIMITS).rest_s == 1.0
    assert not HUB.is_on_by_default
    assert (HUB.id, HUB.title, HUB.meter_id) == ("hub", "hub events", "sessions")


async def test_place_is_one_exact_name_unless_the_operator_gives_another(path: Path) -> None:
    """No name is looked for: others of the pattern may be given."""
    (place,) = HUB.places(Surroundings(Path("/home/u"), {}))
    assert place == ("/home/u/.cline/data/db/hub-events-hub-production.db", "default")
    folder = path.parent
    named = Surroundings(Path("/home/u"), {}, {"hub": (f"{folder}/hub-events-me-2.db",)})
    (place,) = HUB.places(named)
    with pytest.raises(SourceNotFound, match="There is no store of hub events at"):
        await HUB.open(place.path, LIMITS).read(Trigger.STARTUP)
    for name in (
        "sessions.db",
        "hub-events-.db",
        "hub-events-a.db-wal",
        "hub-runs-hub-production.db",
        "hub-events-a b.db",
    ):
        with pytest.raises(ValueError, match="must name a file"):
            HUB.open(f"{folder}/{name}", LIMITS)
