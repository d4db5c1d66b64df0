"""Cline's stores beside each other: the one that states a session's numbers, if several know it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.db.reader import Sort
from aico.core.filters import UsageFilter
from aico.features.sources.cline import SOURCE
from aico.features.sources.cline.hub import NAME as HUB_NAME
from aico.features.sources.cline.sessions import NAME as SESSIONS_NAME
from aico.services.queries import UsageQueries
from bench.fake_session_store import SessionStore, core_metadata, usage
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.sources.feeds import NOW_MS
from tests.sources.pipeline import Pipeline, pipeline


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home under its real path."""
    return tmp_path.resolve() / "home"


async def test_session_is_told_by_the_origin_that_states_it(tmp_path: Path, home: Path) -> None:
    """One that only the hub knows is the hub's, until the session store knows it, too."""
    data = tmp_path / "data"
    data.mkdir()
    path = home / ".cline" / "data" / "db" / SESSIONS_NAME
    store, hub = SessionStore(path), HubEventsStore(path.with_name(HUB_NAME))
    total = usage(1_000, 10, 0.25)
    store.put("both", core_metadata(total), updated_ms=NOW_MS)
    for session in ("both", "only"):
        hub.add("usage.updated", session, NOW_MS, usage_payload(session, total))
    async with pipeline(data, [SOURCE], home) as reading:
        await reading.read()
        expected = {"both": "sessions", "only": "hub"}
        assert await origins_in(reading) == expected
        assert {row.session: row.origin for event in reading.committed for row in event.rows} == expected
        store.put("only", core_metadata(total), updated_ms=NOW_MS)
        await reading.read()
        assert await origins_in(reading) == {"both": "sessions", "only": "sessions"}
    store.close()
    hub.close()


async def origins_in(reading: Pipeline) -> dict[str, str | None]:
    """Return the origin of each stored session, as filter, count and rows agree."""
    queries = UsageQueries(reading.reader, lambda: NOW_MS)
    told: dict[str, str | None] = {}
    async with reading.reader.snapshot() as snapshot:
        counts = await snapshot.count_origins("cline")
    for origin in ("sessions", "hub"):
        wanted = UsageFilter(sources=("cline",), origin=origin)
        page = await queries.list_sessions(wanted, Sort.LAST, descending=True, limit=9, offset=0)
        assert len(page.items) == counts.get(origin, 0)
        assert {item.origin for item in page.items} <= {origin}
        told |= {item.key: item.origin for item in page.items}
    return told
