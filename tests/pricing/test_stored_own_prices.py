"""Own prices and what is stored: events follow the prices, sums follow the events, counters count every cost once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.db.upkeep.forgetting import forget
from aico.core.errors import PriceFixed, PriceUnknown, RequestInvalid, StorageBusy
from aico.core.own_prices import PRICES_MAX, OwnPrice, OwnPrices
from aico.core.pricing import may_be_priced
from aico.core.receipts import UsageCommitted
from aico.core.usage import Record, RequestState, Tokens, UsageEvent, digest
from aico.features.pricing.price_list import GenaiPriceList
from aico.services.prices import Prices
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import (
    NOW_MS,
    Store,
    copy_of_template,
    open_store,
    read_rows,
    request,
    temporary_database,
    usage,
)
from tests.hypothesis_profiles import examples
from tests.pricing.fake_price_list import FakePriceList

TOOL = "tool"
DAY = NOW_MS // 86_400_000
MICRO = 10**6
COSTS = "SELECT recorded_nano, own_nano, list_nano FROM usage_event ORDER BY id"
OWN_SUM = "SELECT SUM(own_usd) * 1000000000 + SUM(own_nano) FROM usage_total"


def price(model: str, usd: int = 1, day: int = 0) -> OwnPrice:
    """Return a price of so many dollars a million tokens of any kind."""
    return OwnPrice(model, day, usd * MICRO, usd * MICRO)


def call(
    name: str,
    model: str | None = "m",
    count: int = 100,
    nano: int | None = None,
    state: RequestState = RequestState.FINAL,
    ts: int = NOW_MS,
) -> UsageEvent:
    """Return a request of so many tokens of input and ten of output."""
    return UsageEvent(digest(name), f"s{name[:1]}", ts, model, Tokens(count, 0, 0, 0, 10), nano, state)


async def set_prices(store: Store, *prices: OwnPrice, batch: int = 1_000) -> None:
    """Let these be the own prices, and bring them to what is stored."""
    await store.writer.change_own_prices(lambda _stored: prices)
    while await store.writer.price_own(batch) is not None:
        pass


async def counted(store: Store) -> int:
    """Return the nano-dollars that counters show altogether."""
    return sum(sums.cost_nano for sums in (await store.list_counters()).values())


def own_costs(store: Store) -> list[object]:
    """Return what the events cost at own prices, in the order in which they were stored."""
    return [row[1] for row in read_rows(store.path, COSTS)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Open an empty database whose writer knows a list with one model."""
    async with open_store(copy_of_template(tmp_path), FakePriceList("list 1", {"listed"})) as opened:
        yield opened


async def test_price_is_brought_to_what_is_stored_and_taken_back(store: Store) -> None:
    """Recorded costs stay, own prices come before the list, and without them everything is as it was."""
    await store.take_in_of(
        TOOL,
        [
            *(call("1"), call("2", nano=7), call("3", "listed"), call("4", None)),
            *(call("5", state=RequestState.UNMEASURED), call("6", ts=NOW_MS - 86_400_000)),
        ],
    )
    before = read_rows(store.path, COSTS)
    await set_prices(store, price("m", 3, DAY), price("m*", 5), price("LISTED", 2))
    assert own_costs(store) == [330_000, None, 220_000, None, None, 550_000]
    assert failed_checks(store.path) == []
    await store.take_in_of(TOOL, [call("7"), call("8", nano=3), call("4", "m")])  # those that are read have it at once
    assert own_costs(store)[-2:] == [330_000, None]
    await set_prices(store)
    assert read_rows(store.path, COSTS)[: len(before)] == before
    assert read_rows(store.path, OWN_SUM) == [(0,)]
    assert failed_checks(store.path) == []


async def test_price_of_nothing_is_a_price(store: Store) -> None:
    """A model that runs at home costs nothing: its requests are no longer without a price."""
    await store.take_in_of(TOOL, [call("1", "local")])
    await set_prices(store, price("local", 0))
    unpriced = "SELECT unpriced, own_usd, own_nano FROM usage_total"
    assert (own_costs(store), read_rows(store.path, unpriced)) == ([0], [(0, 0, 0)])
    await set_prices(store)
    assert (own_costs(store), read_rows(store.path, unpriced)) == ([None], [(1, 0, 0)])


async def test_growth_of_a_running_total_has_an_own_price_until_its_tool_states_a_cost(store: Store) -> None:
    """Own prices have no tiers, so a sum costs what its requests would; a cost that is stated later replaces it."""
    await store.take_in([usage("1", total_cost=0.0, tokens_in=100), usage("2", total_cost=0.5)])
    await set_prices(store, price("m"))
    assert read_rows(store.path, COSTS) == [(None, 110_000, None), (500_000_000, None, None)]
    await store.take_in([usage("1", total_cost=0.0, tokens_in=300)])
    assert read_rows(store.path, COSTS)[0] == (None, 310_000, None)
    await store.take_in([usage("1", total_cost=0.25, tokens_in=400)])
    assert read_rows(store.path, COSTS)[0] == (250_000_000, None, None)
    assert failed_checks(store.path) == []


async def test_first_import_of_many_tasks_knows_the_prices(store: Store) -> None:
    """A task that is stored at once, column by column, has its price, too."""
    await set_prices(store, price("m"))
    await store.take_in([usage(str(number), total_cost=0.0) for number in range(250)])
    assert set(own_costs(store)) == {110_000}
    assert failed_checks(store.path) == []


async def test_prices_go_on_where_an_ended_process_has_left_them(store: Store) -> None:
    """Each part is noted with what came of it; a further change begins anew, and what is done is not done twice."""
    await store.take_in_of(TOOL, [call(str(number)) for number in range(30)])
    await store.writer.change_own_prices(lambda _stored: [price("m")])
    first = await store.writer.price_own(10)
    assert first is not None
    assert (first.done, first.total, own_costs(store).count(None)) == (10, 30, 20)
    store.forget_what_is_known()
    told = [await store.writer.price_own(10) for _ in range(3)]
    assert [step and step.committed and step.committed.receipt.updated_count for step in told] == [10, 10, None]
    assert own_costs(store) == [110_000] * 30
    store.forget_what_is_known()
    assert await store.writer.price_own(10) is None
    await store.writer.change_own_prices(lambda _stored: [price("m", 2)])
    await store.writer.price_own(10)
    await store.writer.change_own_prices(lambda _stored: [])  # removed while it is brought to what is stored
    while await store.writer.price_own(10) is not None:
        pass
    assert own_costs(store) == [None] * 30
    assert failed_checks(store.path) == []


async def test_prices_of_the_file_are_found_when_they_have_changed(tmp_path: Path) -> None:
    """A start with other prices than the last one brings them to what is stored; with the same ones it does nothing."""
    path = copy_of_template(tmp_path)
    async with open_store(path) as store:
        await store.take_in_of(TOOL, [call("1")])
        for fixed, expected in (([price("m")], 110_000), ([price("m", 2)], 220_000), ([], None)):
            store.fixed_prices = fixed
            store.forget_what_is_known()
            steps = [await store.writer.price_own(10), await store.writer.price_own(10)]
            assert [step is None for step in steps] == [False, True]
            assert own_costs(store) == [expected]
            store.forget_what_is_known()
            assert await store.writer.price_own(10) is None


async def test_counters_count_each_cost_once_and_never_take_it_back(store: Store) -> None:
    """With any change of prices, counters grow by new requests, and by the first price of one that had none."""
    await store.take_in_of(TOOL, [call("1"), call("2", "listed")])
    assert await counted(store) == 110_000
    await set_prices(store, price("m", 1_000), price("listed", 5))
    assert await counted(store) == 110_000 + 110_000_000
    for prices in ((price("m", 1),), (), (price("*", 7),), (price("m", 1_000), price("listed", 5))):
        await set_prices(store, *prices)
        assert await counted(store) == 110_000 + 110_000_000
        assert failed_checks(store.path) == []
    await set_prices(store, price("m", 1))
    await store.take_in_of(TOOL, [call("3"), call("4", nano=5)])
    assert await counted(store) == 110_000 + 110_000_000 + 110_000 + 5


async def test_counters_stay_when_a_repriced_session_is_forgotten(store: Store) -> None:
    """Its counted cost stays counted, and the next cost is growth."""
    await store.take_in_of(TOOL, [call("1"), call("2", "listed")])
    await set_prices(store, price("m", 10))
    await set_prices(store, price("m", 1), price("listed", 3))
    await store.database.settle()
    before = await counted(store)
    await asyncio.to_thread(forget, store.path, TOOL, ["s1"], NOW_MS)
    store.forget_what_is_known()
    assert (await counted(store), failed_checks(store.path)) == (before, [])
    await store.take_in_of(TOOL, [call("3")])
    assert (await counted(store), failed_checks(store.path)) == (before + 110_000, [])


async def test_newer_list_is_reviewed_only_when_told(tmp_path: Path) -> None:
    """It replaces older prices in parts, goes on after an end, keeps what it does not know, and counters stay."""
    old = FakePriceList("old 1", {"m", "gone"})
    async with open_store(copy_of_template(tmp_path), old) as store:
        await store.take_in_of(
            TOOL, [*(call(str(number)) for number in range(9)), call("x", "gone"), call("y", nano=1)]
        )
        before = await counted(store)
        store.pricer = FakePriceList("new 2", {"m"}, nano_per_token=500)
        store.forget_what_is_known()
        assert await store.writer.review(4) is None
        await store.writer.begin_review()
        await store.writer.review(4)
        store.forget_what_is_known()
        while await store.writer.review(4) is not None:
            pass
        assert [row[2] for row in read_rows(store.path, COSTS)] == [55_000] * 9 + [110_000, 55_000]
        lists = (
            "SELECT list, COUNT(*) FROM usage_event JOIN price_ref AS p ON p.id = price_ref GROUP BY list ORDER BY 1"
        )
        assert read_rows(store.path, lists) == [("new 2", 10), ("old 1", 1)]
        noted = "SELECT list, requests, before_nano, after_nano FROM price_review"
        assert read_rows(store.path, noted) == [("new 2", 10, 1_100_000, 550_000)]
        assert (await counted(store), failed_checks(store.path)) == (before, [])


class Told:
    """The news that a service would tell its sockets."""

    def __init__(self, store: Store, fixed: Sequence[OwnPrice] = ()) -> None:
        self.commits: list[UsageCommitted] = []
        self.changes: list[int] = []
        self.progress: list[tuple[int, int]] = []
        self.prices = Prices(
            store.writer,
            store.reader,
            GenaiPriceList(),
            fixed,
            lambda: NOW_MS,
            self.commits.append,
            lambda _epoch, revision: self.changes.append(revision),
            lambda done, total: self.progress.append((done, total)),
        )


async def test_prices_are_set_removed_and_told(store: Store) -> None:
    """One name and day has one price, whatever its letters; of the file's nothing is changed; slips are told."""
    store.fixed_prices = [price("fixed*")]
    store.forget_what_is_known()
    told = Told(store, store.fixed_prices)
    prices = told.prices
    for each in (price("M", 1), price("m", 2), price("m", 3, DAY)):
        await prices.set(each)
    assert [(each.price.model, each.is_fixed) for each in await prices.list_all()] == [
        *(("fixed*", True), ("m", False), ("m", False))
    ]
    with pytest.raises(PriceFixed):
        await prices.set(price("Fixed*"))
    with pytest.raises(PriceFixed):
        await prices.remove("fixed*", None, is_any_day=True)
    with pytest.raises(PriceUnknown):
        await prices.remove("n", None, is_any_day=True)
    await store.writer.change_own_prices(lambda _: [price(str(number)) for number in range(PRICES_MAX)])
    with pytest.raises(RequestInvalid, match="own prices"):
        await prices.set(price("one more"))
    await store.writer.change_own_prices(lambda _: [price("m", 2), price("m", 3, DAY)])
    assert (await prices.test("m")).own == (price("m", 3, DAY), False)
    await prices.remove("M", None, is_any_day=False)
    assert (await prices.test("m")).own == (price("m", 3, DAY), False)
    await prices.remove("M", None, is_any_day=True)
    assert (await prices.test("m")).own is None
    _, revision = await store.writer.get_position()
    assert told.changes == sorted(set(told.changes))
    assert told.changes[-1] == revision


async def test_busy_database_delays_prices_and_loses_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the database, as forgetting does, it is tried again until all is done."""
    monkeypatch.setattr("aico.services.prices._RETRY_S", 0)
    await store.take_in_of(TOOL, [call("1")])
    told, refusals = Told(store), [StorageBusy("held"), StorageBusy("held")]
    price_own = store.writer.price_own

    async def refuse_twice(limit: int) -> object:
        if refusals:
            raise refusals.pop()
        return await price_own(limit)

    monkeypatch.setattr(store.writer, "price_own", refuse_twice)
    await told.prices.set(price("m"))
    told.prices.start()
    assert told.prices._task is not None
    await told.prices._task
    assert (own_costs(store), refusals, told.prices.progress) == ([110_000], [], None)
    assert [event.receipt.updated_count for event in told.commits] == [1]
    assert told.progress


NUMBER = st.one_of(st.none(), st.integers(0, 10**6))
RECORD = st.one_of(
    st.builds(
        UsageEvent,
        key=st.sampled_from([digest(name) for name in "abcdef"]),
        session=st.sampled_from(["s", "t"]),
        ts=st.integers(NOW_MS - 3 * 86_400_000, NOW_MS),
        model=st.sampled_from(["m", "listed", "m-2", None]),
        tokens=st.builds(Tokens, *[NUMBER] * 6),
        recorded_nano=st.one_of(st.none(), st.none(), st.integers(0, 10**9)),
        state=st.sampled_from(RequestState),
        unknown=st.sampled_from([(), (), ("usage",)]),
        parent=st.none(),
        former_key=st.none(),
        context=st.sampled_from(["", "fast", "geo-us"]),
        claim=st.one_of(st.none(), st.integers(0, 3)),
        is_bare=st.just(False),
    ),
    st.builds(
        usage,
        st.sampled_from("uv"),
        tokens_in=st.integers(0, 10**6),
        total_cost=st.sampled_from([0.0, 0.0, 0.5]),
        model_id=st.sampled_from(["m", "listed"]),
    ),
)
OWN = st.lists(
    st.builds(
        OwnPrice,
        st.sampled_from(["m", "m*", "*", "listed"]),
        st.sampled_from([0, DAY - 1, DAY + 1]),
        *[st.integers(0, 10**8)] * 2,
        *[st.one_of(st.none(), st.integers(0, 10**8))] * 3,
    ),
    max_size=3,
)
STEPS = st.lists(st.one_of(st.lists(RECORD, max_size=4), OWN.map(tuple), st.integers(1, 4)), max_size=8)
STORED = """
    SELECT m.name, ts, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, state, unknown,
        recorded_nano, own_nano FROM usage_event AS e JOIN model AS m ON m.id = e.model WHERE kind < 2
"""


@settings(max_examples=examples(0.5))
@given(STEPS)
async def test_stored_events_have_the_prices_of_now_after_any_history(
    steps: list[list[Record] | tuple[OwnPrice, ...] | int],
) -> None:
    """Records, changes of prices and parts of their way in any order, then all of it: sums agree, no counter falls."""
    with temporary_database() as path:
        async with open_store(path, FakePriceList("list 1", {"listed"})) as store:
            own, shown = OwnPrices(), 0
            for step in steps:
                if isinstance(step, int):
                    await store.writer.price_own(step)
                elif isinstance(step, tuple):
                    own = OwnPrices(step)
                    await store.writer.change_own_prices(lambda _stored, own=own: own.prices)  # type: ignore[misc]  # the loop's
                else:
                    await store.take_in_of(TOOL, step)
                before, shown = shown, await counted(store)
                assert shown >= before
            while await store.writer.price_own(2) is not None:
                pass
            assert await counted(store) >= shown
            assert failed_checks(path) == []
        for model, ts, *numbers, state, unknown, recorded, nano in read_rows(path, STORED):
            tokens = Tokens(*(None if number is None else int(number) for number in numbers))
            found = own.find(str(model), int(ts or 0))
            may = recorded is None and may_be_priced(tokens, RequestState(int(state or 0)), is_partial=bool(unknown))
            assert nano == (found.cost_of(tokens) if found is not None and may else None)


@settings(max_examples=examples(0.3))
@given(st.lists(st.one_of(OWN.map(tuple), st.sampled_from(["m", "listed", "m-2"])), max_size=10))
async def test_counters_hold_what_each_request_cost_first(steps: list[tuple[OwnPrice, ...] | str]) -> None:
    """Requests that never change, and prices that do: each is counted at its first price, and never again."""
    with temporary_database() as path:
        async with open_store(path, FakePriceList("list 1", {"listed"})) as store:
            first: dict[int, int] = {}
            for number, step in enumerate(steps):
                if isinstance(step, str):
                    await store.take_in_of(TOOL, [request(f"r{number}", model=step, nano=None)])
                else:
                    await set_prices(store, *OwnPrices(step).prices)
                with closing(sqlite3.connect(path)) as connection:
                    costs = connection.execute("SELECT id, IFNULL(own_nano, list_nano) FROM usage_event").fetchall()
                for event, nano in costs:
                    if nano is not None:
                        first.setdefault(event, nano)
                assert await counted(store) == sum(first.values())


async def test_prices_of_the_file_that_come_back_reach_what_was_read_without_them(store: Store) -> None:
    """Also where they had nothing to change before they went, and nothing as they went."""

    async def restart(*prices: OwnPrice) -> None:
        store.fixed_prices = prices
        store.forget_what_is_known()
        while await store.writer.price_own(1_000) is not None:
            pass

    await store.take_in_of(TOOL, [call("a", "m", nano=5)])
    await restart(price("m"))
    await restart()
    await store.take_in_of(TOOL, [call("b", "m")])
    await restart(price("m"))
    assert own_costs(store) == [None, 110_000]
