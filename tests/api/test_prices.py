"""Own prices over HTTP: set, told, tried and removed; requests follow, and slips are refused without a trace."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date

from aico.core.db.upkeep.rebuilding import rebuild_sums
from aico.core.price_settings import OwnPriceSettings
from aico.core.usage import Tokens
from tests.api.conftest import Api, Serve
from tests.api.test_list_prices import fill, sent
from tests.api.test_session_routes import TOOL, write
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import read_rows

FIXED = OwnPriceSettings.model_validate(
    {"model": "Fixed*", "valid_from": date(2026, 3, 1), "input": "0.1", "output": 3}
)
TOLD_FIXED = {
    "model": "Fixed*",
    "valid_from": "2026-03-01",
    "input": 0.1,
    "output": 3.0,
    "cache_read": None,
    "cache_write_5m": None,
    "cache_write_1h": None,
    "fixed": True,
}


async def settled(api: Api) -> None:
    """Wait until prices are brought to all that is stored."""
    task = api.service.prices._task
    assert task is not None
    await task
    status = (await api.get("/api/status")).json()
    assert status["pricing"] is None


async def put(api: Api, model: str, **body: object) -> tuple[int, object]:
    """Set a price; return status and answer."""
    answer = await api.client.put("/api/prices", params={"model": model}, json=body)
    return answer.status_code, answer.json()


async def test_own_price_is_set_told_counted_and_removed(serve: Serve) -> None:
    """Rows, sums and counters follow; the file's are told as fixed; a socket hears of it; what is removed is gone."""
    async with serve(tick_s=3_600, rescan_interval_s=0, prices=(FIXED,)) as api:
        await fill(api)
        assert (await api.get("/api/prices")).json() == [TOLD_FIXED]
        revision = api.service.hub.revision
        status, listed = await put(api, "claude-opus-4-80", input=2, output=100, valid_from=None)
        mine = {**TOLD_FIXED, "model": "claude-opus-4-80", "valid_from": None, "input": 2.0, "output": 100.0}
        assert (status, listed) == (200, [mine | {"fixed": False}, TOLD_FIXED])
        await settled(api)
        assert api.service.hub.revision == revision + 2
        totals = (await api.get("/api/summary")).json()["totals"]
        # 1,000 at 2 and 10 at 100 dollars a million.
        assert totals["cost_basis"] == {"recorded": 0.05, "own": 0.003, "listed": 0.08625}
        assert (totals["cost_usd"], totals["unpriced_requests"]) == (0.13925, 0)
        detail = (await api.get(f"/api/session?source={TOOL}&session_id=main")).json()
        assert [(each["cost_usd"], each["cost_basis"]) for each in detail["requests"]] == [
            (None, "none"),
            (0.003, "own"),
            (0.05, "recorded"),
            (0.08625, "listed"),
        ]
        assert (await put(api, "claude-opus-4-80*", input=0.5, output=0))[0] == 200
        assert (await put(api, "CLAUDE-OPUS-4-80", input=0, output=0, valid_from="2020-01-01"))[0] == 200
        await settled(api)
        assert (await api.get("/api/summary")).json()["totals"]["cost_basis"]["own"] == 0
        left = await api.client.delete("/api/prices", params={"model": "claude-opus-4-80", "valid_from": "2020-01-01"})
        assert [each["model"] for each in left.json()] == ["claude-opus-4-80", "claude-opus-4-80*", "Fixed*"]
        for model in ("claude-opus-4-80", "claude-opus-4-80*"):
            left = await api.client.delete("/api/prices", params={"model": model})
        assert left.json() == [TOLD_FIXED]
        await settled(api)
        assert (await api.get("/api/summary")).json()["totals"]["unpriced_requests"] == 1
        shown = (await api.get("/metrics")).text
        assert f'aico_cost_usd_total{{model="claude-opus-4-80",source="{TOOL}"}} 0.003\n' in shown
        assert f'aico_current_cost_usd{{model="claude-opus-4-80",source="{TOOL}"}} 0.0\n' in shown
        assert failed_checks(api.settings.database_path) == []


async def test_refusals_name_what_is_wrong(serve: Serve) -> None:
    """Each with its status and code, whatever is sent; nothing is stored of it."""
    async with serve(tick_s=3_600, rescan_interval_s=0, prices=(FIXED,)) as api:
        good: dict[str, object] = {"input": 1, "output": 1}
        refused: list[tuple[str, dict[str, object], str]] = [
            ("m", {"input": 1}, "output"),
            ("m", good | {"input": -1}, "input"),
            ("m", good | {"input": True}, "input"),
            ("m", good | {"input": "NaN"}, "input"),
            ("m", good | {"output": 1e9}, "output"),
            ("m", good | {"cache_read": 1e-9}, "cache_read"),
            ("m", good | {"valid_from": "1969-12-31"}, "valid_from"),
            ("m", good | {"valid_from": "soon"}, "valid_from"),
            ("m", good | {"cash": 1}, "body"),
            ("a*b", good, "model"),
            (" ", good, "model"),
            ("", good, "model"),
        ]
        for model, body, field in refused:
            status, problem = await put(api, model, **body)
            assert isinstance(problem, dict)
            assert (status, problem["code"], problem["detail"].partition(":")[0]) == (422, "request_invalid", field)
        text = await api.client.put("/api/prices?model=m", content=b'{"input": NaN, "output": 1}')
        assert text.status_code == 422
        assert (await put(api, "fixed*", **good, valid_from="2026-03-01"))[0] == 409
        for query, status in (
            *(("model=Fixed*", 409), ("model=m", 404), ("model=m&valid_from=2026-03-01", 404)),
            *(("model=m&valid_from=soon", 422), ("", 422), ("model=m&day=1", 422)),
        ):
            assert (await api.client.delete(f"/api/prices?{query}")).status_code == status
        assert read_rows(api.settings.database_path, "SELECT * FROM own_price") == []


async def test_price_of_a_model_is_tried_with_its_reason(serve: Serve) -> None:
    """An own price, the list's with its entry and tiers, or why there is none."""
    async with serve(tick_s=3_600, rescan_interval_s=0, prices=(FIXED,)) as api:
        tried = {
            name: (await api.client.get("/api/prices/test", params={"model": name})).json()
            for name in ("fixed-1", "claude-haiku-5-5[1m]", "glm-5.2", "ollama/x", "claude-opus-4-80")
        }
        assert {name: (each["basis"], each["reason"]) for name, each in tried.items()} == {
            "fixed-1": ("own", "name"),
            "claude-haiku-5-5[1m]": ("listed", None),
            "glm-5.2": ("none", "ambiguous"),
            "ollama/x": ("none", "seller"),
            "claude-opus-4-80": ("none", "name"),
        }
        assert tried["fixed-1"]["own"] == TOLD_FIXED
        quote = tried["claude-haiku-5-5[1m]"]["listed"]
        assert (quote["listed_as"], quote["input"]) == ("anthropic/claude-haiku-5-5", 0.1)
        assert [(tier["above"], tier["input"]) for tier in quote["tiers"]] == [(100_000, 0.5)]


async def test_recorded_costs_stand_beside_list_values(serve: Serve) -> None:
    """Only requests with both are compared; by source and model, for a session, and inside a filter."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await fill(api)
        await write(api, TOOL, sent("55555", "nobody/knows", Tokens(1_000, 0, 0, 0, 10), nano=1))
        compared = (await api.get("/api/prices/compared")).json()
        known = {"source": TOOL, "model": "gpt-5.6-sol", "requests": 1, "without_list_requests": 0}
        costs = {"recorded_cost_usd": 0.05, "list_cost_usd": 0.08, "difference_usd": -0.03}
        nothing = dict.fromkeys(costs, 0.0)
        unknown = {"source": TOOL, "model": "nobody/knows", "requests": 0, "without_list_requests": 1}
        assert compared == [known | costs, unknown | nothing]
        detail = (await api.get(f"/api/session?source={TOOL}&session_id=main")).json()
        assert detail["compared"] == compared
        assert (await api.get("/api/prices/compared?model=gpt-5.6-sol&to=0")).json() == []
        assert (await api.get("/api/prices/compared?source=nobody")).status_code == 404


async def test_newer_list_is_shown_and_applied_when_told(serve: Serve) -> None:
    """A price of an older list stays until the review is applied; then that is noted, and none is left."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await fill(api)
        with closing(sqlite3.connect(api.settings.database_path)) as connection, connection:
            connection.execute("UPDATE price_ref SET list = 'genai-prices 0.0.1'")
        api.service.writer._names = None  # as after a restart
        present = api.service.prices.list_name
        assert (await api.get("/api/prices/review")).json()["requests"] == 0  # an older list, and the same prices
        with closing(sqlite3.connect(api.settings.database_path)) as connection, connection:
            connection.execute("UPDATE usage_event SET list_nano = list_nano + 1000000000 WHERE list_nano IS NOT NULL")
            rebuild_sums(connection)
        before = (await api.get("/api/prices/review")).json()
        told = {"price_list": present, "requests": 2, "before_usd": 2.16625, "after_usd": 0.16625}
        assert before["cost_change_usd"] == -1
        assert {name: before[name] for name in told} == told
        assert [(line["model"], line["cost_change_usd"]) for line in before["models"]] == [
            *(("claude-opus-4-8[1m]", -1), ("gpt-5.6-sol", 0))
        ]
        assert (await api.client.put("/api/prices/review")).json() == before
        await settled(api)
        after = (await api.get("/api/prices/review")).json()
        applied = {"price_list": present, "requests": 2, "before_usd": 2.16625, "after_usd": 0.16625}
        assert (after["requests"], [{**each, "at": None} for each in after["applied"]]) == (0, [applied | {"at": None}])
        assert (await api.get("/api/summary")).json()["totals"]["list_cost_usd"] == 0.16625
        assert failed_checks(api.settings.database_path) == []


async def test_currency_is_set_told_and_removed(serve: Serve) -> None:
    """It changes no amount of the interface; what cannot be one is refused with the field."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await fill(api)
        before = (await api.get("/api/summary?tz=UTC")).json()["totals"]
        assert (await api.get("/api/currency")).json() is None
        euro = {"code": "EUR", "per_usd": 0.92, "as_of": "2026-02-03"}
        assert (await api.client.put("/api/currency", json=euro)).json() == euro | {"fixed": False}
        assert (await api.get("/api/status")).json()["currency"] == euro | {"fixed": False}
        for change, field in (
            ({"code": "USD"}, "code"),
            ({"code": "eur"}, "code"),
            ({"per_usd": 0}, "per_usd"),
            ({"per_usd": 1e7}, "per_usd"),
            ({"per_usd": "NaN"}, "per_usd"),
            ({"as_of": "1969-12-31"}, "as_of"),
            ({"as_of": None}, "as_of"),
        ):
            problem = (await api.client.put("/api/currency", json=euro | change)).json()
            assert (problem["code"], problem["detail"].partition(":")[0]) == ("request_invalid", field)
        assert (await api.get("/api/currency")).json() == euro | {"fixed": False}
        assert (await api.get("/api/summary?tz=UTC")).json()["totals"] == before
        assert (await api.client.delete("/api/currency")).json() is None
    async with serve(tick_s=3_600, rescan_interval_s=0, currency=euro) as api:
        assert (await api.get("/api/currency")).json() == euro | {"fixed": True}
        assert (await api.client.delete("/api/currency")).json()["code"] == "price_fixed"
