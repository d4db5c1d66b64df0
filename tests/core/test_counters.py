"""Counters: they show what is spent, and never fall, whatever becomes known of it later."""

from __future__ import annotations

from pathlib import Path

from aico.core.sums import Sums
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, Store, copy_of_template, open_store, request
from tests.pricing.fake_price_list import FakePriceList


async def counter(store: Store, model: str = "m") -> Sums:
    """Return what the counters of a model of the tool show."""
    return (await store.list_counters())["tool", model]


async def test_counter_of_cost_stays_where_the_tool_states_less_than_the_list(tmp_path: Path) -> None:
    """A cost that replaces a greater list price is no fall; what comes next counts from where the cost really is."""
    async with open_store(copy_of_template(tmp_path), FakePriceList("list", {"m"})) as store:
        await store.take_in_of("tool", [request("1")])
        assert (await counter(store)).cost_nano == 110_000
        await store.take_in_of("tool", [request("1", nano=70_000)])
        assert (await counter(store)).cost_nano == 110_000
        await store.take_in_of("tool", [request("2", nano=30_000)])
        assert (await counter(store)).cost_nano == 110_000
        await store.take_in_of("tool", [request("3", nano=20_000)])
        last = await counter(store)
        assert (last.get("recorded"), last.get("listed")) == (120_000, 0)
    assert failed_checks(store.path) == []


async def test_counters_of_a_model_stay_where_a_request_moves_away(store: Store) -> None:
    """An earlier copy tells another model: the total follows, and the counters of the first model do not fall."""
    await store.take_in_of("tool", [request("1", nano=5), request("2", nano=5)])
    before = await counter(store)
    await store.take_in_of("tool", [request("1", model="other", ts=NOW_MS - 1)])
    after = await counter(store)
    assert (after.tokens, after.cost_nano) == (before.tokens, before.cost_nano)
    assert (await counter(store, "other")).get("input") == 100
    await store.take_in_of("tool", [request("3", input=101, output=10, nano=6)])
    after = await counter(store)
    assert (after.get("input"), after.get("output"), after.cost_nano) == (201, 20, 11)
    assert failed_checks(store.path) == []
