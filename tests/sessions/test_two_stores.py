"""Two stores share one import service: one after the other, each caller told of what it asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest

from aico.core.database import Database
from aico.core.domain import ImportReceipt, Store, Trigger
from aico.core.errors import LedgerNotFound, LedgerUnreadable, SessionsBusy, SessionsNotFound, StoreError
from aico.features.stores.steps import ImportStep
from aico.services.import_service import ImportService
from tests.e2e.fake_cline_ledger import now_ms
from tests.sessions.store_imports import new_repository

Outcome: TypeAlias = "ImportReceipt | BaseException"
HANG_S = 60


def receipt_of(added_count: int, latest_ts: int | None) -> ImportReceipt:
    """Return the receipt of one run."""
    return ImportReceipt(Trigger.WATCH, 1, 1.0, added_count, 0, 1, 0, 0, latest_ts, 7)


@dataclass
class FakeImporter:
    """One store: what its import comes to, and what it was asked."""

    store: Store
    error: StoreError | None = None
    added_count: int = 1
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    others: list[str] = field(default_factory=list)
    """What all importers did, in order."""
    identity: None = None

    def hurry(self) -> None:
        """Note it."""

    def take_time(self) -> None:
        """Note it."""

    async def run(self, _trigger: Trigger) -> AsyncIterator[ImportStep]:
        """Begin, wait until it may end, and end as it shall."""
        self.others.append(f"{self.store} begins")
        self.opened.set()
        await self.may_end.wait()
        self.others.append(f"{self.store} ends")
        if self.error is not None:
            raise self.error
        yield ImportStep(receipt_of(self.added_count, self.added_count), None)


class Pair:
    """The service with both stores."""

    def __init__(self, database: Database) -> None:
        self.log: list[str] = []
        self.ledger = FakeImporter(Store.LEDGER, others=self.log)
        self.sessions = FakeImporter(Store.SESSIONS, added_count=2, others=self.log)
        repository = new_repository(database)
        self.service = ImportService(self.ledger, repository, lambda _event: None, now_ms, [self.sessions])

    async def ask(self, *asked: Store | None) -> list[Outcome]:
        """Return how the imports ended that were asked for at once, None for all stores; both may end."""
        self.ledger.may_end.set()
        self.sessions.may_end.set()
        async with asyncio.timeout(HANG_S):
            return await asyncio.gather(
                *(self.service.run(Trigger.WATCH, store) for store in asked), return_exceptions=True
            )


@pytest.fixture
def make_pair(database: Database) -> Callable[[], Pair]:
    """Make the service on an empty database."""
    return lambda: Pair(database)


async def test_stores_are_imported_one_after_the_other_the_ledger_first(make_pair: Callable[[], Pair]) -> None:
    """Whoever asks first: they share one writer."""
    pair = make_pair()
    await pair.ask(Store.SESSIONS, Store.LEDGER)
    assert pair.log == ["ledger begins", "ledger ends", "sessions begins", "sessions ends"]


async def test_each_watcher_hears_of_its_own_store_only(make_pair: Callable[[], Pair]) -> None:
    """Although they share an import, the trouble of one is not the other's."""
    pair = make_pair()
    pair.sessions.error = SessionsBusy()
    ledger, sessions, everything = await pair.ask(Store.LEDGER, Store.SESSIONS, None)
    assert isinstance(ledger, ImportReceipt)
    assert ledger.added_count == 1
    assert isinstance(sessions, SessionsBusy)
    assert isinstance(everything, SessionsBusy)
    assert list(pair.service.failures) == [Store.SESSIONS]


async def test_request_for_everything_is_answered_with_the_sum(make_pair: Callable[[], Pair]) -> None:
    """Counts are added, the latest moment is the greater one; each store's receipt is kept for itself."""
    pair = make_pair()
    (total,) = await pair.ask(None)
    assert isinstance(total, ImportReceipt)
    assert (total.added_count, total.skipped_count, total.latest_ts) == (3, 2, 2)
    assert {store: one.added_count for store, one in pair.service.last_receipts.items()} == {
        Store.LEDGER: 1,
        Store.SESSIONS: 2,
    }


@pytest.mark.parametrize("absent", [Store.LEDGER, Store.SESSIONS])
async def test_store_that_is_not_there_is_no_failure_beside_another(
    make_pair: Callable[[], Pair], absent: Store
) -> None:
    """Who asks for everything gets what there is; who asks for that store hears that it is missing."""
    pair = make_pair()
    errors = {Store.LEDGER: LedgerNotFound("/x"), Store.SESSIONS: SessionsNotFound("/x")}
    (pair.ledger if absent is Store.LEDGER else pair.sessions).error = errors[absent]
    everything, alone = await pair.ask(None, absent)
    assert isinstance(everything, ImportReceipt)
    assert alone is errors[absent]


async def test_two_failures_are_told_by_the_first_that_matters(make_pair: Callable[[], Pair]) -> None:
    """A store that cannot be read is worse than one that is not there; of two missing ones the ledger is named."""
    pair = make_pair()
    pair.ledger.error, pair.sessions.error = LedgerUnreadable("EIO"), SessionsNotFound("/x")
    assert isinstance((await pair.ask(None))[0], LedgerUnreadable)
    pair.ledger.error = LedgerNotFound("/x")
    assert isinstance((await pair.ask(None))[0], LedgerNotFound)
    pair.sessions.error = SessionsBusy()
    assert isinstance((await pair.ask(None))[0], SessionsBusy)


async def test_one_store_is_imported_without_the_other(make_pair: Callable[[], Pair]) -> None:
    """A write to one store does not cost a reading of the other."""
    pair = make_pair()
    await pair.ask(Store.SESSIONS)
    assert pair.log == ["sessions begins", "sessions ends"]


async def test_service_that_stops_does_not_begin_with_the_next_store(make_pair: Callable[[], Pair]) -> None:
    """What runs may end; who waited for everything gets what was read."""
    pair = make_pair()
    asked = asyncio.create_task(pair.service.run(Trigger.WATCH))
    async with asyncio.timeout(HANG_S):
        await pair.ledger.opened.wait()
        pair.service.begin_close()
        pair.ledger.may_end.set()
        assert (await asked).added_count == 1
        await pair.service.close()
    assert pair.log == ["ledger begins", "ledger ends"]
