"""In bulk, one by one and by genai-prices itself, a request costs the same to the nano-dollar."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import Tokens
from aico.features.pricing.names import SELLERS, find_entry
from aico.features.pricing.price_list import CONTEXTS, GenaiPriceList
from tests.hypothesis_profiles import examples
from tests.pricing.priced_by_library import entry_of, library_nano

FIRST_MS, LAST_MS = 1_700_000_000_000, 1_800_000_000_000
"""From November 2023 to January 2027: prices of the list change in between."""
BORDERS = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
"""The borders of the list's tiers."""
NUMBERS = st.one_of(
    st.none(),
    st.integers(0, 20),
    st.integers(0, 10**6),
    st.integers(0, 10**12),
    st.builds(lambda border, more: border + more, st.sampled_from(BORDERS), st.integers(-2, 2)),
)
TOKENS = st.builds(Tokens, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
CONTEXT = st.sampled_from(["", "", "", *CONTEXTS])
MOMENT = st.integers(FIRST_MS, LAST_MS)


@cache
def matched_names() -> list[str]:
    """Return a name for every entry of every seller that our rules match: the seller, a slash, and the entry's id."""
    sellers = {seller: prefix for prefix, seller in reversed(SELLERS.items())}
    snapshot = get_snapshot()
    names = [
        f"{sellers[provider.id]}/{model.id}"
        for provider in snapshot.providers
        if provider.id in sellers
        for model in provider.models
    ]
    return [name for name in names if find_entry(snapshot, name) is not None]


NAMES = st.deferred(lambda: st.sampled_from(matched_names()))
"""Found when they are first needed: looking up each entry takes seconds."""
REQUEST = st.tuples(NAMES, MOMENT, CONTEXT, TOKENS)


def differences(
    prices: GenaiPriceList, requests: Iterator[tuple[str, int, str, Tokens]], enough: int
) -> tuple[int, int]:
    """Return how many of ``requests``, up to ``enough``, have a price, and in how many of them the library differs."""
    priced = wrong = 0
    for model, ts, context, tokens in requests:
        if priced == enough:
            break
        price = prices.price(model, ts, context, tokens)
        if price is not None:
            priced += 1
            wrong += price.nano != library_nano(entry_of(model), ts, context, tokens)
    return priced, wrong


def random_requests(seed: int) -> Iterator[tuple[str, int, str, Tokens]]:
    """Yield requests without end, some near the borders of tiers."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    contexts = [*[""] * 20, *CONTEXTS]

    def number() -> int | None:
        kind = draw.randrange(8)
        if kind == 0:
            return None
        if kind == 1:
            return draw.choice(BORDERS) + draw.randint(-2, 2)
        return draw.randrange(10 ** draw.randint(1, 9))

    while True:
        tokens = Tokens(number(), number(), number(), number(), number(), number())
        yield draw.choice(matched_names()), draw.randint(FIRST_MS, LAST_MS), draw.choice(contexts), tokens


@pytest.mark.slow
def test_most_of_the_list_is_matched() -> None:
    """Names are not matched so strictly that the other tests would look at little."""
    assert len(matched_names()) > 1_000


@pytest.mark.slow
def test_every_entry_costs_what_the_library_says() -> None:
    """Each entry that has a price costs the same for one request of all kinds of tokens, now and two years ago."""
    tokens = Tokens(123_457, 23_459, 3_461, 463, 7_919, 1_009)
    moments = (1_732_000_000_000, 1_795_000_000_000)
    requests = ((name, ts, "", tokens) for name in matched_names() for ts in moments)
    priced, wrong = differences(GenaiPriceList(), requests, enough=10_000)
    assert priced > 1_500
    assert wrong == 0


@settings(max_examples=examples(4))
@given(REQUEST)
def test_request_costs_what_the_library_says(request: tuple[str, int, str, Tokens]) -> None:
    """For any tokens at any time, a price is the library's, rounded once."""
    model, ts, context, tokens = request
    price = GenaiPriceList().price(model, ts, context, tokens)
    if price is not None:
        assert price.nano == library_nano(entry_of(model), ts, context, tokens)


@given(
    st.sampled_from(
        ["claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-1"]
    ),
    MOMENT,
    st.sampled_from(["", "fast", "batch"]),
    TOKENS,
)
def test_inference_in_the_us_costs_eleven_tenths_of_what_the_library_says(
    model: str, ts: int, context: str, tokens: Tokens
) -> None:
    """For any tokens at any time, 1.1 times the library's price is rounded once; where it has none, there is none."""
    prices = GenaiPriceList()
    plain, price = (prices.price(model, ts, words, tokens) for words in (context, f"{context} geo-us"))
    assert (price is None) is (plain is None)
    if price is not None:
        assert price.nano == library_nano(entry_of(model), ts, context, tokens, "1.1")


@given(NAMES, CONTEXT, st.lists(st.tuples(MOMENT, TOKENS), max_size=20))
def test_bulk_is_one_by_one(model: str, context: str, requests: list[tuple[int, Tokens]]) -> None:
    """Requests that are priced together cost what each costs alone, and name the same entry."""
    prices = GenaiPriceList()
    ref, costs = prices.price_many(model, context, [ts for ts, _ in requests], [tokens for _, tokens in requests])
    alone = [prices.price(model, ts, context, tokens) for ts, tokens in requests]
    assert costs == [None if price is None else price.nano for price in alone]
    assert {price.ref for price in alone if price is not None} <= {ref}


@settings(max_examples=examples(2))
@given(
    st.sampled_from(["claude-opus-4-8", "claude-haiku-5-5", "gpt-5.6-sol", "deepseek-v4-pro"]),
    st.integers(1_795_000_000_000, 1_795_000_900_000),
    st.lists(st.builds(Tokens, *[st.integers(0, 2**40)] * 6), min_size=1, max_size=20),
)
def test_bulk_of_one_period_is_one_by_one(model: str, ts: int, many: list[Tokens]) -> None:
    """The short way, for requests whose every number is known and whose prices do not change, ends at the same."""
    prices = GenaiPriceList()
    _, costs = prices.price_many(model, "", [ts] * len(many), many)
    alone = [prices.price(model, ts, "", tokens) for tokens in many]
    assert costs == [None if price is None else price.nano for price in alone]


@pytest.mark.slow
def test_a_hundred_thousand_random_requests_cost_what_the_library_says() -> None:
    """Of 100,000 random priced requests of all entries, times, contexts and kinds of tokens, none differs."""
    priced, wrong = differences(GenaiPriceList(), random_requests(seed=18), enough=100_000)
    assert (priced, wrong) == (100_000, 0)
