"""The cost of an invented tool's requests to real models by the list, as every answer tells it."""

from __future__ import annotations

import csv
import io

from aico.core.usage import RequestState, Tokens, UsageEvent, digest
from aico.features.pricing.price_list import GenaiPriceList
from tests.api.conftest import Api, Serve
from tests.api.test_session_routes import START, TOOL, get, sessions, summary, write
from tests.core.database_damage import failed_checks


def sent(name: str, model: str, tokens: Tokens, **numbers: int | None) -> UsageEvent:
    """Return a request of one session."""
    state = RequestState.UNMEASURED if tokens == Tokens() else RequestState.FINAL
    return UsageEvent(digest(name), "main", START + len(name), model, tokens, numbers.get("nano"), state)


async def fill(api: Api) -> None:
    """Store requests that are listed, recorded beside a list value, unpriced, and unmeasured."""
    await write(
        api,
        TOOL,
        # 1,000 at 5, 20,000 at 0.50, 3,000 at 6.25, 4,000 at 10 and 500 at 25 dollars a million.
        sent("1", "claude-opus-4-8[1m]", Tokens(1_000, 20_000, 3_000, 4_000, 500, 100)),
        # 10,000 at 4 and 1,000 at 20 dollars a million in March 2026 were 5 and 30.
        sent("22", "gpt-5.6-sol", Tokens(10_000, 0, 0, 0, 1_000, None), nano=50_000_000),
        sent("333", "claude-opus-4-80", Tokens(1_000, 0, 0, 0, 10, None)),
        sent("4444", "claude-opus-4-8", Tokens()),
    )


async def test_summary_tells_list_values_and_who_says_what_it_cost(serve: Serve) -> None:
    """The list value is that of all priced requests; only where the tool states nothing it is also the cost."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await fill(api)
        answer = await summary(api, "?by=source")
        assert (answer.totals.list_cost_usd, answer.totals.cost_usd) == (0.16625, 0.13625)
        assert answer.totals.cost_basis.model_dump() == {"recorded": 0.05, "own": 0.0, "listed": 0.08625}
        assert (answer.totals.unpriced_requests, answer.totals.at_least) == (1, True)
        [group] = answer.groups
        assert (group.list_cost_usd, group.cost_usd) == (0.16625, 0.13625)
        assert sum(point.list_cost_usd or 0 for point in answer.series) == 0.16625
        assert failed_checks(api.settings.database_path) == []


async def test_sessions_and_session_tell_the_price_of_each_request(serve: Serve) -> None:
    """A session has its list value beside its cost; each request says its price, and the basis of its cost."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await fill(api)
        [item] = (await sessions(api)).items
        assert (item.list_cost_usd, item.cost_usd, item.spent.list_cost_usd) == (0.16625, 0.13625, 0.16625)
        detail = (await get(api, f"/api/session?source={TOOL}&session_id=main")).json()
        told = [(each["list_cost_usd"], each["cost_usd"], each["cost_basis"]) for each in detail["requests"]]
        names = [(each["model"], each["listed_as"], each["price_list"]) for each in detail["requests"]]
        assert told == [
            (None, None, "none"),
            (None, None, "none"),
            (0.08, 0.05, "recorded"),
            (0.08625, 0.08625, "listed"),
        ]
        name = GenaiPriceList().name
        assert names == [
            ("claude-opus-4-8", None, None),
            ("claude-opus-4-80", None, None),
            ("gpt-5.6-sol", "openai/gpt-5.6-sol", name),
            ("claude-opus-4-8[1m]", "anthropic/claude-opus-4-8", name),
        ]


async def test_region_that_becomes_known_raises_sums_counters_and_the_origin_of_the_price(serve: Serve) -> None:
    """1,000 at 5 dollars a million become 1,000 at 5.50: every answer tells it, and the counter grows by the rest."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        plain = sent("1", "claude-opus-4-8", Tokens(1_000, 0, 0, 0, 0, None))
        told = []
        for record in (plain, plain._replace(context="geo-us")):
            await write(api, TOOL, record)
            [one] = (await get(api, f"/api/session?source={TOOL}&session_id=main")).json()["requests"]
            total = (await summary(api, "?by=source")).totals.cost_usd
            told.append((one["cost_usd"], one["listed_as"], total, _cost_of((await api.get("/metrics")).text)))
        entry = "anthropic/claude-opus-4-8"
        us = (0.0055, f"{entry} * 1.1 (inference_geo us)", 0.0055, 0.0055)
        assert told == [(0.005, entry, 0.005, 0.005), us]
        assert failed_checks(api.settings.database_path) == []


async def test_export_tells_list_values(serve: Serve) -> None:
    """The export of sessions holds the list value as an exact decimal."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await fill(api)
        text = (await get(api, "/api/export?format=csv")).text
        [row] = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        assert (row["list_cost_usd"], row["cost_usd"], row["unpriced_requests"]) == ("0.16625", "0.13625", "1")


async def test_metrics_add_a_list_price_once(serve: Serve) -> None:
    """Reading a request again, or more of it, lets the counters grow by what is new."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await write(api, TOOL, sent("1", "claude-opus-4-8", Tokens(1_000, 0, 0, 0, 0, None)))
        before = (await api.get("/metrics")).text
        await write(api, TOOL, sent("1", "claude-opus-4-8", Tokens(1_000, 0, 0, 0, 100, None)))
        after = (await api.get("/metrics")).text
        assert [_cost_of(text) for text in (before, after)] == [0.005, 0.0075]


def _cost_of(text: str) -> float:
    """Return the sum of the cost counters of the invented tool."""
    lines = [line for line in text.splitlines() if line.startswith("aico_cost") and TOOL in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
