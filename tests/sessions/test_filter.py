"""The filter by store is part of the one filter: every answer to it adds up."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aico.core.database import Database
from aico.core.domain import CLINE, Store
from aico.core.filters import UsageFilter
from aico.core.repository import UsageRepository
from aico.core.usage_reader import Sort, UsageReader
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter
from aico.services.queries import UsageQueries
from bench.fake_session_store import FIRST_MS, SessionStore, core_metadata, usage
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.sessions.store_imports import ledger_importer, new_repository, run, sessions_importer

DAY_MS = 86_400_000


@pytest.fixture
async def queries(store: SessionStore, path: Path, database: Database) -> UsageQueries:
    """Import a few tasks of each store, some of both, over some days."""
    ledger = LedgerFile(path.parent.parent / "state" / "taskHistory.json")
    ledger.write(*(entry(f"t{n}", ts=FIRST_MS + n * DAY_MS, cost=n / 8, model=f"m{n % 2}") for n in range(6)))
    for n in range(4, 9):
        metadata = core_metadata(usage(5_000 + n, 500, 2 + n / 8))
        store.put(f"t{n}", metadata, updated_ms=FIRST_MS + (n + 2) * DAY_MS, model=f"m{n % 2}")
    repository: UsageRepository = new_repository(database)
    await run(ledger_importer(ledger.path, repository))
    await run(sessions_importer(path, repository))
    await repository.catch_up()
    return UsageQueries(UsageReader(database, CLINE), now_ms)


@pytest.mark.parametrize("stretch", [(None, None), (FIRST_MS + 3 * DAY_MS, FIRST_MS + 8 * DAY_MS)])
async def test_answers_about_one_store_agree(queries: UsageQueries, stretch: tuple[int | None, int | None]) -> None:
    """Page, cards, models, chart and export of a store are the same sum; both stores together are everything."""
    first, end = (None if moment is None else moment // 900_000 for moment in stretch)
    found = {}
    for store in (*Store, None):
        wanted = UsageFilter(first, end, store=store)
        page = await queries.list_usage(wanted, Sort.TS, descending=True, limit=100, offset=0)
        summary = await queries.get_summary(wanted, None, ZoneInfo("Europe/Paris"))
        pieces = await queries.export(wanted, ExportWriter(ExportFormat.NDJSON, Dialect.STANDARD))
        assert page.totals == summary.totals
        assert summary.series[-1].cumulative_cost_nano_usd == page.totals.amount.cost_nano_usd
        by_model = [totals.amount.cost_nano_usd for totals in summary.by_model.values()]
        assert sum(by_model) == sum(task.spent.cost_nano_usd for task in page.items)
        assert sum(by_model) == page.totals.amount.cost_nano_usd
        assert "".join(pieces).count("\n") == len(page.items) == page.totals.task_count
        if store is not None:
            assert {page.stores.get(task.usage.task_id, Store.LEDGER) for task in page.items} == {store}
        found[store] = page.totals
    parts = [found[store] for store in Store]
    assert sum(part.amount.cost_nano_usd for part in parts) == found[None].amount.cost_nano_usd
    assert sum(part.task_count for part in parts) == found[None].task_count
