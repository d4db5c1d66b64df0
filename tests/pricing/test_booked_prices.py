"""The list price of a request follows what is known of it, and nothing else changes it; sums follow the prices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.pricing import may_be_priced
from aico.core.receipts import UsageCommitted
from aico.core.usage import MeterReading, RequestState, Tokens, UsageEvent, digest
from aico.features.pricing.price_list import GenaiPriceList
from aico.services.pricing import price_unpriced
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, Store, copy_of_template, open_store, read_rows, temporary_database
from tests.hypothesis_profiles import examples
from tests.pricing.fake_price_list import FakePriceList
from tests.services.heard_service import observer, running

TOOL = "tool"
MODELS = ["claude-opus-4-8", "claude-haiku-5-5[1m]", "gpt-5.6-sol", "deepseek-v4-pro", "claude-opus-4-80", None]
STORED = """
    SELECT m.name, ts, context, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, state, unknown,
        list_nano, list, entry
    FROM usage_event AS e JOIN model AS m ON m.id = e.model LEFT JOIN price_ref AS p ON p.id = e.price_ref ORDER BY e.id
"""


def call(
    name: str,
    model: str | None,
    *tokens: int | None,
    state: RequestState = RequestState.FINAL,
    context: str = "",
    nano: int | None = None,
) -> UsageEvent:
    """Return a request with the tokens that are given, in their order."""
    return UsageEvent(digest(name), "s", NOW_MS, model, Tokens(*tokens), nano, state, context=context)


def listed(store: Store) -> list[tuple[object, ...]]:
    """Return the list price of every event, the list and the entry."""
    return [row[-3:] for row in read_rows(store.path, STORED)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Open an empty database whose writer knows the real list."""
    async with open_store(copy_of_template(tmp_path), GenaiPriceList()) as opened:
        yield opened


async def test_request_is_stored_with_its_price_and_what_it_was_taken_from(store: Store) -> None:
    """Beside the cost that the tool records stands the list value; the sums hold both, and each knows its basis."""
    await store.take_in_of(
        TOOL,
        [
            call("1", "claude-opus-4-8[1m]", 1_000_000, 0, 0, 0, 0),
            call("2", "claude-opus-4-8", 0, 0, 0, 0, 1_000_000, nano=7),
            call("3", "claude-opus-4-80", 1_000_000, 0, 0, 0, 0),
        ],
    )
    name, entry = GenaiPriceList().name, "anthropic/claude-opus-4-8"
    assert listed(store) == [(5_000_000_000, name, entry), (25_000_000_000, name, entry), (None, None, None)]
    sums = "SELECT SUM(recorded_nano), SUM(listed_usd), SUM(list_usd), SUM(unpriced) FROM usage_total"
    assert read_rows(store.path, sums) == [(7, 5, 30, 1)]
    assert failed_checks(store.path) == []


async def test_price_follows_when_more_becomes_known_of_a_request(store: Store) -> None:
    """A better record of a known request raises its numbers, and the price is that of the numbers together."""
    await store.take_in_of(TOOL, [call("1", "claude-haiku-5-5", 60_000, None, None, None, 1_000)])
    assert [row[0] for row in listed(store)] == [6_500_000]
    # 60,000 and 40,001 of cached input are above the tier.
    await store.take_in_of(TOOL, [call("1", "claude-haiku-5-5", 60_000, 40_001, None, None, 2_000)])
    assert [row[0] for row in listed(store)] == [60_000 * 500 + 40_001 * 50 + 2_000 * 2_500]
    assert failed_checks(store.path) == []


async def test_price_follows_when_the_region_becomes_known_of_a_request(store: Store) -> None:
    """A record that names the region raises the price that an earlier reading gave; one without it takes nothing away.

    Of a model whose price in that region is not known, none is left. Sums and references of prices follow.
    """
    models = ["claude-opus-4-8", "claude-opus-4-5", "gpt-5"]
    plain, named = (
        [call(model, model, 1_000_000, 0, 0, 0, 0, context=context) for model in models] for context in ("", "geo-us")
    )
    await store.take_in_of(TOOL, plain)
    assert [row[0] for row in listed(store)] == [5_000_000_000, 5_000_000_000, 1_250_000_000]
    name = GenaiPriceList().name
    for records in (named, plain, named):
        await store.take_in_of(TOOL, records)
        assert listed(store) == [
            (5_500_000_000, name, "anthropic/claude-opus-4-8 * 1.1 (inference_geo us)"),
            (5_000_000_000, name, "anthropic/claude-opus-4-5"),
            (None, None, None),
        ]
        sums = "SELECT SUM(list_usd) * 1000000000 + SUM(list_nano), SUM(unpriced) FROM usage_total"
        assert read_rows(store.path, sums) == [(10_500_000_000, 1)]
        assert failed_checks(store.path) == []


async def test_unknown_price_of_a_region_takes_an_older_lists_price_away(tmp_path: Path) -> None:
    """The price that an older list gave was that of another request: one of no region."""
    async with open_store(copy_of_template(tmp_path), FakePriceList("old 1", {"m"})) as store:
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10)])
        store.pricer = FakePriceList("new 2", set())
        store.forget_what_is_known()
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10, context="geo-us")])
        assert listed(store) == [(None, None, None)]
        assert failed_checks(store.path) == []


@given(st.permutations(["", "geo-us", "fast geo-eu", "fast"]))
async def test_regions_are_kept_in_any_order_of_reading(contexts: list[str]) -> None:
    """Each region that some record names is kept, behind the words of the first record."""
    with temporary_database() as path:
        async with open_store(path) as store:
            await store.take_in_of(TOOL, [call("1", "m", 1, 0, 0, 0, 1, context=words) for words in contexts])
        words = str(read_rows(path, "SELECT context FROM usage_event")[0][0]).split()
    assert [word for word in words if word != "fast"] == ["geo-eu", "geo-us"]
    assert ("fast" in words) is ("fast" in contexts[0])


async def test_unmeasured_request_has_no_price_until_it_is_measured(store: Store) -> None:
    """Nobody knows what it took; once somebody does, it has a price, at the model that is named then."""
    await store.take_in_of(TOOL, [call("1", "claude-opus-4-8", state=RequestState.UNMEASURED)])
    assert [row[0] for row in listed(store)] == [None]
    await store.take_in_of(TOOL, [call("1", "claude-opus-5-5", 1_000, 0, 0, 0, 10)])
    assert [(row[0], row[2]) for row in listed(store)] == [(4_200_000, "anthropic/claude-opus-5-5")]
    assert failed_checks(store.path) == []


@pytest.mark.parametrize(
    ("tokens", "state", "unknown", "may"),
    [
        (Tokens(1, 1, 1, 1, 1, 1), RequestState.FINAL, False, True),
        (Tokens(1, None, None, None, 1), RequestState.FINAL, False, True),
        (Tokens(1, None, None, None, 1), RequestState.FINAL, True, False),
        (Tokens(1, 1, 1, 1, None), RequestState.FINAL, False, False),
        (Tokens(None, 1, 1, 1, 1), RequestState.FINAL, False, False),
        (Tokens(1, 1, 1, 1, None), RequestState.INTERRUPTED, False, True),
        (Tokens(1, 1, 1, 1, 1), RequestState.AT_LEAST, True, True),
        (Tokens(), RequestState.INTERRUPTED, False, False),
        (Tokens(1, 1, 1, 1, 1), RequestState.OPEN, False, False),
        (Tokens(1, 1, 1, 1, 1), RequestState.UNMEASURED, False, False),
    ],
)
def test_lower_bound_is_told_only_where_the_sum_says_at_least(
    tokens: Tokens, state: RequestState, unknown: bool, may: bool
) -> None:
    """A price of what is known is told of requests that make a sum say "at least"; of others nothing may be missing."""
    assert may_be_priced(tokens, state, is_partial=unknown) is may


async def test_running_totals_are_never_priced(store: Store) -> None:
    """The growth of a session is a sum of requests: tiers would make it too dear."""
    reading = MeterReading("s", NOW_MS, "claude-opus-4-8", 1_000_000, 0, 0, 0, 1_000_000, None, None)
    await store.take_in_of(TOOL, [reading])
    await store.take_in_of(TOOL, [reading._replace(input=2_000_000)])
    assert listed(store) == [(None, None, None)]


async def test_newer_list_changes_nothing_that_was_priced(tmp_path: Path) -> None:
    """Reading the same record again, or its cost, keeps the price; only more tokens are priced by the list of then."""
    old, new = FakePriceList("old 1", {"m"}), FakePriceList("new 2", {"m"}, nano_per_token=5_000)
    async with open_store(copy_of_template(tmp_path), old) as store:
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10)])
        store.pricer = new
        store.forget_what_is_known()
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10)])
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10, nano=3)])
        await price_unpriced(store.writer, lambda _event: None)
        assert listed(store) == [(110_000, "old 1", "fake/m")]
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 20)])
        assert listed(store) == [(600_000, "new 2", "fake/m")]
        assert failed_checks(store.path) == []


async def test_list_that_forgets_a_model_takes_no_price_away(tmp_path: Path) -> None:
    """A priced request keeps its price, even when more becomes known and the newer list has no price for it."""
    async with open_store(copy_of_template(tmp_path), FakePriceList("old 1", {"m"})) as store:
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10)])
        store.pricer = FakePriceList("new 2", set())
        store.forget_what_is_known()
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 20)])
        assert listed(store) == [(110_000, "old 1", "fake/m")]
        assert failed_checks(store.path) == []


async def test_price_of_another_model_goes_with_it(tmp_path: Path) -> None:
    """A request that turns out to be of a model without a price has none."""
    async with open_store(copy_of_template(tmp_path), FakePriceList("old 1", {"m"})) as store:
        await store.take_in_of(TOOL, [call("1", "m", 100, 0, 0, 0, 10)])
        # An open record of it may come from another place, with another model; then the answer decides.
        await store.take_in_of(TOOL, [call("2", "m", 1, state=RequestState.INTERRUPTED)])
        await store.take_in_of(TOOL, [call("3", "n", state=RequestState.OPEN)])
        await store.take_in_of(TOOL, [call("3", "m", 100, 0, 0, 0, 10)])
        assert [row[0] for row in listed(store)] == [110_000, 1_000, 110_000]
        assert failed_checks(store.path) == []


async def test_newer_list_prices_what_had_none_once_and_tells_it(tmp_path: Path) -> None:
    """In batches, over all sources; each is a message with its number, and a list that was asked is not asked again."""
    path, told = copy_of_template(tmp_path), list[UsageCommitted]()
    async with open_store(path, FakePriceList("old 1", {"m"})) as store:
        await store.take_in_of(TOOL, [call(f"{n}", "m" if n % 5 == 0 else "n", n, 0, 0, 0, 1) for n in range(25)])
        await store.take_in_of("other", [call("x", "n", 1, 0, 0, 0, 1), call("y", "unknown", 1, 0, 0, 0, 1)])
        newer = FakePriceList("new 2", {"m", "n"})
        store.pricer = newer
        store.forget_what_is_known()
        _, revision = await store.writer.get_position()
        await price_unpriced(store.writer, told.append, batch=7)
        assert [event.receipt.revision for event in told] == [revision + 1 + number for number in range(4)]
        assert [(event.receipt.source, event.receipt.updated_count) for event in told] == [
            (TOOL, 7),
            (TOOL, 7),
            (TOOL, 6),
            ("other", 1),
        ]
        assert sum(event.rows[0].spent.get("list") for event in told) == 1_000 * (300 - 50 + 20 + 2)
        assert [row[1] for row in listed(store)].count("new 2") == 21
        assert failed_checks(store.path) == []
        newer.asked.clear()
        await price_unpriced(store.writer, told.append)
        assert (len(told), newer.asked) == (4, [])


async def test_list_is_asked_again_after_an_older_version_ran(tmp_path: Path) -> None:
    """A step back to an older list and forward again leaves new requests that the newer one was not asked for."""
    old, new = FakePriceList("old 1", {"m"}), FakePriceList("new 2", {"m", "n"})
    async with open_store(copy_of_template(tmp_path), new) as store:
        for pricer, name in ((new, "1"), (old, "2"), (new, "3")):
            store.pricer = pricer
            store.forget_what_is_known()
            await price_unpriced(store.writer, lambda _event: None)
            await store.take_in_of(TOOL, [call(name, "n", 1, 0, 0, 0, 1)])
        assert [row[1] for row in listed(store)] == ["new 2", "new 2", "new 2"]
        assert read_rows(store.path, "SELECT name FROM price_list") == [("new 2",)]


async def test_list_is_not_asked_where_nothing_could_be_priced(tmp_path: Path) -> None:
    """A database of running totals alone asks the list for nothing, at its first start as at any other."""
    prices = FakePriceList("new 2", {"m"})
    async with open_store(copy_of_template(tmp_path), prices) as store:
        await store.take_in_of(TOOL, [MeterReading("s", NOW_MS, "m", 1, 0, 0, 0, 1, None, None)])
        await price_unpriced(store.writer, lambda _event: None)
        assert prices.asked == []


async def test_service_asks_a_newer_list_when_it_starts(tmp_path: Path) -> None:
    """A request that an older version stored without a price has one soon after the start, and a page is told."""
    (tmp_path / "own").mkdir(mode=0o700)
    async with open_store(copy_of_template(tmp_path / "own")) as store:
        await store.take_in_of(TOOL, [call("1", "claude-opus-4-8", 1_000_000, 0, 0, 0, 0)])
        assert listed(store) == [(None, None, None)]
        ledger = str(tmp_path / "taskHistory.json")
        async with running(observer(tmp_path, ledger_path=ledger)) as heard:
            await heard.until_true(lambda: [row[0] for row in listed(store)] == [5_000_000_000])
        assert failed_checks(store.path) == []


NUMBER = st.one_of(st.none(), st.integers(0, 300_000))
RECORD = st.builds(
    UsageEvent,
    key=st.sampled_from([digest(name) for name in "abc"]),
    session=st.sampled_from(["s", "t"]),
    ts=st.integers(NOW_MS - 10**9, NOW_MS),
    model=st.sampled_from(MODELS),
    tokens=st.builds(Tokens, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER),
    recorded_nano=st.one_of(st.none(), st.integers(0, 10**9)),
    state=st.sampled_from(RequestState),
    unknown=st.sampled_from([(), ("usage",)]),
    parent=st.none(),
    former_key=st.none(),
    context=st.sampled_from(["", "fast", "geo-us"]),
    claim=st.one_of(st.none(), st.integers(0, 3)),
    is_bare=st.just(False),
)


@settings(max_examples=examples(0.5))
@given(st.lists(st.lists(RECORD, max_size=4), max_size=5))
async def test_stored_prices_are_those_of_the_stored_requests(batches: list[list[UsageEvent]]) -> None:
    """After any history, each request costs what the list says of its row, or nothing is said; sums agree."""
    prices = GenaiPriceList()
    with temporary_database() as path:
        async with open_store(path, prices) as store:
            for batch in batches:
                await store.take_in_of(TOOL, batch)
            assert failed_checks(store.path) == []
        for model, ts, context, *numbers, state, unknown, nano, _list, entry in read_rows(path, STORED):
            tokens = Tokens(*(None if number is None else int(number) for number in numbers))
            price = prices.price(str(model), int(ts or 0), str(context), tokens)
            if price is None or not may_be_priced(tokens, RequestState(int(state or 0)), is_partial=bool(unknown)):
                assert (nano, entry) == (None, None)
            else:
                assert (nano, entry) == (price.nano, price.ref.model)
