"""Figure: the time of pricing requests by the list, beside genai-prices called for each of them."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from random import Random

from genai_prices import Usage, calc_price

from aico.core.usage import Tokens
from aico.features.pricing.price_list import CONTEXTS, GenaiPriceList
from bench.figure import Figure, Measurement, Setup, blocking
from bench.intervals import ratio_interval

_BATCH = 10_000
"""Requests that are priced at a time, fresh from the database or a parser."""
_REQUESTS = 1_000_000
_OF_THE_LIBRARY = 1_000
"""Requests of a batch that the library is called for: all of them would take 100 s."""
_FIRST_MS, _SPAN_MS = 1_785_000_000_000, 10_000_000_000
_MODELS = (
    *("claude-opus-4-8", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5[1m]"),
    *(
        "gpt-5.6-sol",
        "gpt-5.5-codex",
        "gpt-6.1-sol",
        "gemini-3.8-flash",
        "gemini-2.5-pro",
        "deepseek-v4-pro",
        "kimi-k3",
    ),
)


def _measure(_setup: Setup) -> Measurement:
    prices, rng = GenaiPriceList(), Random(18)  # noqa: S311 - reproducible on purpose
    pairs = []
    priced = 0
    for _ in range(_REQUESTS // _BATCH):
        requests = [_request(rng) for _ in range(_BATCH)]
        began = time.process_time()
        priced += _price(prices, requests)
        between = time.process_time()
        _price_each(requests[:_OF_THE_LIBRARY])
        pairs.append(((between - began) / _BATCH, (time.process_time() - between) / _OF_THE_LIBRARY))
    details = {
        "own_million_s": sum(own for own, _ in pairs) / len(pairs) * _REQUESTS,
        "library_million_s": sum(library for _, library in pairs) / len(pairs) * _REQUESTS,
        "priced_count": float(priced),
    }
    return Measurement(ratio_interval(pairs, 50), len(pairs), details)


def _request(rng: Random) -> tuple[str, str, int, Tokens]:
    """Return model, context, moment and tokens of a request as a coding tool sends them."""
    tokens = Tokens(
        rng.randrange(4_000),
        rng.randrange(250_000),
        rng.randrange(8_000),
        rng.choice([0, rng.randrange(8_000)]),
        rng.randrange(4_000),
        None,
    )
    context = rng.choice(["", "", "", "", "", "", "", "fast"])
    return rng.choice(_MODELS), context, _FIRST_MS + rng.randrange(_SPAN_MS), tokens


def _price(prices: GenaiPriceList, requests: list[tuple[str, str, int, Tokens]]) -> int:
    """Price ``requests`` in bulk, put in order by model and context; return how many have a price."""
    groups: dict[tuple[str, str], tuple[list[int], list[Tokens]]] = defaultdict(lambda: ([], []))
    for model, context, ts, tokens in requests:
        moments, many = groups[model, context]
        moments.append(ts)
        many.append(tokens)
    count = 0
    for (model, context), (moments, many) in groups.items():
        _ref, costs = prices.price_many(model, context, moments, many)
        count += len(costs) - costs.count(None)
    return count


def _price_each(requests: list[tuple[str, str, int, Tokens]]) -> None:
    """Call the library for each of ``requests``, as its documents say."""
    for model, context, ts, tokens in requests:
        # Ours are disjoint.
        sent, read, short, long, output, _ = (number or 0 for number in tokens)
        usage = Usage(
            input_tokens=sent + read + short + long,
            cache_read_tokens=read,
            cache_write_tokens=short + long,
            cache_write_1h_tokens=long,
            output_tokens=output,
        )
        calc_price(
            usage,
            model.removesuffix("[1m]"),
            genai_request_timestamp=datetime.fromtimestamp(ts / 1000, UTC),
            price_context=CONTEXTS[context] if context else None,
        )


PRICE_FIGURES = (
    Figure(
        "price_1000000",
        "processor time of pricing 1,000,000 requests, beside genai-prices called for each",
        "x",
        0.01,
        blocking(_measure),
    ),
)
