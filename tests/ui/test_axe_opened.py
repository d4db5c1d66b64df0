"""axe finds nothing in what is opened on the page: maps, lines, dialogs and panels, in themes, languages and sizes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from aico.core.usage import RequestState, Tokens, UsageEvent, digest
from aico.features.pricing.price_list import GenaiPriceList
from tests.core.repository_on_file import open_store
from tests.quick_variants import first_is_quick, first_row_is_quick
from tests.ui.conftest import Opener, ServiceMaker
from tests.ui.fake_proxies import proxy
from tests.ui.observed_page import Observed
from tests.ui.restartable_service import Service, entry, now_ms
from tests.ui.test_axe import THEMES, WAYS, Size, Theme, check_with_axe
from tests.ui.test_blocked_sockets import BLOCKED

TOKENS = Tokens(1_000, 20_000, 300, 40, 500, None)


def _request(name: str, model: str, state: RequestState = RequestState.FINAL) -> UsageEvent:
    return UsageEvent(digest(name), "main", now_ms() - 60_000, model, TOKENS, None, state, None)


@pytest.fixture(scope="module")
def service(make_shared: ServiceMaker) -> Service:
    """Serve Cline and Claude Code, a model without a price, and budgets, plan and price of the user's own."""
    service = make_shared()

    async def fill() -> None:
        async with open_store(service.database, GenaiPriceList()) as store:
            store.now_ms = now_ms()
            events = [
                _request("1", "claude-opus-4-1"),
                _request("2", "house-model"),
                _request("3", "claude-opus-4-1", RequestState.INTERRUPTED),
            ]
            await store.take_in_of("claude-code", events, "projects")

    # The library of the browser has a loop in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, fill()).result()
    service.ledger.write(entry("1001", ts=now_ms() - 50_000, cost=4.0))
    service.start()
    day = {"period": "day", "amount_usd": 4.5}
    shop = {"period": "week", "amount_usd": 3, "source": "cline"}
    plan = {"price": 20, "currency": "EUR", "renews_on": 3, "limits": {"five_hours_usd": 12, "week_usd": None}}
    for path, body in (("budgets/day", day), ("budgets/shop", shop), ("plans/claude-code", plan)):
        service.ask(f"/api/{path}", method="PUT", body=body).raise_for_status()
    return service


@pytest.mark.parametrize(("theme", "language", "size"), first_row_is_quick(*WAYS))
def test_axe_finds_nothing_in_what_is_opened(
    service: Service, open_page: Opener, theme: Theme, language: str, size: Size
) -> None:
    """The heat map, the line of gaps, prices, the panel of a session with requests, budgets and plans of one's own."""
    page = open_page(service, theme=theme, language=language, size=size).page
    expect(page.locator(".cards > .card")).to_have_count(3)
    page.locator("[data-field=hours] summary").click()
    expect(page.locator(".heat svg")).to_be_visible()
    page.locator("[data-field=gaps] summary").click()
    expect(page.locator("[data-field=gaps] [data-tool=claude-code]")).to_be_visible()
    page.locator(".plot").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".tip")).to_be_visible()
    check_with_axe(page)
    page.locator("[data-field=gaps] .link").first.click()
    expect(page.locator("#prices")).to_be_visible()
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.locator("[data-field=terms]").click()
    expect(page.locator("#terms [data-budget=shop]")).to_be_visible()
    expect(page.locator("#terms [data-plan=claude-code]")).to_be_visible()
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.locator(".tasks tfoot").scroll_into_view_if_needed()  # rows are made where they are seen
    page.locator("tr[data-tool=claude-code] .open").click()
    expect(page.locator("#session .requests tbody tr")).to_have_count(3)
    check_with_axe(page)


@pytest.mark.parametrize("theme", first_is_quick(*THEMES))
def test_axe_finds_nothing_in_the_notice_of_polling(service: Service, browser: Browser, theme: Theme) -> None:
    """If no socket gets through, the notice with its setting is as good as the rest."""
    with proxy(urlsplit(service.url).port or 0, keeps_host=False) as address:
        context = browser.new_context(locale="en-US", color_scheme=theme)
        observed = Observed(context.new_page(), address)
        observed.allow(BLOCKED)
        observed.page.goto(address)
        notice = observed.page.locator("[data-notice=polling]")
        expect(notice.get_by_role("button")).to_be_visible()
        expect(observed.page.locator("[data-field=cost]")).to_be_visible()
        check_with_axe(observed.page)
        assert observed.unexpected() == []
        context.close()
