"""The filter by store is part of the one filter: every answer to it adds up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aico.core.db.reader import Sort
from aico.core.db.sums_reader import Group
from aico.core.usage import Trigger
from aico.features.sources.cline.hub import NAME as HUB_NAME
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter
from aico.services.service import ObserverService
from aico.services.task_queries import Store, task_filter
from bench.fake_session_store import FIRST_MS, SessionStore, core_metadata, usage
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.services.heard_service import CLINE, observer, running

DAY_MS = 86_400_000
FIRST, END = FIRST_MS + 3 * DAY_MS, FIRST_MS + 8 * DAY_MS


@pytest.fixture
def hub(path: Path) -> Iterator[HubEventsStore]:
    """Yield the hub's database beside the session store."""
    hub = HubEventsStore(path.with_name(HUB_NAME))
    yield hub
    hub.close()


@pytest.fixture
def service(store: SessionStore, hub: HubEventsStore, path: Path) -> ObserverService:
    """Return a service that reads a few tasks of each store, some of several, over some days."""
    ledger = LedgerFile(path.parent.parent / "state" / "taskHistory.json")
    ledger.write(*(entry(f"t{n}", ts=FIRST_MS + n * DAY_MS, cost=n / 8, model=f"m{n % 2}") for n in range(6)))
    for n in range(4, 9):
        metadata = core_metadata(usage(5_000 + n, 500, 2 + n / 8))
        store.put(f"t{n}", metadata, updated_ms=FIRST_MS + (n + 2) * DAY_MS, model=f"m{n % 2}")
    for n in range(8, 11):
        moment = FIRST_MS + (n - 4) * DAY_MS
        hub.add("usage.updated", f"t{n}", moment, usage_payload(f"t{n}", usage(100, 10, n / 8)))
    return observer(path.parents[3], ledger_path=str(ledger.path), sessions_path=str(path), cline_sessions=True)


@pytest.mark.parametrize("stretch", [(None, None), (FIRST, END)])
async def test_answers_about_one_store_agree(service: ObserverService, stretch: tuple[int | None, int | None]) -> None:
    """Page, cards, models, chart and export of a store are the same sum; both stores together are everything."""
    found = {}
    async with running(service):
        await service.sources.switch(CLINE, origins={"hub": True})
        await service.sources.read(Trigger.REQUEST, CLINE)
        for store in (*Store, None):
            wanted = task_filter(
                model=None, is_model_unknown=False, text=None, store=store, from_ms=stretch[0], to_ms=stretch[1]
            )
            page = await service.queries.list_sessions(wanted, Sort.LAST, descending=True, limit=100, offset=0)
            summary = await service.queries.get_summary(wanted, None, ZoneInfo("Europe/Paris"), [Group.MODEL])
            pieces = await service.queries.export_tasks(wanted, ExportWriter(ExportFormat.NDJSON, Dialect.STANDARD))
            assert page.totals == summary.totals
            assert summary.series[-1].cumulative_nano == page.totals.sums.cost_nano
            by_model = [group.sums.cost_nano for group in summary.groups.values()]
            assert sum(by_model) == sum(task.spent.cost_nano for task in page.items)
            assert sum(by_model) == page.totals.sums.cost_nano
            assert "".join(pieces).count("\n") == len(page.items) == page.totals.counts.sessions
            if store is not None:
                assert {task.origin for task in page.items} == {store.value}
            found[store] = page.totals
    parts = [found[store] for store in Store]
    assert all(part.counts.sessions for part in parts)
    assert sum(part.sums.cost_nano for part in parts) == found[None].sums.cost_nano
    assert sum(part.counts.counted for part in parts) == found[None].counts.counted
