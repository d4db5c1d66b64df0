"""Budgets, plans, limits and the webhook by request: their shapes, what they change, and what is refused."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from aico.core import errors
from aico.core.usage import Tokens, UsageEvent, digest
from aico.services.budget_shapes import BudgetStandingOut, PlanOut, WebhookOut
from aico.services.limits import LimitOut
from tests.api.answer_checks import check_problem
from tests.api.conftest import Api, Serve
from tests.api.test_session_routes import get, summary, write
from tests.calm_zone import calm_zone
from tests.e2e.fake_cline_ledger import entry
from tests.services.webhook_receiver import saying, webhook_receiver

CLAUDE = "claude-code"
MODEL = "claude-opus-4-1"
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def where_no_day_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine stand where today stays today."""
    monkeypatch.setenv("TZ", calm_zone())


async def send(api: Api, method: str, route: str, body: object = None) -> httpx.Response:
    """Ask as the service's own page does."""
    headers = {"Origin": "http://127.0.0.1:8611"}
    return await api.client.request(method, route, headers=headers, content=None if body is None else json.dumps(body))


async def put(api: Api, route: str, body: object) -> dict[str, object]:
    """Return what a PUT answers, which must be well."""
    response = await send(api, "PUT", route, body)
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


def used(name: str, at: int, *, output: int = 1_000, model: str = MODEL, nano: int | None = None) -> UsageEvent:
    """Return a request whose output alone costs 75 dollars per million tokens by the list."""
    return UsageEvent(digest(name), "main", at, model, Tokens(0, 0, 0, 0, output, None), nano)


async def test_plan_makes_list_prices_a_value_and_no_money(serve: Serve) -> None:
    """In every sum, session, request, message, budget and metric; and money again where the plan goes."""
    now = int(time.time() * 1000)
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await write(api, CLAUDE, used("1", now), used("2", now, nano=250_000_000))
        await write(api, "codex", used("3", now, nano=1_000_000_000))
        before = await metric(api, "aico_cost_usd_total")
        assert (await summary(api)).totals.cost_usd == 1.325
        plan = {"price": 200, "renews_on": 31, "limits": {"five_hours_usd": 0.5, "week_usd": None}}
        answer = PlanOut.model_validate(await put(api, f"/api/plans/{CLAUDE}", plan))
        assert (answer.price, answer.currency, answer.renews_on, answer.fixed) == (200.0, "USD", 31, False)
        assert (answer.value_usd, answer.limits.five_hours_usd, answer.at_least) == (0.075, 0.5, False)
        assert answer.since < answer.until
        assert [PlanOut.model_validate(each) for each in (await get(api, "/api/plans")).json()] == [answer]

        totals = (await summary(api)).totals
        assert (totals.cost_usd, totals.list_cost_usd, totals.cost_basis.listed) == (1.25, 0.225, 0.0)
        # The part that the plan pays for: neither the list value of a recorded cost, nor of another tool.
        answer_by_session = await summary(api, "?by=source,session")
        assert [(each.source, each.cost_usd, each.plan_value_usd) for each in answer_by_session.groups] == [
            ("codex", 1.0, 0.0),
            (CLAUDE, 0.25, 0.075),
        ]
        assert (totals.plan_value_usd, sum(each.plan_value_usd for each in answer_by_session.series)) == (0.075, 0.075)
        overview = (await get(api, f"/api/overview?tz={calm_zone()}")).json()
        assert [overview[each]["totals"]["plan_value_usd"] for each in ("today", "month")] == [0.075, 0.075]
        page = (await get(api, f"/api/sessions?source={CLAUDE}")).json()
        assert (page["items"][0]["cost_usd"], page["items"][0]["spent"]["cost_usd"]) == (0.25, 0.25)
        assert (page["items"][0]["plan_value_usd"], page["totals"]["plan_value_usd"]) == (0.075, 0.075)
        detail = (await get(api, f"/api/session?source={CLAUDE}&session_id=main")).json()
        assert [(each["cost_usd"], each["list_cost_usd"], each["cost_basis"]) for each in detail["requests"]] == [
            (0.25, 0.075, "recorded"),
            (None, 0.075, "none"),
        ]
        with api.service.hub.subscribe(None, None) as subscription:
            await write(api, CLAUDE, used("4", now))
            await subscription.get()
            [row] = json.loads(await subscription.get() or "")["rows"]
        assert (row["cost_usd"], row["spent"]["cost_usd"], row["spent"]["list_cost_usd"]) == (0.25, 0.0, 0.075)
        assert (row["plan_value_usd"], row["spent"]["plan_value_usd"]) == (0.15, 0.075)
        # The cost shown as money stays; usage from now on is a value.
        assert await metric(api, "aico_cost_usd_total") == before
        assert await metric(api, "aico_plan_value_usd_total") == {CLAUDE: 0.075}
        assert (await metric(api, "aico_current_cost_usd"))[CLAUDE] == 0.25

        assert (await send(api, "DELETE", f"/api/plans/{CLAUDE}")).status_code == 204
        assert ((totals := (await summary(api)).totals).cost_usd, totals.plan_value_usd) == (1.4, 0.0)
        assert await metric(api, "aico_cost_usd_total") == before
        await write(api, CLAUDE, used("5", now))
        after = await metric(api, "aico_cost_usd_total")
        assert after[CLAUDE] - before[CLAUDE] == pytest.approx(0.075)
        assert await metric(api, "aico_plan_value_usd_total") == {CLAUDE: 0.075}


async def test_plan_is_worth_what_sums_say_it_pays_for(serve: Serve) -> None:
    """A cost that a tool records is paid apart: the plan's value is 0 then, and unknown only without any price."""
    now = int(time.time() * 1000)
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await write(api, CLAUDE, used("1", now, nano=250_000_000))
        await put(api, f"/api/plans/{CLAUDE}", {"price": 200, "renews_on": 31})
        for event, value, at_least in (
            (None, 0.0, False),
            (used("2", now, model="of-my-own"), None, True),
            (used("3", now), 0.075, True),
        ):
            if event is not None:
                await write(api, CLAUDE, event)
            [plan] = [PlanOut.model_validate(each) for each in (await get(api, "/api/plans")).json()]
            assert (plan.value_usd, plan.at_least) == (value, at_least)
            assert (await summary(api)).totals.plan_value_usd == (value or 0.0)


async def metric(api: Api, name: str) -> dict[str, float]:
    """Return the sum of a metric by source."""
    found: dict[str, float] = {}
    for line in (await api.get("/metrics")).text.splitlines():
        if line.startswith(f"{name}{{"):
            source = line.split('source="')[1].partition('"')[0]
            found[source] = found.get(source, 0) + float(line.rpartition(" ")[2])
    return found


async def test_budget_is_set_told_and_removed(serve: Serve) -> None:
    """Its shape, the metrics, the old words of the status, and the window among the limits."""
    now = int(time.time() * 1000)
    async with serve(tick_s=3_600, rescan_interval_s=0, budget_monthly_usd=50) as api:
        await write(api, "codex", used("1", now, nano=4_200_000_000))
        answer = BudgetStandingOut.model_validate(
            await put(api, "/api/budgets/my%20day", {"period": "day", "amount_usd": 5})
        )
        assert (answer.name, answer.amount_usd, answer.spent_usd, answer.reached) == ("my day", 5.0, 4.2, [80])
        assert (answer.usd_per_hour, answer.fixed, answer.source, answer.at_least) == (4.2, False, None, False)
        await api.service.budgets.look()
        [mine, old] = [BudgetStandingOut.model_validate(each) for each in (await get(api, "/api/budgets")).json()][::-1]
        assert ([each.threshold for each in mine.told], mine.told[0].spent_usd) == ([80], 4.2)
        assert (old.name, old.fixed_by, old.spent_usd) == ("monthly", "budget_monthly_usd", 4.2)
        status = (await get(api, "/api/cline/status")).json()
        assert status["budget"] == {"daily_usd": 5.0, "monthly_usd": 50.0}
        limits = [LimitOut.model_validate(each) for each in (await get(api, "/api/limits")).json()]
        assert [(each.origin, each.plan, each.window, each.used_share) for each in limits] == [
            ("budget", "monthly", "month", 0.084),
            ("budget", "my day", "day", 0.84),
        ]
        text = (await api.get("/metrics")).text
        for line in (
            'aico_budget_amount_usd{budget="my day",period="day"} 5.0',
            'aico_budget_spent_usd{budget="my day",period="day"} 4.2',
            'aico_budget_reached{budget="my day",period="day",threshold="80"} 1.0',
            'aico_budget_reached{budget="my day",period="day",threshold="100"} 0.0',
            'aico_budget_usd{period="month"} 50.0',
        ):
            assert line in text
        assert (await send(api, "DELETE", "/api/budgets/my%20day")).status_code == 204
        assert [each["name"] for each in (await get(api, "/api/budgets")).json()] == ["monthly"]


async def test_rate_of_usage_without_a_price_is_not_zero(serve: Serve) -> None:
    """Nobody knows it, in a limit and in the metrics; the tokens are told."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        await write(api, CLAUDE, used("now", int(time.time() * 1000) - 1, model="of-my-own"))
        for window in map(LimitOut.model_validate, (await get(api, "/api/limits")).json()):
            assert (window.used_usd, window.usd_per_hour, window.tokens) == (None, None, 1_000)
        assert "aico_burn_usd_per_hour{" not in (await api.get("/metrics")).text


async def test_estimates_follow_our_rows(serve: Serve) -> None:
    """The open block, seven days, the rate of the last hour, and when the stated limit is reached."""
    now = int(time.time() * 1000)
    hour = now - now % HOUR_MS
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        assert (await get(api, "/api/limits")).json() == []
        await write(
            api,
            CLAUDE,
            used("old", now - 9 * 24 * HOUR_MS),
            used("block", hour - 2 * HOUR_MS + 1, output=2_000),
            used("now", now - 1),
        )
        block, week = [LimitOut.model_validate(each) for each in (await get(api, "/api/limits")).json()]
        assert (block.origin, block.source, block.window, block.used_share) == ("estimate", CLAUDE, "five_hours", None)
        assert (block.started_at, block.resets_at) == (hour - 2 * HOUR_MS, hour + 3 * HOUR_MS)
        assert (block.used_usd, block.tokens, block.usd_per_hour) == (0.225, 3_000, 0.075)
        assert (week.window, week.used_usd, week.resets_at, week.window_minutes) == ("week", 0.225, None, 10_080)
        limits = {"five_hours_usd": 0.25, "week_usd": 22.5}
        await put(api, f"/api/plans/{CLAUDE}", {"price": 100, "renews_on": 1, "currency": "EUR", "limits": limits})
        block, week = [LimitOut.model_validate(each) for each in (await get(api, "/api/limits")).json()]
        assert (block.used_share, week.used_share) == (0.9, 0.01)
        assert block.reached_at is not None
        assert abs(block.reached_at - now - HOUR_MS / 3) < 60_000
        assert week.reached_at is None
        shares = [line for line in (await api.get("/metrics")).text.splitlines() if "aico_limit_used_ratio{" in line]
        assert len(shares) == 2
        labels = f'origin="estimate",plan="",source="{CLAUDE}",window="five_hours"'
        assert f"aico_limit_used_ratio{{{labels}}} 0.9" in shares


async def test_limit_of_a_tool_that_writes_totals_is_measured_by_the_cost_that_it_records(serve: Serve) -> None:
    """Running totals have no value at list prices; without a recorded cost nothing is known."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        now = api.service.now_ms()
        limits = {"five_hours_usd": 1, "week_usd": 2}
        await put(api, "/api/plans/cline", {"price": 20, "renews_on": 1, "limits": limits})
        for cost, told in ((0, [(None, None)] * 2), (0.25, [(0.25, 0.25), (0.25, 0.125)])):
            api.ledger.write(entry("1", cost=cost, ts=now))
            (await api.import_ledger()).raise_for_status()
            windows = [LimitOut.model_validate(each) for each in (await get(api, "/api/limits")).json()]
            assert [(each.used_usd, each.used_share) for each in windows] == told
            assert [each.limit_usd for each in windows] == [1, 2]
        assert windows[0].usd_per_hour == 0.25
        assert windows[0].reached_at is not None


async def test_requests_that_nobody_may_make_are_refused(serve: Serve) -> None:
    """Names, amounts and sources that are none; pages of others; and no request sets a webhook or sees its secret."""
    async with serve(plans={"codex": {"price": 20, "renews_on": 3}}, allowed_origins=("http://other:1",)) as api:
        day = {"period": "day", "amount_usd": 5}
        for route, body, kind in (
            ("/api/budgets/a%2Fb", day, errors.RouteNotFound),
            (f"/api/budgets/{'a' * 65}", day, errors.RequestInvalid),
            ("/api/budgets/%20a", day, errors.RequestInvalid),
            ("/api/budgets/a", {**day, "amount_usd": 0}, errors.RequestInvalid),
            ("/api/budgets/a", {**day, "amount_usd": 4e-10}, errors.RequestInvalid),  # no nano-dollar
            ("/api/budgets/a", {**day, "amount_usd": "NaN"}, errors.RequestInvalid),
            ("/api/budgets/a", {**day, "period": "year"}, errors.RequestInvalid),
            ("/api/budgets/a", {**day, "name": "b"}, errors.RequestInvalid),
            ("/api/budgets/a", {**day, "source": "nothing"}, errors.SourceUnknown),
            ("/api/plans/nothing", {"price": 1, "renews_on": 1}, errors.SourceUnknown),
            ("/api/plans/cline", {"price": 1, "renews_on": 32}, errors.RequestInvalid),
            ("/api/plans/cline", {"price": 1, "renews_on": True}, errors.RequestInvalid),
            ("/api/plans/cline", {"price": -1, "renews_on": 1}, errors.RequestInvalid),
            ("/api/plans/cline", {"price": 1, "renews_on": 1, "currency": "eur"}, errors.RequestInvalid),
            ("/api/plans/codex", {"price": 1, "renews_on": 1}, errors.SettingFixed),
            ("/api/webhook/test", None, errors.WebhookMissing),
            ("/api/webhook", {"url": "https://example.org"}, errors.MethodNotAllowed),
        ):
            check_problem(await send(api, "PUT", route, body), kind)
        check_problem(await send(api, "DELETE", "/api/budgets/a"), errors.BudgetUnknown)
        check_problem(await send(api, "DELETE", "/api/plans/cline"), errors.PlanUnknown)
        check_problem(await send(api, "DELETE", "/api/plans/codex"), errors.SettingFixed)
        for method, route in (("PUT", "/api/budgets/a"), ("DELETE", "/api/plans/codex"), ("PUT", "/api/webhook/test")):
            for headers in ({"Origin": "http://other:1"}, {"Sec-Fetch-Site": "cross-site"}):
                response = await api.client.request(method, route, headers=headers, content=json.dumps(day))
                assert (response.status_code, response.json()["code"]) == (403, "origin_refused")


async def test_webhook_is_tested_and_its_secret_never_told(serve: Serve) -> None:
    """Page and interface see where it is and what came of it."""
    secret = "never to be told"  # noqa: S105  # what must not be seen
    async with webhook_receiver(saying(200)) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hidden-path"
        async with serve(webhook_url=url, webhook_secret=secret) as api:
            shown = WebhookOut.model_validate((await get(api, "/api/webhook")).json())
            assert (shown.is_set, shown.address, shown.fixed_by, shown.last) == (
                True,
                f"http://127.0.0.1:{receiver.port}/…",
                "webhook_url",
                None,
            )
            assert (await put(api, "/api/webhook/test", None))["answer"] == "taken"
            assert json.loads(receiver.calls[0].body).keys() == {"id", "type", "at"}
            everything = [
                (await api.get(route)).text
                for route in ("/api/webhook", "/api/status", "/api/cline/status", "/metrics", "/openapi.json")
            ]
            assert not any(secret in text or "hidden-path" in text for text in everything)
            assert 'aico_webhook_calls_total{answer="taken"} 1.0' in everything[3]
