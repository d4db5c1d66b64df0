"""The cost of single requests, held to a table computed by hand from the sellers' published prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest

from aico.core.usage import Tokens
from aico.features.pricing.price_list import LIBRARY, GenaiPriceList, Quote, Unpriced

NOVEMBER = "2026-11-20T12:00"


class Row(NamedTuple):
    """A request, and its dollars."""

    model: str
    tokens: Tokens
    usd: str | None
    at: str = NOVEMBER
    context: str = ""


ALL = Tokens(1_000, 20_000, 3_000, 4_000, 500, 100)
"""Of each kind some: 28,000 of input altogether."""
PRICES = (
    # Input, cache read, write of 5 minutes, of 1 hour, output, in dollars a million: 5, 0.50, 6.25, 10, 25.
    Row("claude-opus-4-8", Tokens(1_000_000, 0, 0, 0, 0, None), "5"),
    Row("claude-opus-4-8", Tokens(0, 1_000_000, 0, 0, 0, None), "0.5"),
    Row("claude-opus-4-8", Tokens(0, 0, 1_000_000, 0, 0, None), "6.25"),
    Row("claude-opus-4-8", Tokens(0, 0, 0, 1_000_000, 0, None), "10"),
    Row("claude-opus-4-8", Tokens(0, 0, 0, 0, 1_000_000, None), "25"),
    # 0.005 + 0.01 + 0.01875 + 0.04 + 0.0125
    Row("claude-opus-4-8", ALL, "0.08625"),
    # 4, 0.20, 5, 8, 20: 0.004 + 0.004 + 0.015 + 0.032 + 0.01; fast is twice, batch is half of it.
    Row("claude-opus-5-5", ALL, "0.065"),
    Row("claude-opus-5-5", ALL, "0.13", context="fast"),
    Row("claude-opus-5-5", ALL, "0.0325", context="batch"),
    # A tier of 100,000 on all input makes all of the request five times as dear, output as well.
    Row("claude-haiku-5-5", Tokens(100_000, 0, 0, 0, 1_000, None), "0.0105"),
    Row("claude-haiku-5-5", Tokens(100_001, 0, 0, 0, 1_000, None), "0.0525005"),
    # 60,000 at 0.50 + 30,000 at 0.05 + 10,000 at 0.625 + 1 at 1.00, and 1,000 of output at 2.50
    Row("claude-haiku-5-5", Tokens(60_000, 30_000, 10_000, 1, 1_000, None), "0.040251"),
    Row("claude-haiku-5-5", Tokens(60_000, 30_000, 9_000, 1_000, 1_000, None), "0.008125"),
    # Tiers were dropped on 13 March 2026, a day of UTC: 250,000 at 6 and 1,000 at 22.50, then at 3 and 15.
    Row("claude-sonnet-4-6", Tokens(250_000, 0, 0, 0, 1_000, None), "1.5225", at="2026-03-12T23:59:59.999"),
    Row("claude-sonnet-4-6", Tokens(250_000, 0, 0, 0, 1_000, None), "0.765", at="2026-03-13T00:00"),
    # Bedrock's regions are a tenth dearer than its global endpoint.
    Row("global.anthropic.claude-opus-4-8-v1:0", ALL, "0.08625"),
    Row("us.anthropic.claude-opus-4-8-v1:0", ALL, "0.094875"),
    # A router's entry has no price for writes of an hour, so they cost what writes cost: 4,000 at 6.25.
    Row("openrouter/anthropic/claude-opus-4.8", ALL, "0.07125"),
    # OpenAI: 4, 0.40, 5, 20, above 272,000 of input 8, 0.80, 10, 30; before 21 August 5, 0.50, 6.25, 30.
    Row("gpt-5.6-sol", Tokens(72_000, 200_000, 0, 0, 10_000, 8_000), "0.568"),
    Row("gpt-5.6-sol", Tokens(72_001, 200_000, 0, 0, 10_000, 8_000), "1.036008"),
    Row("gpt-5.6-sol", Tokens(72_000, 200_000, 0, 0, 10_000, 8_000), "0.76", at="2026-08-20T23:59"),
    Row("gpt-5.6-sol", Tokens(72_000, 200_000, 0, 0, 10_000, 8_000), "1.136", context="priority"),
    Row("gpt-5.6-sol", Tokens(72_000, 200_000, 0, 0, 10_000, 8_000), "0.284", context="flex"),
    # Its writes into the cache have no price of their own: they are input.
    Row("gpt-5", Tokens(1_000, 2_000, 3_000, 4_000, 5_000, None), "0.06025"),
    # Google: 1.25, 0.125, 10, above 200,000 twice as much for input and half as much again for output.
    Row("gemini-2.5-pro", Tokens(150_000, 50_000, 0, 0, 2_000, 1_500), "0.21375"),
    Row("gemini-2.5-pro", Tokens(150_001, 50_000, 0, 0, 2_000, 1_500), "0.4175025"),
    # DeepSeek is half as dear at night, from 16:30 to 0:30 of UTC.
    Row("deepseek-chat", Tokens(100_000, 10_000, 0, 0, 1_000, None), "0.0144", at="2026-11-20T16:30"),
    Row("deepseek-chat", Tokens(100_000, 10_000, 0, 0, 1_000, None), "0.0288", at="2026-11-20T16:29:59.999"),
    Row("deepseek-chat", Tokens(100_000, 10_000, 0, 0, 1_000, None), "0.0144", at="2026-11-20T00:29:59.999"),
    Row("deepseek-chat", Tokens(100_000, 10_000, 0, 0, 1_000, None), "0.0288", at="2026-11-20T00:30"),
    # Moonshot 3, 0.30, 3, 6, 15; Z.ai 1.40, 0.26, 4.40; Groq 0.15, 0.075, 0.60; Mistral before and after a rise.
    Row("kimi-k3", ALL, "0.0495"),
    Row("z-ai/glm-5.2", Tokens(10_000, 20_000, 0, 0, 1_000, None), "0.0236"),
    Row("groq/openai/gpt-oss-120b", Tokens(10_000, 20_000, 0, 0, 1_000, None), "0.0036"),
    Row("mistral-medium-latest", Tokens(10_000, 20_000, 0, 0, 1_000, None), "0.0068", at="2026-06-15T23:59"),
    Row("mistral-medium-latest", Tokens(10_000, 20_000, 0, 0, 1_000, None), "0.0255", at="2026-06-16T00:00"),
    # Reasoning with a price of its own: 2,000 at 8 and 1,000 at 3, beside 10,000 of input at 2.
    Row("openrouter/perplexity/sonar-deep-research", Tokens(10_000, 0, 0, 0, 3_000, 1_000), "0.039"),
    Row("openrouter/perplexity/sonar-deep-research", Tokens(10_000, 0, 0, 0, 3_000, None), "0.044"),
    # A request costs 0.014 by itself, besides 3 and 15.
    Row("perplexity/sonar-pro", Tokens(1_000, 0, 0, 0, 100, None), "0.0185"),
    # A context whose price the list does not know, then or at all, has none: the ordinary price would be wrong.
    Row("claude-opus-5-5", ALL, None, at="2026-10-13T23:59", context="batch"),
    Row("claude-sonnet-5-5", ALL, None, context="fast"),
    Row("claude-opus-5-5", ALL, None, context="priority"),
    Row("claude-opus-5-5", ALL, None, context="fast batch"),
    Row("claude-opus-5-5", ALL, None, context="us"),
    # Inference in the US alone costs a tenth more from Claude 4.6 on, on top of fast mode and of batches.
    Row("claude-opus-4-8", Tokens(1_000_000, 0, 0, 0, 0, None), "5.5", context="geo-us"),
    Row("claude-opus-4-8", Tokens(0, 1_000_000, 0, 0, 0, None), "0.55", context="geo-us"),
    Row("claude-opus-4-8", Tokens(0, 0, 1_000_000, 0, 0, None), "6.875", context="geo-us"),
    Row("claude-opus-4-8", Tokens(0, 0, 0, 1_000_000, 0, None), "11", context="geo-us"),
    Row("claude-opus-4-8", Tokens(0, 0, 0, 0, 1_000_000, None), "27.5", context="geo-us"),
    Row("claude-opus-4-6", ALL, "0.094875", context="geo-us"),
    Row("anthropic/claude-opus-4.6", ALL, "0.094875", context="geo-us"),
    Row("claude-opus-5-5[1m]", ALL, "0.0715", context="geo-us"),
    Row("claude-opus-5-5", ALL, "0.143", context="fast geo-us"),
    Row("claude-opus-5-5", ALL, "0.03575", context="batch geo-us"),
    Row("claude-haiku-5-5", Tokens(100_001, 0, 0, 0, 1_000, None), "0.05775055", context="geo-us"),
    Row("claude-sonnet-4-6", Tokens(250_000, 0, 0, 0, 1_000, None), "0.8415", context="geo-us"),
    Row("claude-sonnet-4-6", Tokens(250_000, 0, 0, 0, 1_000, None), "1.67475", at="2026-03-12T23:59", context="geo-us"),
    # Earlier models keep their prices: 5, 0.50, 6.25, 10, 25, and 3, 15, and 15, 75, and 0.80, 4.
    Row("claude-opus-4-5-20251101", ALL, "0.08625", context="geo-us"),
    Row("claude-sonnet-4-20250514", Tokens(1_000, 0, 0, 0, 100, None), "0.0045", context="geo-us"),
    Row("claude-opus-4-1", Tokens(1_000, 0, 0, 0, 100, None), "0.0225", context="geo-us"),
    Row("claude-3-5-haiku-20241022", Tokens(1_000, 0, 0, 0, 100, None), "0.0012", context="geo-us"),
    # Nobody says what another region, two of them, another seller or a tier without a price costs.
    Row("claude-opus-5-5", ALL, None, context="geo-eu"),
    Row("claude-opus-5-5", ALL, None, context="geo-eu geo-us"),
    Row("claude-opus-5-5", ALL, None, context="priority geo-us"),
    Row("us.anthropic.claude-opus-4-8-v1:0", ALL, None, context="geo-us"),
    Row("openrouter/anthropic/claude-opus-4.8", ALL, None, context="geo-us"),
    Row("gpt-5", ALL, None, context="geo-us"),
    Row("azure/gpt-5.5", ALL, None, context="priority"),
    # Unknown tokens cost nothing here; other code decides if that may be told.
    Row("claude-opus-4-8", Tokens(1_000, None, None, None, 500, None), "0.0175"),
    Row("claude-opus-4-8", Tokens(0, 0, 0, 0, 0, 0), "0"),
)


def ms(at: str) -> int:
    """Return a moment of UTC in epoch milliseconds."""
    return round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("row", PRICES, ids=lambda row: f"{row.model} {row.usd} {row.at} {row.context}")
def test_request_costs_what_the_hand_computes(row: Row) -> None:
    """A request is priced at its own time, in its own context, by its own input."""
    price = GenaiPriceList().price(row.model, ms(row.at), row.context, row.tokens)
    told = None if price is None else price.nano
    assert told == (None if row.usd is None else int(Decimal(row.usd) * 10**9))


@pytest.mark.parametrize(
    ("tokens", "nano"),
    [
        # Deepseek's cache read costs 3.625 nano-dollars a token at first: 10.875, 14.5 (to the even 14), 18.125, 21.75.
        (3, 11),
        (4, 14),
        (5, 18),
        (6, 22),
        # 43.5 goes to the even 44.
        (12, 44),
    ],
)
def test_price_is_rounded_once_to_the_nearest_nano_dollar_and_in_the_middle_to_the_even_one(
    tokens: int, nano: int
) -> None:
    """All kinds of tokens are added up before anything is rounded."""
    price = GenaiPriceList().price("deepseek-v4-pro", ms("2026-05-01T12:00"), "", Tokens(0, tokens, 0, 0, 0, 0))
    assert price is not None
    assert price.nano == nano


@pytest.mark.parametrize(
    ("context", "tokens", "nano"),
    [
        # A write costs 125 nano-dollars a token, so 137.5 (to the even 138), 275, 412.5 (to the even 412).
        ("geo-us", 1, 138),
        ("geo-us", 2, 275),
        ("geo-us", 3, 412),
        # Of a batch 62.5, so 68.75, 137.5, 412.5: rounded before it is multiplied, the first one would be 68.
        ("batch geo-us", 1, 69),
        ("batch geo-us", 2, 138),
        ("batch geo-us", 6, 412),
    ],
)
def test_price_of_inference_in_the_us_is_rounded_once(context: str, tokens: int, nano: int) -> None:
    """The price of a token is multiplied, not the rounded price of a request."""
    price = GenaiPriceList().price("claude-haiku-5-5", ms(NOVEMBER), context, Tokens(0, 0, tokens, 0, 0, 0))
    assert price is not None
    assert price.nano == nano


def test_price_that_was_multiplied_says_by_what() -> None:
    """Its origin names the entry, the factor and the reason; that of an earlier model is the plain entry."""
    prices = GenaiPriceList()
    refs = [prices.price_many(model, "geo-us", [], [])[0] for model in ("claude-opus-4-8", "claude-opus-4-5", "gpt-5")]
    told = [None if ref is None else ref.model for ref in refs]
    assert told == ["anthropic/claude-opus-4-8 * 1.1 (inference_geo us)", "anthropic/claude-opus-4-5", None]


def test_price_names_the_list_with_its_version() -> None:
    """The list has no date of its own, so the library's version says which one it was."""
    price = GenaiPriceList().price("claude-opus-4-8[1m]", ms(NOVEMBER), "", ALL)
    assert price is not None
    name, _, version = price.ref.list.partition(" ")
    assert (name, version.count("."), price.ref.model) == (LIBRARY, 2, "anthropic/claude-opus-4-8")


def test_ten_requests_below_a_tier_cost_less_than_their_sum_would() -> None:
    """Sums must not be priced: ten requests of 50,000 cost 0.05, and one of 500,000 costs 0.25."""
    prices = GenaiPriceList()
    one = prices.price("claude-haiku-5-5", ms(NOVEMBER), "", Tokens(50_000, 0, 0, 0, 0, None))
    total = prices.price("claude-haiku-5-5", ms(NOVEMBER), "", Tokens(500_000, 0, 0, 0, 0, None))
    assert one is not None
    assert total is not None
    assert (one.nano * 10, total.nano) == (50_000_000, 250_000_000)


def test_prices_of_known_models_outlive_the_list() -> None:
    """After it was let go of, a model that was seen is priced without it, and a new one reads it again."""
    prices = GenaiPriceList()
    before = prices.price("deepseek-v4-pro", ms(NOVEMBER), "", ALL)
    prices.let_go()
    assert prices.price("deepseek-v4-pro", ms(NOVEMBER), "", ALL) == before
    assert prices._list is None
    assert prices.price("claude-opus-4-8", ms(NOVEMBER), "", ALL) is not None
    assert prices._list is not None


def test_questions_for_prices_of_any_name_leave_nothing_behind() -> None:
    """Only names of stored requests are kept; questions for many others take no memory."""
    prices, at = GenaiPriceList(), int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
    assert isinstance(prices.quote("claude-opus-4-8", at), Quote)
    assert prices.quote("claude-opus-4-8-invented", at) is Unpriced.NAME
    assert prices._tariffs == {}
    assert prices._list is None
