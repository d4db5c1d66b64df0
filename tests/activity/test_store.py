"""Stretches of use become rows and sums that agree, whatever the time of day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.activity import ActivitySpan, divide, estimate_nano
from aico.core.db.activity import ActivityStore, Checkpoint, list_spans, list_sums, list_totals
from aico.core.db.database import Database
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.units import SLOT_MS
from aico.features.usage.periods import midnight_slot
from tests.core.repository_on_file import copy_of_template

SLOT = 1_972_000
START = SLOT * SLOT_MS


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Return an empty database that is open."""
    opened = Database(copy_of_template(tmp_path))
    await opened.open()
    yield opened
    await opened.close()


def use(start_ms: int, duration_ms: int, subject: str = "Cursor", **more: object) -> ActivitySpan:
    """Return a stretch of use of an app."""
    known: dict[str, object] = {"kind": "apps", "category": "editor", "cost_nano": estimate_nano(duration_ms, 3.6)}
    return ActivitySpan(**{**known, **more}, subject=subject, start_ms=start_ms, duration_ms=duration_ms)  # type: ignore[arg-type]  # a test's


async def test_use_is_stored_once_in_rows_and_sums(database: Database) -> None:
    """Use that follows at once goes on with its stretch, later use is another; slots and totals are their sums."""
    store = ActivityStore(database)
    await store.add([use(START + 890_000, 15_000), use(START + 905_000, 15_000)])
    await store.add([use(START + 921_500, 10_000)], Checkpoint("apps", "d1", "5", START))
    await store.add([use(START + 960_000, 5_000), use(START + 960_000, 1_000, "Zed")])
    await store.add([use(START, 0, "claude", kind="shell", category="coding", place="zsh", count=3)])
    async with database.asking() as ask:
        spans = await list_spans(ask, START, START + 2 * SLOT_MS, 10)
        first, both = await list_sums(ask, SLOT, SLOT + 1), await list_sums(ask, SLOT, SLOT + 2)
        totals = {each.name: each for each in await list_totals(ask)}
    assert {(each.name, each.start_ms - START, each.duration_ms) for each in spans} == {
        ("Cursor", 890_000, 40_000),
        ("Cursor", 960_000, 5_000),
        ("Zed", 960_000, 1_000),
    }
    assert [(each.name, each.duration_ms, each.count) for each in first] == [("Cursor", 10_000, 0), ("claude", 0, 3)]
    assert [(each.name, each.duration_ms) for each in both] == [("Cursor", 45_000), ("Zed", 1_000), ("claude", 0)]
    assert (totals["Cursor"].duration_ms, totals["Cursor"].cost_nano) == (45_000, 45_000_000)
    assert (totals["claude"].count, totals["claude"].place) == (3, "zsh")
    assert await store.find_position("apps", "d1") == "5"
    assert inspect(database.path).condition is Condition.SOUND  # what the next start asks
    assert await store.find_position("apps", "d2") is None


async def test_clock_that_is_set_back_takes_nothing_away(database: Database) -> None:
    """Time that passes twice on the clock is counted twice: it was used twice."""
    store = ActivityStore(database)
    await store.add([use(START + 3_600_000, 15_000)])
    await store.add([use(START, 15_000), use(START + 15_000, 15_000)])
    async with database.asking() as ask:
        spans = await list_spans(ask, START, START + 8 * SLOT_MS, 10)
        [total] = await list_totals(ask)
    assert [(each.start_ms - START, each.duration_ms) for each in spans] == [(3_600_000, 15_000), (0, 30_000)]
    assert total.duration_ms == 45_000


@given(start=st.integers(0, 2**41), duration=st.integers(0, 10**8))
def test_parts_of_a_time_lie_in_their_slots_and_add_up(start: int, duration: int) -> None:
    """Each part lies in its slot, none is empty but the only one, and together they are the whole."""
    parts = list(divide(start, duration))
    assert sum(part for _, part in parts) == duration
    assert [slot for slot, _ in parts] == list(range(start // SLOT_MS, start // SLOT_MS + len(parts)))
    assert all(0 < part <= SLOT_MS for _, part in parts) or (duration, parts) == (0, [(start // SLOT_MS, 0)])


@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Kathmandu", "America/St_Johns"])
def test_midnight_lies_between_two_slots(zone: str) -> None:
    """A stretch across the local midnight is divided there, also on the days when clocks change."""
    for day in (
        datetime(2026, 3, 29, tzinfo=UTC),
        datetime(2026, 10, 25, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
    ):
        slot = midnight_slot(day.date(), ZoneInfo(zone))
        assert list(divide(slot * SLOT_MS - 10_000, 25_000)) == [(slot - 1, 10_000), (slot, 15_000)]
